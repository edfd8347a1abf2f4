"""Which calibration each metric names as the best, language by language."""

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
import pandas as pd

from calibbook.s04_1_pruning_results.data import gains, squares
from calibbook.shared.frames import measured, sources

THREE = ("perplexity", "snr_db", "pruning_error")
"""The metrics of the paper's Table 1."""


class Named(NamedTuple):
    """The best calibrations of one model, method and setting on one text.

    Attributes:
        names: the fields of a Claim that say which.
        metrics: those of THREE that were measured.
        calibrations, languages: what the axes of `best` are.
        best: bool [metrics, calibrations, languages], True where a metric has its best value; several where they tie.
    """

    names: dict[str, str]
    metrics: tuple[str, ...]
    calibrations: list[str]
    languages: list[str]
    best: np.ndarray

    def of(self, *metrics: str) -> np.ndarray:
        """`best` of some metrics."""
        return self.best[[self.metrics.index(metric) for metric in metrics]]


def named(frame: pd.DataFrame) -> Iterator[Named]:
    """Yield every text, model, method and setting with perplexity, another metric and two calibration languages."""
    for source in sources(frame):
        there = measured(frame[frame["source"] == source], pruned=True)
        metrics = tuple(metric for metric in THREE if metric in there)
        if "perplexity" not in metrics or len(metrics) < 2:
            continue
        for squared in zip(*(squares(frame, metric, source, every=True) for metric in metrics), strict=True):
            tables = [gains(means, metric) for metric, (_, means, _) in zip(metrics, squared, strict=True)]
            if len(tables[0]) > 1:
                best = np.array([table.eq(table.max()).to_numpy() for table in tables])
                where = {name: value for name, value in squared[0][0].items() if name != "metric"}
                yield Named(where, metrics, list(tables[0].index), list(tables[0].columns), best)
