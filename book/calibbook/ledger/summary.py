"""The ledger in short: how many claims were tested, and how their tests came out."""

from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from calibbook.ledger.data import NOT_HERE, NOT_TESTED, Entry, ledger
from calibbook.shared.claim_tables import verdict_sentence
from calibbook.shared.html import Html, box, text_table
from calibbook.shared.registered import BEYOND, FILE, fingerprint
from calibbook.shared.verdicts import HELD, VERDICTS
from calibprune import Study
from calibprune.errors import StoreError
from calibprune.files import PUBLISHED, results_folder
from calibprune.study.publishing import fixed_files


def summary(study: Study) -> Html:
    """The counts by section of a study's ledger, for a page that shows no more of it."""
    return section_table(ledger(study))


def section_table(entries: Sequence[Entry]) -> Html:
    """`by_section` as a table."""
    note = "Claims may have several tests: one for each method, setting, metric or text."
    return text_table(by_section(entries), "Claims and their tests by section", note)


def by_section(entries: Sequence[Entry]) -> pd.DataFrame:
    """One row a section, the questions beyond the paper as one, and all: how many of its claims this study tests, how
    many tests those have, and the tests by verdict. The section's name says where there are none, and why.
    """
    sections: dict[str, list[Entry]] = {}
    for entry in entries:
        sections.setdefault(entry.claim.section, []).append(entry)
    paper = [entry for entry in entries if entry.claim.section != BEYOND]
    beyond = sections.pop(BEYOND, [])
    named = sections | {"all of the paper": paper} | ({"beyond the paper": beyond} if beyond else {})
    return pd.DataFrame(
        {
            "section": name + _untested(mine),
            "claims tested": f"{sum(len(entry.tests) > 0 for entry in mine)} of {len(mine)}",
            "tests": sum(len(entry.tests) for entry in mine),
        }
        | {verdict: sum(entry.counts.get(verdict, 0) for entry in mine) for verdict in VERDICTS}
        for name, mine in named.items()
    )


def _untested(entries: Sequence[Entry]) -> str:
    """Behind the name of claims of which none is tested NOT_HERE or NOT_TESTED in brackets; else empty."""
    if any(len(entry.tests) for entry in entries):
        return ""
    return f" ({NOT_HERE if any(entry.verdict == NOT_HERE for entry in entries) else NOT_TESTED})"


def in_short(entries: Sequence[Entry]) -> Html:
    """The box that the ledger opens with."""
    paper = [entry for entry in entries if entry.claim.section != BEYOND]
    tested = [entry for entry in paper if len(entry.tests)]
    always = sum(set(entry.counts) == {HELD} for entry in tested)
    never = sum(HELD not in entry.counts for entry in tested)
    verdicts = [entry.verdict for entry in paper]
    elsewhere, own = verdicts.count(NOT_HERE), len(entries) - len(paper)
    lacking = f"For {elsewhere} it has no records, and " if elsewhere else ""
    outcome = f"Of those {always} held in every test, {len(tested) - always - never} in some and {never} in none."
    return box(
        "In short",
        [
            f"The ledger has {len(paper)} claims of the paper and {own} question{'s' * (own != 1)} of the book's "
            f"own. This study tests {len(tested)} of the paper's claims. {lacking}{verdicts.count(NOT_TESTED)} "
            f"cannot be decided by records of this kind; their rows say why.",
            outcome if tested else "",
            f"The paper's claims and ours together: {verdict_sentence(pd.concat([entry.tests for entry in entries]))}",
            f"The claims and their tests are fixed in `{'/'.join(FILE.parts[-3:])}`, whose SHA-256 is "
            f"`{fingerprint()}`. {since_the_run(results_folder(PUBLISHED))}",
        ],
    )


def since_the_run(shelf: Path) -> str:
    """Whether the file of claims is what it was when the published run was packed, in a sentence; empty where there is
    no such run, or it does not say.
    """
    try:
        kept = fixed_files(shelf)
    except StoreError:
        return ""
    then = next((sha256 for name, sha256 in kept.items() if Path(name).name == FILE.name), "")
    if not then:
        return ""
    if then == fingerprint():
        return "It is the same as when the published run was packed."
    return f"It was changed after the published run was packed; then its SHA-256 was `{then}`."
