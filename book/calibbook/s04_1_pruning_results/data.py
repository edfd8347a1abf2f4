"""The square of single calibration languages by evaluation languages, on which the diagonal is read."""

import numpy as np
import pandas as pd

from calibbook.shared.claims import names
from calibbook.shared.frames import METRICS, blocks, calibrated, square, summarize
from calibbook.shared.words import number


def squares(frame: pd.DataFrame, metric: str, source: str):
    """Yield (names for a Claim, means, variances) of every calibrated block.

    Both are [calibration, evaluation] over the languages that are calibration and evaluation languages (columns) and
    all single calibration languages (rows). The variance is that of the mean over draws plus the squared standard
    error of the evaluation, NaN where neither is known; text shared by the rows makes it too large for differences.
    """
    for block, rows in blocks(summarize(frame, metric, source)):
        rows = calibrated(rows)
        rows = rows[rows["language"].isin(rows["calibration"])]
        if rows.empty:
            continue
        parts = np.stack([rows["sd"] ** 2 / rows["draws"], rows["stderr"] ** 2])
        variance = np.where(np.isnan(parts).all(axis=0), np.nan, np.nansum(parts, axis=0))
        means = square(rows).dropna(axis=1, how="all")
        yield (
            names(block, source=source, metric=metric),
            means,
            square(rows.assign(variance=variance), "variance")[means.columns],
        )


@np.errstate(divide="ignore")  # no error at all is an infinite gain
def gains(means: pd.DataFrame, metric: str) -> pd.DataFrame:
    """Means on a scale where more is better and differences compare: minus the logarithm, or dB as they are."""
    return -np.log(means) if METRICS[metric].lower_is_better else means


def gained(gain: float, low: float, high: float, metric: str) -> dict:
    """The fields of a Claim for a gain on the scale of `gains` with its interval: the percent by which a metric falls,
    or the dB by which it rises.
    """
    if not METRICS[metric].lower_is_better:
        return {"what": f"{number(gain)} dB higher", "statistic": gain, "low": low, "high": high, "unit": "dB"}
    shown = (float(100 * -np.expm1(-value)) for value in (gain, low, high))
    found = dict(zip(("statistic", "low", "high"), shown, strict=True))
    return {"what": f"{number(found['statistic'])}% lower"} | found | {"unit": "%"}
