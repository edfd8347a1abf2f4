"""The tasks by name: which exist in which language, and the harness's configuration of each.

| family | what it asks | languages | where |
| --- | --- | --- | --- |
| `arc_easy` | school science, the easy set | en (a mirror can add those of `arc_challenge`) | the original |
| `arc_challenge` | school science, the hard set | en and Okapi's | the original in English, else Okapi's |
| `belebele` | which answer does a passage support | 122, by our codes and by those of FLORES | human translations |
| `mmlu` | knowledge in 57 subjects | en and Okapi's | the original in English, else Okapi's |
| `hellaswag` | which ending continues a text | en and Okapi's, no zh | the original in English, else Okapi's |
| `mkqa` | questions answered freely, without context | 26 | paper/mkqa.py |

and the embedded ones of `embedded/`, which need no data, in the paper's seven languages and in those that were opened.
Which languages a benchmark of the harness has is looked up in the harness's own files: another version of it may have
others. A family names its tasks in every language of the study, `family_language` one of them. "paper" stands for the
paper's Section 4.2 and "embedded" for all embedded ones: whatever of them exists in the study's languages, which may
be nothing. Okapi's are machine translations.
"""

import difflib
import json
from collections.abc import Callable
from functools import cache
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path
from typing import Any, NamedTuple

from calibprune.corpora.base import digest
from calibprune.errors import ParameterError, one_of, quoted
from calibprune.files import expanded
from calibprune.languages import LANGUAGES, in_order
from calibprune.tasks.paper import mirror, mkqa

LISTED = 50  # so many languages of a family are named in an error, of more the nearest


class Family(NamedTuple):
    """A benchmark.

    Attributes:
        section: of the paper; "4.2" puts it into the group "paper".
        look_up: finds, by language, the YAML of the harness's own task, below its folder of tasks; empty where the
            harness has none and the configuration is made here (MKQA and the embedded tasks).
        chance: what guessing reaches, 0 where answers are generated. ARC has a few questions with three or five
            options.
        hub: languages whose data the hub has; None for all. Of the others only a mirror has them.
    """

    section: str
    look_up: Callable[[], dict[str, str]]
    chance: float = 0.25
    hub: tuple[str, ...] | None = None

    @property
    def yaml(self) -> dict[str, str]:
        """By language, the table's first, what `look_up` finds."""
        found = self.look_up()
        return {code: found[code] for code in in_order(found)}

    def languages(self, mirrored: bool) -> list[str]:
        """The languages that it exists in, with the data of a mirror or of the hub."""
        return [code for code in self.yaml if mirrored or self.hub is None or code in self.hub]


def _translated(original: str, translations: str) -> Callable[[], dict[str, str]]:
    """The English original, and the harness's file of each language, whose code stands for `*`."""
    return lambda: _files(translations) | {"en": original}


def _belebele() -> dict[str, str]:
    """Under the codes of FLORES, which name the harness's files, and under those of the table."""
    files = _files("belebele/belebele_*.yaml")
    return files | {code: files[known.flores] for code, known in LANGUAGES.items() if known.flores in files}


@cache
def _files(pattern: str) -> dict[str, str]:
    """What the harness has: language -> file, below its folder of tasks."""
    before, after = Path(pattern).name.split("*")
    paths = [path.relative_to(_harness()).as_posix() for path in sorted(_harness().glob(pattern))]
    return {Path(path).name.removeprefix(before).removesuffix(after): path for path in paths}


def _harness() -> Path:
    return Path(find_spec("lm_eval").origin).parent / "tasks"  # without importing it, which takes seconds


ARC = "okapi/arc_multilingual/arc_*.yaml"
PAPER = {
    "arc_easy": Family("4.2", _translated("arc/arc_easy.yaml", ARC), hub=("en",)),
    "arc_challenge": Family("4.2", _translated("arc/arc_challenge.yaml", ARC)),
    "belebele": Family("4.2", _belebele),
    "mmlu": Family("4.2", _translated("mmlu/default/_default_template_yaml", "okapi/mmlu_multilingual/m_mmlu_*.yaml")),
    "hellaswag": Family(
        "4.2", _translated("hellaswag/hellaswag.yaml", "okapi/hellaswag_multilingual/hellaswag_*.yaml")
    ),
    "mkqa": Family("4.3", lambda: dict.fromkeys(mkqa.LANGUAGES, ""), chance=0.0),
}
# The harness has a task for each subject of the English MMLU and averages them by their size: the mean over all
# questions. One task over the data set's configuration "all" has the same prompts and, by construction, that mean.
MMLU = {
    "dataset_name": "all",
    "description": "The following are multiple choice questions (with answers) about {{subject | replace('_', ' "
    "')}}.\n\n",
}


class TaskSpec(NamedTuple):
    """One task in one language.

    `config` is a whole configuration of the harness: `lm_eval.simple_evaluate` takes it among its `tasks` and reports
    it, always as one task, under `name`. `metrics` are in the harness's order, fractions from 0 to 1; `chance` is what
    guessing reaches; `section` is the paper's.
    """

    family: str
    language: str
    config: dict[str, Any]
    metrics: tuple[str, ...]
    chance: float
    section: str

    @property
    def name(self) -> str:
        return f"{self.family}_{self.language}"


def families() -> dict[str, Family]:
    """Every family by name, the paper's first."""
    return PAPER | {
        name: Family(
            "4.3" if task.chance is None else "4.2",
            lambda task=task: dict.fromkeys(task.languages, ""),
            chance=task.chance or 0.0,
        )
        for name, task in _embedded().items()
    }


def groups() -> dict[str, list[str]]:
    return {"paper": [name for name, family in PAPER.items() if family.section == "4.2"], "embedded": list(_embedded())}


def _embedded() -> dict:
    from calibprune.tasks import embedded  # on use: it reads packaged text

    return embedded.TASKS


def split(task: str) -> tuple[str, str]:
    """(family, language) of a single task, either of which may hold an underscore: ("belebele", "zho_Hans") of
    "belebele_zho_Hans".

    Raises:
        ParameterError: no family of that name.
    """
    for family in sorted(families(), key=len, reverse=True):
        if task.startswith(f"{family}_"):
            return family, task.removeprefix(f"{family}_")
    raise ParameterError(_unknown(task, families()))


def select(names: list[str], languages: list[str], mirrored: bool = False) -> list[tuple[str, str]]:
    """The tasks that the names stand for, as (family, language), each once, in the order of the names and of the
    languages. `lacking` tells what of a family is left out because a language does not have it.

    Args:
        names: families, groups ("paper", "embedded") and single tasks ("arc_challenge_de").
        languages: the study's.
        mirrored: whether the data come from a mirror.

    Raises:
        ParameterError: an unknown name; a task for a language that the study or the task does not have; a family
            without any of the study's languages.
    """
    known, group = families(), groups()
    chosen: list[tuple[str, str]] = []
    for name in map(str, names):
        if name in group:
            # whatever of it exists, be it nothing: a study in other languages has the rest of its pages
            found = [pair for member, there in _asked(name, known, mirrored) for pair in _in(member, there, languages)]
        elif name in known:
            ((_, there),) = _asked(name, known, mirrored)
            found = _in(name, there, languages)
            if not found:
                raise ParameterError(
                    f"task {name}: exists in {_listed(there, languages)}, none of which is among the study's languages "
                    f"({', '.join(languages)}): add one or leave it out"
                )
        else:
            found = [_single(name, known, languages, mirrored)]
        chosen += found
    return list(dict.fromkeys(chosen))


def lacking(names: list[str], languages: list[str], mirrored: bool = False) -> dict[str, list[str]]:
    """What families and groups do not have in the study's languages: family -> languages, only where there are some.
    Arguments and errors as of `select`.
    """
    known, chosen = families(), select(names, languages, mirrored)
    asked = [
        member for name in names if name in known or name in groups() for member, _ in _asked(name, known, mirrored)
    ]
    without = {member: [code for code in languages if (member, code) not in chosen] for member in asked}
    return {member: codes for member, codes in without.items() if codes}


def _asked(name: str, known: dict[str, Family], mirrored: bool) -> list[tuple[str, list[str]]]:
    """The families that the name of a family or group stands for, each with the languages it exists in. "paper" asks
    for the easy set in English alone, as the paper does.
    """
    mirrored = mirrored and name != "paper"
    return [(member, known[member].languages(mirrored)) for member in groups().get(name, [name])]


def _in(family: str, there: list[str], languages: list[str]) -> list[tuple[str, str]]:
    return [(family, code) for code in languages if code in there]


def _single(task: str, known: dict[str, Family], languages: list[str], mirrored: bool) -> tuple[str, str]:
    """The task of that name. What stands behind the family's name is a language if any task or the study has it."""
    everywhere = {*LANGUAGES, *languages, *(code for family in known.values() for code in family.yaml)}
    parts = [(name, task.removeprefix(f"{name}_")) for name in known if task.startswith(f"{name}_")]
    name, language = next((pair for pair in parts if pair[1] in everywhere), (task, ""))
    if not language:
        raise ParameterError(_unknown(task, known))
    if language not in (there := known[name].languages(mirrored=True)):
        raise ParameterError(
            f"task {task}: does not exist; {name} is there in {_listed(there, [language])}: choose one of these"
        )
    if language not in languages:
        raise ParameterError(
            f"task {task}: {quoted(language)} is not among the study's languages ({', '.join(languages)}): add "
            f"it or leave the task out"
        )
    if language not in known[name].languages(mirrored):
        raise ParameterError(f"task {task}: only a mirror has its data: give data_mirror or leave the task out")
    return name, language


def _listed(there: list[str], wanted: list[str]) -> str:
    """The languages, all of them where they are not too many, else how many and those nearest to the wanted ones."""
    if len(there) <= LISTED:
        return ", ".join(there)
    near = dict.fromkeys(code for one in wanted for code in difflib.get_close_matches(one, there, n=3, cutoff=0.3))
    return f"{len(there)} languages and variants" + (f", {', '.join(list(near)[:10])} among them" if near else "")


def _unknown(name: Any, known: dict[str, Family]) -> str:
    names = [*groups(), *known]
    single = [f"{family}_{code}" for family in known for code in known[family].yaml]
    near = difflib.get_close_matches(str(name), names + single, n=1)
    return (
        f"unknown task {quoted(name)}; did you mean {near[0]!r}?"
        if near
        else f"{one_of('task', name, names)}, or one language such as arc_challenge_de"
    )


def resolve(names: list[str], languages: list[str], mirror: str | Path | None = None) -> list[TaskSpec]:
    """The tasks that the names stand for, ready for the harness, on the hub's data or on a mirror's (mirror.py).

    Raises:
        ParameterError: as `select`; a mirror that is no folder; data that are not in the mirror or are wrong.
    """
    folder = None if mirror is None else expanded(mirror)
    if folder and not folder.is_dir():
        raise ParameterError(
            f"data_mirror: {quoted(str(mirror))} is not a folder: give the one that holds a folder for each data set"
        )
    return [_spec(family, language, folder) for family, language in select(names, languages, folder is not None)]


def _spec(family: str, language: str, folder: Path | None) -> TaskSpec:
    config = _config(family, language)
    if folder is not None and family in PAPER:
        # what is wrong with them is said now, not when the models have been pruned
        _documents(family, language, folder)
        config |= (mkqa if family == "mkqa" else mirror).source(family, language, folder)
    metrics = tuple(metric["metric"] for metric in config["metric_list"])
    known = families()[family]
    return TaskSpec(family, language, config, metrics, known.chance, known.section)


def _config(family: str, language: str) -> dict[str, Any]:
    if family not in PAPER:
        from calibprune.tasks import embedded

        return embedded.config(family, language)
    if family == "mkqa":
        return mkqa.config(language)
    # gives one task's configuration; the public way reads the harness's thousands first
    from lm_eval.tasks._yaml_loader import load_yaml

    config = load_yaml(_harness() / PAPER[family].yaml[language])
    if (family, language) == ("mmlu", "en"):
        config |= MMLU
    return config | {"task": f"{family}_{language}", "num_fewshot": 0}


def _documents(family: str, language: str, folder: str | Path) -> list[dict]:
    return mkqa.documents(language, folder) if family == "mkqa" else mirror.documents(family, language, folder)


def fingerprint(spec: TaskSpec) -> str:
    """Names a task by what decides its scores: the harness's version, the prompt and metrics, and the data or where the
    hub keeps them.
    """
    if spec.family not in PAPER:
        from calibprune.tasks import embedded

        return digest(spec.language, embedded.fingerprint(spec.family, spec.language))
    config = {key: value for key, value in spec.config.items() if key not in ("custom_dataset", "dataset_kwargs")}
    parts = [version("lm_eval"), json.dumps(config, sort_keys=True, default=_callable_name)]
    if folder := (spec.config.get("dataset_kwargs") or {}).get("data_mirror"):
        parts.append(json.dumps(_documents(spec.family, spec.language, folder)))
    return digest(*parts)


def _callable_name(value: Callable) -> str:
    """A function by its name; those of other packages with their module. Ours may move to another file without another
    fingerprint.
    """
    return (
        value.__qualname__ if value.__module__.startswith("calibprune.") else f"{value.__module__}.{value.__qualname__}"
    )
