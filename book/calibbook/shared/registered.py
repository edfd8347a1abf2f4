"""The claims that the book tests, as `claims.yaml` has them, whose checksum a published run keeps: their words, what
the paper has for them, what they are tested by, and the family within which many tests are corrected for.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from hashlib import sha256
from pathlib import Path

import pandas as pd
import yaml

from calibbook.shared.comparison import holm
from calibbook.shared.statistics import ALPHA
from calibbook.shared.verdicts import UNDECIDED

FILE = Path(__file__).parents[1] / "claims.yaml"
KINDS = ("difference", "equivalence", "existence")
"""`difference`: held, not held or undecided. `equivalence`: held where the interval lies inside the margin.
`existence`: held or undecided, since that something is nowhere cannot be shown."""
BEYOND = "beyond"
"""The section of questions that are the book's own and not the paper's."""


@dataclass(frozen=True)
class Registered:
    """One claim of the file.

    Attributes:
        id, section: of the claim; the section is the paper's, or "beyond" for a question of ours.
        finding: its number in the list of the paper's findings, 0 for a question of ours.
        claim: in our words.
        evidence: what the paper shows for it.
        kind: one of KINDS.
        measure: what is measured; test: module and function in calibbook that tests it, empty where none does.
        margin: what counts as nothing, or as substantial, in words; empty where there is none.
        family: the claims whose tests are corrected together.
        untested: why it is not tested; empty where it is.
    """

    id: str
    section: str
    finding: int
    claim: str
    evidence: str
    kind: str
    measure: str = ""
    test: str = ""
    margin: str = ""
    family: str = ""
    untested: str = ""


@cache
def registered() -> Mapping[str, Registered]:
    """The file's claims by id, in its order."""
    lines = yaml.safe_load(FILE.read_text(encoding="utf-8"))
    return {line["id"]: Registered(**{"untested": "", **line}) for line in lines}


def wording(name: str) -> str:
    """The words of the claim of this id. Raises KeyError for an id that the file does not have."""
    return registered()[name].claim


@cache
def by_words() -> Mapping[str, Registered]:
    """The file's claims by their words."""
    return {one.claim: one for one in registered().values()}


def of_the_paper(claims: pd.DataFrame) -> pd.Series:
    """Which rows of claims are the paper's, and not questions of the book's own."""
    ours = {one.claim for one in registered().values() if one.section == BEYOND}
    return ~claims["claim"].isin(ours)


def fingerprint() -> str:
    """SHA-256 of the file: a run that says it had this one was made with these claims."""
    return sha256(FILE.read_bytes()).hexdigest()


def corrected(claims: pd.DataFrame) -> pd.DataFrame:
    """Rows of claims with `p_holm`, adjusted by Holm's procedure over all rows of a family and model; a claim that
    the file does not have is a family of its own.

    A verdict for which p speaks (p at most 5%) is undecided where `p_holm` is not; others rest on an interval that p
    says nothing of, such as one inside a margin.
    """
    if claims.empty:
        return claims.assign(p_holm=claims["p"])
    known = by_words()
    families = [known[words].family if words in known else words for words in claims["claim"]]
    by_family = claims.groupby([pd.Index(families), claims["model"].to_numpy()], sort=False)["p"]
    p_holm, tests = by_family.transform(holm), by_family.transform("count")
    lost = (claims["verdict"] != UNDECIDED) & (claims["p"] <= ALPHA) & (p_holm > ALPHA)
    more = [f"not beyond chance in {n} tests" if gone else "" for n, gone in zip(tests, lost, strict=True)]
    return claims.assign(
        p_holm=p_holm,
        verdict=claims["verdict"].mask(lost, UNDECIDED),
        note=["; ".join(filter(None, pair)) for pair in zip(claims["note"], more, strict=True)],
    )
