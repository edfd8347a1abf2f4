"""The embedded tasks: made from packaged text and the CLDR, without any download, parallel in the paper's seven
languages.

One file makes the items of each family. `wording.csv` opens families to further languages, which have the same
questions but for a few that do not hold in them. The YAML files here give the tasks to the Evaluation Harness, so that
`lm_eval --include_path calibprune/tasks/embedded --tasks continuation_de` works as well as `config("continuation",
"de")`; calibprune/tasks/yaml_files.py writes them.
"""

from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

import datasets

from calibprune.corpora.base import digest
from calibprune.errors import ParameterError, one_of
from calibprune.languages import PAPER_LANGUAGES
from calibprune.tasks.embedded import continuation, facts, knowledge, passage, wording
from calibprune.tasks.paper.mkqa import scores


class Embedded(NamedTuple):
    """A family of tasks, one in each language.

    `chance` is the accuracy of guessing, None where answers are generated. `metrics` are the harness's names, the first
    one the one to report. `build(language)` makes the items: `id` (equal in all languages) and, for four-way questions,
    `context`, `choices`, `gold`; for generated answers, `context`, `answers`, `language`. `find_languages` tells which
    languages there are now, the paper's seven and those that a row of wording opened.
    """

    name: str
    chance: float | None
    metrics: tuple[str, ...]
    build: Callable[[str], list[dict]]
    find_languages: Callable[[], tuple[str, ...]]

    @property
    def languages(self) -> tuple[str, ...]:
        return self.find_languages()

    @property
    def template(self) -> str:
        """The file beside this one with what its tasks share."""
        return "_facts_template_yaml" if self.chance is None else "_choices_template_yaml"


TASKS: dict[str, Embedded] = {
    family.name: family
    for family in (
        Embedded("continuation", 0.25, ("acc_norm", "acc"), continuation.items, continuation.languages),
        Embedded("knowledge", 0.25, ("acc", "acc_norm"), knowledge.items, wording.languages),
        Embedded("facts", None, ("f1", "em"), facts.items, wording.languages),
        Embedded("passage", 0.25, ("acc_norm", "acc"), passage.items, lambda: PAPER_LANGUAGES),
    )
}


def items(name: str, language: str) -> list[dict]:
    """The items of a task, in their fixed order; the ids and gold positions are the same in every language, and in a
    language beside the paper's seven a few are left out.

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


def config(name: str, language: str) -> dict[str, Any]:
    """What `lm_eval.simple_evaluate(tasks=[...])` takes: the family's template and what the task adds, as in its YAML
    file. Errors as in `items`.
    """
    from lm_eval.tasks._yaml_loader import load_yaml

    items(name, language)  # bad names and missing text are said here, in one line
    return load_yaml(Path(__file__).with_name(TASKS[name].template)) | settings(name, language)


def settings(name: str, language: str) -> dict[str, Any]:
    """What sets a task apart from its family's template, as in its YAML file."""
    unspaced = TASKS[name].chance is not None and not wording.spaced(language)
    return {
        "task": f"{name}_{language}",
        "tag": f"embedded_{name}",
        **({"target_delimiter": ""} if unspaced else {}),
        "metadata": {"family": name, "language": language, "version": 1.0},
    }


def fingerprint(name: str, language: str = PAPER_LANGUAGES[0]) -> str:
    """A hash of the items: other questions, another fingerprint. It is one for the paper's seven languages, of the
    items in all of them; that of a further language has its own items beside them. Errors as in `items`.
    """
    items(name, language)
    return _fingerprint(TASKS[name], tuple(dict.fromkeys((*PAPER_LANGUAGES, language))))


@cache
def _fingerprint(family: Embedded, languages: tuple[str, ...]) -> str:
    return digest(family.name, *(repr(item) for language in languages for item in _made(family, language)))


def dataset(family: str, language: str, **_) -> dict[str, datasets.Dataset]:
    """The items as the harness wants them; the YAML files name this function. Other settings, which the harness hands
    on, are ignored.
    """
    return {"test": datasets.Dataset.from_list(items(family, language))}


def process_results(item: dict, results: list[str]) -> dict[str, float]:
    """Token F1 and exact match of one generated answer; the YAML files of `facts` name this function."""
    return scores(results[0], item["answers"], item["language"])
