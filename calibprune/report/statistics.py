"""The few statistics the claims rest on, each exact or with a fixed random stream."""

from itertools import permutations

import numpy as np
from scipy.stats import binomtest

EXACT_UP_TO = 8
DRAWS = 20_000


def share_interval(hits: int, n: int, level: float = 0.95) -> tuple[float, float]:
    """Clopper-Pearson interval of a share (Clopper and Pearson, 1934); (nan, nan) for n = 0."""
    if n == 0:
        return float("nan"), float("nan")
    interval = binomtest(hits, n).proportion_ci(level, method="exact")
    return float(interval.low), float(interval.high)


def diagonal_p_value(best: np.ndarray, target: np.ndarray) -> float:
    """Probability of at least as many columns won by their own language if the calibration labels meant nothing.

    best: bool [calibrations, columns], True where a calibration is the best of a column; target: int [columns], the
    calibration that is the column's own language. The labels of the rows are permuted: all permutations up to eight
    rows, else a fixed random sample. Unlike a binomial test with chance 1/rows it allows for one calibration that wins
    many columns at once: a language that is best everywhere gives p = 1.
    """
    rows, columns = best.shape
    if columns == 0:
        return float("nan")
    if rows <= EXACT_UP_TO:
        orders = np.array(list(permutations(range(rows))))
    else:
        stream = np.random.default_rng(0)
        orders = np.array([np.arange(rows), *(stream.permutation(rows) for _ in range(DRAWS))])
    hits = best[orders[:, target], np.arange(columns)].sum(axis=1)
    return float(np.mean(hits >= best[target, np.arange(columns)].sum()))


def least_p_value(rows: int, columns: int) -> float:
    """The smallest value `diagonal_p_value` can take: every column won by its own language, all different."""
    return float(1 / np.prod(np.arange(rows, rows - columns, -1, dtype=float)))


def mean_interval(values: np.ndarray, level: float = 0.95) -> tuple[float, float]:
    """Percentile bootstrap interval of a mean, fixed random stream; (nan, nan) for fewer than two values."""
    values = np.asarray(values, dtype=float)
    if len(values) < 2:
        return float("nan"), float("nan")
    picks = np.random.default_rng(0).integers(len(values), size=(DRAWS, len(values)))
    low, high = np.quantile(values[picks].mean(axis=1), [(1 - level) / 2, (1 + level) / 2])
    return float(low), float(high)
