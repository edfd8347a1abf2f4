"""The walk through a decoder, layer by layer: capture, collect statistics, solve, propagate."""

import contextlib
import inspect
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn

from .errors import ModelError, ParameterError
from .families import context_length, decoder, device_of, linears
from .kernels.attention import short_windows
from .kernels.rms_norm import fast_norms
from .methods import Method
from .methods import method as method_named
from .sparsity import Sparsity

BATCH_TOKENS = 2048


def batches(tokens: Tensor, batch_tokens: int = BATCH_TOKENS) -> tuple[Tensor, ...]:
    """Split windows [samples, length] into batches of about 2,048 tokens: enough work for each product, and what lies between stays in the cache."""
    return tokens.split(max(1, batch_tokens // tokens.shape[1]))


@dataclass
class Inputs:
    """What enters the decoder's first layer, and what each layer gets beside its hidden states.

    Attributes:
        model: whose layers are called.
        hidden: one [batch, length, width] tensor a batch of windows, in the model's dtype.
        arguments: for each batch size the keyword arguments of each layer. Windows have no padding, so these (masks, rotary embeddings, positions)
            are the same for every batch of one shape.
    """

    model: nn.Module
    hidden: list[Tensor]
    arguments: dict[int, list[dict[str, Any]]]

    def run(self, layer: nn.Module, index: int, batch: int) -> Tensor:
        """The output of `layer`, standing at `index`, for one batch."""
        hidden = self.hidden[batch]
        with short_windows(self.model, hidden.shape[1]), fast_norms(layer):
            output = layer(hidden, **self.arguments[len(hidden)][index])
        return output[0] if isinstance(output, tuple) else output


@torch.no_grad()
def capture(model: nn.Module, tokens: Tensor, batch_tokens: int = BATCH_TOKENS) -> Inputs:
    """Run the decoder on every batch with its layers passed over, and keep what each layer was called with.

    Each layer keeps its own keyword arguments: layers of one decoder may take different masks and rotary embeddings, as Gemma 3's do.

    Args:
        tokens: LongTensor [samples, length].

    Raises:
        ModelError: an architecture that is not supported, or layers called in a way that cannot be replayed.
    """
    base = decoder(model)
    hidden: list[Tensor] = []
    arguments: dict[int, list[dict[str, Any]]] = {}
    calls: list[tuple[Tensor, dict[str, Any]]] = []

    def pass_over(layer: nn.Module) -> Callable:
        signature = inspect.signature(type(layer).forward)

        def forward(*args, **kwargs):
            bound = signature.bind(layer, *args, **kwargs).arguments
            bound.pop("self")
            bound.update(bound.pop("kwargs", {}))
            states = bound.pop("hidden_states", None)
            if states is None or "args" in bound:
                raise ModelError(f"{type(layer).__name__}: layers without a hidden_states argument cannot be walked")
            calls.append((states, bound))
            return states

        return forward

    with contextlib.ExitStack() as restored:
        restored.enter_context(short_windows(model, tokens.shape[1]))
        for layer in base.layers:
            layer.forward = pass_over(layer)
            restored.callback(delattr, layer, "forward")
        for batch in batches(tokens.to(device_of(model)), batch_tokens):
            calls.clear()
            base(input_ids=batch, use_cache=False)
            hidden.append(calls[0][0])
            arguments.setdefault(len(batch), [kwargs for _, kwargs in calls])
    return Inputs(model, hidden, arguments)


class _LastStatisticIn(Exception):
    """Ends a layer's first pass: nothing after the input of its last linear is needed."""


def collect(layer: nn.Module, index: int, inputs: Inputs, accumulate: Callable[[Any, Tensor], Any]) -> list[tuple[Any, list[str]]]:
    """One statistic for each distinct tensor that linears of the layer read.

    Linears that are called with the same tensor object share a statistic (query, key and value; gate and up; all five in Cohere's
    parallel block); who shares is found in the first batch. A batch ends at the input of the last linear.

    Returns:
        pairs of a statistic and the components that share it, in order of their call.

    Raises:
        ModelError: a linear that the layer never calls.
    """
    components = dict(linears(layer))
    groups: list[list[str]] = []
    totals: list[Any] = []
    seen: list[Tensor] = []
    leaders: dict[str, int] = {}

    def first_batch(name: str, x: Tensor) -> None:
        place = next((i for i, tensor in enumerate(seen) if tensor is x), None)
        if place is None:
            seen.append(x)
            groups.append([name])
            totals.append(accumulate(None, x))
            leaders[name] = len(seen) - 1
        else:
            groups[place].append(name)
        if sum(map(len, groups)) == len(components):
            raise _LastStatisticIn

    def later_batch(name: str, x: Tensor) -> None:
        if (place := leaders.get(name)) is not None:
            totals[place] = accumulate(totals[place], x)
            if place == len(totals) - 1:
                raise _LastStatisticIn

    for batch in range(len(inputs.hidden)):
        take = later_batch if batch else first_batch
        hooks = [linear.register_forward_pre_hook(lambda _, args, name=name, take=take: take(name, args[0])) for name, linear in components.items()]
        try:
            inputs.run(layer, index, batch)
            raise ModelError(f"layer {index}: {type(layer).__name__} holds linears that it does not call; it cannot be pruned from its inputs")
        except _LastStatisticIn:
            pass
        finally:
            for hook in hooks:
                hook.remove()
        seen.clear()
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
        masks: `layers.<i>.<component>` -> bool [out, in], True = pruned.
        layers: a report for each layer.
        seconds: the whole walk.
        tokens: how many calibration tokens the method saw.
    """

    masks: dict[str, Tensor] = field(default_factory=dict)
    layers: list[LayerReport] = field(default_factory=list)
    seconds: float = 0.0
    tokens: int = 0


@torch.no_grad()
def prune(
    model: nn.Module,
    tokens: Tensor | None,
    method: str | Method = "wanda",
    sparsity: float | str | Sparsity = 0.5,
    nm: tuple[int, int] | None = None,
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> PruneResult:
    """Prune every linear of every decoder layer in place; embeddings and the output layer stay as they are.

    The inputs of a layer come from the pruned layers before it. A layer is run twice: up to the input of its last linear for
    the statistics, and once more, pruned, for what the next layer gets.

    Args:
        tokens: calibration windows, LongTensor [samples, length]; None for a method that needs no data.
        method: a name in `calibprune.methods.METHODS`, or a `Method`.
        sparsity: fraction in [0, 1) or a pattern such as "2:4".
        nm: a pattern as a pair, instead of `sparsity`: n of every m consecutive inputs go.
        progress: called with (layers done, layers) after each layer.

    Raises:
        ParameterError: unknown method, a sparsity outside what is allowed, windows longer than the model's context or no windows.
        ModelError: an architecture that is not supported, or activations that are not finite.
    """
    started = time.perf_counter()
    chosen = _method(method)
    pattern = Sparsity.of(nm if nm is not None else sparsity)
    base = decoder(model)
    for i, layer in enumerate(base.layers):
        for component, linear in linears(layer):
            pattern.check_width(linear.in_features, f"layers.{i}.{component}")
    result = PruneResult()
    inputs = None
    if chosen.accumulate is not None:
        check_windows(model, tokens)
        result.tokens = tokens.numel()
        inputs = capture(model, tokens)
    for i, layer in enumerate(base.layers):
        clock = _Clock()
        shared = [(None, [name for name, _ in linears(layer)])] if inputs is None else collect(layer, i, inputs, chosen.accumulate)
        clock.lap("statistics")
        components = dict(linears(layer))
        while shared:  # a statistic is let go as soon as its linears are solved
            total, names = shared.pop(0)
            try:
                prepared = chosen.prepare(total, 0 if tokens is None else len(tokens))
            except ModelError as error:
                raise ModelError(f"layers.{i}.{names[0]}: {error}") from None
            masks = chosen.solve_each([components[name].weight.data for name in names], prepared, pattern)
            result.masks.update(zip([f"layers.{i}.{name}" for name in names], masks, strict=True))
        clock.lap("solve")
        if inputs is not None and i + 1 < len(base.layers):
            for batch in range(len(inputs.hidden)):
                inputs.hidden[batch] = inputs.run(layer, i, batch)
        clock.lap("propagate")
        result.layers.append(LayerReport(i, _zero_share(components.values()), clock.seconds))
        progress(i + 1, len(base.layers))
    result.seconds = time.perf_counter() - started
    return result


@torch.no_grad()
def layer_outputs(model: nn.Module, tokens: Tensor) -> Iterator[Tensor]:
    """The output of each decoder layer in turn, and after them the final normed states, [batch, length, width] each.

    `tokens` is one batch [batch, length]. Two of these walked in step compare two models without either's states being kept.
    """
    inputs = capture(model, tokens)
    base = decoder(model)
    for i, layer in enumerate(base.layers):
        inputs.hidden[0] = inputs.run(layer, i, 0)
        yield inputs.hidden[0]
    yield base.norm(inputs.hidden[0])


def check_windows(model: nn.Module, tokens: Tensor | None) -> None:
    """Raises ParameterError where `tokens` are not windows that the model can read."""
    if tokens is None or tokens.ndim != 2 or not tokens.numel():
        raise ParameterError("calibration tokens: give windows as a LongTensor [samples, length], for example from calibprune.windows")
    check_length(model, tokens.shape[1])


def check_length(model: nn.Module, length: int) -> None:
    """Raises ParameterError where windows of this length are longer than what the model was made for."""
    if length > (limit := context_length(model)):
        raise ParameterError(f"window length {length}: {type(model).__name__} reads at most {limit} tokens; choose a shorter length")


def _method(chosen: str | Method) -> Method:
    return chosen if isinstance(chosen, Method) else method_named(chosen)


def _zero_share(modules) -> float:
    weights = [module.weight for module in modules]
    return 1 - sum(int(torch.count_nonzero(w)) for w in weights) / sum(w.numel() for w in weights)


class _Clock:
    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}
        self._last = time.perf_counter()

    def lap(self, name: str) -> None:
        now = time.perf_counter()
        self.seconds[name] = now - self._last
        self._last = now
