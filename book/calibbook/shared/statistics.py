"""The statistics that claims rest on: intervals and tests over a handful of languages, each exact or with a fixed
random stream.
"""

import math
from functools import cache
from itertools import permutations, product

import numpy as np
from scipy.stats import binomtest, bootstrap, norm, permutation_test, t, ttest_1samp

ALPHA = 0.05
EXACT_UP_TO = 8  # rows whose orders are all tried
SIGNS_UP_TO = 12  # values whose signs are all tried
DRAWS = 20_000
ROUNDING = 1e-12
UNKNOWN = float("nan"), float("nan")


def share_interval(hits: int, n: int, level: float = 1 - ALPHA) -> tuple[float, float]:
    """Clopper-Pearson interval of a share (Clopper and Pearson, 1934); (nan, nan) for n = 0."""
    if n == 0:
        return UNKNOWN
    interval = binomtest(hits, n).proportion_ci(level, method="exact")
    return float(interval.low), float(interval.high)


def mean_interval(values: np.ndarray, level: float = 1 - ALPHA) -> tuple[float, float]:
    """Percentile bootstrap interval of a mean, fixed random stream; (nan, nan) for fewer than two values or an unknown
    one.
    """
    values = np.asarray(values, dtype=float)
    if len(values) < 2 or np.isnan(values).any():
        return UNKNOWN
    stream = np.random.default_rng(0)
    found = bootstrap((values,), np.mean, n_resamples=DRAWS, confidence_level=level, method="percentile", rng=stream)
    return float(found.confidence_interval.low), float(found.confidence_interval.high)


def student_interval(values: np.ndarray) -> tuple[float, float, float, float]:
    """Mean, Student's 95% interval (low, high) and the two-sided p value of no effect; only a mean for fewer than two
    values.

    Values that are all the same, which a t test knows nothing of, give an interval without width.
    """
    values = np.asarray(values, dtype=float)
    mean = float(values.mean()) if len(values) else float("nan")
    if len(values) < 2:
        return mean, *UNKNOWN, float("nan")
    if np.ptp(values) <= ROUNDING * abs(mean):
        return mean, mean, mean, float(mean == 0)
    found = ttest_1samp(values, 0)
    low, high = found.confidence_interval(1 - ALPHA)
    return mean, float(low), float(high), float(found.pvalue)


def normal_interval(value: float, error: float) -> tuple[float, float]:
    """The 95% interval of a value with a normal error of this standard deviation."""
    half = norm.isf(ALPHA / 2) * error
    return value - half, value + half


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
    if rows == 1:
        return 1.0

    def won(order: np.ndarray, axis: int = -1) -> np.ndarray:
        return best[order[..., target], np.arange(columns)].sum(axis=axis)

    found = permutation_test(
        (np.arange(rows),),
        won,
        permutation_type="pairings",
        alternative="greater",
        n_resamples=math.inf if rows <= EXACT_UP_TO else DRAWS,
        vectorized=True,
        rng=np.random.default_rng(0),
    )
    return float(found.pvalue)


def least_p_value(rows: int, columns: int) -> float:
    """The smallest value `diagonal_p_value` can take: every column won by its own language, all different."""
    return float(1 / np.prod(np.arange(rows, rows - columns, -1, dtype=float)))


def sign_flip_p_value(values: np.ndarray) -> float:
    """Probability of a mean at least this large if every value had either sign with equal chance (one-sided; Fisher,
    1935).

    All signs up to twelve values, else a fixed random sample; NaN without values. Not scipy's permutation_test: that
    takes sums that should be equal, such as 0.1 + 0.2 - 0.3 and its opposite, for different where they are near zero.
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


def least_sign_flip_p_value(n: int) -> float:
    """The smallest value `sign_flip_p_value` can take with `n` values, all of one sign."""
    return 2.0**-n


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

    gains: as in `target_advantage`. All orders of the rows up to eight languages, else a fixed random sample. Not
    scipy's permutation_test, for the reason given at `sign_flip_p_value`.
    """
    n = len(gains)
    if n < 2 or np.isnan(gains).any():
        return float("nan")
    diagonal = gains[_orders(n), np.arange(n)].mean(axis=1)
    return _share_as_large(diagonal, float(diagonal[0]))


def least_relabelling_p_value(n: int) -> float:
    """The smallest value `relabelling_p_value` can take with `n` languages: one order of all."""
    return 1 / math.factorial(n)


@cache
def _orders(n: int) -> np.ndarray:
    """Orders of n rows, [orders, n], the given one first; all of them, or a fixed random sample."""
    if n <= EXACT_UP_TO:
        return np.array(list(permutations(range(n))))
    stream = np.random.default_rng(0)
    return np.array([np.arange(n), *(stream.permutation(n) for _ in range(DRAWS))])


def pair_interval(pairs: np.ndarray, level: float = 1 - ALPHA) -> tuple[float, float, float]:
    """Mean over pairs of languages with a jackknife interval that leaves out one language at a time: (mean, low, high).

    pairs: symmetric [languages, languages], the diagonal is not read. Pairs that share a language are not independent,
    languages are (Arvesen, 1969: the jackknife of a U-statistic; Student's t with n - 1 degrees of freedom). The bounds
    are NaN for fewer than four languages, where a language less leaves a single pair.
    """
    n = len(pairs)
    if n < 2:
        return float("nan"), *UNKNOWN
    sums = np.where(np.eye(n, dtype=bool), 0.0, pairs).sum(axis=1)
    total = sums.sum()
    mean = float(total / (n * (n - 1)))
    if n < 4:
        return mean, *UNKNOWN
    left_out = (total - 2 * sums) / ((n - 1) * (n - 2))
    error = np.sqrt((n - 1) / n * ((left_out - left_out.mean()) ** 2).sum())
    reach = float(t.isf((1 - level) / 2, n - 1) * error)
    return mean, mean - reach, mean + reach


def _share_as_large(statistics: np.ndarray, observed: float) -> float:
    return float(np.mean(statistics >= observed - ROUNDING * max(1.0, abs(observed))))
