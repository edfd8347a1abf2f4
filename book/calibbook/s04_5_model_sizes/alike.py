"""How alike are two models in what calibrations do to them? Two squares of gains, [calibrations, evaluations], with the
same languages in the same order, more is better.

Two models nearly always agree on which evaluation languages are hard, and that says nothing of calibrations. So every
statistic here takes it out: winners and rankings are within an evaluation language, and the pattern is what is left of
a square when the means of its rows and of its columns are taken out: which calibration suits which evaluation.

Chance is a relabelling: the rows of one model in any order, whole, since evaluations share the pruned models. An
interval leaves out one calibration at a time, on Fisher's scale for correlations, and is of what other calibration
languages would give in the same evaluation languages. Both are simulated in the room's tests.
"""

import math
from typing import NamedTuple

import numpy as np
from scipy.stats import beta, rankdata

from calibbook.shared.draws import FEWEST_DRAWS
from calibbook.shared.statistics import ALPHA, ROUNDING, UNKNOWN, jackknife_interval, row_orders

FURTHEST = 1 - 1e-6
"""Correlations nearer to one are taken for this one, which is still a number on Fisher's scale."""


class Winners(NamedTuple):
    """How often two models have the same best calibration: `share` of the evaluation languages with its 95% interval
    `low` to `high`, the share that relabelled rows would give, and p, one-sided, of at least as many.
    """

    share: float
    chance: float
    low: float
    high: float
    p: float


def pattern_alike(one: np.ndarray, other: np.ndarray) -> tuple[float, float, float, float]:
    """Spearman's rank correlation over all cells of both squares without the means of their rows and columns: (value,
    low, high, two-sided p). NaN where a square has no pattern, ends too for fewer than three calibrations.
    """
    return _correlation(_pattern, one, other)


def ranking_alike(one: np.ndarray, other: np.ndarray) -> tuple[float, float, float, float]:
    """Spearman's rank correlation of the calibrations within an evaluation language, mean over evaluation languages:
    (value, low, high, two-sided p). A calibration that is good for everybody counts here, unlike in the pattern.
    """
    return _correlation(_rankings, one, other)


def winners_alike(one: np.ndarray, other: np.ndarray) -> Winners:
    """In how many evaluation languages the same calibration is best; of several that share the lead each counts with
    its part.

    The interval is that of Clopper and Pearson with as many trials as there are different pairs of winners: one
    calibration that wins everywhere in both models is a single coincidence, however many columns it is seen in.
    (scipy's takes whole numbers only.) NaN where the calibrations of a model draw level in every evaluation language.
    """
    first, second = _best(one), _best(other)
    if not (np.ptp(first) > 0 and np.ptp(second) > 0):
        return Winners(*[float("nan")] * 5)
    columns = one.shape[1]
    matches = first @ second.T / columns
    found = _relabelled(matches)
    share = float(found[0])
    trials = np.unique(np.vstack([first, second]), axis=1).shape[1]
    hits = min(share * trials, trials)
    low = float(beta.ppf(ALPHA / 2, hits, trials - hits + 1)) if hits > ROUNDING else 0.0
    high = float(beta.isf(ALPHA / 2, hits + 1, trials - hits)) if hits < trials - ROUNDING else 1.0
    return Winners(share, float(matches.sum() / len(matches)), low, high, float(np.mean(found >= share - ROUNDING)))


def beyond_draws(one: np.ndarray, other: np.ndarray) -> tuple[float, float, float, float]:
    """How much less alike the patterns of two models are than draws of calibration text let expect: (gap, low, high,
    two-sided p).

    Noise lowers any correlation, so that a low one alone says nothing. What two draws of one model have in common is
    the ceiling: with the same pattern in both models the correlation between them is the geometric mean of the
    correlations within (Spearman, 1904: the correction for attenuation). The gap is that mean less the correlation
    between models, all of single draws.

    Args:
        one, other: [parts, draws, calibrations, evaluations]. With several parts (halves of a task's items) only
            different parts are compared, so that a model does not agree with itself by its answers to the same items;
            with one, all are measured on the same text.

    Returns:
        NaN with one draw on either side, or where draws of one model have no pattern in common: nothing can be lost.
    """
    if min(one.shape[1], other.shape[1]) < FEWEST_DRAWS:
        return float("nan"), *UNKNOWN, float("nan")
    gap = _gap(one, other)
    left_out = [_gap(np.delete(one, i, axis=2), np.delete(other, i, axis=2)) for i in range(one.shape[2])]
    return gap, *jackknife_interval(gap, np.array(left_out))


def _correlation(scores, one: np.ndarray, other: np.ndarray) -> tuple[float, float, float, float]:
    first, second = scores(one), scores(other)
    norm = math.sqrt((first**2).sum() * (second**2).sum())
    if not norm > 0:
        return float("nan"), *UNKNOWN, float("nan")
    found = _relabelled(first @ second.T / norm)
    value = float(found[0])
    p = min(1.0, 2 * float(min(np.mean(found >= value - ROUNDING), np.mean(found <= value + ROUNDING))))
    if len(one) < 3:
        return value, *UNKNOWN, p
    without = (
        [scores(np.delete(square, i, axis=0)) for square in (one, other)] for i in range(len(one))
    )  # two squares each
    left_out = np.array([_cosine(*pair) for pair in without])
    low, high, _ = jackknife_interval(_fisher(value), _fisher(left_out))
    return value, math.tanh(low), math.tanh(high), p


def _relabelled(matches: np.ndarray) -> np.ndarray:
    """Sums of matches[i, order[i]] for every order of the calibrations, the given one first."""
    return matches[np.arange(len(matches)), row_orders(len(matches))].sum(axis=1)


def _pattern(square: np.ndarray) -> np.ndarray:
    """Ranks, centred, over all cells of a square (or of each of several) without the means of rows and columns."""
    rest = square - square.mean(axis=-1, keepdims=True) - square.mean(axis=-2, keepdims=True)
    rest = rest + square.mean(axis=(-2, -1), keepdims=True)
    size = np.abs(square - square.mean(axis=(-2, -1), keepdims=True)).max(initial=0.0)
    rest = np.where(np.abs(rest) <= ROUNDING * max(1.0, size), 0.0, rest)
    cells = rest.reshape(*rest.shape[:-2], -1)
    ranks = rankdata(cells, axis=-1)
    return (ranks - ranks.mean(axis=-1, keepdims=True)).reshape(square.shape)


def _rankings(square: np.ndarray) -> np.ndarray:
    """Ranks within each column, centred and of length one; zero where a column has no order."""
    ranks = rankdata(square, axis=0)
    ranks = ranks - ranks.mean(axis=0)
    length = np.sqrt((ranks**2).sum(axis=0))
    return np.divide(ranks, length, out=np.zeros_like(ranks), where=length > 0)


def _best(square: np.ndarray) -> np.ndarray:
    best = square == square.max(axis=0)
    return best / best.sum(axis=0)


def _cosine(first: np.ndarray, second: np.ndarray) -> float:
    norm = math.sqrt((first**2).sum() * (second**2).sum())
    return float((first * second).sum() / norm) if norm > 0 else float("nan")


def _fisher(correlation):
    return np.arctanh(np.clip(correlation, -FURTHEST, FURTHEST))


def _gap(one: np.ndarray, other: np.ndarray) -> float:
    first, second = _unit(one), _unit(other)
    within = _mean_product(first, first, same=True), _mean_product(second, second, same=True)
    if not min(within) > 0:
        return float("nan")
    return math.sqrt(within[0] * within[1]) - _mean_product(first, second, same=False)


def _unit(runs: np.ndarray) -> np.ndarray:
    """The patterns of [parts, draws, calibrations, evaluations] as vectors of length one, [parts, draws, cells]."""
    cells = _pattern(runs).reshape(*runs.shape[:2], -1)
    length = np.sqrt((cells**2).sum(axis=-1, keepdims=True))
    return np.divide(cells, length, out=np.full_like(cells, np.nan), where=length > 0)


def _mean_product(first: np.ndarray, second: np.ndarray, same: bool) -> float:
    """Mean correlation of the draws of `first` with those of `second` in other parts; of one model with itself (`same`)
    a draw is not compared with itself.
    """
    products = np.einsum("pdc,qec->pqde", first, second)
    parts, _, draws, others = products.shape
    counted = np.ones(products.shape, dtype=bool)
    if parts > 1:
        counted &= ~np.eye(parts, dtype=bool)[:, :, None, None]
    if same:
        counted &= ~np.eye(draws, others, dtype=bool)
    return float(products[counted].mean())
