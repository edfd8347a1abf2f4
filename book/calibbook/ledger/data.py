"""From a study to the ledger: one entry a claim of claims.yaml, with every test that the study's records allow."""

import re
from dataclasses import dataclass

import pandas as pd

from calibbook.ledger.sections import SECTIONS, Section
from calibbook.s04_6_quantization.tables import PAPER
from calibbook.shared.claims import claims_frame
from calibbook.shared.registered import BEYOND, Registered, registered
from calibbook.shared.verdicts import VERDICTS
from calibprune import Study

NOT_TESTED, NOT_HERE = "not tested", "not in this study"
"""Instead of a verdict: of a claim that no record decides, and of one that these records do not."""


@dataclass(frozen=True)
class Entry:
    """What became of one claim.

    Attributes:
        claim: as it was registered.
        page: the notebook whose page tests it, or is about its section; empty where there is none.
        tests: rows of `claims.claims_frame` on the study's own models, with the columns `items` and `draws` of
            `sections.Tested`.
        paper: the same on numbers that the paper prints.
        why: why there is no test, in words; empty where there is one.
    """

    claim: Registered
    page: str
    tests: pd.DataFrame
    paper: pd.DataFrame
    why: str = ""

    @property
    def counts(self) -> dict[str, int]:
        """How many of `tests` had each verdict; verdicts that none had are left out."""
        found = self.tests["verdict"].value_counts()
        return {verdict: int(found[verdict]) for verdict in VERDICTS if verdict in found}

    @property
    def verdict(self) -> str:
        """`held` of a single test, `held 3, not held 1` of several; else NOT_TESTED or NOT_HERE."""
        if self.tests.empty:
            return NOT_TESTED if self.claim.untested else NOT_HERE
        if len(self.tests) == 1:
            return self.tests["verdict"].iloc[0]
        return ", ".join(f"{verdict} {count}" for verdict, count in self.counts.items())


def ledger(study: Study) -> list[Entry]:
    """Every claim of claims.yaml, in its order, tested as the pages of the book test it. Nothing is computed: sections
    whose cells are not all in the study's store or on its shelves are left out, which their entries say.

    Raises:
        StoreError: a cell is damaged.
    """
    gaps, found = {}, [_columns(claims_frame([]))]
    for section in SECTIONS:
        gaps[section.page] = missing(study, section)
        if not gaps[section.page]:
            tested = section.test(study, study.run(*section.parts, progress=False))
            found += [_columns(one.claims, one.items, one.draws) for one in tested]
    rows = pd.concat([one for one in found if len(one)] or found, ignore_index=True)
    return [_entry(claim, rows[rows["claim"] == claim.claim], gaps) for claim in registered().values()]


def page_of(claim: Registered) -> str:
    """The notebook of the claim's section; of a question of ours that of the room that tests it. Empty for none."""
    pages = {section.number: section.page for section in SECTIONS}
    room = claim.test.partition(".")[0].removeprefix("s")
    return pages.get(claim.section, room if claim.section == BEYOND else "")


def missing(study: Study, section: Section) -> str:
    """Why a section cannot be tested on what there is, in a sentence; empty where it can."""
    part, what = section.about
    if part and not study.cells(part):
        return f"The study has no {what}."
    cells = study.cells(*section.parts)
    done = sum(map(study.store.has, cells))
    if done == len(cells):
        return ""
    return f"{done} of the {len(cells)} models that it takes are done; `calibprune study` computes the others."


def _columns(claims: pd.DataFrame, items: str = "", draws: str = "") -> pd.DataFrame:
    return claims.assign(items=items, draws=draws)


def _entry(claim: Registered, rows: pd.DataFrame, gaps: dict[str, str]) -> Entry:
    page = page_of(claim)
    theirs = rows["model"] == PAPER
    own, paper = rows[~theirs], rows[theirs]
    if len(own):
        why = ""
    elif claim.untested:
        why = _in_words(claim.untested)
    else:
        why = gaps.get(page) or f"These records hold nothing to test it on (measure: {claim.measure})."
    return Entry(claim, page, own, paper, why)


def _in_words(reason: str) -> str:
    """A reason with the words of claims in place of their ids."""
    ids = "|".join(map(re.escape, sorted(registered(), key=len, reverse=True)))
    return re.sub(rf"\b(?:{ids})\b(?!-)", lambda found: f"“{registered()[found[0]].claim}”", reason)


def as_frame(entries: list[Entry]) -> pd.DataFrame:
    """Every test of a ledger, one row each, after the columns id, section and finding of its claim; `records` says
    whether it is on this study, which alone is counted, or on numbers that the paper prints. A claim without a test has
    a row whose verdict and note say why.
    """
    parts = []
    for entry in entries:
        both = (entry.tests.assign(records="this study"), entry.paper.assign(records="the paper's own tables"))
        rows = pd.concat([part for part in both if len(part)] or [entry.tests])
        if rows.empty:
            rows = pd.DataFrame([{"claim": entry.claim.claim, "verdict": entry.verdict, "note": entry.why}])
        parts.append(rows.assign(id=entry.claim.id, section=entry.claim.section, finding=entry.claim.finding))
    found = pd.concat(parts, ignore_index=True)
    first = ["id", "section", "finding", "claim"]
    return found[[*first, *found.columns.difference(first, sort=False)]]
