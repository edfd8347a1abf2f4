"""The walk of layerwise.py through a model that is read layer by layer; a solved layer is handed on and let go."""

from collections.abc import Callable
from concurrent.futures import Future
from contextlib import closing
from typing import NamedTuple

import torch
from torch import Tensor, nn

from calibprune.methods import Quantized
from calibprune.models.beside import beside
from calibprune.models.families import decoder, evaluating
from calibprune.models.soundness import check_kinds, check_layer
from calibprune.models.streaming import Streamed
from calibprune.schemes import Grid, Sparsity
from calibprune.walk.inputs import Inputs, capture, resumed
from calibprune.walk.layerwise import (
    Clock,
    LayerReport,
    PruneResult,
    change_layer,
    check_last_outputs,
    check_matrices,
    check_new_weights,
    count_zeros,
)
from calibprune.walk.outputs import readable_windows
from calibprune.walk.solving import Plan
from calibprune.walk.states import States


class Solved(NamedTuple):
    """One layer with its new weights.

    Attributes:
        index: its place in the decoder.
        state: its parameters by their names in the layer, on the host.
        result: what became of its linears, on the host, with a report for this layer.
        sizes: how many windows each batch of what enters the next layer holds; empty for a method that needs no text.
    """

    index: int
    state: dict[str, Tensor]
    result: PruneResult
    sizes: list[int]


class Begin(NamedTuple):
    """Where a walk begins: at the layer `layer`, before which all are done; `sizes` as of the last `Solved`."""

    layer: int = 0
    sizes: tuple[int, ...] = ()


def check_streamable(model: nn.Module, sparsity: Sparsity | None, grid: Grid | None) -> None:
    """`layerwise.check_prunable` for a model without its weights, whose numbers are checked when they are read; the
    same errors.
    """
    for i, layer in enumerate(decoder(model).layers):
        check_layer(layer, f"layers.{i}")
    check_kinds(model)
    check_matrices(model, sparsity, grid)


@torch.no_grad()
def walk(
    streamed: Streamed,
    tokens: Tensor | None,
    plan: Plan,
    states: States | None,
    keep: Callable[[Solved], None],
    begin: Begin = Begin(),  # noqa: B008 - cannot be changed
) -> None:
    """Prune or round every linear of every decoder layer; the weights are those of `layerwise`, to the bit.

    In memory there are the layer that is changed, its statistics and one batch of windows; and on the host the layer
    that is read ahead, and the one that is handed on. Hidden states are in `states`.

    Args:
        tokens: calibration windows, LongTensor [samples, length]; None for a method that needs no text.
        plan: what is done to each linear.
        states: of these windows; None where there are none. When `keep` is called, what enters the next layer is on the
            disk, and what entered this one still there.
        keep: called with each layer in turn, in a thread of its own while the next layer is computed.

    Raises:
        ParameterError, ModelError: as `layerwise.prune`.
    """
    model = streamed.model
    check_streamable(model, plan.sparsity, plan.grid)
    if tokens is not None:
        tokens = readable_windows(model, tokens)
    last = len(decoder(model).layers) - 1

    def hand_on(solved: Solved) -> None:
        if states is not None and solved.index < last:
            states.finish(solved.index + 1)
        keep(solved)
        if states is not None:
            states.drop(solved.index)

    with (
        evaluating(model),
        closing(streamed.layers(begin.layer)) as layers,
        beside("hand-on") as writer,
    ):
        handed: Future | None = None
        inputs = None if tokens is None else _entering(streamed, tokens, states, begin)
        for i, layer in layers:
            clock = Clock()
            result = PruneResult(grid=plan.grid, tokens=0 if tokens is None else tokens.numel())
            change_layer(plan, layer, i, inputs, result, clock)
            check_new_weights(layer, i)
            if inputs is not None and i < last:
                inputs.advance(layer, i, states.begin(i + 1))
            elif inputs is not None:
                check_last_outputs(decoder(model), inputs)
            clock.lap("propagate")
            matrices = sum(weight.numel() for weight in _matrices(layer))
            result.layers = [LayerReport(i, int(count_zeros(layer)) / matrices, clock.seconds)]
            result.seconds = sum(clock.seconds.values())
            solved = Solved(i, *_on_the_host(layer, result), [] if inputs is None else list(map(len, inputs.hidden)))
            if handed:
                handed.result()
            handed = writer.submit(hand_on, solved)
            del solved
        if handed:
            handed.result()


def _on_the_host(layer: nn.Module, result: PruneResult) -> tuple[dict[str, Tensor], PruneResult]:
    """The parameters of a layer, and what became of its linears."""
    result.masks = {name: mask.cpu() for name, mask in result.masks.items()}
    result.quantized = {
        name: Quantized(rounded.scale.cpu(), rounded.zero.cpu()) for name, rounded in result.quantized.items()
    }
    return {name: parameter.data.cpu() for name, parameter in layer.named_parameters()}, result


def _entering(streamed: Streamed, tokens: Tensor, states: States, begin: Begin) -> Inputs:
    """What enters the layer at which the walk begins."""
    if begin.layer:
        return resumed(streamed.model, states.read(begin.layer, list(begin.sizes)))
    with streamed.embeddings():
        return capture(streamed.model, tokens, keep=states.begin(0))


def _matrices(layer: nn.Module) -> list[Tensor]:
    return [module.weight for module in layer.modules() if isinstance(module, nn.Linear)]
