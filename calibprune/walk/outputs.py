"""The output of every layer for some windows of tokens; and which windows a model can read."""

from collections.abc import Iterator

import torch
from torch import Tensor, nn

from calibprune.errors import ParameterError
from calibprune.models.families import context_length, decoder
from calibprune.walk.inputs import capture


@torch.no_grad()
def layer_outputs(model: nn.Module, tokens: Tensor) -> Iterator[Tensor]:
    """The output of each decoder layer in turn, and after them the final normed states, [batch, length, width] each.

    Each is computed when it is asked for, so that comparing two models layer by layer, with an iterator for each, never
    holds more than one layer's states of either.

    Args:
        tokens: one batch of windows, LongTensor [batch, length].
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
        raise ParameterError(
            "calibration tokens: give windows as a LongTensor [samples, length], for example from calibprune.windows"
        )
    check_length(model, tokens.shape[1])


def check_length(model: nn.Module, length: int) -> None:
    """Raises ParameterError where windows of this length are longer than what the model was made for."""
    if length > (limit := context_length(model)):
        raise ParameterError(
            f"window length {length}: {type(model).__name__} reads at most {limit} tokens; choose a shorter length"
        )
