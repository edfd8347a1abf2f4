"""A study: parameters to cells to records."""

import copy
import gc
import time
from pathlib import Path
from typing import Any

import pandas as pd
import torch

from . import provenance
from .cells import Cell, Evaluation, cells_of
from .families import decoder, device_of, linears
from .layerwise import check_length, prune
from .metrics.fidelity import Trace, fidelity, measure_perplexity
from .models import load
from .parameters import Parameters
from .progress import StudyProgress
from .store import COLUMNS, Store
from .windows import windows

PRUNING = 2.0  # a token pruned on takes about twice the time of a token measured; only the progress bar depends on it
TRACE_BYTES = 2**30  # how much memory the dense model's layer outputs may take while its pruned copies are measured


class Study:
    """Everything that one set of parameters asks for.

    `Study(languages=["de", "sw"], …)` takes the names of `Parameters`; `Study.from_yaml` reads a file of params/.
    """

    def __init__(self, **parameters: Any) -> None:
        self.parameters = Parameters.of(parameters)
        self.store = Store(self.parameters.store)

    @classmethod
    def from_yaml(cls, path: str | Path, **overrides: Any) -> "Study":
        """A study from a YAML file, with some of its parameters replaced.

        Raises:
            ParameterError: the file or a value in it cannot be used.
        """
        return cls(**{**Parameters.from_yaml(path).model_dump(exclude_unset=True), **overrides})

    def cells(self) -> list[Cell]:
        """All cells, computed or not; the dense model of each family first."""
        return cells_of(self.parameters)

    def run(self, progress: bool = True) -> pd.DataFrame:
        """Compute the cells that are missing in the store, and return the records of all as one tidy frame.

        A cell is written when it is complete, so a run that was interrupted goes on where it was. Several processes may
        run one study: each computes cells that no other has claimed.

        Raises:
            CalibpruneError: one line saying what could not be computed; cells finished before stay in the store.
        """
        cells = self.cells()
        missing = [cell for cell in cells if not self.store.has(cell)]
        if missing:
            with StudyProgress(sum(map(_work, missing)), show=progress) as bar, _Bench(self.parameters.device) as bench:
                while missing:
                    missing = self._compute_some(missing, bench, bar)
        return pd.concat([self.store.records(cell) for cell in cells], ignore_index=True)

    def _compute_some(self, missing: list[Cell], bench: "_Bench", bar: StudyProgress) -> list[Cell]:
        """One pass over missing cells, computing those that are free; returns those that other processes hold."""
        held = []
        for cell in missing:
            wait = cell is missing[-1] and len(held) == len(missing) - 1
            with self.store.claim(cell, wait) as mine:
                if not mine:
                    held.append(cell)
                elif not self.store.has(cell):
                    bench.fetch(cell)
                    bar.begin(cell.title)
                    self.store.write(cell, *bench.compute(cell, bar))
        return held

    def fingerprint(self) -> str:
        """The ids of the cells and the checksums of their records, as text: it changes when a result of this study does.

        Raises:
            StoreError: a cell is missing or damaged.
        """
        return "\n".join(f"{cell.id} {self.store.checksums(cell)}" for cell in self.cells())

    def provenance(self) -> pd.DataFrame:
        """One row for each computed cell: what it is, how long it took, on what, when, with which versions."""
        rows = []
        for cell in filter(self.store.has, self.cells()):
            known = self.store.provenance(cell)
            rows.append(
                {
                    **_identity(cell),
                    **{name: value for name, value in known.items() if name not in ("configuration", "records_sha256", "artifacts_sha256")},
                    "dtype": cell.dtype,
                }
            )
        return pd.DataFrame(rows)


class _Bench:
    """The models that cells are computed with: the dense one, and a copy of its decoder's matrices to prune."""

    def __init__(self, device: str) -> None:
        self._device = device
        self._name = ""

    def __enter__(self) -> "_Bench":
        return self

    def __exit__(self, *_) -> None:
        self._forget()

    def compute(self, cell: Cell, bar: StudyProgress) -> tuple[pd.DataFrame, dict]:
        """Prune the cell's model, which was fetched, if it is not the dense one, and measure it: (records, provenance)."""
        started = time.perf_counter()
        model = self._dense if cell.dense else self._pruned(cell, bar)
        pruned_at = time.perf_counter()
        records = pd.DataFrame(
            [row for language in cell.languages for evaluation in cell.evaluations for row in self._measure(cell, model, language, evaluation, bar)],
            columns=list(COLUMNS),  # a dense model has no records where its perplexity is not asked for
        )
        for name, value in _identity(cell).items():
            if name in COLUMNS:
                records[name] = value
        origin = {
            "seconds_prune": 0.0 if cell.dense else round(pruned_at - started, 3),
            "seconds_measure": round(time.perf_counter() - pruned_at, 3),
            "peak_memory_gb": round(provenance.peak_memory_gb(), 3),
            "date": provenance.now(),
            **provenance.machine(str(device_of(self._dense))),
            "versions": provenance.versions(),
            "commit": provenance.commit(),
            "checksums": cell.fingerprints,
        }
        return records, origin

    def fetch(self, cell: Cell) -> None:
        """Load the cell's model, if it is not the one at hand."""
        if self._name != cell.model:
            self._forget()
            self._dense, self._tokenizer = load(cell.model, self._device, cell.dtype)
            # only the matrices that pruning changes are copied
            shared = {id(p): p for p in self._dense.parameters()}
            for layer in decoder(self._dense).layers:
                for _, linear in linears(layer):
                    del shared[id(linear.weight)]
            self._copy = copy.deepcopy(self._dense, shared)
            self._name = cell.model

    def _forget(self) -> None:
        self._dense = self._copy = self._tokenizer = None
        self._traces: dict[tuple, Trace] = {}
        self._name = ""
        gc.collect()

    def _pruned(self, cell: Cell, bar: StudyProgress) -> torch.nn.Module:
        for fresh, used in zip(decoder(self._dense).layers, decoder(self._copy).layers, strict=True):
            for (_, dense), (_, linear) in zip(linears(fresh), linears(used), strict=True):
                linear.weight.data.copy_(dense.weight)
        tokens = None
        if cell.calibration:
            check_length(self._copy, cell.calibration_length)
            tokens = windows(
                self._tokenizer, cell.calibration_source, list(cell.calibration), cell.calibration_samples, cell.calibration_length, cell.seed
            )
        prune(self._copy, tokens, cell.method, cell.sparsity, progress=lambda done, total: bar.step(PRUNING * cell.calibration_tokens / total))
        return self._copy

    def _reference(self, cell: Cell, language: str, evaluation: Evaluation, tokens: torch.Tensor) -> torch.nn.Module | Trace:
        """The dense side of a comparison: its layer outputs kept from the first pruned model on, where they fit in memory."""
        config = self._dense.config
        numbers = sum(e.samples * e.length for e in cell.evaluations) * len(cell.languages) * config.num_hidden_layers * config.hidden_size
        if numbers * self._dense.dtype.itemsize > TRACE_BYTES:
            return self._dense
        key = (language, evaluation)
        if key not in self._traces:
            self._traces[key] = Trace.of(self._dense, tokens)
        return self._traces[key]

    def _measure(self, cell: Cell, model: torch.nn.Module, language: str, evaluation: Evaluation, bar: StudyProgress) -> list[dict]:
        check_length(model, evaluation.length)
        tokens = windows(self._tokenizer, evaluation.source, [language], evaluation.samples, evaluation.length, seed=0, split="validation")
        text = {"source": evaluation.source, "task": "", "language": language, "component": "", "stderr": float("nan")}
        if cell.dense:
            measured = measure_perplexity(model, tokens)
            found = {"perplexity": [(None, measured.value, measured.stderr)]}
        else:
            measured = fidelity(self._reference(cell, language, evaluation, tokens), model, tokens)
            found = {
                "perplexity": [(None, measured.perplexity, measured.stderr)],
                "snr_db": _layers(measured.snr_db, measured.model_snr_db),
                "pruning_error": _layers(measured.pruning_error, measured.model_pruning_error),
            }
        bar.step(tokens.numel())
        return [
            {
                **text,
                "metric": metric,
                "layer": layer,
                "value": value,
                "stderr": stderr,
                "n": measured.n if metric == "perplexity" else tokens.numel(),
            }
            for metric in cell.metrics
            for layer, value, stderr in found.get(metric, ())
        ]


def _layers(values: list[float], mean: float) -> list[tuple[int | None, float, float]]:
    return [(None, mean, float("nan")), *((i, value, float("nan")) for i, value in enumerate(values))]


def _identity(cell: Cell) -> dict:
    return {
        "model": cell.model,
        "method": cell.method,
        "sparsity": cell.sparsity.fraction,
        "pattern": "dense" if cell.dense else cell.sparsity.pattern,
        "calibration": "+".join(cell.calibration),
        "calibration_tokens": cell.calibration_tokens,
        "seed": cell.seed,
    }


def _work(cell: Cell) -> float:
    """How much there is to compute, in tokens measured."""
    return PRUNING * cell.calibration_tokens + len(cell.languages) * sum(e.samples * e.length for e in cell.evaluations)
