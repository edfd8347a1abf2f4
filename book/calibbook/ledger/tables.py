"""The ledger as tables: one row a claim."""

from collections.abc import Iterable, Sequence

import pandas as pd

from calibbook.ledger.data import Entry
from calibbook.ledger.sections import SECTIONS
from calibbook.shared.claim_tables import NO_RESULT, extremes, readable
from calibbook.shared.html import Cell, Html, heat_table, sortable
from calibbook.shared.registered import BEYOND
from calibbook.shared.words import p_value

WHERE = ("method", "sparsity", "model", "measured as", "evaluated on")
SECTION_OF = {section.page: section.number for section in SECTIONS}


def of_the_paper(entries: Iterable[Entry]) -> Html:
    """The claims of the paper, with its evidence and ours."""
    mine = [entry for entry in entries if entry.claim.section != BEYOND]
    note = "A section leads to the page that shows its tests."
    return _table(mine, "Claims of the paper", note, "section", "the paper's evidence", ("section", "verdict"))


def beyond_the_paper(entries: Iterable[Entry]) -> Html:
    """The questions of our own."""
    mine = [entry for entry in entries if entry.claim.section == BEYOND]
    note = "The number leads to the page that shows the tests."
    return _table(mine, "Beyond the paper", note, "page", "why it is asked", ("verdict",))


def _table(entries: Sequence[Entry], title: str, note: str, place: str, evidence: str, choices: Sequence[str]) -> Html:
    names = ("verdict", place, "kind", evidence, "our result", "p, corrected", "measured on")
    cells = {
        (row, name): cell
        for row, entry in enumerate(entries)
        for name, cell in zip(names, _cells(entry), strict=True)
        if cell.text
    }
    rows = {row: (entry.claim.claim,) for row, entry in enumerate(entries)}
    columns = {name: (name,) for name in names}
    return sortable(heat_table(rows, columns, cells, ["claim"], title, note, wrapped=True, cards=True), choices)


def _cells(entry: Entry) -> tuple[Cell, ...]:
    """One claim's row, without the claim."""
    p = entry.tests["p_holm"].dropna()
    section = SECTION_OF.get(entry.page, "") if entry.claim.section == BEYOND else entry.claim.section
    return (
        Cell(entry.verdict, left=True),
        Cell(section, link=f"{entry.page}.html" if entry.page else "", left=True),
        Cell(entry.claim.kind, below=entry.claim.margin, left=True),
        Cell(entry.claim.evidence, left=True),
        _result(entry),
        Cell(_between(p_value(p.min()), p_value(p.max())), order=float(p.min()), left=True) if len(p) else Cell(""),
        _measured_on(entry),
    )


def _result(entry: Entry) -> Cell:
    """The results in short, or why there is none; every test behind a fold, those on the paper's own numbers too."""
    folded = lines(entry.tests) + [f"On the paper's own numbers: {line}" for line in lines(entry.paper)]
    shown = [entry.why] if entry.why else extremes(entry.tests)
    fold = "its test" if len(folded) == 1 else f"its {len(folded)} tests"
    return Cell(" ".join(shown), fold=fold, folded=folded, left=True)


def _measured_on(entry: Entry) -> Cell:
    """Items, and below them draws; of a claim that was not tested an empty one."""
    items, draws = _distinct(entry.tests["items"]), _distinct(entry.tests["draws"])
    drawn = f"{draws} draw{'' if draws == '1' else 's'}" if draws else ""
    return Cell(items, below=drawn, left=True) if items else Cell(drawn, left=True)


def lines(tests: pd.DataFrame) -> list[str]:
    """`Wanda, 50%, SNR, udhr: 6.60% more (2.27 to 11.4% more), corrected p 0.02: held.`, one a test. Of where it was
    tested, what is the same in all of them is left out, but for method and setting.
    """
    table = readable(tests, always=("sparsity", "measured as"))
    found = []
    for row in table.to_dict("records"):
        known = {name: text for name, text in row.items() if text not in NO_RESULT}
        where = ", ".join(known[name] for name in WHERE if name in known)
        result = known.get("result", "no number")
        result += f" ({known['95% interval']})" if "95% interval" in known else ""
        result += f", corrected p {known['p, corrected']}" if "p, corrected" in known else ""
        seen = known.get("effect seen 4 times in 5")
        result += f", would see {seen} four times in five" if seen else ""
        note = f" ({known['note']})" if "note" in known else ""
        found.append(f"{f'{where}: ' if where else ''}{result}: {row['verdict']}{note}.")
    return found


def _between(low: str, high: str) -> str:
    return low if low == high else f"{low} to {high}"


def _distinct(values: pd.Series) -> str:
    return "; ".join(dict.fromkeys(filter(None, values)))
