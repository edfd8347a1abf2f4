"""The square of single calibration languages by evaluation languages, on which the diagonal is read."""

import numpy as np
import pandas as pd

from calibbook.shared.frames import METRICS, blocks, setting, square, summarize


def squares(frame: pd.DataFrame, metric: str, source: str):
    """Yield (names for a Claim, means, variances) of every calibrated block.

    Both are [calibration, evaluation] over the languages that are calibration and evaluation languages (columns) and
    all single calibration languages (rows). The variance is that of the mean over draws plus the squared standard
    error of the evaluation, NaN where neither is known; text shared by the rows makes it too large for differences.
    """
    for (model, method, sparsity, pattern), rows in blocks(summarize(frame, metric, source)):
        rows = rows[(rows["calibration"] != "") & ~rows["calibration"].str.contains("+", regex=False)]
        rows = rows[rows["language"].isin(rows["calibration"])]
        if rows.empty:
            continue
        parts = np.stack([rows["sd"] ** 2 / rows["draws"], rows["stderr"] ** 2])
        variance = np.where(np.isnan(parts).all(axis=0), np.nan, np.nansum(parts, axis=0))
        names = {
            "source": source,
            "metric": metric,
            "model": model,
            "method": method,
            "sparsity": setting(sparsity, pattern),
        }
        means = square(rows).dropna(axis=1, how="all")
        yield names, means, square(rows.assign(variance=variance), "variance")[means.columns]


@np.errstate(divide="ignore")  # no error at all is an infinite gain
def gains(means: pd.DataFrame, metric: str) -> pd.DataFrame:
    """Means on a scale where more is better and differences compare: minus the logarithm, or dB as they are."""
    return -np.log(means) if METRICS[metric].lower_is_better else means
