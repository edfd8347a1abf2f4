"""Is calibration A better than calibration B on one task in one language? Scores of the same items, one row a draw of
calibration text.

Two things vary: the items, which both calibrations share, and the draws, which belong to one calibration alone. The
variance of a difference is that of the crossed design items × draws: variance of the item's mean differences over
items, plus that of the draws' means over draws on either side, less the interaction of the two, which both contain. A
side with one draw says nothing about draws: its results hold for that draw.
"""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import NamedTuple

import numpy as np
import pandas as pd
from scipy.stats import norm

from calibbook.shared.statistics import ALPHA
from calibprune.errors import ParameterError

FEWEST_RESAMPLES = round(2 / ALPHA) - 1  # below it no p-value could reach ALPHA
CHUNK = 1 << 15  # resampled items counted at once: they stay in the processor's cache, which is 10 times faster


@dataclass(frozen=True)
class Comparison:
    """Mean score of one calibration minus that of another, its 95% interval, and the two-sided p-value of no
    difference.

    p is at most 0.05 exactly where the interval leaves out zero.
    """

    difference: float
    low: float
    high: float
    p: float


class ItemsNeeded(NamedTuple):
    """Items per calibration: both scored on the same ones, or each on its own."""

    paired: int
    unpaired: int


class TargetRank(NamedTuple):
    """Of `columns` columns, those in which the target language's calibration is best, is second, has a mean within one
    standard error of the best, and is not significantly worse than the best. Ties count in its favour."""

    columns: int
    best: int
    second: int
    within_one_stderr: int
    not_worse: int


def paired_bootstrap(a: np.ndarray, b: np.ndarray, resamples: int = 10_000, seed: int = 0) -> Comparison:
    """Compare two calibrations by the mean score of the same items.

    Items are resampled jointly (Efron and Tibshirani, 1993). Draws are too few to be resampled: with two to five a
    side, intervals that repeat them covered 68 to 99% in simulations instead of 95. Theirs is a normal part with the
    variance of their means, and the whole is spread by Student's t with the degrees of freedom of Welch and
    Satterthwaite: 92 to 97%. The interval is that of the percentiles (BCa covered less at 30 and 100 items); p is twice
    the share of replicates beyond zero, counting one more of each, at least 2 / (resamples + 1). With one draw on a
    side the result holds for that draw: items only.

    Args:
        a, b: scores [seeds, items], 0 or 1 or F1; the number of seeds may differ, the items must be the same in the
            same order.
        resamples: replicates, 39 or more. Before a Holm correction over m comparisons, 40 m or more, or nothing can be
            significant.
        seed: of the random stream; equal arguments give equal results.

    Raises:
        ParameterError: not [seeds, items], other items on one side, fewer than two, scores that are not finite, too few
        resamples.
    """
    a, b = _checked({"a": a, "b": b}).values()
    return _bootstrap([(a, b)], resamples, seed)[0]


def holm(p_values: Sequence[float] | np.ndarray) -> np.ndarray:
    """p-values of one family, of any shape, adjusted by Holm's step-down procedure (Holm, 1979). NaN stays NaN and does
    not count.

    statsmodels' multipletests gives the same to the bit, but collects garbage at every call: 0.1 s against 10 µs.

    Raises:
        ParameterError: a value outside 0 to 1.
    """
    p = np.asarray(p_values, dtype=float)
    if ((p < 0) | (p > 1)).any():
        raise ParameterError(
            f"p-values must be between 0 and 1, not {p[(p < 0) | (p > 1)][0]:g}: give unadjusted p-values"
        )
    adjusted = p.copy()
    known = np.flatnonzero(~np.isnan(p))
    order = known[np.argsort(p.flat[known], kind="stable")]
    adjusted.flat[order] = np.minimum(np.maximum.accumulate(p.flat[order] * np.arange(len(order), 0, -1)), 1)
    return adjusted


def items_needed(
    a: np.ndarray, b: np.ndarray, points: float = 0.01, power: float = 0.8, alpha: float = ALPHA
) -> ItemsNeeded:
    """Items at which a true difference of `points` is found with probability `power` in a two-sided test at `alpha`.

    Normal approximation: (z_alpha/2 + z_power)² times the variance of an item's difference, over points². The variance
    is that of the scores given, averaged over their draws; for 0/1 scores this is the approximation of McNemar's test.
    It is taken as no less than points (1 - points), the least that 0/1 scores with such a difference can have.
    Unpaired, the two variances add up. More items do not help against the spread between draws.

    Args:
        a, b: scores [seeds, items] in 0 to 1.
        points, power, alpha: between 0 and 1, exclusive.

    Raises:
        ParameterError: as for `paired_bootstrap`, scores outside 0 to 1, an argument outside its range.
    """
    for name, value in (("points", points), ("power", power), ("alpha", alpha)):
        if not 0 < value < 1:
            raise ParameterError(f"{name} must be between 0 and 1, not {value!r}: one percentage point is 0.01")
    a, b = _checked({"a": a, "b": b}).values()
    if min(a.min(), b.min()) < 0 or max(a.max(), b.max()) > 1:
        raise ParameterError(
            f"scores from {min(a.min(), b.min()):g} to {max(a.max(), b.max()):g}: give them as shares from 0 to 1"
        )
    a, b = a.mean(axis=0), b.mean(axis=0)
    scale = ((norm.isf(alpha / 2) + norm.ppf(power)) / points) ** 2
    variances = (a - b).var(ddof=1), a.var(ddof=1) + b.var(ddof=1)
    return ItemsNeeded(*(math.ceil(scale * max(variance, points * (1 - points))) for variance in variances))


def best_calibrations(scores: Mapping[str, np.ndarray], resamples: int = 10_000, seed: int = 0) -> pd.DataFrame:
    """Which calibrations of one column (a task in one language) can be called best: those not significantly worse than
    the highest mean.

    Each is compared with the highest mean by `paired_bootstrap`, all on the same resampled items, and the p-values are
    adjusted by `holm` over the column. That the leader was picked by looking is paid for: the calibration that is truly
    best keeps its mark with a probability of 95% or more.

    Args:
        scores: [seeds, items] of each calibration, the same items in all.

    Returns:
        One row a calibration, in the order given: `mean`; `sd` over draws (NaN with one); `stderr` over items, of the
        mean of the draws; `low`, `high` (95% interval of the mean); `difference` to the highest mean, `difference_low`,
        `difference_high`; `p`, `p_holm` (NaN for the highest mean itself); `best` (bool; none where there is nothing to
        compare with); `within_one_stderr` (bool: no lower than the highest mean minus its stderr).

    Raises:
        ParameterError: no calibration, or as for `paired_bootstrap`.
    """
    if not scores:
        raise ParameterError("no scores to compare: give those of at least one calibration")
    tables = _checked(scores)
    means = {name: table.mean() for name, table in tables.items()}
    leader = max(means, key=means.get)
    others = [name for name in tables if name != leader]
    contrasts = [(table,) for table in tables.values()] + [(tables[name], tables[leader]) for name in others]
    found = _bootstrap(contrasts, resamples, seed)
    behind = dict(zip(others, found[len(tables) :], strict=True)) | {leader: Comparison(0.0, 0.0, 0.0, math.nan)}
    rows = pd.DataFrame(
        {
            "mean": mean,
            "sd": tables[name].mean(axis=1).std(ddof=1) if len(tables[name]) > 1 else math.nan,
            "stderr": math.sqrt(_variance_over_items(tables[name])),
            "low": own.low,
            "high": own.high,
            "difference": behind[name].difference,
            "difference_low": behind[name].low,
            "difference_high": behind[name].high,
            "p": behind[name].p,
        }
        for (name, mean), own in zip(means.items(), found, strict=False)
    ).set_index(pd.Index(tables, name="calibration"))
    rows["p_holm"] = holm(rows["p"])
    rows["best"] = ~(rows["p_holm"] <= ALPHA) & (len(rows) > 1)
    rows["within_one_stderr"] = rows["mean"] >= rows.loc[leader, "mean"] - rows.loc[leader, "stderr"]
    return rows


def rank_of_target(columns: Iterable[tuple[str, pd.DataFrame]]) -> TargetRank:
    """How the calibration in the target language fares over columns (paper, Section 4.2).

    Args:
        columns: pairs of the column's own language and the frame that `best_calibrations` gives for it.

    Raises:
        ParameterError: a column without a calibration in its own language.
    """
    counts = np.zeros(5, dtype=int)
    for target, rows in columns:
        if target not in rows.index:
            raise ParameterError(f"no calibration in {target!r} among {', '.join(rows.index)}: leave such a column out")
        row = rows.loc[target]
        rank = 1 + (rows["mean"] > row["mean"]).sum()
        counts += np.array([True, rank == 1, rank == 2, row["within_one_stderr"], row["best"]], dtype=int)
    return TargetRank(*counts.tolist())


def _checked(scores: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """The tables as float64 [seeds, items] on the same items, or a ParameterError."""
    tables, items = {}, None
    for name, given in scores.items():
        try:
            table = np.asarray(given, dtype=float)
        except (TypeError, ValueError):
            raise ParameterError(
                f"scores of {name!r} are not numbers [seeds, items]: give one row of equal length a seed"
            ) from None
        if table.ndim != 2 or 0 in table.shape:
            raise ParameterError(
                f"scores of {name!r} have shape {list(table.shape)}: give [seeds, items], with one row for one seed"
            )
        items = items or table.shape[1]
        if table.shape[1] != items:
            raise ParameterError(
                f"scores of {name!r} are of {table.shape[1]} items, others of {items}: compare on the same items"
            )
        if items < 2:
            raise ParameterError(f"scores of {name!r} are of one item: at least two are needed")
        if not np.isfinite(table).all():
            raise ParameterError(f"scores of {name!r} are not all finite: score every item")
        tables[name] = table
    return tables


def _variance_over_items(table: np.ndarray) -> float:
    """Squared standard error over items of the mean of [seeds, items]."""
    return float(table.mean(axis=0).var(ddof=1) / table.shape[1])


def _variance_of_draws(table: np.ndarray) -> tuple[float, float]:
    """Of the mean of [seeds, items]: its variance over draws, and the part of it that is interaction of draws and
    items.
    """
    seeds, items = table.shape
    if seeds == 1:
        return 0.0, 0.0
    rest = table - table.mean(axis=0) - table.mean(axis=1, keepdims=True) + table.mean()
    return float(table.mean(axis=1).var(ddof=1) / seeds), float(
        (rest**2).sum() / ((seeds - 1) * (items - 1)) / (seeds * items)
    )


@lru_cache(maxsize=8)
def _times_drawn(items: int, resamples: int, seed: int) -> tuple[np.ndarray, dict]:
    """How often each item is drawn in each resampling with replacement, [resamples, items], and the state of the
    random stream after that. Many columns of a table have the same number of items, and share it.
    """
    stream = np.random.default_rng(seed)
    drawn = np.empty((resamples, items), np.min_scalar_type(items))
    dtype = np.min_scalar_type(items - 1)
    for start in range(0, resamples, rows := max(1, CHUNK // items)):
        n = min(rows, resamples - start)
        picks = stream.integers(items, size=(n, items), dtype=dtype) + np.arange(n)[:, None] * items
        drawn[start : start + n] = np.bincount(picks.ravel(), minlength=n * items).reshape(n, items)
    return drawn, stream.bit_generator.state


def _resampled_means(columns: np.ndarray, resamples: int, seed: int) -> tuple[np.ndarray, np.random.Generator]:
    """Means [resamples, columns] of [items, columns] over items drawn with replacement, the same for all columns; and
    the random stream, for what is drawn next.

    How often each item is drawn is multinomial; the counts times the columns are the sums.
    """
    items = len(columns)
    drawn, state = _times_drawn(items, resamples, seed)
    means = np.empty((resamples, columns.shape[1]))
    for start in range(0, resamples, rows := max(1, CHUNK // items)):
        means[start : start + rows] = drawn[start : start + rows] @ columns / items
    stream = np.random.default_rng(seed)
    stream.bit_generator.state = state
    return means, stream


def _bootstrap(contrasts: Sequence[tuple[np.ndarray, ...]], resamples: int, seed: int) -> list[Comparison]:
    """For each (a,) the mean of a, for each (a, b) that of a minus b; one resampling of the items for all. See
    `paired_bootstrap`.
    """
    if resamples < FEWEST_RESAMPLES:
        raise ParameterError(f"resamples must be at least {FEWEST_RESAMPLES}, not {resamples}: 10000 is usual")
    columns = np.column_stack(
        [sides[0].mean(axis=0) - sum(side.mean(axis=0) for side in sides[1:]) for sides in contrasts]
    )
    items, tail = len(columns), math.floor(ALPHA / 2 * (resamples + 1) + 1e-9)
    means, stream = _resampled_means(columns, resamples, seed)
    found = []
    for sides, column, replicates in zip(contrasts, columns.T, means.T, strict=True):
        mean, over_items = column.mean(), column.var(ddof=1) / items
        draws = [(len(side) - 1, *_variance_of_draws(side)) for side in sides if len(side) > 1]
        kept = max(0.0, over_items - sum(interaction for _, _, interaction in draws))
        variance = kept + sum(v for _, v, _ in draws)
        spread = (replicates - mean) * math.sqrt(kept / over_items if over_items else 0)
        if variance:
            freedom = variance**2 / (kept**2 / (items - 1) + sum(v**2 / df for df, v, _ in draws))
            spread += stream.standard_normal(resamples) * math.sqrt(variance - kept)
            spread *= np.sqrt(freedom / stream.chisquare(freedom, resamples))
        replicates = np.sort(mean + spread)
        beyond = min((replicates <= 0).sum(), (replicates >= 0).sum())
        p = min(1.0, 2 * (beyond + 1) / (resamples + 1))
        found.append(Comparison(float(mean), float(replicates[tail - 1]), float(replicates[-tail]), float(p)))
    return found
