"""What the value of a parameter may be. Strict: a truth value is no number, and a number is no name.

Parameters come from files, from papermill, whose reader of YAML takes `yes` for true and 2:4 for 124 where they are not
in quotes, and from Python, where a number of numpy's or a `Path` is as good as any.
"""

import os
import re
from collections.abc import Callable, Hashable, Mapping
from dataclasses import dataclass
from numbers import Integral
from typing import Annotated, Any

import numpy as np
from pydantic import BeforeValidator, Discriminator, Field, PlainSerializer, Tag

from calibprune.corpora import find_source
from calibprune.corpora import names as source_names
from calibprune.errors import CalibpruneError, ParameterError, one_of, quoted
from calibprune.languages import check_code, mixture
from calibprune.methods import pruner, pruners
from calibprune.metrics.registry import METRICS
from calibprune.schemes import BITS, Sparsity
from calibprune.tasks.catalogue import families
from calibprune.tasks.harness.exported import BACKENDS

TRUTH = {"true": True, "yes": True, "on": True, "false": False, "no": False, "off": False}
"""What YAML 1.1 takes for truth values, and what papermill's `-p` passes on as it is written."""


LARGEST = 2**63 - 1


def _whole(value: Any) -> int:
    if isinstance(value, np.ndarray) and value.ndim == 0:
        value = value.item()
    if isinstance(value, Integral) and not isinstance(value, bool | np.bool_ | np.timedelta64):
        if abs(int(value)) > LARGEST:
            raise ValueError(f"{quoted(value)} is too large for a number of anything; write one such as 4")
        return int(value)
    if isinstance(value, str) and re.fullmatch(r"-?(0|[1-9][0-9]{0,18})", value):
        return int(value)
    hint = " (YAML 1.1 reads yes, no, on and off as truth values)" if isinstance(value, bool | np.bool_) else ""
    raise ValueError(f"{quoted(value)} is not an integer{hint}; write a number such as 4")


def _text(value: Any) -> str:
    if isinstance(value, os.PathLike):
        value = os.fspath(value)
    elif type(value).__module__ == "torch":  # a device or a dtype, which torch writes as it reads it
        value = str(value).removeprefix("torch.")
    if not isinstance(value, str):
        hint = "[] stands for none" if value is None else "put it in quotes if it is a name"
        if isinstance(value, bool | np.bool_):
            hint = "YAML 1.1 reads yes, no, on and off as truth values; put them in quotes"
        raise ValueError(f"{quoted(value)} is not a string; {hint}")
    if not value.strip():
        raise ValueError(f"{quoted(value)} is empty; write a name")
    return str.__str__(value)  # str() of a member of an Enum is its name


def _truth(value: Any) -> bool:
    if isinstance(value, bool | np.bool_):
        return bool(value)
    if isinstance(value, str) and value.lower() in TRUTH:
        return TRUTH[value.lower()]
    raise ValueError(f"{quoted(value)} is no truth value; write true or false")


def _as_list(value: Any) -> Any:
    if hasattr(value, "tolist"):  # arrays, tensors and columns of a table
        value = value.tolist()  # of an array without a dimension the value itself
    return list(value) if isinstance(value, tuple | range) else value if isinstance(value, list) else [value]


def _one_of(what: str, names) -> BeforeValidator:
    def check(value: Any) -> str:
        if not isinstance(value, str) or value not in names:
            raise ValueError(one_of(what, value, names))
        return str.__str__(value)

    return BeforeValidator(check)


def _checked(check, value: Any) -> Any:
    """What `check` makes of a value; pydantic wants a ValueError."""
    try:
        return check(value)
    except CalibpruneError as error:
        raise ValueError(str(error)) from None


def _pruner(value: Any) -> str:
    name = str.__str__(value) if isinstance(value, str) else str(value)
    _checked(pruner, name)
    return name


def _source(value: Any) -> str:
    text = _text(value)
    _checked(find_source, text)
    return text


def _family(value: Any) -> str:
    text = _text(value)
    if text not in families():
        raise ValueError(one_of("task family", text, families()))
    return text


def _language(value: Any) -> str:
    return _checked(check_code, _text(value))


def _mixture(value: Any) -> str:
    value = _text(value)
    languages = _checked(mixture, value)
    if len(languages) == 1:
        raise ValueError(
            f"{quoted(value)} is a single language, which `languages` calibrates in; a mixture has two or more, "
            f"such as ar+en"
        )
    return value


def _sparsity(value: Any) -> Sparsity:
    try:
        return Sparsity.of(value)
    except ParameterError as error:
        raise ValueError(str(error).removeprefix("sparsity ")) from None


Several = BeforeValidator(_as_list)
"""A list; a single value stands for a list of one."""


@dataclass(frozen=True)
class Allowed:
    """What a value may be, in words for a reader."""

    words: str


Whole = Annotated[int, BeforeValidator(_whole)]
Positive = Annotated[Whole, Field(ge=1), Allowed("a whole number from 1 on")]
Length = Annotated[Whole, Field(ge=2), Allowed("a whole number from 2 on")]
Seed = Annotated[Whole, Field(ge=0, lt=2**32), Allowed("a whole number from 0 on")]
Bits = Annotated[Whole, Field(ge=BITS[0], le=BITS[-1]), Allowed(f"{BITS[0]} to {BITS[-1]}")]
Text = Annotated[str, BeforeValidator(_text)]
ModelName = Annotated[Text, Allowed("a name of the package, an id of the hub, or a folder")]
TaskName = Annotated[Text, Allowed("embedded, paper, or the name of a family or of one task")]
Folder = Annotated[Text, Allowed("a folder")]
Device = Annotated[Text, Allowed("auto, cpu, or a GPU as torch names it")]
Dtype = Annotated[Text, Allowed("auto, bfloat16, float16 or float32")]
Truth = Annotated[bool, BeforeValidator(_truth), Allowed("true or false")]
Language = Annotated[str, BeforeValidator(_language), Allowed("a code that the text source has")]
Metric = Annotated[str, _one_of("metric", METRICS), Allowed(", ".join(METRICS))]
Pruner = Annotated[str, BeforeValidator(_pruner), Allowed(", ".join(pruners()))]
Source = Annotated[str, BeforeValidator(_source), Allowed(", ".join(source_names()))]
TaskBackend = Annotated[str, _one_of("task backend", BACKENDS), Allowed(", ".join(BACKENDS))]
TaskFamily = Annotated[str, BeforeValidator(_family)]
Mixture = Annotated[str, BeforeValidator(_mixture), Allowed("two or more codes, such as ar+en")]
Pattern = Annotated[
    Sparsity,
    BeforeValidator(_sparsity),
    PlainSerializer(str),
    Allowed("a share from 0 to 1, or n of every m such as 2:4"),
]

BRANCHES = ("one for all", "one for each", "[key]")
"""How pydantic names the branches of `by_source` and `by_family` in the place of an error."""


def by_source(number: Any) -> Any:
    """A number, or a mapping that gives one for each evaluation source."""
    return _by(number, dict[Source, number])


def by_family(number: Any) -> Any:
    """A number or none, or a mapping that gives a number for each family of tasks."""
    return _by(number | None, dict[TaskFamily, number])


def _by(one_for_all: Any, one_for_each: Any) -> Any:
    one, each = (Tag(name) for name in BRANCHES[:2])
    kind = Discriminator(lambda value: BRANCHES[isinstance(value, Mapping)])
    return Annotated[Annotated[one_for_all, one] | Annotated[one_for_each, each], kind]


def distinct(values: list, same: Callable[[Any], Hashable] = lambda value: value) -> list:
    """The values. Raises ValueError where there is none, or where `same` makes of two of them the same."""
    if not values:
        raise ValueError("give at least one")
    first: dict[Hashable, Any] = {}
    for value in values:
        before = first.get(same(value))
        if before is not None:
            again = "" if before == value else f", as {quoted(before)}"
            raise ValueError(
                f"{quoted(value if isinstance(value, int) else str(value))} is there twice{again}; name it once"
            )
        first[same(value)] = value
    return values
