"""What a cell computes and leaves behind, in operations and bytes, from a model's sizes alone.

For n weights of all decoder layers, T tokens in S windows of length L, width d, vocabulary V, all heads' width q:

| part of a cell | operations (a multiply-add is two) |
| --- | --- |
| one pass over text | 2·n·T, attention 2·q·T·(L + 1) a layer, output layer 2·d·V·T |
| walk of calibration | a pass without each layer's last matrix, and a pass without the last layer; no output layer |
| statistic of SparseGPT and GPTQ | T·c·(c + 1) for each tensor of width c that matrices read |
| solving of SparseGPT and GPTQ | factors 2c³/3 and sweeps r·c·(c − 1), r the rows of the matrices that read it |
| text measured beside the dense model | twice a pass; once where the dense model's layer outputs are kept |

| what is kept | bytes |
| --- | --- |
| records | some thousand, and about a dozen a row |
| masks | a bit a weight: r·⌈c / 8⌉ of each matrix |
| neurons | 8 for each neuron, layer and language |
| single items of tasks | 4 for each item and metric; how many items there are is known with `task_limit` alone |
| hidden states between two layers | d·T·bytes of a number |
"""

from typing import NamedTuple

from calibprune.metrics.registry import METRICS, ON_TEXT
from calibprune.study.cells import Cell
from calibprune.study.planning.architecture import Architecture
from calibprune.study.planning.counts import FIRST, GRAMS, SECOND, Shape, forward, steps
from calibprune.study.planning.counts import stages as counted_stages
from calibprune.study.runner import TRACE_BYTES
from calibprune.tasks.catalogue import split
from calibprune.walk.inputs import BATCH_TOKENS

HESSIAN = ("sparsegpt", "gptq")
COUNTED = ("wanda", *HESSIAN)
"""The methods whose operations are counted here."""

FILES = 13_000
"""Bytes of a cell's two small files without rows: of 2,400 recorded cells those of records.parquet began at 7,100 and
cell.json had 1,400 to 3,900."""
ROW = 12
"""Bytes that a row adds to records.parquet: from 2 to 388 rows it grew from 8,900 to 13,150."""


class Steps(NamedTuple):
    """Operations of the parts of a cell that have a speed of their own.

    Attributes:
        forward: matrix products and attention of passes through the layers, and the output layer.
        gram: the statistic XᵀX.
        solve: what a method does to the matrices.
    """

    forward: float = 0.0
    gram: float = 0.0
    solve: float = 0.0


def pruning(shape: Shape, method: str, samples: int, length: int) -> Steps | None:
    """Operations of pruning or rounding all layers with these calibration windows; None for a method that is not
    counted here.
    """
    if method not in COUNTED or not samples * length:
        return None
    step = steps(shape, samples, length)
    return Steps(
        step[FIRST].operations + step[SECOND].operations,
        step[GRAMS].operations if method in HESSIAN else 0.0,
        counted_stages(shape, samples, length, method)["solve"].operations,
    )


def text_pass(model: Architecture, samples: int, length: int, logits: bool = True) -> float:
    """Operations of one pass over windows, with the output layer or without."""
    output = 2 * samples * length * model.shape.width * model.vocabulary if logits else 0
    return forward(model.shape, samples, length).operations + output


def measuring_text(cell: Cell, model: Architecture, itemsize: int) -> float:
    """Operations of all passes over a cell's evaluation text.

    A pruned model is compared with the dense one's layer outputs, which a process keeps of the first texts, as far as
    they fit in `runner.TRACE_BYTES`; beside the others the dense model runs again. The pass that the kept ones cost,
    once a process, is left out.

    Args:
        itemsize: bytes of a number.
    """
    asked = [metric for name, metric in ON_TEXT.items() if name in cell.metrics]
    compares = not cell.dense and any(metric.compares for metric in asked)
    total = kept = 0.0
    for _ in cell.languages:
        for number, text in enumerate(cell.evaluations):
            neurons = "neurons" in cell.metrics and number == 0
            if not asked and not neurons:
                continue
            total += text_pass(model, text.samples, text.length)
            trace = text.samples * text.length * model.shape.layers * model.shape.width * itemsize
            if compares and kept + trace > TRACE_BYTES:
                total += text_pass(model, text.samples, text.length, logits=False)
            elif compares:
                kept += trace
    return total


def rows(cell: Cell, layers: int) -> int:
    """How many records a cell has, with two metrics a task."""
    asked = [metric for name, metric in ON_TEXT.items() if name in cell.metrics]
    depth = 0 if cell.dense else layers
    on_text = len(cell.languages) * len(cell.evaluations) * sum(1 + depth * metric.compares for metric in asked)
    count = len(cell.languages)
    subspace = layers * count * 2 * (1 + 2 * (count - 1)) if cell.parallel and count > 1 else 0
    return on_text + subspace + 2 * len(cell.tasks)


class Kept(NamedTuple):
    """Bytes that cells leave in the store."""

    records: float = 0
    masks: float = 0
    artifacts: float = 0

    @property
    def all(self) -> float:
        return self.records + self.masks + self.artifacts

    def __add__(self, other: "Kept") -> "Kept":
        return Kept(*(a + b for a, b in zip(self, other, strict=True)))


def kept(cell: Cell, shape: Shape) -> Kept:
    """Bytes that a cell leaves in the store, but for the scores of single items where no `task_limit` says how many
    there are.
    """
    masks = neurons = items = 0
    if "masks" in cell.metrics:
        masks = shape.layers * sum(sum(outs) * -(-columns // 8) for columns, outs in shape.groups)
    if "neurons" in cell.metrics and cell.evaluations:
        neurons = len(cell.languages) * shape.layers * shape.mlp * 2 * 4
    if cell.tasks and cell.task_limit:
        items = 2 * 4 * sum(cell.items_of(split(task)[0]) or 0 for task in cell.tasks)
    return Kept(FILES + ROW * rows(cell, shape.layers), masks, neurons + items)


class Memory(NamedTuple):
    """Peak bytes of one process, counted: what must be there at once; a library's own work space comes on top.

    Attributes:
        resident: where it is computed, with the whole model and the copy that is pruned.
        streamed: where it is computed, with one layer and the next one, which is read meanwhile.
        loading: of the host, while it reads the weights that go to a GPU.
        layers: of the host, two layers that go to a GPU.
        states: hidden states of the calibration text between two layers, which are kept for resuming there. Part of
            `resident`; of the host, where layers are streamed.
        embeddings: of sentences, of the dense model and a pruned one, on the host.
    """

    resident: float
    streamed: float
    loading: float
    layers: float
    states: float
    embeddings: float


def memory(cell: Cell, model: Architecture, itemsize: int) -> Memory:
    """Peak memory of a cell's process.

    Resident: the weights, a second time those of the layers (the copy that is pruned), hidden states of the calibration
    text, the statistics of a layer with as much again for the widest one's factor and the copy of the widest weights,
    and one batch. Streamed: two layers instead of the model, and hidden states on the host. A batch is one of about
    2,048 tokens or a longer window: the MLP's three tensors and six of the layer's width.

    Args:
        itemsize: bytes of a number.
    """
    shape = model.shape
    layer = itemsize * shape.parameters / shape.layers
    states = itemsize * cell.calibration_tokens * shape.width
    statistics = 0
    if cell.method in HESSIAN:
        widths = [columns for columns, _ in shape.groups]
        statistics = 4 * sum(c * c for c in widths) + 2 * 4 * max(widths) ** 2
        statistics += 4 * max(sum(outs) * columns for columns, outs in shape.groups)
    lengths = [cell.calibration_length] if cell.calibration else []
    longest = max([BATCH_TOKENS, *lengths, *(text.length for text in cell.evaluations)])
    batch = itemsize * longest * (3 * shape.mlp + 6 * shape.width)
    weights = itemsize * model.parameters
    copy = itemsize * shape.parameters
    embeddings = 0
    if cell.parallel:
        embeddings = 2 * 4 * len(cell.languages) * shape.layers * cell.parallel[1] * shape.width
    return Memory(
        weights + copy + states + statistics + batch + TRACE_BYTES * _compares(cell),
        2 * layer + statistics + batch,
        weights,
        2 * layer,
        states,
        embeddings,
    )


def _compares(cell: Cell) -> bool:
    return not cell.dense and any(METRICS[name].compares for name in cell.metrics if name in ON_TEXT)
