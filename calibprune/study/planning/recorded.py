"""Seconds that cells of a store took, for cells that compute as much: their mean, so that sums of them are right."""

import json
import math
import statistics
from collections import defaultdict
from typing import Any, NamedTuple

from calibprune.study.cells import Cell
from calibprune.study.store import CELL, Store

PRUNING = ("model", "method", "sparsity", "grid", "dtype", "calibration_samples", "calibration_length")
MEASURING = (
    "model",
    "dtype",
    "metrics",
    "languages",
    "evaluations",
    "parallel",
    "tasks",
    "task_limit",
    "chat_template",
    "task_backend",
)


class Recorded(NamedTuple):
    """Seconds of recorded cells on one machine, by what decides how much they compute."""

    prune: dict[str, float]
    measure: dict[str, float]

    def pruning(self, cell: Cell) -> float | None:
        """The mean seconds of pruning in cells with the same model, method and number of calibration windows."""
        return self.prune.get(_key(cell.configuration(), PRUNING))

    def measuring(self, cell: Cell) -> float | None:
        """The mean seconds of measuring in cells with the same texts, sentences and tasks."""
        return self.measure.get(_key(cell.configuration(), MEASURING))


def read(store: Store, machine: str) -> Recorded:
    """What the store's cells took on the machine of that name, whichever study they are of; cells that cannot be read
    are passed over.
    """
    prune, measure = defaultdict(list), defaultdict(list)
    for path in sorted((store.root / "cells").glob(f"*/{CELL}")):
        if not path.is_file():  # reading a pipe would wait for somebody to write
            continue
        try:
            known = json.loads(path.read_text(encoding="utf-8"))
            where = known["machine"] if known["device"] == "CPU" else known["device"]
            configuration = known["configuration"]
            seconds = float(known["seconds_prune"]), float(known["seconds_measure"])
            keys = _key(configuration, PRUNING), _key(configuration, MEASURING)
        except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError):
            continue
        if where == machine and all(0 <= one < math.inf for one in seconds):
            prune[keys[0]].append(seconds[0])
            measure[keys[1]].append(seconds[1])
    return Recorded(*({key: statistics.fmean(found) for key, found in one.items()} for one in (prune, measure)))


def _key(configuration: dict[str, Any], names: tuple[str, ...]) -> str:
    """These settings, and whether the model is the dense one, which is compared with nothing."""
    values = {name: configuration.get(name) for name in names}
    return json.dumps([configuration["method"] == "dense", values], sort_keys=True)
