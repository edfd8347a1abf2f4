"""The statistics that claims rest on: intervals and tests over a handful of languages, each exact or with a fixed
random stream.
"""

import math
from collections.abc import Iterable
from functools import cache
from itertools import permutations

import numpy as np
from scipy.stats import binomtest, norm, permutation_test, t

ALPHA = 0.05
EXACT_UP_TO = 8  # rows whose orders are all tried
DRAWS = 20_000
ROUNDING = 1e-12
UNKNOWN = float("nan"), float("nan")
NORMAL = float(norm.isf(ALPHA / 2))
"""Half of a normal 95% interval, in standard errors."""


@cache
def share_interval(hits: int, n: int, level: float = 1 - ALPHA) -> tuple[float, float]:
    """Clopper-Pearson interval of a share (Clopper and Pearson, 1934); (nan, nan) for n = 0."""
    if n == 0:
        return UNKNOWN
    interval = binomtest(hits, n).proportion_ci(level, method="exact")
    return float(interval.low), float(interval.high)


def mean_interval(values: np.ndarray) -> tuple[float, float]:
    """The ends of `student_interval`. A percentile bootstrap of seven values errs in 13% of cases instead of 5%."""
    return student_interval(values)[1:3]


def student_interval(values: np.ndarray) -> tuple[float, float, float, float]:
    """Mean, Student's 95% interval (low, high) and the two-sided p value of no effect; only a mean for fewer than two
    values, and for values that are all the same: an unknown variance is not a variance of zero.
    """
    values = np.asarray(values, dtype=float)
    mean = float(values.mean()) if len(values) else float("nan")
    if len(values) < 2 or not np.isfinite(values).all() or np.ptp(values) <= ROUNDING * max(1.0, abs(mean)):
        return mean, *UNKNOWN, float("nan")
    return mean, *_student(mean, float(values.std(ddof=1)) / math.sqrt(len(values)), len(values) - 1)


def shared_interval(values: np.ndarray, variance: float, freedom: int) -> tuple[float, float, float, float]:
    """`student_interval` of languages that share a pruned model: the variance of their mean between draws of its
    calibration text, known with so many degrees of freedom, comes on top of the spread over languages. Student's t with
    the smaller number of degrees of freedom.
    """
    values = np.asarray(values, dtype=float)
    mean = float(values.mean()) if len(values) else float("nan")
    error = math.sqrt(values.var(ddof=1) / len(values) + variance) if len(values) > 1 and freedom else float("nan")
    if not error > ROUNDING * max(1.0, abs(mean)):
        return mean, *UNKNOWN, float("nan")
    return mean, *_student(mean, error, min(len(values) - 1, freedom))


def crossed_interval(values: np.ndarray) -> tuple[float, float, float, float]:
    """Mean, 95% interval and two-sided p value of an effect that was measured once for every pair of a calibration and
    an evaluation: [calibrations, evaluations].

    Evaluations share the pruned models, so they are not independent of each other. The variance is that of the means
    over calibrations plus that of the means over evaluations, which counts the noise of single pairs twice and is on
    the safe side (Owen, 2007: the pigeonhole bootstrap); Student's t with the smaller number of degrees of freedom.
    NaN ends for fewer than two of either, or without spread.
    """
    values = np.asarray(values, dtype=float)
    mean = float(values.mean()) if values.size else float("nan")
    if min(values.shape) < 2 or not np.isfinite(values).all():
        return mean, *UNKNOWN, float("nan")
    error = math.sqrt(sum(values.mean(axis=1 - axis).var(ddof=1) / values.shape[axis] for axis in (0, 1)))
    if error <= ROUNDING * max(1.0, abs(mean)):
        return mean, *UNKNOWN, float("nan")
    return mean, *_student(mean, error, min(values.shape) - 1)


def jackknife_interval(value: float, left_out: np.ndarray) -> tuple[float, float, float]:
    """95% interval (low, high) and two-sided p value of a statistic from its values without each of n units in turn
    (Tukey, 1958; Student's t with n - 1 degrees of freedom). NaN for fewer than three units, or without spread.
    """
    n = len(left_out)
    if n < 3 or not np.isfinite(left_out).all() or np.ptp(left_out) <= ROUNDING * max(1.0, abs(value)):
        return *UNKNOWN, float("nan")
    error = math.sqrt((n - 1) / n * ((left_out - left_out.mean()) ** 2).sum())
    return _student(value, error, n - 1)


@cache
def student_reach(freedom: float, alpha: float = ALPHA / 2) -> float:
    """Half of a Student interval with so many degrees of freedom, in standard errors, with `alpha` beyond each end."""
    return float(t.isf(alpha, freedom))


def _student(value: float, error: float, freedom: float) -> tuple[float, float, float]:
    reach = student_reach(freedom) * error
    return value - reach, value + reach, float(2 * t.sf(abs(value) / error, freedom))


def mixed_interval(value: float, known: float, drawn: Iterable[tuple[float, int]]) -> tuple[float, float]:
    """The 95% interval of a value whose variance has a part that is known, and parts (variance, degrees of freedom)
    that are estimated from draws.

    The halves of the intervals that each part alone would have, normal or Student's, are added in squares. That is on
    the safe side: one Student interval with the degrees of freedom of Welch (1947) and Satterthwaite (1946) errs in up
    to 8% of cases where most of the noise is known from three draws.
    """
    squares = known * NORMAL**2
    squares += sum(variance * student_reach(freedom) ** 2 for variance, freedom in drawn if variance > 0)
    return value - math.sqrt(squares), value + math.sqrt(squares)


def normal_interval(value: float, error: float) -> tuple[float, float]:
    """The 95% interval of a value with a normal error of this standard deviation."""
    half = NORMAL * error
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
    scipy's permutation_test: that takes sums that should be equal, such as 0.1 + 0.2 - 0.3 and its opposite, for
    different where they are near zero.
    """
    n = len(gains)
    if n < 2 or np.isnan(gains).any():
        return float("nan")
    diagonal = gains[row_orders(n), np.arange(n)].mean(axis=1)
    return _share_as_large(diagonal, float(diagonal[0]))


def target_interval(gains: np.ndarray) -> tuple[float, float, float, float]:
    """Mean target advantage, its 95% interval (low, high), and the two-sided p value of none.

    gains: as in `target_advantage`. Chance has two faces here: labels that mean nothing, and languages that gain
    differently. Against the first the interval holds the advantages that `relabelling_p_value` would not reject, 2.5%
    on either side, when they are taken off the diagonal; against the second it is Student's over the advantages, which
    share their rows' and columns' means and so vary less than their mean does, by (n - 2) / (n - 1). The wider end
    counts, and the larger p. NaN ends for fewer than five languages, whose orders are too few.
    """
    n = len(gains)
    if n < 2 or not np.isfinite(gains).all():
        return float(np.mean(target_advantage(gains))) if n else float("nan"), *UNKNOWN, float("nan")
    orders = row_orders(n)
    found = gains[orders, np.arange(n)].mean(axis=1)
    fixed = (orders == np.arange(n)).mean(axis=1)
    slack = ROUNDING * max(1.0, abs(found[0]))
    p = min(1.0, 2 * min(np.mean(found >= found[0] - slack), np.mean(found <= found[0] + slack)))
    same = fixed == 1
    # taking d off the diagonal takes d * fixed off the mean of an order: the d at which that order draws level
    level = np.sort((found[0] - found[~same]) / (1 - fixed[~same]))
    place = math.floor(ALPHA / 2 * len(orders)) - int(same.sum())
    low, high = (float(level[place]), float(level[-1 - place])) if place >= 0 else UNKNOWN
    advantage = target_advantage(gains)
    mean = float(advantage.mean())
    if math.isnan(low) or np.ptp(advantage) <= ROUNDING * max(1.0, abs(mean)):
        return mean, low, high, float(p)
    error = float(advantage.std(ddof=1)) * math.sqrt((n - 1) / (n - 2) / n)
    first, last, other = _student(mean, error, n - 1)
    return mean, min(low, first), max(high, last), max(float(p), other)


def least_relabelling_p_value(n: int) -> float:
    """The smallest two-sided p value that `target_interval` can give with `n` languages: one order of all, twice."""
    return 2 / math.factorial(n)


@cache
def row_orders(n: int) -> np.ndarray:
    """Orders of n rows, [orders, n], the given one first; all of them, or a fixed random sample."""
    if n <= EXACT_UP_TO:
        return np.array(list(permutations(range(n))))
    stream = np.random.default_rng(0)
    return np.array([np.arange(n), *(stream.permutation(n) for _ in range(DRAWS))])


def pair_interval(pairs: np.ndarray) -> tuple[float, float, float, float]:
    """Mean over pairs of languages, its 95% interval, which leaves out one language at a time, and the two-sided p
    value: (mean, low, high, p).

    pairs: symmetric [languages, languages], the diagonal is not read. Pairs that share a language are not independent,
    languages are (Arvesen, 1969: the jackknife of a U-statistic). The bounds are NaN for fewer than four languages,
    where a language less leaves a single pair, and for pairs that are all the same.
    """
    n = len(pairs)
    if n < 2:
        return float("nan"), *UNKNOWN, float("nan")
    sums = np.where(np.eye(n, dtype=bool), 0.0, pairs).sum(axis=1)
    total = sums.sum()
    mean = float(total / (n * (n - 1)))
    if n < 4:
        return mean, *UNKNOWN, float("nan")
    return mean, *jackknife_interval(mean, (total - 2 * sums) / ((n - 1) * (n - 2)))


def related_advantage(gains: np.ndarray, related: np.ndarray) -> tuple[float, float, float, float]:
    """What a calibration in a related language gains over one in another language: (mean, low, high, two-sided p).

    Least squares on the means of both directions of every pair of languages, with an effect of every language: one that
    is bad to calibrate in for everybody does not pass for unrelated. What else two languages do to each other is the
    noise, so directions are no independent observations. NaN ends for fewer than five languages; NaN where the relation
    cannot be told from the languages' own effects.

    Args:
        gains: [calibrations, evaluations], the same languages in the same order; the diagonal is not read.
        related: bool, of the same shape, symmetric.
    """
    n = len(gains)
    first, second = np.triu_indices(n, 1)
    y = (gains[first, second] + gains[second, first]) / 2
    relation = related[first, second].astype(float)
    columns = np.eye(n)[first] + np.eye(n)[second]
    rest = relation - columns @ np.linalg.lstsq(columns, relation, rcond=None)[0]
    size, freedom = rest @ rest, len(y) - n - 1
    if n < 3 or size <= ROUNDING or not np.isfinite(y).all():
        return float("nan"), *UNKNOWN, float("nan")
    value = float(rest @ y / size)
    columns = np.column_stack([columns, relation])
    noise = y - columns @ np.linalg.lstsq(columns, y, rcond=None)[0]
    if freedom < 1 or noise @ noise <= ROUNDING**2 * max(1.0, y @ y):
        return value, *UNKNOWN, float("nan")
    return value, *_student(value, math.sqrt(noise @ noise / freedom / size), freedom)


def _share_as_large(statistics: np.ndarray, observed: float) -> float:
    return float(np.mean(statistics >= observed - ROUNDING * max(1.0, abs(observed))))
