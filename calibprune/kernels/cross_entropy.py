"""Cross-entropy over a wide vocabulary in pieces that stay in the cache; the whole logits matrix never exists."""

import torch
from torch import Tensor, nn

from ..families import logits, output_layer

POSITIONS = 512
COLUMNS = 4096


@torch.no_grad()
def token_losses(model: nn.Module, states: Tensor, targets: Tensor) -> Tensor:
    """−ln p(target) for every position, in nats.

    Blocks of 512 positions × 4,096 vocabulary entries are multiplied in the model's dtype, turned to float32, exponentiated and
    summed; one logarithm at the end. The exponentials are taken relative to a logit of the position itself (the largest of the
    first block and the target), so the sum is at least 1; where another logit is so much larger that the sum overflows,
    the position is done again relative to its running maximum.

    Args:
        states: final normed hidden states [positions, width] in the model's dtype.
        targets: LongTensor [positions].

    Returns:
        float32 [positions].
    """
    weight, bias = output_layer(model)
    losses = []
    for h, target in zip(states.split(POSITIONS), targets.split(POSITIONS), strict=True):
        hit = (h.float() * weight[target].float()).sum(dim=1, keepdim=True)
        hit = logits(model, hit if bias is None else hit + bias[target, None])
        total = _sum_of_exponentials(model, h, weight, bias, hit.clone())
        losses.append((total - hit).squeeze(1))
    return torch.cat(losses)


def _sum_of_exponentials(model: nn.Module, h: Tensor, weight: Tensor, bias: Tensor | None, shift: Tensor) -> Tensor:
    """ln Σ exp(logit) for each position, float32 [positions, 1]; `shift` [positions, 1] is a logit of each position."""
    total = torch.zeros_like(shift)
    for start in range(0, len(weight), COLUMNS):
        block = _block(model, h, weight, bias, start)
        if start == 0:
            shift = torch.maximum(shift, block.amax(dim=1, keepdim=True))
        total += block.sub_(shift).exp_().sum(dim=1, keepdim=True)
    overflowed = ~total.isfinite().squeeze(1)
    result = total.log_().add_(shift)
    if bool(overflowed.any()):
        result[overflowed] = _running_logsumexp(model, h[overflowed], weight, bias)
    return result


def _running_logsumexp(model: nn.Module, h: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
    result = torch.full((len(h), 1), -torch.inf, device=h.device)
    for start in range(0, len(weight), COLUMNS):
        block = _block(model, h, weight, bias, start)
        result = torch.logaddexp(result, block.logsumexp(dim=1, keepdim=True))
    return result


def _block(model: nn.Module, h: Tensor, weight: Tensor, bias: Tensor | None, start: int) -> Tensor:
    rows = slice(start, start + COLUMNS)
    return logits(model, nn.functional.linear(h, weight[rows], None if bias is None else bias[rows]))
