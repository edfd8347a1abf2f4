"""Languages by how well the dense model predicts them, in bits a byte, the nearest thing here to what it knows."""

import numpy as np
import pandas as pd
from scipy.stats import rankdata, spearmanr

from calibbook.shared.statistics import DRAWS, UNKNOWN

FEWEST = 8
"""Languages: four in each half, or nothing is said of halves."""
BETTER, LESS = "fewer bits a byte", "more bits a byte"


def halves(bits: pd.Series) -> dict[str, list[str]]:
    """The languages in two halves by the dense model's bits per byte, lowest first; the middle one is in the first.
    Empty for fewer than `FEWEST` languages.
    """
    order = list(bits.sort_values(kind="stable").index)
    middle = -(-len(order) // 2)
    return {BETTER: order[:middle], LESS: order[middle:]} if len(order) >= FEWEST else {}


def rank_correlation(one: np.ndarray, other: np.ndarray) -> tuple[float, float, float]:
    """Spearman's rank correlation of two values a language, with a 95% percentile bootstrap over languages."""
    one, other = np.asarray(one, dtype=float), np.asarray(other, dtype=float)
    n = len(one)
    if n < FEWEST:
        return float("nan"), *UNKNOWN
    drawn = np.random.default_rng(0).integers(n, size=(DRAWS, n))
    ranks = [rankdata(values[drawn], axis=1) for values in (one, other)]
    x, y = (rank - rank.mean(axis=1, keepdims=True) for rank in ranks)
    sizes = np.sqrt((x**2).sum(axis=1) * (y**2).sum(axis=1))
    low, high = np.percentile((x * y).sum(axis=1)[sizes > 0] / sizes[sizes > 0], [2.5, 97.5])
    return float(spearmanr(one, other).statistic), float(low), float(high)
