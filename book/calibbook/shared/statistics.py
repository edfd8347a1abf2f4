"""The statistics that claims rest on: intervals and tests over a handful of languages, each exact or with a fixed
random stream.
"""

from itertools import permutations, product

import numpy as np
from scipy.stats import binomtest, t

ALPHA = 0.05
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


SIGNS_UP_TO = 12
ROUNDING = 1e-12


def sign_flip_p_value(values: np.ndarray) -> float:
    """Probability of a mean at least this large if every value had either sign with equal chance (one-sided; Fisher,
    1935).

    All signs up to twelve values, else a fixed random sample; NaN without values. The smallest possible value is 2**-n.
    """
    values = np.asarray(values, dtype=float)
    if len(values) == 0 or np.isnan(values).any():
        return float("nan")
    if len(values) <= SIGNS_UP_TO:
        signs = np.array(list(product((1, -1), repeat=len(values))))
    else:
        signs = np.random.default_rng(0).choice((1, -1), size=(DRAWS, len(values)))
        signs[0] = 1
    return _share_as_large(signs @ values / len(values), float(values.mean()))


def target_advantage(gains: np.ndarray) -> np.ndarray:
    """What each evaluation language gains by calibration in itself, against the mean of the other calibrations:
    [languages].

    gains: [calibrations, evaluations], the same languages in the same order, more is better. What a calibration
    language is good for everywhere and what an evaluation language gets from everyone is taken out: the mean is that of
    the diagonal minus that of the rest, in which both cancel, and so the values of single languages do not vary with
    them either.
    """
    n = len(gains)
    if n < 2:
        return np.full(n, np.nan)
    own = np.diagonal(gains) - gains.mean(axis=1) - gains.mean(axis=0) + gains.mean()
    return n / (n - 1) * own


def relabelling_p_value(gains: np.ndarray) -> float:
    """Probability of a mean target advantage at least this large if the calibrations' labels meant nothing (one-sided).

    gains: as in `target_advantage`. All orders of the rows up to eight languages, else a fixed random sample. The
    smallest possible value is 1/n!.
    """
    n = len(gains)
    if n < 2 or np.isnan(gains).any():
        return float("nan")
    if n <= EXACT_UP_TO:
        orders = np.array(list(permutations(range(n))))
    else:
        stream = np.random.default_rng(0)
        orders = np.array([np.arange(n), *(stream.permutation(n) for _ in range(DRAWS))])
    diagonal = gains[orders, np.arange(n)].mean(axis=1)
    return _share_as_large(diagonal, float(diagonal[0]))


def pair_interval(pairs: np.ndarray, level: float = 1 - ALPHA) -> tuple[float, float, float]:
    """Mean over pairs of languages with a jackknife interval that leaves out one language at a time: (mean, low, high).

    pairs: symmetric [languages, languages], the diagonal is not read. Pairs that share a language are not independent,
    languages are (Arvesen, 1969: the jackknife of a U-statistic; Student's t with n - 1 degrees of freedom). The bounds
    are NaN for fewer than four languages, where a language less leaves a single pair.
    """
    n = len(pairs)
    if n < 2:
        return float("nan"), float("nan"), float("nan")
    sums = np.where(np.eye(n, dtype=bool), 0.0, pairs).sum(axis=1)
    total = sums.sum()
    mean = float(total / (n * (n - 1)))
    if n < 4:
        return mean, float("nan"), float("nan")
    left_out = (total - 2 * sums) / ((n - 1) * (n - 2))
    error = np.sqrt((n - 1) / n * ((left_out - left_out.mean()) ** 2).sum())
    reach = float(t.isf((1 - level) / 2, n - 1) * error)
    return mean, mean - reach, mean + reach


def _share_as_large(statistics: np.ndarray, observed: float) -> float:
    return float(np.mean(statistics >= observed - ROUNDING * max(1.0, abs(observed))))
