"""The embedded tasks: made from packaged text and the CLDR, without any download, parallel in the seven languages.

One file makes the items of each family; the YAML files here give them to the Evaluation Harness, so that
`lm_eval --include_path calibprune/tasks/embedded --tasks continuation_de` works as well as `config("continuation",
"de")`.
"""

from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import NamedTuple

import datasets

from calibprune.corpora.base import digest
from calibprune.errors import ParameterError, one_of
from calibprune.languages import PAPER_LANGUAGES
from calibprune.tasks.embedded import continuation, facts, knowledge, passage
from calibprune.tasks.paper.mkqa import scores


class Embedded(NamedTuple):
    """A family of tasks, one in each language.

    `chance` is the accuracy of guessing, None where answers are generated. `metrics` are the harness's names, the first
    one the one to report. `build(language)` makes the items: `id` (equal in all languages) and, for four-way questions,
    `context`, `choices`, `gold`; for generated answers, `context`, `answers`, `language`.
    """

    name: str
    chance: float | None
    metrics: tuple[str, ...]
    languages: tuple[str, ...]
    build: Callable[[str], list[dict]]


TASKS: dict[str, Embedded] = {
    family.name: family
    for family in (
        Embedded("continuation", 0.25, ("acc_norm", "acc"), PAPER_LANGUAGES, continuation.items),
        Embedded("knowledge", 0.25, ("acc", "acc_norm"), PAPER_LANGUAGES, knowledge.items),
        Embedded("facts", None, ("f1", "em"), PAPER_LANGUAGES, facts.items),
        Embedded("passage", 0.25, ("acc_norm", "acc"), PAPER_LANGUAGES, passage.items),
    )
}


def items(name: str, language: str) -> list[dict]:
    """The items of a task, in their fixed order; the ids and gold positions are the same in every language.

    Raises:
        ParameterError: no such family, or not in that language.
        CorpusError: the text it is made from is not installed or cannot be fetched.
    """
    if name not in TASKS:
        raise ParameterError(one_of("embedded task", name, TASKS))
    if language not in TASKS[name].languages:
        raise ParameterError(one_of(f"language of {name}", language, TASKS[name].languages))
    return [dict(item) for item in _made(TASKS[name], language)]


@cache
def _made(family: Embedded, language: str) -> list[dict]:
    return family.build(language)


def config(name: str, language: str) -> dict:
    """What `lm_eval.simple_evaluate(tasks=[...])` takes: the task's YAML file, read as the harness reads it. Errors as
    in `items`.
    """
    from lm_eval.tasks._yaml_loader import load_yaml

    items(name, language)  # bad names and missing text are said here, in one line
    return load_yaml(Path(__file__).with_name(f"{name}_{language}.yaml"))


def fingerprint(name: str) -> str:
    """A hash of the items in all languages: other questions, another fingerprint. Errors as in `items`."""
    if name not in TASKS:
        raise ParameterError(one_of("embedded task", name, TASKS))
    return _fingerprint(TASKS[name])


@cache
def _fingerprint(family: Embedded) -> str:
    return digest(family.name, *(repr(item) for language in family.languages for item in _made(family, language)))


def dataset(family: str, language: str, **_) -> dict[str, datasets.Dataset]:
    """The items as the harness wants them; the YAML files name this function. Other settings, which the harness hands
    on, are ignored.
    """
    return {"test": datasets.Dataset.from_list(items(family, language))}


def process_results(item: dict, results: list[str]) -> dict[str, float]:
    """Token F1 and exact match of one generated answer; the YAML files of `facts` name this function."""
    return scores(results[0], item["answers"], item["language"])
