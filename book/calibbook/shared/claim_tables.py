"""The claims as a reader meets them: how many are held, and one table for each."""

import math
from collections.abc import Collection, Mapping

import pandas as pd
from IPython.display import Markdown, display

from calibbook.shared.claims import DIRECTIONS, MORE_OR_LESS, directed
from calibbook.shared.frames import METHODS, METRICS
from calibbook.shared.html import Html, text_table
from calibbook.shared.registered import of_the_paper
from calibbook.shared.verdicts import VERDICTS
from calibbook.shared.words import listed, more_or_less, number, p_value

NOTHING = "There was nothing here that a claim could be tested on."
SHARED = ("model", "languages", "note")
"""Columns that a table of claims does without where all of its rows have the same there."""
NO_RESULT = ("", "–")
"""How a test without a number is written."""


def show_claims(claims: pd.DataFrame, title: str = "Claim: {}", counted: pd.DataFrame | None = None, **table) -> None:
    """Show what became of a section's claims: a sentence with the verdicts, and a table for each claim.

    claims: rows of `claims.claims_frame`; title: of a table, {} stands for the claim; counted: the rows that the
    sentence counts, if not all that are the paper's; `table`: further arguments of `readable`.
    """
    display(Markdown(verdict_sentence(claims[of_the_paper(claims)] if counted is None else counted)))
    show_tables(claims, title, **table)


def show_tables(claims: pd.DataFrame, title: str, **table) -> None:
    """The tables of `show_claims` alone. Questions of the book's own say so in their titles."""
    for claim, rows in claims.groupby("claim", sort=False):
        named = title if of_the_paper(rows).all() else "Beyond the paper: {}"
        display(claim_table(rows, named.format(claim), **table))


def claim_table(claims: pd.DataFrame, title: str, note: str = "", **table) -> Html:
    """Claims under a heading, one row each, the verdict in the second column; on a phone one card each. What of
    `SHARED` is the same in all rows stands above them. `table`: further arguments of `readable`.
    """
    rows = readable(claims, **table)
    shared = [name for name in SHARED if name in rows and len(rows) > 1 and _same(rows[name])]
    same = {name: rows[name].iloc[0] for name in shared}
    if count := same.get("languages"):
        same["languages"] = f"{count} language{'' if count == 1 else 's'}"
    above = f"In every row: {'; '.join(same.values())}." if same else ""
    return text_table(rows.drop(columns=shared), title, f"{note} {above}".strip(), cards="verdict")


def _same(column: pd.Series) -> bool:
    """Whether all rows have the same, and that is something."""
    return column.nunique() == 1 and bool(column.iloc[0])


def tally(counts: pd.Series) -> str:
    """`2 held, 1 undecided` of how many tests had which verdict; those that none had are left out."""
    return ", ".join(f"{counts[verdict]} {verdict}" for verdict in VERDICTS if counts.get(verdict, 0))


def verdict_sentence(claims: pd.DataFrame) -> str:
    """`Of 12 tests 8 held, 1 not held and 3 undecided.`"""
    if claims.empty:
        return NOTHING
    counts = [f"{int((claims['verdict'] == verdict).sum())} {verdict}" for verdict in VERDICTS]
    return f"Of {len(claims)} tests {listed(counts)}."


def readable(
    claims: pd.DataFrame, always: Collection[str] = (), renamed: Mapping[str, str] | None = None
) -> pd.DataFrame:
    """Claims in words: one row a Claim, the columns of the page.

    Where it was tested is left out if it is the same in all rows and not among `always`; so are columns without a
    value, but never results and verdicts. `renamed` gives columns other names, such as {"sparsity": "bits"}.
    """
    table = pd.DataFrame(
        {
            "evaluated on": claims["source"],
            "measured as": [
                METRICS[name].short or METRICS[name].label if name in METRICS else name for name in claims["metric"]
            ],
            "model": claims["model"],
            "method": claims["method"].map(lambda name: METHODS.get(name, name)),
            "sparsity": claims["sparsity"],
            "result": claims["what"],
            "95% interval": [interval(row) for row in claims.itertuples()],
            "p": claims["p"].map(p_value),
            "p, corrected": claims["p_holm"].map(p_value),
            "effect seen 4 times in 5": claims["seen"].replace("", "–"),
            "languages": claims["n"],
            "verdict": claims["verdict"],
            "note": claims["note"],
        }
    )
    where = [name for name in ("evaluated on", "measured as", "model", "sparsity") if name not in always]
    constant = [name for name in where if table[name].nunique() <= 1]
    empty = [name for name in table.columns.difference(constant) if table[name].isin(["", "–"]).all()]
    return table.drop(columns=constant + empty).rename(columns=renamed or {})


def interval(row) -> str:
    """The interval of a Claim in its unit: `1.20 to 3.00%`, `1.00 to 5.00% less`; a dash where there is none."""
    if math.isnan(row.low) or math.isnan(row.high):
        return "–"
    if row.unit in DIRECTIONS:
        if min(row.statistic, row.low) < 0 < max(row.statistic, row.high):
            return f"{directed(row.low, row.unit)} to {directed(row.high, row.unit)}"
        near, far = sorted((abs(row.low), abs(row.high)))  # on the side that the result names
        return f"{number(near)} to {number(far)}{DIRECTIONS[row.unit][0]}"
    if row.unit != MORE_OR_LESS:
        unit = f" {row.unit}" if row.unit not in ("", "%") else row.unit
        return f"{number(row.low)} to {number(row.high)}{unit}"
    if row.low < 0 < row.high:
        return f"{more_or_less(row.low)} to {more_or_less(row.high)}"
    near, far = sorted((row.low, row.high), key=abs)
    return f"{number(abs(near))} to {more_or_less(far)}"


def extremes(tests: pd.DataFrame) -> list[str]:
    """`From +0.3 points (−2.1 to 2.7) to +11.3 points (4.3 to 18.3).`, a sentence for each unit of the results; of
    tests without a number what is said instead.
    """
    found = []
    for _, rows in tests.dropna(subset="statistic").groupby("unit", sort=False):
        ends = rows.sort_values("statistic", kind="stable").iloc[[0, -1]]
        least, most = map(with_interval, ends.itertuples())
        found.append(f"{least}." if least == most else f"From {least} to {most}.")
    unknown = tests[tests["statistic"].isna()]
    said = dict.fromkeys(row.note if row.what in NO_RESULT else row.what for row in unknown.itertuples())
    return found + [f"{words}." for words in said if words] or ["No number."]


def with_interval(row) -> str:
    """The result of a Claim in words, and its interval in brackets where there is one."""
    known = interval(row)
    return row.what if known == "–" else f"{row.what} ({known})"
