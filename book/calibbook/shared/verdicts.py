"""The claims as a reader meets them: one line each, in words."""

import math

import pandas as pd

from calibbook.shared.frames import METHODS, METRICS
from calibbook.shared.words import listed, number

VERDICTS = ("held", "not held", "undecided")


def readable(claims: pd.DataFrame) -> pd.DataFrame:
    """The frame of `claims.section_4_1` in words; columns that say nothing go.

    Those are model and sparsity where they do not vary, and columns without a value.
    """
    table = pd.DataFrame(
        {
            "claim": claims["claim"],
            "evaluated on": claims["source"],
            "metric": claims["metric"].map(lambda name: METRICS[name].short or METRICS[name].label),
            "model": claims["model"],
            "method": claims["method"].map(lambda name: METHODS.get(name, name)),
            "sparsity": claims["sparsity"],
            "result": [result(row) for row in claims.itertuples()],
            "95% interval": [interval(row) for row in claims.itertuples()],
            "p": ["–" if math.isnan(p) else f"{p:.2g}" for p in claims["p"]],
            "languages": claims["n"],
            "verdict": claims["verdict"],
            "note": claims["note"],
        }
    )
    constant = [name for name in ("model", "sparsity") if table[name].nunique() <= 1]
    empty = [name for name in table.columns.difference(constant) if table[name].isin(["", "–"]).all()]
    return table.drop(columns=constant + empty)


def result(row) -> str:
    """`7 of 7 columns`, `41% lower`, `−3% lower`, `1.20 dB higher`."""
    if row.what.startswith("percent"):
        return f"{percent(row.statistic)}%{row.what.removeprefix('percent')}"
    return f"{row.statistic:.2f} {row.what}".replace("-", "−") if row.what.startswith("dB") else row.what


def interval(row) -> str:
    """The interval in the unit of the result, a dash where there is none."""
    if math.isnan(row.low) or math.isnan(row.high):
        return "–"
    if row.what.startswith("dB"):
        return f"{row.low:.2f} to {row.high:.2f} dB".replace("-", "−")
    scale = 1 if row.what.startswith("percent") else 100
    return f"{percent(scale * row.low)} to {percent(scale * row.high)}%"


def percent(value: float) -> str:
    """One decimal, more where it would be zero and the value is not."""
    return f"{value:.1f}".replace("-", "−") if value == 0 or abs(value) >= 0.05 else number(value)


def verdict_sentence(claims: pd.DataFrame) -> str:
    """`Of 12 tests 8 held, 1 not held and 3 undecided.`"""
    if claims.empty:
        return "Nothing was calibrated here, so there was nothing to test."
    counts = [f"{int((claims['verdict'] == verdict).sum())} {verdict}" for verdict in VERDICTS]
    return f"Of {len(claims)} tests {listed(counts)}."
