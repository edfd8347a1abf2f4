"""How each neuron changed under pruning, and how it would change on another text of the dense model."""

from collections.abc import Callable
from functools import cached_property
from typing import NamedTuple

import numpy as np

from calibbook.s05_3_language_neurons.data import Activations, groups, other_texts
from calibbook.shared.statistics import ROUNDING, jackknife_interval

FEWEST_LAYERS = 5
EVERYWHERE = "all languages"


class Estimate(NamedTuple):
    """A value, its 95% interval and the two-sided p value of none; NaN where they are not known."""

    value: float
    low: float
    high: float
    p: float = float("nan")


class Changes(NamedTuple):
    """What became of the neurons, float64 [neurons] each; NaN where an entropy is not known.

    Attributes:
        entropy: after the change, in nats; square: its square.
        rise, moved: the change of entropy, with and without its sign.
        frequency: the change of the activation probability, mean over languages.
        relative: see `relative`; [languages + 1, neurons], the last row is the mean over languages.
        now_low: 1 where the entropy is at most the highest of the dense model's lowest group, else 0.
        newly_low: 1 where it is so now and was not before.
        now_high: 1 where the entropy is above the dense model's lowest 30%.
    """

    entropy: np.ndarray
    square: np.ndarray
    rise: np.ndarray
    moved: np.ndarray
    frequency: np.ndarray
    relative: np.ndarray
    now_low: np.ndarray
    newly_low: np.ndarray
    now_high: np.ndarray


class Reference:
    """A dense model with its groups of neurons, and the changes that it would show by itself.

    Attributes:
        low: the 2% of neurons of lowest entropy, the most language-specific ones of the paper's Figure 3, bool
            [neurons].
        high: those above the lowest 30%.
        groups: the lowest 30%, 2% a group.
    """

    def __init__(self, dense: Activations) -> None:
        self.dense = dense
        self.groups = groups(dense)
        self.low = np.zeros(dense.entropy.shape, dtype=bool)
        self.low[self.groups[0]] = True
        self.high = np.isfinite(dense.entropy)
        self.high[np.concatenate(self.groups)] = False

    def changes(self, model: Activations) -> Changes:
        """What pruning changed."""
        return self._changes(model.often(), model.entropy)

    @cached_property
    def by_text(self) -> Changes:
        """The mean of the same changes over other texts (`data.other_texts`)."""
        totals, known = [0] * len(Changes._fields), [0] * len(Changes._fields)
        for often, entropy in other_texts(self.dense):
            for i, values in enumerate(self._changes(often, entropy)):
                totals[i] = totals[i] + np.nan_to_num(values)
                known[i] = known[i] + np.isfinite(values)
        with np.errstate(invalid="ignore"):
            return Changes(*(total / count for total, count in zip(totals, known, strict=True)))

    def relative_in(self, changes: Changes, where: str) -> np.ndarray:
        """The relative change in a language, or in EVERYWHERE, [neurons]."""
        return changes.relative[-1 if where == EVERYWHERE else self.dense.languages.index(where)]

    def _changes(self, often: np.ndarray, entropy: np.ndarray) -> Changes:
        dense = self.dense
        lowest, shown = dense.entropy[self.groups[0][-1]], dense.entropy[self.groups[-1][-1]]
        ratios = relative(often, dense.often())
        return Changes(
            entropy=entropy,
            square=entropy**2,
            rise=entropy - dense.entropy,
            moved=np.abs(entropy - dense.entropy),
            frequency=np.abs(often - dense.often()).mean(axis=1),
            relative=np.vstack([ratios.T, ratios.mean(axis=1)]),
            now_low=(entropy <= lowest).astype(float),
            newly_low=((entropy <= lowest) & ~(dense.entropy <= lowest)).astype(float),
            now_high=(entropy > shown).astype(float),
        )


def relative(after: np.ndarray, before: np.ndarray) -> np.ndarray:
    """|after - before| / (after + before) of values that are not negative: 0 for no change, 1 for what came or went; 0
    where both are 0.
    """
    total = after + before
    return np.abs(after - before) / np.where(total > 0, total, 1)


def over_layers(statistic: Callable[..., np.ndarray], layer: np.ndarray, *columns: np.ndarray) -> Estimate:
    """A statistic of column sums over neurons with its interval.

    Neurons of one layer read the same input and were pruned together, so they are no independent observations: one
    layer is left out at a time (`statistics.jackknife_interval`). The bounds are NaN with fewer than five layers. Where
    no layer says anything else, as of a model that did not change, the interval has no width: neurons are counted, not
    sampled.

    Args:
        statistic: of the sums, numbers or [layers] each.
        layer: of each neuron, int [neurons].
        columns: [neurons] each; NaN counts as nothing.
    """
    count = int(layer.max()) + 1
    sums = np.stack(
        [np.bincount(layer, weights=np.nan_to_num(column.astype(float)), minlength=count) for column in columns]
    )
    total = sums.sum(axis=1)
    with np.errstate(divide="ignore", invalid="ignore"):
        value = float(statistic(*total))
        if count < FEWEST_LAYERS or np.isnan(value):
            return Estimate(value, np.nan, np.nan)
        without = np.asarray(statistic(*(total[:, None] - sums)), dtype=float)
    if np.ptp(without) <= ROUNDING * max(1.0, abs(value)):
        return Estimate(value, value, value)
    return Estimate(value, *jackknife_interval(value, without))


def mean_over_layers(
    layer: np.ndarray, *parts: tuple[np.ndarray, np.ndarray], sign: tuple[float, ...] = (1.0, -1.0)
) -> Estimate:
    """Mean of values among some neurons, or the difference of two such means: (values, among) pairs, NaN values left
    out.
    """
    columns = [
        column for values, among in parts for column in (np.where(among, values, np.nan), among & np.isfinite(values))
    ]
    return over_layers(
        lambda *s: sum(k * x / n for k, x, n in zip(sign, s[::2], s[1::2], strict=False)), layer, *columns
    )
