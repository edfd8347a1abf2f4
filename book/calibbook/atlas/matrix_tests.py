"""Tests on matrices of pairs of languages. Pairs that share a language are not independent, so nothing here counts
pairs: chance is what becomes of a result when the languages' labels are exchanged, and intervals leave out a language
at a time.

The response is centred first: what a calibration language does to all, and what an evaluation language suffers from
all, is taken out (`additive.parts`), so that a good donor does not pass for a relative. The diagonal takes no part.
"""

import math
from collections.abc import Mapping
from functools import cache
from itertools import permutations

import numpy as np
import pandas as pd
from scipy.stats import t

from calibbook.atlas.additive import parts
from calibbook.shared.statistics import ALPHA, ROUNDING

FEWEST = 6
"""Languages for a regression: 30 pairs, from which the languages' own effects take 11."""
EXACT_UP_TO = 7  # languages whose orders are all tried
DRAWS = 4999
AT_ONCE = 500  # orders whose matrices are in memory together
NOTHING = 1e-9  # of a predictor's size, below which nothing is left of it


def mantel(response: np.ndarray, predictor: np.ndarray) -> tuple[float, float]:
    """Correlation r of two matrices of pairs, both centred, and its two-sided p value (Mantel, 1967).

    response, predictor: [n, n] over the same languages. The labels of the predictor are exchanged, rows and columns
    together: in all orders of up to seven languages, else in a fixed random sample. (nan, nan) where the predictor does
    not vary beyond the languages' own effects.
    """
    return _tested(*_design(response, [predictor]), 0)


def coefficients(response: np.ndarray, predictors: Mapping[str, np.ndarray]) -> pd.Series:
    """The least-squares coefficient of every predictor, all in one regression on centred pairs; NaN where nothing is
    left of a predictor once the others are known. Arguments as for `regression`.
    """
    return pd.Series(_fit(*_design(response, list(predictors.values()))), index=list(predictors))


def regression(response: np.ndarray, predictors: Mapping[str, np.ndarray]) -> pd.DataFrame:
    """Every predictor with the others held constant: one row each, with `coefficient`, its interval `low` to `high`,
    the partial correlation `r` and its two-sided p value `p`.

    p is that of Dekker, Krackhardt and Snijders (2007), double semi-partialing: what the other predictors leave of this
    one is permuted, and fitted beside them again. It is a form of the partial test of Smouse, Long and Sokal (1986)
    that holds its level when predictors are correlated. The 95% interval is a jackknife over languages with Student's t
    (Snijders and Borgatti, 1999, who halve the variance where only pairs vary; here it is not halved, which is the safe
    side); NaN for fewer than `FEWEST` languages.

    Args:
        response: float [n, n], [calibration, evaluation], n of three or more.
        predictors: name -> float [n, n], not centred.
    """
    y, columns = _design(response, list(predictors.values()))
    fitted = _fit(y, columns)
    half = _jackknife(response, predictors) if len(response) >= FEWEST else np.full(len(fitted), np.nan)
    tests = [_tested(y, columns, place) for place in range(len(fitted))]
    return pd.DataFrame(
        {
            "coefficient": fitted,
            "low": fitted - half,
            "high": fitted + half,
            "r": [r for r, _ in tests],
            "p": [p for _, p in tests],
        },
        index=list(predictors),
    )


def _design(response: np.ndarray, predictors: list[np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
    """Centred pairs: y [n (n - 1)] and columns [n (n - 1), predictors]."""
    off = ~np.eye(len(response), dtype=bool)
    return parts(response).rest[off], np.stack([parts(one).rest[off] for one in predictors], axis=1)


def _fit(y: np.ndarray, columns: np.ndarray) -> np.ndarray:
    """Least-squares coefficients; NaN for a column of which the others leave nothing."""
    fitted, _, rank, _ = np.linalg.lstsq(columns, y, rcond=NOTHING)
    if rank == columns.shape[1]:
        return fitted
    found = np.full(columns.shape[1], np.nan)
    kept = [place for place in range(columns.shape[1]) if _remainder(columns, place) is not None]
    if kept:
        found[kept] = np.linalg.lstsq(columns[:, kept], y, rcond=None)[0]
    return found


def _basis(columns: np.ndarray) -> np.ndarray:
    """Orthonormal columns that span the same; [pairs, 0] for none."""
    left, sizes, _ = np.linalg.svd(columns, full_matrices=False)
    return left[:, sizes > NOTHING * max(1.0, sizes.max(initial=0.0))]


def _remainder(columns: np.ndarray, place: int) -> np.ndarray | None:
    """What the other columns leave of one; None for nothing."""
    column, others = columns[:, place], _basis(np.delete(columns, place, axis=1))
    left = column - others @ (others.T @ column)
    return left if np.linalg.norm(left) > NOTHING * max(1.0, np.linalg.norm(column)) else None


def _tested(y: np.ndarray, columns: np.ndarray, place: int) -> tuple[float, float]:
    """Partial correlation of y with one column, and the share of orders of the languages with one at least as large."""
    left = _remainder(columns, place)
    if left is None:
        return math.nan, math.nan
    others = _basis(np.delete(columns, place, axis=1))
    y = y - others @ (others.T @ y)
    n = round((1 + math.sqrt(1 + 4 * len(y))) / 2)
    matrix = np.zeros((n, n))
    matrix[~np.eye(n, dtype=bool)] = left
    found = []
    for pairs in _pairs(n):
        drawn = matrix.ravel()[pairs]
        # y is without the others already, and so it does not see what of a drawn column they explain
        sizes = np.sqrt(np.maximum(left @ left - ((drawn @ others) ** 2).sum(axis=1), 0)) * np.linalg.norm(y)
        found.append(np.divide(drawn @ y, sizes, out=np.zeros(len(pairs)), where=sizes > NOTHING))
    r = np.concatenate(found)
    return float(r[0]), float(np.mean(np.abs(r) >= np.abs(r[0]) - ROUNDING))


@cache
def _pairs(n: int) -> list[np.ndarray]:
    """For each order of n languages, the given one first, where the pairs of two different ones stand in a flattened
    matrix after they are reordered, int32 [orders, n (n - 1)]; in parts of `AT_ONCE` orders.
    """
    if n <= EXACT_UP_TO:
        orders = np.array(list(permutations(range(n))), dtype=np.int32)
    else:
        stream = np.random.default_rng(0)
        orders = np.array([np.arange(n), *(stream.permutation(n) for _ in range(DRAWS))], dtype=np.int32)
    row, column = np.nonzero(~np.eye(n, dtype=bool))
    parts = np.array_split(orders, -(-len(orders) // AT_ONCE))
    return [some[:, row] * n + some[:, column] for some in parts]


def _jackknife(response: np.ndarray, predictors: Mapping[str, np.ndarray]) -> np.ndarray:
    """Half the width of each coefficient's 95% interval; NaN where it cannot be fitted without some language."""
    n = len(response)
    without = []
    for place in range(n):
        others = np.delete(np.arange(n), place)
        inner = np.ix_(others, others)
        without.append(_fit(*_design(response[inner], [one[inner] for one in predictors.values()])))
    spread = np.array(without) - np.mean(without, axis=0)
    error = np.sqrt((n - 1) / n * (spread**2).sum(axis=0))
    return t.isf(ALPHA / 2, n - 1) * error
