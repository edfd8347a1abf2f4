"""The tasks by name: which exist in which language, and the harness's configuration of each.

| family | what it asks | languages | where |
| --- | --- | --- | --- |
| `arc_easy` | school science, the easy set | en (a mirror can add ar de es ru zh) | the original |
| `arc_challenge` | school science, the hard set | ar de en es ru zh | the original in English, else Okapi's |
| `belebele` | which answer does a passage support | all seven | human translations |
| `mmlu` | knowledge in 57 subjects | ar de en es ru zh | the original in English, else Okapi's |
| `hellaswag` | which ending continues a text | ar de en es ru | the original in English, else Okapi's |
| `mkqa` | questions answered freely, without context | ar de en es ru zh | paper/mkqa.py |

and the embedded ones of `embedded/`, which need no data, in all seven. A family names its tasks in every language of
the study, `family_language` one of them. "paper" stands for the paper's Section 4.2 and "embedded" for all embedded
ones: whatever of them exists in the study's languages. Okapi's are translations.
"""

import difflib
import json
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path
from typing import Any, NamedTuple

from calibprune.corpora.base import digest
from calibprune.errors import ParameterError, one_of, quoted
from calibprune.files import expanded
from calibprune.languages import LANGUAGES
from calibprune.tasks.paper import mirror, mkqa

OKAPI = ("ar", "de", "es", "ru", "zh")


class Family(NamedTuple):
    """A benchmark.

    Attributes:
        section: of the paper; "4.2" puts it into the group "paper".
        yaml: by language, the YAML of the harness's own task, below its folder of tasks; empty for an embedded family,
            whose YAML `embedded` finds.
        mirrored: languages whose data only a mirror has.
        chance: what guessing reaches, 0 where answers are generated. ARC has a few questions with three or five
            options.
    """

    section: str
    yaml: dict[str, str]
    mirrored: tuple[str, ...] = ()
    chance: float = 0.25


ARC = {code: f"okapi/arc_multilingual/arc_{code}.yaml" for code in OKAPI}
BELEBELE = {
    "ar": "arb_Arab",
    "de": "deu_Latn",
    "en": "eng_Latn",
    "es": "spa_Latn",
    "ru": "rus_Cyrl",
    "sw": "swh_Latn",
    "zh": "zho_Hans",
}
PAPER = {
    "arc_easy": Family("4.2", {"en": "arc/arc_easy.yaml"} | ARC, OKAPI),
    "arc_challenge": Family("4.2", {"en": "arc/arc_challenge.yaml"} | ARC),
    "belebele": Family("4.2", {code: f"belebele/belebele_{name}.yaml" for code, name in BELEBELE.items()}),
    "mmlu": Family(
        "4.2",
        {"en": "mmlu/default/_default_template_yaml"}
        | {code: f"okapi/mmlu_multilingual/m_mmlu_{code}.yaml" for code in OKAPI},
    ),
    "hellaswag": Family(
        "4.2",
        {"en": "hellaswag/hellaswag.yaml"}
        | {code: f"okapi/hellaswag_multilingual/hellaswag_{code}.yaml" for code in OKAPI if code != "zh"},
    ),
    "mkqa": Family(
        "4.3", {code: str(Path(mkqa.__file__).with_name(f"mkqa_{code}.yaml")) for code in mkqa.CODES}, chance=0.0
    ),
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
            "4.3" if task.chance is None else "4.2", dict.fromkeys(task.languages, ""), chance=task.chance or 0.0
        )
        for name, task in _embedded().items()
    }


def groups() -> dict[str, list[str]]:
    return {"paper": [name for name, family in PAPER.items() if family.section == "4.2"], "embedded": list(_embedded())}


def _embedded() -> dict:
    from calibprune.tasks import embedded  # on use: it reads packaged text

    return embedded.TASKS


def select(names: list[str], languages: list[str], mirrored: bool = False) -> list[tuple[str, str]]:
    """The tasks that the names stand for, as (family, language), each once, in the order of the names and of the
    languages.

    Args:
        names: families, groups ("paper", "embedded") and single tasks ("arc_challenge_de").
        languages: the study's.
        mirrored: whether the data come from a mirror.

    Raises:
        ParameterError: an unknown name; a task for a language that the study or the task does not have; a family or
        group without any
            of the study's languages.
    """
    known, group = families(), groups()
    chosen: list[tuple[str, str]] = []
    for name in names:
        family, _, language = str(name).rpartition("_")
        if name in group:
            found = [
                pair
                for member in group[name]
                for pair in _of_family(member, known[member], languages, mirrored and name != "paper")
            ]
            if not found:
                raise ParameterError(
                    f"tasks: none of {quoted(name)} exists in the study's languages ({', '.join(languages)}): "
                    f"add a language or leave it out"
                )
        elif name in known:
            found = _of_family(name, known[name], languages, mirrored)
            if not found:
                there = ", ".join(code for code in known[name].yaml if mirrored or code not in known[name].mirrored)
                raise ParameterError(
                    f"task {name}: exists in {there}, none of which is among the study's languages "
                    f"({', '.join(languages)}): add one or leave it out"
                )
        elif family in known and language in LANGUAGES:
            found = [_single(family, known[family], language, languages, mirrored)]
        else:
            raise ParameterError(_unknown(name, known))
        chosen += found
    return list(dict.fromkeys(chosen))


def _of_family(name: str, family: Family, languages: list[str], mirrored: bool) -> list[tuple[str, str]]:
    return [(name, code) for code in languages if code in family.yaml and (mirrored or code not in family.mirrored)]


def _single(name: str, family: Family, language: str, languages: list[str], mirrored: bool) -> tuple[str, str]:
    task = f"{name}_{language}"
    if language not in family.yaml:
        raise ParameterError(
            f"task {task}: does not exist; {name} is there in {', '.join(family.yaml)}: choose one of these"
        )
    if language not in languages:
        raise ParameterError(
            f"task {task}: {language!r} is not among the study's languages ({', '.join(languages)}): add "
            f"it or leave the task out"
        )
    if language in family.mirrored and not mirrored:
        raise ParameterError(f"task {task}: only a mirror has its data: give data_mirror or leave the task out")
    return name, language


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
    import lm_eval.tasks

    # gives one task's configuration; the public way reads the harness's thousands first
    from lm_eval.tasks._yaml_loader import load_yaml

    config = load_yaml(Path(lm_eval.tasks.__file__).parent / PAPER[family].yaml[language])
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

        return digest(spec.language, embedded.fingerprint(spec.family))
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
