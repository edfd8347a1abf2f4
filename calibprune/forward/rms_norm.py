"""Root-mean-square normalisation on a CPU in 16 bits with half the passes over memory, a piece at a time that stays in
the cache.

Sums are in float32, as in the architectures' own norms, but in another order: one result in some 100,000 is rounded to
the next number above or below.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial

import torch
from torch import Tensor, nn

NUMBERS = 1 << 20  # of a piece: 2 MB in float32 for each of two cores


@torch.no_grad()
def plus_one(norm: nn.Module, x: Tensor) -> Tensor:
    """Gemma's form, x / √(mean x² + ε) · (1 + w), multiplied in float32 and rounded once to the dtype of x [...,
    width].
    """
    factors = 1.0 + norm.weight.float()
    return _in_pieces(x, lambda piece: _normalised(piece, norm.eps).mul_(factors))


@torch.no_grad()
def plain(norm: nn.Module, hidden_states: Tensor) -> Tensor:
    """Llama's form, w · (x / √(mean x² + ε)), rounded to the dtype of x before the product with w."""
    return _in_pieces(hidden_states, lambda piece: _normalised(piece, norm.variance_epsilon)).mul_(norm.weight)


def _in_pieces(x: Tensor, function: Callable[[Tensor], Tensor]) -> Tensor:
    """`function` of rows [..., width], rounded to the dtype of x."""
    rows = x.reshape(-1, x.shape[-1])
    result = torch.empty_like(rows)
    size = max(1, NUMBERS // x.shape[-1])
    for piece, target in zip(rows.split(size), result.split(size), strict=True):
        target.copy_(function(piece))
    return result.view(x.shape)


def _normalised(x: Tensor, epsilon: float) -> Tensor:
    states = x.float()
    length = torch.linalg.vector_norm(states, dim=-1, keepdim=True)
    return states.mul_(length.square_().div_(x.shape[-1]).add_(epsilon).rsqrt_())


# by class of transformers
FORMS = {
    "Gemma3RMSNorm": plus_one,
    "LlamaRMSNorm": plain,
    "MistralRMSNorm": plain,
    "Qwen2RMSNorm": plain,
    "Qwen3RMSNorm": plain,
}


@contextmanager
def fast_norms(root: nn.Module) -> Iterator[None]:
    """Let the norms in `root` whose class is in `FORMS` run that way where they are on a CPU in 16 bits; others stay as
    they are.
    """
    replaced = []
    for module in root.modules():
        form = FORMS.get(type(module).__name__)
        if form and module.weight.device.type == "cpu" and module.weight.dtype.itemsize == 2:
            module.forward = partial(form, module)
            replaced.append(module)
    try:
        yield
    finally:
        for module in replaced:
            del module.forward
