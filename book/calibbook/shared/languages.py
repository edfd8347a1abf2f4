"""How the book writes languages: a code, a calibration text in one or several, and what is said where calibration and
evaluation languages differ.
"""

from collections.abc import Callable, Collection, Iterable

import pandas as pd

from calibbook.shared.words import listed
from calibprune.languages import LANGUAGES, NOT_KNOWN, PAPER_LANGUAGES, describe, in_order, mixture

SPELLED_OUT = 8
"""Languages of a mixture that are all named; of more, the first two, the last, and their number."""
SHARED: dict[str, Callable[[str], str]] = {
    "family": lambda code: describe(code).family,
    "script": lambda code: describe(code).script,
}
"""What two languages may have in common: of a code; "not known" for languages outside the package's table."""


def code_label(code: str) -> str:
    """`DE` of "de"; codes with parts stay as they are: `pt-PT`, `zho_Hans`."""
    return code.upper() if code.isalpha() and len(code) <= 3 else code


def name_label(code: str) -> str:
    """`Portuguese (PT)`; the code alone where it has no name."""
    name = describe(code).name
    return code_label(code) if name == code else f"{name} ({code_label(code)})"


def anchor(code: str) -> str:
    """What the address of a language ends with on the page "I have a language"."""
    return f"language-{code}"


def text_label(calibration: str) -> str:
    """`DE`, `DE+SW`; `AM+AR+…+ZH (49)` of many languages."""
    labels = [code_label(code) for code in calibration.split("+")]
    if len(labels) <= SPELLED_OUT:
        return "+".join(labels)
    return f"{labels[0]}+{labels[1]}+…+{labels[-1]} ({len(labels)})"


def fixed_order() -> list[str]:
    """The paper's seven languages, then the others of the table: the place of a language in figures, which its colour
    and marker come from, whatever languages a study has.
    """
    return [*PAPER_LANGUAGES, *(code for code in LANGUAGES if code not in PAPER_LANGUAGES)]


def unknown(codes: Iterable[str], what: str) -> list[str]:
    """The languages of which `what`, a key of SHARED, is not known."""
    return [code for code in dict.fromkeys(codes) if SHARED[what](code) == NOT_KNOWN]


def left_out(codes: Iterable[str], what: str) -> str:
    """`left out, script not known: YO and zho_Hans`; empty where all are known."""
    found = unknown(codes, what)
    return f"left out, {what} not known: {listed(map(code_label, found))}" if found else ""


NO_TARGET = "no evaluation language was calibrated in"


def targets_missing(study) -> str:
    """What a page cannot show, in Markdown, where evaluation languages were not calibrated in; empty where all were."""
    calibration, evaluation = ran(study)
    own = [code for code in evaluation if code in calibration]
    if len(own) == len(evaluation):
        return ""
    sides = f"calibrated in {_some(calibration)} and measured in {_some(evaluation)}"
    if not own:
        return (
            f"**No evaluation language is a calibration language**: this run {sides}. What compares the target "
            "language with the others is undecided or missing on this page."
        )
    return (
        f"This run {sides}. What compares the target language with the others is about the evaluation languages that "
        f"were calibrated in as well: {_some(own)}."
    )


def ran(study) -> tuple[list[str], list[str]]:
    """(Calibration languages, evaluation languages) of a study."""
    return list(study.parameters.languages), list(study.parameters.evaluation_languages)


def language_table(study) -> pd.DataFrame:
    """The languages of a study, those of its mixtures included: one row each, as text."""
    calibration, evaluation = ran(study)
    mixed = [code for text in study.parameters.calibration_mixtures for code in mixture(text)]
    lines = []
    for code in in_order([*calibration, *mixed, *evaluation]):
        language = describe(code)
        uses = {"calibration": code in calibration, "mixtures": code in mixed, "evaluation": code in evaluation}
        lines.append(
            {"language": code_label(code), "name": language.name}
            | {"family": language.family, "branch": language.branch, "script": language.script}
            | {"used for": listed(use for use, used in uses.items() if used)}
        )
    return pd.DataFrame(lines)


def _some(codes: Collection[str]) -> str:
    """Names of languages, of many their number."""
    return listed(map(name_label, codes)) if len(codes) <= SPELLED_OUT else f"{len(codes)} languages"
