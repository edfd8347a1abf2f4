"""Attention over short windows on a CPU in 16 bits: two matrix products there are quicker than torch's fused kernel."""

from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache

import torch
from torch import Tensor, nn

NAME = "calibprune_short"
LONGEST = 1024  # beyond, the scores leave the cache and take more memory than they save time
ROWS = 128  # queries a product; keys that come after the last of them are left out


def attend(
    module: nn.Module, query: Tensor, key: Tensor, value: Tensor, attention_mask: Tensor | None, scaling: float, **_
) -> tuple[Tensor, None]:
    """softmax(QKᵀ·scaling + mask)V, as transformers calls an attention function.

    The query heads that share a key-value head are stacked into one product. No query sees a key after itself, so 128
    queries at a time are multiplied with the keys up to the last of them. Scores and weights are in the dtype of the
    query, as in transformers' eager attention; the softmax itself is computed in float32.

    Args:
        query: [batch, heads, length, width].
        key, value: [batch, key-value heads, length, width].
        attention_mask: additive, [batch, 1, length, length]; windows have no padding, so it is the same for the whole
            batch.

    Returns:
        ([batch, length, heads, width], None).
    """
    batch, heads, length, width = query.shape
    kv_heads = key.shape[1]
    group = heads // kv_heads
    queries = query.reshape(batch * kv_heads, group, length, width)
    keys, values = key.reshape(-1, length, width), value.reshape(-1, length, width)
    mask = attention_mask[0, 0]
    output = torch.empty_like(queries)
    for start in range(0, length, ROWS):
        stop = min(start + ROWS, length)
        stacked = queries[:, :, start:stop].reshape(len(queries), -1, width)
        scores = mask[start:stop, :stop].repeat(len(queries), group, 1)
        scores.baddbmm_(stacked, keys[:, :stop].transpose(1, 2), alpha=scaling)
        output[:, :, start:stop] = torch.bmm(torch.softmax(scores, dim=-1), values[:, :stop]).view(
            len(queries), group, -1, width
        )
    return output.view(batch, heads, length, width).transpose(1, 2), None


@contextmanager
def short_windows(model: nn.Module, length: int) -> Iterator[None]:
    """Let the model use `attend` for windows of this length, without padding, where that is quicker: on a CPU, in 16
    bits, up to 1,024 tokens. Elsewhere it keeps the attention it was loaded with.
    """
    before = model.config._attn_implementation
    # parameters of layers that are not read yet are on the device meta
    device = next((one.device for one in model.parameters() if not one.is_meta), model.device)
    fits = device.type == "cpu" and model.dtype.itemsize == 2 and length <= LONGEST and before == "sdpa"
    if fits:
        _register()
        model.config._attn_implementation = NAME
    try:
        yield
    finally:
        model.config._attn_implementation = before


@cache
def _register() -> None:
    """Make the name known to transformers. It is imported here since that takes seconds, and whoever reads a finished
    study needs no model.
    """
    from transformers import AttentionInterface
    from transformers.masking_utils import AttentionMaskInterface, eager_mask

    AttentionInterface.register(NAME, attend)
    AttentionMaskInterface.register(NAME, eager_mask)
