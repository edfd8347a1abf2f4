"""The prompts of the CLDR's facts: labels and names, so that no name needs an article, a case or an agreement.

`wording.csv` has one row a language. A row opens `knowledge`, `facts` and `continuation` to its language; the labels of
the paper's seven were checked.
"""

import csv
from pathlib import Path
from typing import NamedTuple


class Wording(NamedTuple):
    """A row of the table.

    Attributes:
        space: "yes" where a space separates words, "no" where nothing does, as in Chinese.
        colon: what stands between a label and a name, with a space before it where the language writes one.
        country, currency, region, place: the labels; a region is a part of the world.
    """

    space: str
    colon: str
    country: str
    currency: str
    region: str
    place: str


def _table() -> dict[str, Wording]:
    with Path(__file__).with_suffix(".csv").open(encoding="utf-8", newline="") as file:
        return {row.pop("code"): Wording(**row) for row in csv.DictReader(file)}


WORDING: dict[str, Wording] = _table()
"""By language, in the order of codes."""
LABELS = {"currency": ("country", "currency"), "region": ("country", "region"), "place": ("place", "country")}
"""Which label stands before the subject and which before the answer, by kind of fact."""


def languages() -> tuple[str, ...]:
    """The languages that have a row."""
    return tuple(WORDING)


def spaced(language: str) -> bool:
    """Whether a space separates words."""
    return WORDING[language].space == "yes"


def joint(language: str) -> str:
    """What stands between two pieces of running text: a space, or nothing in Chinese."""
    return " " if spaced(language) else ""


def question(kind: str, subject: str, language: str) -> str:
    """Two lines: the subject with its label, and the label of the answer, after which the answer is to stand."""
    words = WORDING[language]
    first, second = (getattr(words, label) for label in LABELS[kind])
    return f"{first}{words.colon}{joint(language)}{subject}\n{second}{words.colon}"


def answered(kind: str, subject: str, answer: str, language: str) -> str:
    """The question with its answer."""
    return question(kind, subject, language) + joint(language) + answer
