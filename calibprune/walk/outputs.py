"""The output of every layer for some windows of tokens; and which windows a model can read."""

from collections.abc import Iterator

import torch
from torch import Tensor, nn

from calibprune.errors import ParameterError
from calibprune.models.families import context_length, decoder, vocabulary
from calibprune.models.soundness import check_computable
from calibprune.walk.inputs import capture

WHOLE = (torch.int64, torch.int32, torch.int16, torch.uint8)


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


def checked_windows(model: nn.Module, tokens: Tensor | None) -> Tensor:
    """The windows as a LongTensor [samples, length].

    Raises:
        ParameterError: `tokens` are not windows that the model can read: no tensor of whole numbers [samples, length],
        longer than the model's context, or with tokens that it has no embedding for.
        ModelError: a model that cannot be computed with.
    """
    check_computable(model)
    return readable_windows(model, tokens)


def readable_windows(model: nn.Module, tokens: Tensor | None) -> Tensor:
    """`checked_windows` for a model whose weights need not be there yet; ParameterError as there."""
    if not isinstance(tokens, Tensor) or tokens.ndim != 2 or not tokens.numel() or not _holds_tokens(tokens):
        shown = f"{tokens.dtype} {list(tokens.shape)}" if isinstance(tokens, Tensor) else type(tokens).__name__
        if isinstance(tokens, Tensor) and tokens.dtype in WHOLE:
            shown += f" on {tokens.device}, {str(tokens.layout).removeprefix('torch.')}"
        raise ParameterError(
            f"tokens: give windows as a LongTensor [samples, length], for example from calibprune.windows, not {shown}"
        )
    check_length(model, tokens.shape[1])
    check_tokens(model, int(tokens.min()), int(tokens.max()))
    return tokens.long()


def _holds_tokens(tokens: Tensor) -> bool:
    return tokens.dtype in WHOLE and tokens.layout == torch.strided and not tokens.is_meta


def check_tokens(model: nn.Module, lowest: int, highest: int) -> None:
    """Raises ParameterError where the model has no embedding for tokens from `lowest` to `highest`."""
    if lowest < 0 or highest >= vocabulary(model):
        raise ParameterError(
            f"token {lowest if lowest < 0 else highest}: {type(model).__name__} knows tokens 0 to "
            f"{vocabulary(model) - 1}; give it a tokenizer that belongs to its weights"
        )


def check_length(model: nn.Module, length: int) -> None:
    """Raises ParameterError where windows of this length are longer than what the model was made for."""
    if length > (limit := context_length(model)):
        raise ParameterError(
            f"window length {length}: {type(model).__name__} reads at most {limit} tokens; choose a shorter length"
        )
