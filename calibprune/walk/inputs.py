"""What enters the decoder's layers: hidden states in batches, and each layer's own keyword arguments."""

import contextlib
import inspect
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from calibprune.errors import ModelError
from calibprune.forward import quicker
from calibprune.models.families import decoder, device_of

BATCH_TOKENS = 2048

Keep = Callable[[Tensor], Tensor]
"""What becomes of hidden states [batch, length, width] until the next layer reads them: it returns them, or the same
numbers somewhere else.
"""


def batches(tokens: Tensor, batch_tokens: int = BATCH_TOKENS) -> tuple[Tensor, ...]:
    """Split windows [samples, length] into batches of about 2,048 tokens: enough for quick matrix products, and few
    enough that what is computed between them stays in the cache.
    """
    return tokens.split(max(1, batch_tokens // tokens.shape[1]))


@dataclass
class Inputs:
    """What enters the decoder's first layer, and what each layer gets beside its hidden states.

    Attributes:
        model: whose layers are called.
        hidden: one [batch, length, width] tensor a batch of windows, in the model's dtype.
        texts: for each batch the number of the text that its windows are of, from 0: no batch mixes two texts.
        arguments: for each [batch, length] the keyword arguments of each layer. Windows have no padding, so these
            (masks, rotary embeddings, positions) are the same for every batch of one shape.
    """

    model: nn.Module
    hidden: list[Tensor]
    texts: list[int]
    arguments: dict[tuple[int, int], list[dict[str, Any]]]

    def run(self, layer: nn.Module, index: int, batch: int) -> Tensor:
        """The output of `layer`, standing at `index`, for one batch."""
        hidden = self.hidden[batch].to(device_of(layer), non_blocking=True)
        with quicker(self.model, hidden.shape[1], layer):
            output = layer(hidden, **self.arguments[_shape(hidden)][index])
        return output[0] if isinstance(output, tuple) else output

    def advance(self, layer: nn.Module, index: int, keep: Keep = lambda states: states) -> None:
        """Replace the hidden states by what `layer` makes of them; where a GPU's memory is too small, in smaller
        batches from there on.

        Args:
            keep: called with the new states of each batch in order; what it returns is kept in their place.
        """
        batch = 0
        while batch < len(self.hidden):
            try:
                self.hidden[batch] = keep(self.run(layer, index, batch))
                batch += 1
                continue
            except torch.OutOfMemoryError:
                pass  # what the failed call held is let go with the exception
            self._halve(index, batch)

    def in_smaller_batches_if_needed(self, index: int, run: Callable[[], Any]) -> Any:
        """What `run` returns, started over with batches half as large as long as a GPU's memory is too small."""
        while True:
            try:
                return run()
            except torch.OutOfMemoryError:
                pass
            self._halve(index, 0)

    def _halve(self, index: int, first: int) -> None:
        size, length = max(map(len, self.hidden[first:])), self.hidden[first].shape[1]
        if size == 1:
            raise ModelError(
                f"layers.{index}: out of memory with one window of {length} tokens; use shorter windows, "
                f"or a device with more memory"
            )
        smaller = -(-size // 2)
        warnings.warn(
            f"layers.{index}: out of memory, batches of {smaller} windows instead of {size} from here on",
            RuntimeWarning,
            stacklevel=2,
        )
        split = [states.split(smaller) for states in self.hidden[first:]]
        self.texts[first:] = [
            text for text, parts in zip(self.texts[first:], split, strict=True) for _ in range(len(parts))
        ]
        self.hidden[first:] = [part for parts in split for part in parts]
        self._learn_arguments()

    def _learn_arguments(self) -> None:
        """Find the keyword arguments of batches whose shape is new. Embeddings take no part in them."""
        device, dtype = device_of(self.model), self.hidden[0].dtype
        for states in self.hidden:
            if _shape(states) not in self.arguments:
                embedded = torch.zeros(states.shape, device=device, dtype=dtype)
                _, self.arguments[_shape(states)] = _first_layer_calls(self.model, inputs_embeds=embedded)


def _shape(windows: Tensor) -> tuple[int, int]:
    """(batch, length) of tokens or states."""
    return windows.shape[0], windows.shape[1]


@torch.no_grad()
def resumed(model: nn.Module, hidden: list[Tensor]) -> Inputs:
    """The inputs of a layer in the middle of a walk over one text, from its hidden states, [batch, length, width] each;
    embeddings are not needed.
    """
    inputs = Inputs(model, hidden, [0] * len(hidden), {})
    inputs._learn_arguments()
    return inputs


@torch.no_grad()
def capture(
    model: nn.Module,
    tokens: Tensor | Sequence[Tensor],
    batch_tokens: int = BATCH_TOKENS,
    keep: Keep = lambda states: states,
) -> Inputs:
    """Run the decoder on every batch without its layers, and keep what each layer would have been called with.

    Each layer keeps its own keyword arguments: layers of one decoder may take different masks and rotary embeddings, as
    Gemma 3's do.

    Args:
        tokens: LongTensor [samples, length]; or several of them, each of one text (a language, say), which batches do
            not mix.
        keep: as of `Inputs.advance`.

    Raises:
        ModelError: an architecture that is not supported, or layers called in a way that cannot be replayed.
    """
    inputs = Inputs(model, [], [], {})
    for text, windows in enumerate([tokens] if isinstance(tokens, Tensor) else tokens):
        for batch in batches(windows, batch_tokens):
            states, arguments = _first_layer_calls(model, input_ids=batch.to(device_of(model)))
            inputs.hidden.append(keep(states))
            inputs.texts.append(text)
            inputs.arguments.setdefault(_shape(batch), arguments)
    return inputs


def _first_layer_calls(model: nn.Module, **batch: Tensor) -> tuple[Tensor, list[dict[str, Any]]]:
    """What enters the first layer for a batch of windows, and the keyword arguments of each layer.

    Args:
        batch: `input_ids` [windows, length], or `inputs_embeds` [windows, length, width].
    """
    (windows,) = batch.values()
    base = decoder(model)
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
        restored.enter_context(quicker(model, windows.shape[1]))
        for layer in base.layers:
            layer.forward = pass_over(layer)
            restored.callback(delattr, layer, "forward")
        base(**batch, use_cache=False)
    return calls[0][0], [kwargs for _, kwargs in calls]
