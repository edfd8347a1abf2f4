"""What the page of reproduced numbers shows: a box, one table of differences, one of verdicts, and every number."""

import math

import pandas as pd

from calibbook.reproduced.data import Reproduced
from calibbook.s04_2_downstream_tasks.data import TASK_METRICS
from calibbook.shared.claim_tables import tally
from calibbook.shared.frames import METRICS, method_label
from calibbook.shared.html import Html, box, folded, sortable, text_table
from calibbook.shared.runs import computed_on
from calibbook.shared.words import duration, percent, with_powers

NOT_TESTED = "not tested"


def in_short(found: Reproduced | str) -> Html:
    """What came of the comparison, or why there is none."""
    if isinstance(found, str):
        return box("Nothing to compare", [found])
    values, tests = found.values, found.verdicts
    same = int((values["value_before"] == values["value_after"]).sum())
    off = int((values["excess"] > 1).sum())
    agree = int((tests["here"] == tests["published"]).sum())
    others = len(values) - same
    seconds = (found.fresh["seconds_prune"] + found.fresh["seconds_measure"]).sum()
    numerics = (
        f"The published numbers are of version {found.numerics[1]} of the computation, those here of version "
        f"{found.numerics[0]}: they may differ for that reason."
        if found.numerics[0] != found.numerics[1]
        else ""
    )
    return box(
        "In short",
        [
            f"{len(found.fresh)} models were computed afresh, on {computed_on(found.fresh)}, in "
            f"{duration(seconds)}; published are those of {computed_on(found.kept)}.",
            f"Of {len(values):,} numbers {same:,} are the same to the bit."
            + (f" {_others(others, off)}" if others else ""),
            f"Of {len(tests)} verdicts of Section 4.1 on these models {agree} agree." if len(tests) else "",
            numerics,
        ],
    )


def _others(others: int, off: int) -> str:
    if not off:
        return f"The other {others:,} differ by no more than the tolerance of their measure."
    return f"Of the other {others:,}, {off:,} differ by more than the tolerance of their measure."


def difference_table(found: Reproduced) -> Html:
    """One row a method and measure: how many numbers, how many the same to the bit, and the largest difference."""
    rows = []
    for (method, metric, source, task), part in _named(found.values).groupby(
        ["method", "metric", "source", "asked"], sort=False
    ):
        worst = part.loc[part["excess"].idxmax()]
        differs = worst["excess"] > 0
        rows.append(
            {
                "measure": f"{_measure(metric)} on {source}" if source else f"{_measure(metric)}, {task}",
                "method": method_label(method),
                "within tolerance": "yes" if worst["excess"] <= 1 else "no",
                "numbers": len(part),
                "the same to the bit": int((part["value_before"] == part["value_after"]).sum()),
                "largest difference": f"{_exact(worst['value_before'])} published, {_exact(worst['value_after'])} here"
                if differs
                else "none",
                "of what is allowed": _share(worst["excess"]),
            }
        )
    note = "What is allowed is fixed for each measure in calibprune/study/comparing.py."
    return text_table(pd.DataFrame(rows), "Fresh numbers beside published ones", note, cards="within tolerance")


def claim_table(found: Reproduced) -> Html:
    """One row a claim of Section 4.1: in how many of its tests both verdicts agree, and how each side came out."""
    rows = [
        {
            "claim": claim,
            "agree": f"{int((tests['here'] == tests['published']).sum())} of {len(tests)}",
            "here": _counts(tests["here"]),
            "published": _counts(tests["published"]),
        }
        for claim, tests in found.verdicts.groupby("claim", sort=False)
    ]
    return text_table(pd.DataFrame(rows), "Verdicts of Section 4.1, here and published", cards="agree")


def _counts(verdicts: pd.Series) -> str:
    missing = int(verdicts.isna().sum())
    return ", ".join(filter(None, [tally(verdicts.value_counts()), f"{missing} {NOT_TESTED}" * bool(missing)]))


def every_verdict(found: Reproduced) -> Html:
    """One row a test of Section 4.1, with both verdicts, behind a line that a reader opens."""
    tests = found.verdicts
    table = pd.DataFrame(
        {
            "claim": tests["claim"],
            "agree": [
                "yes" if one == other else "no" for one, other in zip(tests["here"], tests["published"], strict=True)
            ],
            "here": tests["here"].fillna(NOT_TESTED),
            "published": tests["published"].fillna(NOT_TESTED),
            "method": tests["method"].map(method_label),
            "measured as": tests["metric"].map(_measure),
            "evaluated on": tests["source"],
        }
    )
    title = f"Every one of these {len(table)} tests"
    return folded(title, text_table(table, title, cards="agree"))


def every_number(found: Reproduced) -> Html:
    """All numbers of whole models, fresh beside published, behind a line that a reader opens."""
    values = _named(found.values)
    whole = values[values["layer"].isna() & (values["component"] == "")]
    table = pd.DataFrame(
        {
            "measure": [_measure(metric) for metric in whole["metric"]],
            "on": [source or task for source, task in zip(whole["source"], whole["asked"], strict=True)],
            "method": whole["method"].map(method_label),
            "calibrated in": whole["calibration"].str.upper().replace("", "–"),
            "language": whole["language"].str.upper(),
            "here": whole["value_after"],
            "published": whole["value_before"],
            "of what is allowed": whole["excess"].map(_share),
        }
    )
    title = f"Every number of a whole model, {len(table):,} of them"
    return folded(title, sortable(text_table(table, title), ["measure", "method", "calibrated in", "language"]))


def data(found: Reproduced) -> pd.DataFrame:
    """Every number, as a reader downloads them."""
    return found.values.rename(columns={"value_before": "published", "value_after": "here"})


def _named(values: pd.DataFrame) -> pd.DataFrame:
    """With `asked`: what a task is called, without its language."""
    return values.assign(asked=values["task"].str.replace(r"_[a-z]+$", "", regex=True))


def _measure(metric: str) -> str:
    return METRICS[metric].label if metric in METRICS else TASK_METRICS.get(metric, metric.replace("_", " "))


def _exact(value: float) -> str:
    return with_powers(f"{value:.5g}")


def _share(excess: float) -> str:
    if math.isinf(excess):
        return "on one side only"
    return "–" if not excess else f"{percent(excess)}%" if excess >= 0.01 else "under 1%"
