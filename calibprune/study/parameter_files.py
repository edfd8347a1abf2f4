"""Files of parameters, read as YAML 1.2 and strictly: `yes` and `2:4` are texts, and nothing is given twice."""

import re
from copy import deepcopy
from functools import lru_cache
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.constructor import DuplicateKeyError, SafeConstructor
from ruamel.yaml.error import MarkedYAMLError, YAMLError

from calibprune.errors import ParameterError, quoted

MOST = 100_000
"""Values in a file, those counted again that an alias names again; of a few lines, aliases of aliases make billions."""


class _Constructor(SafeConstructor):
    """Refuses whole numbers that the versions of YAML read differently: 040 is 32 in YAML 1.1 and 40 in YAML 1.2."""

    def construct_yaml_int(self, node):
        if re.match(r"[-+]?0[0-9_]", node.value):
            raise ParameterError(
                f"line {node.start_mark.line + 1}: {node.value} begins with a zero, and which number that is depends "
                f"on the reader of YAML; write it without, or in quotes where it is a name"
            )
        return super().construct_yaml_int(node)


_Constructor.add_constructor("tag:yaml.org,2002:int", _Constructor.construct_yaml_int)


def read_parameters(path: str | Path) -> dict[str, Any]:
    """The mapping in a YAML file of parameters, as it stands there; `Parameters.of` checks it.

    Raises:
        ParameterError: the file cannot be read, is not YAML, gives a name twice, or holds no mapping.
    """
    try:
        values = deepcopy(_values(_text(path)))
    except ParameterError as error:
        raise ParameterError(f"{path}: {error}") from None
    except DuplicateKeyError as error:
        raise ParameterError(f"{path}: {_given_twice(error)}; keep one of the two") from None
    except (YAMLError, ValueError, LookupError, TypeError, AttributeError, RecursionError) as error:
        # ruamel lets through what Python raises for a tag that does not fit its value, such as !!int [1]
        raise ParameterError(f"{path}: not valid YAML ({_where_and_what(error)}); correct the file") from None
    if not isinstance(values, dict):
        raise ParameterError(f"{path}: holds no parameters; write lines such as 'sparsity: 0.5'")
    return values


@lru_cache(32)  # every page of the book names the file that its parameters come from, and reads them all for that
def _values(text: str) -> Any:
    reader = YAML(typ="safe", pure=True)  # the reader in C takes YAML 1.1
    reader.Constructor = _Constructor
    if version := re.search(r"^%YAML\s+(?!1\.2\s*$).*$", text, re.MULTILINE):
        raise ParameterError(f"{quoted(version[0].strip())} asks for another YAML than 1.2; leave that line out")
    values = reader.load(text)
    if _count(values, {}) > MOST:
        raise ParameterError(f"its aliases stand for more than {MOST:,} values; write out what is meant")
    return values


def _count(value: Any, known: dict[int, int]) -> int:
    """How many values there are in one; of what is counted already, the number is in `known` by its identity."""
    inside = [*value.keys(), *value.values()] if isinstance(value, dict) else value
    if not isinstance(inside, list | tuple | set):
        return 1
    if id(value) not in known:
        known[id(value)] = MOST  # of a list that holds itself
        known[id(value)] = 1 + sum(_count(one, known) for one in inside)
    return known[id(value)]


def _text(path: str | Path) -> str:
    try:
        file = Path(path)
    except TypeError:
        raise ParameterError("is no path; give that of a YAML file, for example params/smoke.yaml") from None
    try:
        return file.read_text(encoding="utf-8")
    except OSError as error:
        raise ParameterError(
            f"cannot be read ({error.strerror}); the studies of this repository are in params/"
        ) from None


def _given_twice(error: DuplicateKeyError) -> str:
    name = re.search(r'found duplicate key "?(.*?)"? with value', str(error.problem))
    return f"line {error.problem_mark.line + 1} gives {name[1] if name else 'a name'} for the second time"


def _where_and_what(error: Exception) -> str:
    if not isinstance(error, MarkedYAMLError):
        return " ".join(str(error).split())[:120]
    mark = error.problem_mark or error.context_mark
    line = f"line {mark.line + 1}: " if mark else ""
    return f"{line}{' '.join(str(error.problem or error.context).split())[:120]}"
