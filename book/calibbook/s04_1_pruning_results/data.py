"""What Section 4.1 looks at: the square of single calibration languages by evaluation languages, on which the diagonal
is read, and a metric through the layers.
"""

import math
from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
import pandas as pd
from scipy.stats import t

from calibbook.shared.claims import directed, names
from calibbook.shared.frames import (
    BLOCK,
    METRICS,
    blocks,
    calibrated,
    in_order,
    is_mixture,
    over_draws,
    square,
)
from calibbook.shared.statistics import ALPHA, student_reach
from calibprune.errors import ParameterError


class Errors(NamedTuple):
    """The variance of one calibration's mean in one language over draws of its text, on the scale of `gains`, and the
    degrees of freedom that it is known with; NaN and 0 with one draw.
    """

    variance: float
    freedom: int

    def reach(self, tests: float = 1.0, sided: int = 2) -> float:
        """How far two means lie apart before they differ at 5%, shared among `tests`."""
        if not self.freedom:
            return float("nan")
        return student_reach(self.freedom, ALPHA / sided / tests) * math.sqrt(2 * self.variance)

    def p_value(self, difference: float) -> float:
        """The two-sided p value of no difference between two means; NaN where the variance is not known."""
        if not self.freedom or not self.variance:
            return float("nan")
        return float(2 * t.sf(abs(difference) / math.sqrt(2 * self.variance), self.freedom))


Square = tuple[dict[str, str], pd.DataFrame, Errors]
"""What `squares` yields."""


def shown_here(frame: pd.DataFrame) -> pd.DataFrame:
    """The records that the section's page shows: metrics on text of whole models, and by layer the one that is drawn
    through the layers.
    """
    rows = frame[frame["metric"].isin(list(METRICS))]
    return rows[rows["layer"].isna() | ((rows["metric"] == "snr_db") & (rows["component"] == ""))]


def squares(frame: pd.DataFrame, metric: str, source: str, every: bool = False) -> Iterator[Square]:
    """Yield (names for a Claim, means, errors) of every calibrated block.

    Means are [calibration, evaluation] over all single calibration languages (rows) and those of them that are
    evaluation languages, or all evaluation languages if `every` (columns). The errors are those of the means, on the
    scale of `gains`: see `errors`.
    """
    for block, rows in blocks(over_draws(frame, metric, source)):
        rows = calibrated(rows)
        rows = rows if every else rows[rows["language"].isin(rows["calibration"])]
        if rows.empty:
            continue
        means = square(rows).dropna(axis=1, how="all")
        yield names(block, source=source, metric=metric), means, errors(rows, metric)


def errors(rows: pd.DataFrame, metric: str) -> Errors:
    """From the standard deviations over draws of one block, taken together: three draws of one cell say next to
    nothing, those of all calibrations do. Languages that one pruned model is measured in are no further draws, so the
    degrees of freedom are those of the models. All calibrations are measured on the same text, so the error of that
    text is none of a difference between them.
    """
    known = rows[rows["draws"] > 1]
    spread = known["sd"] / known["mean"] if METRICS[metric].lower_is_better else known["sd"]
    cells = int((known["draws"] - 1).sum())
    freedom = int((known.groupby("calibration")["draws"].max() - 1).sum())
    if not freedom or not np.isfinite(spread).all():
        return Errors(float("nan"), 0)
    within = float((spread**2 * (known["draws"] - 1)).sum() / cells)
    if not within:  # draws that agree to the digit are no draws
        return Errors(float("nan"), 0)
    return Errors(within / float(known["draws"].min()), freedom)


@np.errstate(divide="ignore")  # no error at all is an infinite gain
def gains(means: pd.DataFrame, metric: str) -> pd.DataFrame:
    """Means on a scale where more is better and differences compare: minus the logarithm, or dB as they are."""
    return -np.log(means) if METRICS[metric].lower_is_better else means


def gained(gain: float, low: float, high: float, metric: str) -> dict:
    """The fields of a Claim for a gain on the scale of `gains` with its interval: the percent by which a metric falls,
    or the dB by which it rises.
    """
    if not METRICS[metric].lower_is_better:
        unit = "dB higher"
        return {"what": directed(gain, unit), "statistic": gain, "low": low, "high": high, "unit": unit}
    shown = (float(100 * -np.expm1(-value)) for value in (gain, low, high))
    found = dict(zip(("statistic", "low", "high"), shown, strict=True))
    return {"what": directed(found["statistic"], "% lower")} | found | {"unit": "% lower"}


def by_layer(frame: pd.DataFrame, metric: str, source: str) -> pd.DataFrame:
    """The records of a metric by layer in the paper's order, with a column `group`: "target" where the calibration
    language is the evaluation language, "other" where it is not, "none" where the method has no calibration.

    Mixtures are neither and left out. Raises ParameterError if the frame has no such metric by layer.
    """
    rows = frame[
        (frame["metric"] == metric)
        & (frame["source"] == source)
        & frame["layer"].notna()
        & (frame["component"] == "")
        & ~frame["calibration"].map(is_mixture).astype(bool)
    ]
    if rows.empty:
        raise ParameterError(f"no {metric} by layer on {source!r} in these records: prune and measure a model first")
    group = np.where(
        rows["calibration"] == "", "none", np.where(rows["calibration"] == rows["language"], "target", "other")
    )
    return in_order(rows.assign(group=group, layer=rows["layer"].astype(int)).sort_values("layer", kind="stable"))


def layer_means(rows: pd.DataFrame) -> pd.DataFrame:
    """The rows of `by_layer` as one row per model, method, sparsity, pattern, group and layer, with `mean`, `low` and
    `high` over evaluation languages, calibrations and draws.
    """
    found = rows.groupby([*BLOCK, "group", "layer"], sort=False)["value"]
    return found.agg(mean="mean", low="min", high="max").reset_index()
