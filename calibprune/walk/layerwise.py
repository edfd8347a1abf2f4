"""The walk through a decoder, layer by layer: capture, collect statistics, solve, propagate."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from calibprune.errors import ModelError, ParameterError, quoted
from calibprune.methods import DEFAULT_QUANTIZER, METHODS, Does, Method, Quantized, pruner, quantizer
from calibprune.models.families import decoder, evaluating, linears
from calibprune.models.soundness import all_finite, check_computable, check_layer
from calibprune.schemes import Grid, Sparsity
from calibprune.walk.inputs import Inputs, capture
from calibprune.walk.outputs import checked_windows
from calibprune.walk.solving import Attempt, Plan, check_and_retry, try_without_waiting


class _LastStatisticIn(Exception):
    """Stops a layer that is run for its statistics as soon as the last of them is in."""


Accumulate = Callable[[Any, Tensor], Any]
"""`(total or None, x [..., in]) -> total`, as `Method.accumulate`."""


def collect(layer: nn.Module, index: int, inputs: Inputs, accumulate: Accumulate) -> list[tuple[Any, list[str]]]:
    """One statistic for each distinct tensor that linears of the layer read, of inputs that are of one text.

    The layer is run up to the input of its last linear, since nothing after it is needed.

    Returns:
        pairs of a statistic and the components that share it, in order of their call.

    Raises:
        ModelError: as `collect_by_text`.
    """
    return [(total, names) for (total,), names in collect_by_text(layer, index, inputs, [accumulate])]


def collect_by_text(
    layer: nn.Module, index: int, inputs: Inputs, accumulates: Sequence[Accumulate], advance: bool = False
) -> list[tuple[list[Any], list[str]]]:
    """A statistic of each text for each distinct tensor that linears of the layer read.

    Linears that are called with the same tensor object share a statistic (query, key and value; gate and up; all five
    in Cohere's parallel block); who shares is found in the first batch.

    Args:
        accumulates: for each text of the inputs, by its number, how its statistic is summed up.
        advance: run the layer to its end and let what it gives be the inputs of the next layer; for a layer that
            stays as it is, which is then run once instead of twice. Otherwise it is run up to the input of its last
            linear.

    Returns:
        pairs of the statistics, one a text, and the components that share them, in order of their call.

    Raises:
        ModelError: a linear that the layer never calls.
    """
    components = dict(linears(layer))
    groups: list[list[str]] = []
    totals: list[list[Any]] = []
    seen: list[Tensor] = []
    leaders: dict[str, int] = {}
    outputs: list[Tensor] = []
    complete = False

    def add(place: int, x: Tensor, text: int) -> None:
        totals[place][text] = accumulates[text](totals[place][text], x)

    def last_is_in() -> None:
        nonlocal complete
        complete = True
        if not advance:
            raise _LastStatisticIn

    def first_batch(name: str, x: Tensor, text: int) -> None:
        place = next((i for i, tensor in enumerate(seen) if tensor is x), None)
        if place is None:
            seen.append(x)
            groups.append([name])
            totals.append([None] * len(accumulates))
            leaders[name] = len(seen) - 1
            add(leaders[name], x, text)
        else:
            groups[place].append(name)
        if sum(map(len, groups)) == len(components):
            last_is_in()

    def later_batch(name: str, x: Tensor, text: int) -> None:
        if (place := leaders.get(name)) is not None:
            add(place, x, text)
            if place == len(totals) - 1:
                last_is_in()

    for batch, text in enumerate(inputs.texts):
        take = later_batch if batch else first_batch
        hooks = [
            linear.register_forward_pre_hook(lambda _, args, name=name, take=take, text=text: take(name, args[0], text))
            for name, linear in components.items()
        ]
        complete = False
        try:
            outputs.append(inputs.run(layer, index, batch))
        except _LastStatisticIn:
            pass
        finally:
            for hook in hooks:
                hook.remove()
        if not complete:
            raise ModelError(
                f"layer {index}: {type(layer).__name__} holds linears that it does not call; it cannot be "
                f"pruned from its inputs"
            )
        seen.clear()
    if advance:
        inputs.hidden = outputs
    return list(zip(totals, groups, strict=True))


@dataclass
class LayerReport:
    """One pruned layer: the share of its weights that is zero, and the seconds each part took."""

    layer: int
    sparsity: float
    seconds: dict[str, float]


@dataclass
class PruneResult:
    """What `prune` did.

    Attributes:
        masks: `layers.<i>.<component>` -> bool [out, in], True = pruned; empty where nothing was.
        quantized: `layers.<i>.<component>` -> the grid that its weights lie on; empty where nothing was rounded.
        grid: the settings of these grids, or None.
        damping: `layers.<i>.<component>` -> the share of the Hessian's mean diagonal that was added, where the usual 1%
            was too little.
        layers: a report for each layer.
        seconds: the whole walk.
        tokens: how many calibration tokens the method saw.
    """

    masks: dict[str, Tensor] = field(default_factory=dict)
    quantized: dict[str, Quantized] = field(default_factory=dict)
    grid: Grid | None = None
    damping: dict[str, float] = field(default_factory=dict)
    layers: list[LayerReport] = field(default_factory=list)
    seconds: float = 0.0
    tokens: int = 0


def prune(
    model: nn.Module,
    tokens: Tensor | None,
    method: str | Method = "wanda",
    sparsity: float | str | Sparsity = 0.5,
    nm: tuple[int, int] | None = None,
    progress: Callable[[int, int], None] = lambda done, total: None,
    bits: int | None = None,
    group_size: int = 128,
    symmetric: bool = True,
) -> PruneResult:
    """Prune every linear of every decoder layer in place; embeddings and the output layer stay as they are.

    The model is in evaluation mode meanwhile, and afterwards in the mode it was in. The inputs of a layer come from
    the pruned layers before it. A layer is run twice: up to the input of its last
    linear for the statistics, and once more, pruned, for what the next layer gets.

    Args:
        tokens: calibration windows, LongTensor [samples, length]; None for a method that needs no data.
        method: the name of a method that prunes, in `calibprune.methods.METHODS`, or a `Method`.
        sparsity: fraction in [0, 1) or a pattern such as "2:4".
        nm: a pattern as a pair, instead of `sparsity`: n of every m consecutive inputs go.
        progress: called with (layers done, layers) after each layer.
        bits: round the weights that stay to so many bits at the same time, 2 to 8; None for no rounding. For methods
            that can do both, such as "sparsegpt".
        group_size, symmetric: the grid to round to, as in `quantize`.

    Raises:
        ParameterError: unknown method, a sparsity or a grid outside what is allowed, no windows, or windows that the
        model cannot read. ModelError: an architecture that is not supported, weights (of any part of the model) or
        activations that are not finite, or not enough memory for one window.
    """
    chosen = method if isinstance(method, Method) else pruner(method)
    grid = None if bits is None else Grid.of(bits, group_size, symmetric)
    if grid:
        check_rounds(chosen, chosen.label if isinstance(method, Method) else method, grid)
    return _walk(model, tokens, chosen, Sparsity.of(nm if nm is not None else sparsity), grid, progress)


def check_rounds(method: Method, name: str, grid: Grid) -> None:
    """Raises ParameterError where a method that prunes, shown by this name, cannot round to a grid as well."""
    if not method.rounds:
        able = [other for other, known in METHODS.items() if known.does == Does.PRUNE | Does.ROUND]
        raise ParameterError(
            f"bits {grid.bits}: method {quoted(name)} does not round; prune with {' or '.join(able)}, or use "
            f"calibprune.quantize"
        )


def quantize(
    model: nn.Module,
    tokens: Tensor | None,
    bits: int = 4,
    group_size: int = 128,
    symmetric: bool = True,
    act_order: bool = False,
    progress: Callable[[int, int], None] = lambda done, total: None,
    method: str | Method = DEFAULT_QUANTIZER,
) -> PruneResult:
    """Round every linear of every decoder layer in place, by default with GPTQ (Frantar et al. 2023).

    Afterwards weights lie on the grid, in the model's dtype.

    Args:
        tokens: calibration windows, LongTensor [samples, length]; None for a method that needs no data.
        bits: 2 to 8.
        group_size: how many consecutive inputs of a row share a scale.
        symmetric: levels around 0 and a scale for each group; else the group's own range, with a zero point too.
        act_order: round the columns by falling Hessian diagonal, with the groups fitted to the original weights.
        progress: called with (layers done, layers) after each layer.
        method: the name of a method that rounds without pruning, in `calibprune.methods.METHODS`, or a `Method`.

    Returns:
        the result of the walk, with `quantized` and `grid` and without masks.

    Raises:
        ParameterError, ModelError: as `prune`.
    """
    chosen = method if isinstance(method, Method) else quantizer(method)
    grid = Grid.of(bits, group_size, symmetric, act_order)
    return _walk(model, tokens, chosen, None, grid, progress)


@torch.no_grad()
def _walk(
    model: nn.Module,
    tokens: Tensor | None,
    method: Method,
    sparsity: Sparsity | None,
    grid: Grid | None,
    progress: Callable[[int, int], None],
) -> PruneResult:
    check_prunable(model, sparsity, grid)
    tokens = None if method.accumulate is None else checked_windows(model, tokens)
    if not callable(progress):
        raise ParameterError(f"progress {quoted(progress)}: give a function of (layers done, layers)")
    with evaluating(model):
        return _layer_by_layer(model, tokens, method, sparsity, grid, progress)


def check_prunable(model: nn.Module, sparsity: Sparsity | None, grid: Grid | None) -> None:
    """Raises ParameterError or ModelError for what would stop the walk, or make its result useless."""
    for i, layer in enumerate(decoder(model).layers):
        check_layer(layer, f"layers.{i}")
    check_computable(model)
    check_matrices(model, sparsity, grid)
    for name, parameter in model.named_parameters():
        if not all_finite(parameter):
            name = name.removeprefix("model.").removesuffix(".weight")
            raise ModelError(f"{name}: the weights hold infinite or undefined values; check the checkpoint")


def check_matrices(model: nn.Module, sparsity: Sparsity | None, grid: Grid | None) -> None:
    """The part of `check_prunable` that needs no weights, but the shapes of the layers' matrices: whether each has its
    own, of a width that the pattern fits.
    """
    layers = decoder(model).layers
    first: dict[int, str] = {}
    for i, layer in enumerate(layers):
        for component, linear in linears(layer):
            name = f"layers.{i}.{component}"
            if (other := first.setdefault(id(linear.weight), name)) != name:
                raise ModelError(f"{name} has its weights in common with {other}; give each a copy of its own")
    for i, layer in enumerate(layers):
        for name, parameter in layer.named_parameters():
            if parameter.ndim > 2:
                raise ModelError(
                    f"layers.{i}.{name}: experts that share one tensor of {parameter.ndim} dimensions cannot be pruned"
                )
        for component, linear in linears(layer):
            for rule in filter(None, (sparsity, grid)):
                rule.check_width(linear.in_features, f"layers.{i}.{component}")


def _layer_by_layer(
    model: nn.Module,
    tokens: Tensor | None,
    method: Method,
    sparsity: Sparsity | None,
    grid: Grid | None,
    progress: Callable[[int, int], None],
) -> PruneResult:
    started = time.perf_counter()
    base = decoder(model)
    result = PruneResult(grid=grid)
    inputs = None
    if tokens is not None:
        result.tokens = tokens.numel()
        inputs = capture(model, tokens)
    plan = Plan(method, 0 if tokens is None else len(tokens), sparsity, grid)
    seconds, zeros = [], []
    for i, layer in enumerate(base.layers):
        clock = Clock()
        change_layer(plan, layer, i, inputs, result, clock)
        if inputs is not None and i + 1 < len(base.layers):
            inputs.advance(layer, i)
        clock.lap("propagate")
        seconds.append(clock.seconds)
        zeros.append(count_zeros(layer))
        progress(i + 1, len(base.layers))
    for i, layer in enumerate(base.layers):
        check_new_weights(layer, i)
    if inputs is not None:
        check_last_outputs(base, inputs)
    sizes = [sum(linear.weight.numel() for _, linear in linears(layer)) for layer in base.layers]
    result.layers = [LayerReport(i, int(zeros[i]) / sizes[i], seconds[i]) for i in range(len(base.layers))]
    result.seconds = time.perf_counter() - started
    return result


def change_layer(
    plan: Plan, layer: nn.Module, index: int, inputs: Inputs | None, result: PruneResult, clock: "Clock"
) -> None:
    """Give the linears of the layer at `index` their new weights, and add what became of them to the result.

    Args:
        inputs: what enters the layer; None for a method that needs no text.
    """
    components = dict(linears(layer))
    shared = [(None, list(components))]
    if inputs is not None:
        shared = inputs.in_smaller_batches_if_needed(
            index, lambda: collect(layer, index, inputs, plan.method.accumulate)
        )
    clock.lap("statistics")
    attempts = [
        try_without_waiting(plan, total, {f"layers.{index}.{name}": components[name] for name in names})
        for total, names in shared
    ]
    check_and_retry(plan, attempts)
    for attempt in attempts:
        _note(attempt, result)
    clock.lap("solve")


def check_new_weights(layer: nn.Module, index: int) -> None:
    """Raises ModelError where a linear of the layer at `index` was given infinite or undefined weights."""
    for component, linear in linears(layer):
        if not all_finite(linear.weight):
            raise ModelError(
                f"layers.{index}.{component}: the new weights are infinite or undefined in {linear.weight.dtype}; use "
                f"dtype bfloat16 or float32"
            )


def check_last_outputs(base: nn.Module, inputs: Inputs) -> None:
    """Raises ModelError where what leaves the decoder is infinite or undefined for the first batch of windows.

    The outputs of the other layers are the inputs of those after them, whose statistics show it. Those of the last are
    needed for nothing else, and a batch costs next to nothing: numbers that are too large for a dtype stand at the
    beginning of every window, where attention puts its largest activations. A method without text has no windows.
    """
    last = len(base.layers) - 1
    outputs = inputs.in_smaller_batches_if_needed(last, lambda: inputs.run(base.layers[last], last, 0))
    if not (all_finite(outputs) and all_finite(base.norm(outputs))):
        raise ModelError(
            f"layers.{last}: its outputs are infinite or undefined in {outputs.dtype}; use dtype bfloat16 or float32, "
            f"and check the checkpoint"
        )


def _note(attempt: Attempt, result: PruneResult) -> None:
    """Add what became of some linears to the result."""
    for name, solved in zip(attempt.names, attempt.solved, strict=True):
        if solved.mask is not None:
            result.masks[name] = solved.mask
        if solved.grid is not None:
            result.quantized[name] = solved.grid
    if attempt.raised:
        result.damping.update(dict.fromkeys(attempt.names, attempt.damping))


def count_zeros(layer: nn.Module) -> "Tensor | int":
    """How many weights of a layer's linears are zero; on a GPU a tensor, which is not waited for."""
    zeros = [linear.weight == 0 for _, linear in linears(layer)]
    # numpy counts bools ten times as fast as torch on a CPU
    return sum(z.sum() if z.is_cuda else int(np.count_nonzero(z)) for z in zeros)


class Clock:
    """The seconds from lap to lap, by name."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}
        self._last = time.perf_counter()

    def lap(self, name: str) -> None:
        now = time.perf_counter()
        self.seconds[name] = now - self._last
        self._last = now
