"""One cell: the model is pruned, or is the dense one, and is measured in every way that the cell asks for."""

import copy
import gc
import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial

import pandas as pd
import torch
from torch import Tensor, nn

from calibprune import provenance
from calibprune.corpora import from_hub
from calibprune.corpora.windows import windows
from calibprune.errors import CorpusError, ModelError
from calibprune.kernels.packed import pack
from calibprune.metrics.embeddings import parallel_texts, sentence_embeddings
from calibprune.metrics.fidelity import Trace
from calibprune.models.families import decoder, device_of, linears
from calibprune.models.identity import fingerprint
from calibprune.models.loading import load
from calibprune.study.cells import Cell, what_changed
from calibprune.study.draws import draws
from calibprune.study.measurements import Found, Text, measure_subspace, measure_tasks, measure_texts
from calibprune.study.progress import StudyProgress
from calibprune.study.store import COLUMNS
from calibprune.tasks.catalogue import resolve
from calibprune.tasks.harness.bridge import evaluate, evaluate_exported
from calibprune.tasks.harness.exported import LOCAL, check_backend, exported
from calibprune.walk.layerwise import PruneResult, prune, quantize
from calibprune.walk.outputs import check_length

TRACE_BYTES = 2**30  # how much memory the dense model's layer outputs may take while its pruned copies are measured


class Runner:
    """The models that cells are computed with: the dense one, and a copy of its decoder's matrices to prune."""

    def __init__(self, device: str, data_mirror: str | None) -> None:
        self._device = device
        self._data_mirror = data_mirror
        self._forget()

    def __enter__(self) -> "Runner":
        return self

    def __exit__(self, *_) -> None:
        self._forget()

    def compute(self, cell: Cell, bar: StudyProgress) -> tuple[pd.DataFrame, dict, dict[str, dict[str, Tensor]]]:
        """Prune the cell's model, which was fetched, if it is not the dense one, and measure it: (records, provenance,
        artifacts).

        Raises:
            CalibpruneError: what cannot be computed, or what changed meanwhile.
        """
        with _naming(cell):
            return self._compute(cell, bar)

    def _compute(self, cell: Cell, bar: StudyProgress) -> tuple[pd.DataFrame, dict, dict[str, dict[str, Tensor]]]:
        started = time.perf_counter()
        model, result = (self._dense, PruneResult()) if cell.dense else self._pruned(cell, bar)
        pruned_at = time.perf_counter()
        found = Found()
        for name, damping in result.damping.items():
            found.add_damping(name, damping, cell.calibration_tokens)
        if "masks" in cell.metrics:
            found.artifacts["masks"] = {name: pack(mask) for name, mask in result.masks.items()}
        del result
        reference = None if cell.dense else self._reference
        measure_texts(model, reference, self._texts(cell), cell.metrics, found, bar.step)
        if cell.parallel:
            measure_subspace(
                cell.parallel[0], self._embeddings(cell), self._embeddings(cell, model), cell.languages, found
            )
        known = {**provenance.machine(str(device_of(self._dense))), "hidden_size": self._dense.config.hidden_size}
        specs = resolve(list(cell.tasks), list(cell.languages), self._data_mirror) if cell.tasks else []
        if specs:
            step = lambda share: bar.step(share * work_of_tasks(cell))  # noqa: E731
            asked = specs, cell.items_of, cell.chat_template, found, step
            if cell.task_backend == LOCAL:
                measure_tasks(partial(evaluate, model, self._tokenizer), *asked)
            else:
                with exported(model, self._tokenizer, cell.id) as folder:
                    del model
                    self._forget()  # all memory is the backend's now; the next cell loads the model again
                    measure_tasks(partial(evaluate_exported, folder, cell.task_backend, cell.dtype), *asked)
        if changed := what_changed(cell, specs):
            raise CorpusError(f"the text of {', '.join(changed)} changed meanwhile; run the study again")
        records = pd.DataFrame(found.rows, columns=list(COLUMNS))
        for name, value in identity(cell).items():
            if name in COLUMNS:
                records[name] = value
        origin = {
            "seconds_prune": 0.0 if cell.dense else round(pruned_at - started, 3),
            "seconds_measure": round(time.perf_counter() - pruned_at, 3),
            "peak_memory_gb": round(provenance.peak_memory_gb(), 3),
            "date": provenance.now(),
            **known,
            "versions": provenance.versions(),
            "commit": provenance.commit(),
            "checksums": cell.fingerprints,
        }
        return records, origin, found.artifacts

    def fetch(self, cell: Cell) -> None:
        """Load the cell's model, if it is not the one at hand.

        Raises:
            ModelError: as `calibprune.load`, or its files are no longer those that the cell's id names.
        """
        known = cell.model, cell.fingerprints["model"]
        if self._at_hand != known:
            self._forget()
            self._dense, self._tokenizer = load(cell.model, self._device, cell.dtype)
            if fingerprint(cell.model) != cell.fingerprints["model"]:  # asked last: of these the copy in memory is
                raise ModelError(f"{cell.model}: its files changed since the study began; run it again")
            # only the matrices that pruning changes are copied
            shared = {id(p): p for p in self._dense.parameters()}
            for layer in decoder(self._dense).layers:
                for _, linear in linears(layer):
                    del shared[id(linear.weight)]
            self._copy = copy.deepcopy(self._dense, shared)
            self._at_hand = known

    def check(self, cells: list[Cell]) -> None:
        """Whether these cells of the model that was fetched can be computed, as far as that is known beforehand: groups
        fit the matrices, every text has enough windows and sentences, no window is too long, and who answers the tasks
        is there. Text on a hub is not read for it.

        Raises:
            ParameterError, CorpusError: what does not fit.
        """
        for backend in dict.fromkeys(cell.task_backend for cell in cells if cell.tasks):
            check_backend(backend)
        rules = dict.fromkeys(cell.grid or cell.sparsity for cell in cells if not cell.dense)
        for i, layer in enumerate(decoder(self._dense).layers):
            for component, linear in linears(layer):
                for rule in rules:
                    rule.check_width(linear.in_features, f"layers.{i}.{component}")
        for draw in dict.fromkeys(draw for cell in cells for draw in draws(cell)):
            check_length(self._dense, draw.length)
            if not from_hub(draw.source):
                windows(self._tokenizer, draw.source, list(draw.languages), *draw[2:])
        for (source, samples), languages in dict.fromkeys(
            (cell.parallel, cell.languages) for cell in cells if cell.parallel
        ):
            if not from_hub(source):
                parallel_texts(source, list(languages), samples)

    def _forget(self) -> None:
        self._dense = self._copy = self._tokenizer = None
        self._traces: dict[tuple, Trace] = {}
        self._trace_bytes = 0
        self._dense_embeddings: dict[tuple, Tensor] = {}
        self._at_hand = ("", "")
        gc.collect()

    def _pruned(self, cell: Cell, bar: StudyProgress) -> tuple[nn.Module, PruneResult]:
        """The copy of the dense model, pruned or quantized as the cell says, and what that did."""
        for fresh, used in zip(decoder(self._dense).layers, decoder(self._copy).layers, strict=True):
            for (_, dense), (_, linear) in zip(linears(fresh), linears(used), strict=True):
                linear.weight.data.copy_(dense.weight)
        tokens = None
        if cell.calibration:
            check_length(self._copy, cell.calibration_length)
            tokens = windows(
                self._tokenizer,
                cell.calibration_source,
                list(cell.calibration),
                cell.calibration_samples,
                cell.calibration_length,
                cell.seed,
            )
        work = work_of_pruning(cell)
        step = lambda done, total: bar.step(work / total)  # noqa: E731
        if cell.grid:
            return self._copy, quantize(self._copy, tokens, *cell.grid, progress=step, method=cell.method)
        return self._copy, prune(self._copy, tokens, cell.method, cell.sparsity, progress=step)

    def _reference(self, text: Text) -> nn.Module | Trace:
        """The dense side of a comparison: its layer outputs, kept from the first pruned model on as long as they fit in
        memory; else the model, which then runs once more for each pruned one.
        """
        key = (text.source, text.language, *text.tokens.shape)
        if key not in self._traces:
            size = Trace.nbytes_of(self._dense, text.tokens)
            if self._trace_bytes + size > TRACE_BYTES:
                return self._dense
            self._traces[key] = Trace.of(self._dense, text.tokens)
            self._trace_bytes += size
        return self._traces[key]

    def _embeddings(self, cell: Cell, model: nn.Module | None = None) -> Tensor:
        """Sentence embeddings of the cell's parallel text [languages, layers, sentences, width]; of the dense model,
        once, without `model`.
        """
        source, samples = cell.parallel
        key = (cell.parallel, cell.languages)
        if model is None and key in self._dense_embeddings:
            return self._dense_embeddings[key]
        texts = parallel_texts(source, list(cell.languages), samples)
        found = torch.stack(
            [sentence_embeddings(model or self._dense, self._tokenizer, texts[language]) for language in cell.languages]
        )
        if model is None:
            self._dense_embeddings[key] = found
        return found

    def _texts(self, cell: Cell) -> list[Text]:
        """What the cell is measured on, drawn in the order of its records."""
        texts = []
        for language in cell.languages:
            for evaluation in cell.evaluations:
                check_length(self._dense, evaluation.length)
                tokens = windows(
                    self._tokenizer,
                    evaluation.source,
                    [language],
                    evaluation.samples,
                    evaluation.length,
                    seed=0,
                    split="validation",
                )
                # counted on the first text alone: how often a neuron fires on two texts together describes neither
                neurons = "neurons" in cell.metrics and evaluation == cell.evaluations[0]
                texts.append(Text(evaluation.source, language, tokens, neurons))
        return texts


@contextmanager
def _naming(cell: Cell) -> Iterator[None]:
    """Let errors name the cell."""
    try:
        yield
    except (ModelError, CorpusError) as error:
        raise type(error)(f"{cell.title}: {error}") from error


def identity(cell: Cell) -> dict:
    """What tells a cell from the others of its study, in the words of the records' columns."""
    return {
        "model": cell.model,
        "method": cell.method,
        "sparsity": cell.sparsity.fraction,
        "pattern": cell.pattern,
        "calibration": "+".join(cell.calibration),
        "calibration_tokens": cell.calibration_tokens,
        "seed": cell.seed,
    }


# For the progress bar: how many tokens of a measured text take as long as one token of calibration text, one sentence
# whose embedding is taken, one task.
PRUNING = 2.0
SENTENCE = 20
TASK = 10_000


def work_of_pruning(cell: Cell) -> float:
    return PRUNING * cell.calibration_tokens


def work_of_tasks(cell: Cell) -> float:
    return TASK * len(cell.tasks)


def work(cell: Cell) -> float:
    """How much there is to compute, in tokens measured."""
    texts = len(cell.languages) * sum(evaluation.samples * evaluation.length for evaluation in cell.evaluations)
    sentences = SENTENCE * cell.parallel[1] * len(cell.languages) if cell.parallel else 0
    return work_of_pruning(cell) + texts + sentences + work_of_tasks(cell)
