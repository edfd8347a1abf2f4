"""What a study costs before it is computed: cells, hours, bytes on disk and in memory, and what was not measured."""

from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import torch

from calibprune import provenance
from calibprune.files import results_folder
from calibprune.methods import METHODS
from calibprune.models.loading import resolve_device, resolve_dtype
from calibprune.study.cells import PARTS, Cell, cells_of
from calibprune.study.parameters import Parameters
from calibprune.study.planning import architecture, groups, rates, recorded
from calibprune.study.planning.architecture import Architecture, Model
from calibprune.study.planning.rates import Machine
from calibprune.study.planning.recorded import Recorded
from calibprune.study.planning.workload import Kept, Memory, kept, measuring_text, memory
from calibprune.study.shelves import open_shelves
from calibprune.study.store import Store

BENCHMARKS = "book/results/benchmarks"
"""Where a checkout keeps what `benchmarks/` measured, one file a machine."""


class Cost(NamedTuple):
    """Seconds of one cell as far as they are known, and in words what they leave out."""

    seconds: float
    without: tuple[str, ...]


class Row(NamedTuple):
    """One part of a study of one model.

    Attributes:
        done: cells that are in the store; None where that is not known.
        seconds: of the others, at least, where `whole` is false.
        kept: bytes on disk of all of them; None where the model's sizes are not known.
    """

    model: str
    part: str
    cells: int
    done: int | None
    seconds: float
    whole: bool
    kept: Kept | None


@dataclass
class Plan:
    """A study on a machine.

    Attributes:
        parameters: of the study, with the device and dtype that it is planned for.
        machine: with the rates that were measured on it.
        recorded: what cells of the store took on it.
        models: what is known of each model, by name.
        cells: of the study; the ids of those whose model has no fingerprint mean nothing.
        store: of the study.
    """

    parameters: Parameters
    machine: Machine
    recorded: Recorded
    models: dict[str, Model]
    cells: list[Cell]
    store: Store

    @property
    def itemsize(self) -> int:
        """Bytes of a number."""
        return resolve_dtype(self.parameters.dtype, torch.device("cpu")).itemsize

    def done(self, cell: Cell) -> bool:
        """Whether the store has the cell; False where that is not known."""
        return bool(self.models[cell.model].fingerprint) and self.store.has(cell)

    def cost(self, cell: Cell) -> Cost:
        """What a cell takes: seconds of recorded cells that compute as much, else operations at measured rates."""
        found = [self._pruning(cell), self._measuring(cell)]
        return Cost(sum(cost.seconds for cost in found), tuple(why for cost in found for why in cost.without))

    def left(self, cell: Cell) -> float | None:
        """Seconds that are still to be computed of a cell; None where nothing about them is known."""
        if self.done(cell):
            return 0.0
        cost = self.cost(cell)
        return cost.seconds if cost.seconds or not cost.without else None

    def rows(self) -> list[Row]:
        """A row for each model and part that has cells, in the order of the study."""
        found = []
        for name, model in self.models.items():
            for part in PARTS:
                cells = [cell for cell in self.cells if (cell.model, cell.part) == (name, part)]
                if not cells:
                    continue
                missing = [cell for cell in cells if not self.done(cell)]
                costs = [self.cost(cell) for cell in missing]
                found.append(
                    Row(
                        name,
                        part,
                        len(cells),
                        len(cells) - len(missing) if model.fingerprint else None,
                        sum(cost.seconds for cost in costs),
                        not any(cost.without for cost in costs),
                        sum((kept(cell, model.architecture.shape) for cell in cells), Kept())
                        if model.architecture
                        else None,
                    )
                )
        return found

    def unmeasured(self) -> dict[str, int]:
        """What is not in the hours, in words, and in how many of the missing cells."""
        missing = [cell for cell in self.cells if not self.done(cell)]
        return dict(Counter(why for cell in missing for why in dict.fromkeys(self.cost(cell).without)))

    def memory(self, name: str) -> tuple[Memory, bool] | None:
        """The peak memory of any cell of a model, and whether the resident one is at least what a benchmark measured
        with the same sizes; None where the model's sizes are not known.
        """
        model = self.models[name].architecture
        if model is None:
            return None
        cells = [cell for cell in self.cells if cell.model == name]
        peak = Memory(*map(max, zip(*(memory(cell, model, self.itemsize) for cell in cells), strict=True)))
        p = self.parameters
        alone = self.machine.peaks.get((model.shape[1:], p.calibration_samples, p.calibration_length))
        if alone is None:
            return peak, False
        # the benchmark's model is one copy of the layers, without embeddings
        measured = alone + self.itemsize * model.parameters
        return peak._replace(resident=max(peak.resident, measured)), True

    def host(self, name: str, whole: bool) -> float | None:
        """Peak bytes of the host, with the whole model or a layer at a time; None where its sizes are not known."""
        found = self.memory(name)
        if found is None:
            return None
        peak = found[0]
        if self.machine.device == "cpu":
            return peak.embeddings + (peak.resident if whole else peak.streamed + peak.states)
        return peak.embeddings + (peak.loading if whole else peak.layers + peak.states)

    def groups(self, minutes: float = groups.MINUTES) -> int:
        """In how many groups the study is split so that a job takes so many minutes at least."""
        return groups.how_many(self.cells, self.left, minutes)

    def _pruning(self, cell: Cell) -> Cost:
        if cell.dense:
            return Cost(0.0, ())
        seconds = self.recorded.pruning(cell)
        model = self.models[cell.model].architecture
        if seconds is not None:
            return Cost(seconds, ())
        if model and cell.calibration:
            size = cell.calibration_samples, cell.calibration_length
            seconds = self.machine.pruning(model.shape, cell.method, *size)
        if seconds is not None:
            return Cost(seconds, self._starting(cell.model, model))
        label = METHODS[cell.method].label
        why = "" if model else ", whose sizes are not known"
        return Cost(0.0, (f"pruning or rounding {cell.model}{why} with {label}",))

    def _measuring(self, cell: Cell) -> Cost:
        seconds = self.recorded.measuring(cell)
        if seconds is not None:
            return Cost(seconds, ())
        without = []
        model = self.models[cell.model].architecture
        if cell.evaluations and (cell.metrics or cell.tasks):
            operations = measuring_text(cell, model, self.itemsize) if model else None
            seconds = None if operations is None else self.machine.passes(operations)
            if seconds is None:
                without.append(f"passes of {cell.model} over evaluation text")
            else:
                without += self._starting(cell.model, model)
        if cell.parallel:
            without.append(f"embeddings of {cell.parallel[1]:,} sentences in {len(cell.languages)} languages")
        if cell.tasks:
            without.append(f"answers to {len(cell.tasks)} tasks")
        return Cost(seconds or 0.0, tuple(without))

    def _starting(self, name: str, model: Architecture) -> tuple[str, ...]:
        """In words, what is not in seconds at rates of much wider layers."""
        if not self.machine.starting(model.shape):
            return ()
        return (f"starting operations one by one, which may take longer than they do in layers as narrow as {name}'s",)


def plan(parameters: Parameters, machine: str | None = None, benchmarks: Path | None = None) -> Plan:
    """The plan of a study; nothing is computed, no weights are loaded or fetched, and no GPU is needed.

    Args:
        machine: a part of the name of a machine with benchmark results; by default the GPU of this machine, or its
            processor, measured or not.
        benchmarks: the folder with these results; by default the checkout's.

    Raises:
        ParameterError, ModelError, CorpusError: what `cells_of` finds wrong, or a machine without results.
        StoreError: results that cannot be read.
    """
    measured = rates.read(results_folder(BENCHMARKS) if benchmarks is None else benchmarks)
    where = rates.choose(measured, machine) if machine is not None else _here(measured)
    dtype = parameters.dtype
    if dtype == "auto":  # as `load` resolves it, for the device of the machine that is planned for
        native = where.device != "cpu"
        dtype = str(torch.bfloat16 if native else resolve_dtype("auto", resolve_device("cpu"))).removeprefix("torch.")
    parameters = parameters.model_copy(update={"device": "cpu", "dtype": dtype})
    models = {name: architecture.find(name) for name in parameters.models}
    cells = cells_of(parameters, lambda name: models[name].fingerprint)
    store = Store(parameters.store, open_shelves(parameters.shelves, parameters.store))
    return Plan(parameters, where, recorded.read(store, where.name), models, cells, store)


def _here(measured: list[Machine]) -> Machine:
    """This machine, with its rates where it was measured."""
    device = "cuda" if torch.cuda.is_available() else "cpu"
    known = provenance.machine(device)
    name = known["device"] if device == "cuda" else known["machine"]
    return next((machine for machine in measured if machine.name == name), rates.unmeasured(name, device))
