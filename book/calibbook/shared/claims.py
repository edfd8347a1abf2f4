"""Claims about the inside of a pruned model: one rule for the verdict, one table for the page."""

import math
from collections.abc import Callable
from dataclasses import asdict, dataclass, fields

import numpy as np
import pandas as pd

from calibbook.shared.frames import METHODS
from calibbook.shared.statistics import ALPHA, mean_interval, sign_flip_p_value
from calibbook.shared.words import more_or_less, number


@dataclass(frozen=True)
class Claim:
    """One claim on one model, method, sparsity, metric and evaluation text.

    `statistic` with its unit in `what`, 95% interval `low` to `high`, `p` of the test (NaN where there is none),
    `n` evaluation languages.
    """

    claim: str
    source: str
    metric: str
    model: str
    method: str
    sparsity: str
    what: str
    statistic: float
    low: float
    high: float
    p: float
    n: int
    verdict: str
    note: str = ""


TOO_FEW = "too few languages to tell from chance"


def paired(values: np.ndarray, shown: Callable[[float], float], what: Callable[[float], str] | str) -> dict:
    """The fields of a Claim that says the mean of one difference a language is positive.

    values: [languages] on a scale where differences add, positive as claimed; `shown` turns one into the unit of the
    page; `what` is the result in words, or makes them of the mean in that unit. Bootstrap interval over languages and
    sign-flip test (`decided`); fewer than five languages are too few, since there no sign-flip test can reach 5%.
    """
    values = np.asarray(values, dtype=float)
    mean = float(values.mean()) if len(values) else float("nan")
    low, high = mean_interval(values)
    p = sign_flip_p_value(values)
    return {
        "what": what if isinstance(what, str) else what(shown(mean)),
        "statistic": shown(mean),
        **dict(zip(("low", "high"), sorted(map(shown, (low, high))), strict=True)),
        "p": p,
        "n": len(values),
        **decided(low, high, p, 2.0 ** -len(values)),
    }


def decided(low: float, high: float, p: float, least: float) -> dict:
    """`verdict` and `note`: of an interval that should lie above zero, a p value (NaN where there is no test) and its
    least value.
    """
    if least > ALPHA:
        return {"verdict": "undecided", "note": TOO_FEW}
    if high < 0:
        return {"verdict": "not held", "note": ""}
    return {"verdict": "held" if low > 0 and not p > ALPHA else "undecided", "note": ""}


def claims_frame(claims: list[Claim]) -> pd.DataFrame:
    """One row a Claim, its fields as columns, empty or not."""
    return pd.DataFrame([asdict(claim) for claim in claims], columns=[field.name for field in fields(Claim)])


def readable(claims: pd.DataFrame) -> pd.DataFrame:
    """Claims in words; columns that are the same everywhere or empty go, results and verdicts never."""
    table = pd.DataFrame(
        {
            "measured as": claims["metric"],
            "model": claims["model"],
            "method": claims["method"].map(lambda name: METHODS.get(name, name)),
            "sparsity": claims["sparsity"],
            "result": claims["what"],
            "95% interval": [interval(row) for row in claims.itertuples()],
            "p": ["–" if math.isnan(p) else f"{p:.2g}" for p in claims["p"]],
            "languages": claims["n"],
            "verdict": claims["verdict"],
            "note": claims["note"],
        }
    )
    constant = [name for name in ("measured as", "model", "sparsity") if table[name].nunique() <= 1]
    empty = [name for name in table.columns.difference(constant) if table[name].isin(["", "–"]).all()]
    return table.drop(columns=constant + empty)


def interval(row) -> str:
    """The interval in the unit of the result and with its words, a dash where there is none."""
    if math.isnan(row.low) or math.isnan(row.high):
        return "–"
    if not row.what.endswith(("% less", "% more")):
        return f"{number(row.low)} to {number(row.high)}{'%' if '%' in row.what else ''}"
    if row.low < 0 < row.high:
        return f"{more_or_less(row.low)} to {more_or_less(row.high)}"
    near, far = sorted((row.low, row.high), key=abs)
    return f"{number(abs(near))} to {more_or_less(far)}"


def ends(bounds) -> dict[str, float]:
    """The two ends under the names a Claim has for them."""
    return dict(zip(("low", "high"), map(float, bounds), strict=True))
