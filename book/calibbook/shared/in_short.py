"""The box that a section's page opens with: what the paper says, what these records show, how sure that is, and what
follows. The words are those of in_short.yaml, the numbers and verdicts those of the section's claims.
"""

from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

import pandas as pd
import yaml

from calibbook.shared.claim_tables import extremes, tally, verdict_sentence, with_interval
from calibbook.shared.frames import METHODS, METRICS
from calibbook.shared.html import Html, box
from calibbook.shared.registered import of_the_paper, registered
from calibbook.shared.verdicts import VERDICTS
from calibbook.shared.words import listed, uncapital

FILE = Path(__file__).parents[1] / "in_short.yaml"
FEW = 4
"""Tests that a sentence names one by one; of more it gives the least and the most."""
BRACKETS = "Numbers in brackets are 95% intervals."


@cache
def words() -> Mapping[str, Any]:
    """The file, by the number of the section."""
    return yaml.safe_load(FILE.read_text(encoding="utf-8"))


def in_short(section: str, claims: pd.DataFrame, beyond: pd.DataFrame | None = None, said: str = "") -> Html:
    """The box of a section.

    section: its number; claims, beyond: rows of `claims.claims_frame`, of which those that are not the paper's are
    counted apart; said: a sentence that goes before.
    """
    text = words()[section]
    more = claims if beyond is None else pd.concat([claims, beyond], ignore_index=True)
    paper = of_the_paper(more)
    claims, beyond = more[paper], more[~paper]
    shown = [(about, tests_of(more, about)) for about in text["shows"]]
    shown = [(about, rows) for about, rows in shown if len(rows)]
    results = [verdicts(rows) if "counted" in about else result(rows, more) for about, rows in shown]
    found = [f"{about['quantity']}{numbers}" for (about, _), numbers in zip(shown, results, strict=True)]
    follows = [consequence(about["so"], rows) for about, rows in shown if "so" in about]
    sure = [verdict_sentence(claims)]
    if len(beyond):
        sure.append(f"Beyond the paper: {uncapital(verdict_sentence(beyond))}")
    sentences = [
        f"**The paper says:** {text['says']}",
        f"**We find:** {' '.join(map(_capital, found))}" if found else "",
        f"**How sure:** {' '.join(sure)}{f' {BRACKETS}' if found else ''}",
        f"**So what:** {' '.join(map(_capital, follows))}" if follows else "",
    ]
    return box("In short", [said, *sentences], "Which claims these are", by_verdict(claims))


def tests_of(claims: pd.DataFrame, about: Mapping[str, Any]) -> pd.DataFrame:
    """Tests of the claim of an entry of `shows` that have a number, by every method and at every setting: on the first
    model, text and measure that it was tested on; all of them where they are only counted.
    """
    rows = claims[(claims["claim"] == registered()[about["claim"]].claim) & claims["what"].ne("")]
    if about.get("of") == "tasks":
        rows = rows[~rows["metric"].isin(list(METRICS))]
    if rows.empty or "counted" in about:
        return rows
    case = ["model", "source", "metric"]
    return rows[(rows[case] == rows.iloc[0][case]).all(axis=1)]


def verdicts(rows: pd.DataFrame) -> str:
    """`: 1 held, 3 undecided.`"""
    return f": {tally(rows['verdict'].value_counts())}."


def result(rows: pd.DataFrame, claims: pd.DataFrame) -> str:
    """` (perplexity on chromium): Wanda 36.6% lower (23.5 to 47.4% lower), held; SparseGPT …` of the rows of
    `tests_of`, whose model is named where the claims are about several.
    """
    first = rows.iloc[0]
    measure = METRICS[first["metric"]].label.lower() if first["metric"] in METRICS else first["metric"]
    place = f"on {first['source']}" if first["source"] and first["source"] not in measure else ""
    model = first["model"] if claims["model"].replace("", None).nunique() > 1 else ""
    where = ", ".join(filter(None, (f"{measure} {place}".strip(), model)))
    if len(rows) > FEW:
        ends = uncapital(" ".join(extremes(rows)).rstrip("."))
        numbers = f"in {len(rows)} tests {ends}, {tally(rows['verdict'].value_counts())}"
    else:
        numbers = "; ".join(
            f"{label} {with_interval(row)}, {row.verdict}".strip()
            for label, row in zip(labels(rows), rows.itertuples(), strict=True)
        )
    return f"{f' ({where})' if where else ''}: {numbers}."


def labels(rows: pd.DataFrame) -> list[str]:
    """What to call each test: by its method, and its setting where that differs; empty for one of all methods."""
    several = rows["sparsity"].nunique() > 1
    names = [METHODS[name] if name in METHODS and name != "dense" else "" for name in rows["method"]]
    return [f"{name} {setting}" if several else name for name, setting in zip(names, rows["sparsity"], strict=True)]


def consequence(so: Mapping[str, str], rows: pd.DataFrame) -> str:
    """What follows from the first verdict of VERDICTS that any of the tests had, and for which of them, if not all."""
    verdict = next(verdict for verdict in VERDICTS if (rows["verdict"] == verdict).any())
    having = (rows["verdict"] == verdict).to_numpy()
    names = labels(rows)
    if having.all():
        return f"{so[verdict]}."
    if len(rows) > FEW or not all(names) or len(set(names)) < len(names):  # tests of several tasks by one method
        return f"{so[verdict]} ({having.sum()} of {len(rows)} tests)."
    with_it = listed([name for name, has in zip(names, having, strict=True) if has])
    without = listed([name for name, has in zip(names, having, strict=True) if not has])
    return f"{so[verdict]} ({with_it}; for {without} that is not shown)."


def by_verdict(claims: pd.DataFrame) -> list[str]:
    """Which claims held in every test, in some, and in none, a line each."""
    counts = {claim: rows["verdict"].value_counts() for claim, rows in claims.groupby("claim", sort=False)}
    held = {claim: count.get("held", 0) / count.sum() for claim, count in counts.items()}
    lines = {
        "Held in every test": [claim for claim, share in held.items() if share == 1],
        "Held in some": [f"{claim} ({tally(counts[claim])})" for claim, share in held.items() if 0 < share < 1],
        "Held in none": [f"{claim} ({tally(counts[claim])})" for claim, share in held.items() if share == 0],
    }
    return [f"**{how}:** {'; '.join(names)}." for how, names in lines.items() if names]


def _capital(sentence: str) -> str:
    return sentence[:1].upper() + sentence[1:]
