"""How fast a machine was measured to be: seconds for each operation of every part, fitted to its benchmarks' rows."""

import json
import statistics
from collections.abc import Iterable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from scipy.optimize import nnls

from calibprune.errors import ParameterError, StoreError, one_of, quoted
from calibprune.study.planning.counts import FIRST, GRAMS, ONE_PASS, SECOND, Shape, steps
from calibprune.study.planning.workload import COUNTED, HESSIAN, Steps, pruning

SCALE = 1e12  # operations are fitted in such multiples, seconds being of order one
NARROW = 2
"""So many times narrower than any measured layer, a model's operations take longer than the rates say."""
FORWARD, GRAM = "forward", "gram"
PASSES = "two plain passes"


class Machine(NamedTuple):
    """What was measured on a machine.

    Attributes:
        name: the GPU, or the processor with its cores.
        device: "cuda" or "cpu".
        rates: seconds for 10¹² operations, by part: "forward", "gram", and a method's name for its solving. A part
            that no row holds is not there.
        runs: (method, sizes of the layers, samples, length) -> measured seconds of pruning.
        peaks: (sizes of the layers, samples, length) -> measured peak bytes of pruning alone, on the device.
    """

    name: str
    device: str
    rates: dict[str, float]
    runs: dict[tuple, float]
    peaks: dict[tuple, float]

    def pruning(self, shape: Shape, method: str, samples: int, length: int) -> float | None:
        """Seconds of pruning a model: measured with these very sizes, else its operations at the fitted rates; None
        where a rate was not measured.
        """
        if (known := self.runs.get((method, shape[1:], samples, length))) is not None:
            return known
        work = pruning(shape, method, samples, length)
        if work is None:
            return None
        parts = {FORWARD: work.forward, method: work.solve} | ({GRAM: work.gram} if work.gram else {})
        if not parts.keys() <= self.rates.keys():
            return None
        return sum(operations / SCALE * self.rates[part] for part, operations in parts.items())

    def starting(self, shape: Shape) -> bool:
        """Whether the rates are of layers so much wider than a model's that starting its operations, which a GPU does
        one after the other, takes a time that they do not hold.
        """
        widths = [sizes[1] for _, sizes, _, _ in self.runs]
        return self.device == "cuda" and bool(widths) and NARROW * shape.width <= min(widths)

    def passes(self, operations: float) -> float | None:
        """Seconds of passes over text with so many operations; None where no pass was measured."""
        return operations / SCALE * self.rates[FORWARD] if FORWARD in self.rates else None


def read(folder: Path) -> list[Machine]:
    """All machines with a file of benchmark results; none where there is no such folder.

    Raises:
        StoreError: a file that is not one of results.
    """
    found = []
    for path in sorted(folder.glob("*.json")):
        try:
            content = json.loads(path.read_text(encoding="utf-8"))
            found.append(_machine(content["name"], content["device"], content["rows"]))
        except (OSError, ValueError, KeyError, TypeError, AttributeError, ArithmeticError, RecursionError) as error:
            raise StoreError(
                f"{path}: benchmark results cannot be read ({type(error).__name__}); measure again, or remove the file"
            ) from None
    return found


def choose(machines: Iterable[Machine], name: str) -> Machine:
    """The one machine whose name holds this text, in any case.

    Raises:
        ParameterError: none, or several.
    """
    known = list(machines)
    found = [machine for machine in known if name.casefold() in machine.name.casefold()]
    exact = [machine for machine in found if name.casefold() == machine.name.casefold()]
    if len(exact or found) != 1:
        names = [quoted(machine.name) for machine in known] or ["none: no benchmark results are here"]
        raise ParameterError(one_of("machine", name, names))
    return (exact or found)[0]


def unmeasured(name: str, device: str) -> Machine:
    """A machine of which no rate was measured."""
    return Machine(name, device, {}, {}, {})


def _machine(name: str, device: str, rows: list[dict[str, Any]]) -> Machine:
    runs, peaks = {}, {}
    equations: list[tuple[dict[str, float], float]] = []
    by_size = {}
    for row in rows:
        ours, detail = row["sides"].get("ours"), row["detail"]
        if not ours or detail.get("method") not in COUNTED or "shape" not in detail:
            continue
        shape = Shape(*detail["shape"])
        method, samples, length = detail["method"], int(detail["samples"]), int(detail["length"])
        seconds = statistics.median(map(float, ours))
        runs[method, shape[1:], samples, length] = seconds
        by_size[row["size"].partition(" tokens")[0]] = (shape[1:], samples, length)
        equations += _equations(shape, method, samples, length, seconds, detail.get("stages") or {})
        if row["names"].get("limit") == PASSES and row["sides"].get("limit"):
            operations = 2 * steps(shape, samples, length)[ONE_PASS].operations
            equations.append(({FORWARD: operations}, statistics.median(map(float, row["sides"]["limit"]))))
    for row in rows:
        key = by_size.get(row["size"].partition(" tokens")[0])
        if row["key"] == "model_memory" and row["value"] and key:
            peaks[key] = float(row["value"]) * 1e9
    return Machine(str(name), str(device), _fit(equations), runs, peaks)


def _equations(
    shape: Shape, method: str, samples: int, length: int, seconds: float, stages: dict[str, float]
) -> list[tuple[dict[str, float], float]]:
    """Operations by part, and the seconds that they took together: one for a run, or one for each of its stages."""
    work = pruning(shape, method, samples, length) or Steps()
    gram = {GRAM: work.gram} if method in HESSIAN else {}
    if not stages:
        return [({FORWARD: work.forward, method: work.solve} | gram, seconds)]
    step = steps(shape, samples, length)
    return [
        ({FORWARD: step[FIRST].operations} | ({GRAM: step[GRAMS].operations} if gram else {}), stages["statistics"]),
        ({method: work.solve}, stages["solve"]),
        ({FORWARD: step[SECOND].operations}, stages["propagate"]),
    ]


def _fit(equations: list[tuple[dict[str, float], float]]) -> dict[str, float]:
    """Seconds for 10¹² operations of each part: those, none below zero, whose sums are nearest to the measured seconds,
    relative to these.
    """
    parts = list(dict.fromkeys(part for operations, _ in equations for part in operations))
    if not parts:
        return {}
    left = np.array(
        [[operations.get(part, 0.0) / SCALE / seconds for part in parts] for operations, seconds in equations]
    )
    found, _ = nnls(left, np.ones(len(equations)))
    return dict(zip(parts, found.tolist(), strict=True))
