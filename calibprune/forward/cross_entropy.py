"""Cross-entropy over a wide vocabulary in pieces that stay in the cache; the whole logits matrix never exists."""

import torch
from torch import Tensor, nn

from calibprune.forward.logits import logits, output_layer

POSITIONS = 512
COLUMNS = 4096


@torch.no_grad()
def token_losses(model: nn.Module, states: Tensor, targets: Tensor) -> Tensor:
    """−ln p(target) for every position, in nats.

    Blocks of 512 positions × 4,096 vocabulary entries are multiplied in the model's dtype, turned to float32,
    exponentiated and summed; one logarithm at the end. The exponentials are taken relative to a logit of the position
    itself (the largest of the first block and the target), so the sum is at least 1; where another logit is so much
    larger that the sum overflows, the position is done again relative to its running maximum.

    Args:
        states: final normed hidden states [positions, width] in the model's dtype.
        targets: LongTensor [positions].

    Returns:
        float32 [positions].
    """
    weight, bias = output_layer(model)
    losses = []
    for h, target in zip(states.split(POSITIONS), targets.split(POSITIONS), strict=True):
        hit = _target_logits(model, h, weight, bias, target)
        total = _sum_of_exponentials(model, h, weight, bias, hit.clone())
        losses.append((total - hit).squeeze(1))
    return torch.cat(losses)


@torch.no_grad()
def answer_losses(model: nn.Module, states: Tensor, rows: Tensor, targets: Tensor) -> tuple[Tensor, Tensor]:
    """Several targets for one position: the output layer goes over each position once, however many targets it has.

    Args:
        states: final normed hidden states [positions, width] in the model's dtype.
        rows: LongTensor [pairs], which position each target belongs to.
        targets: LongTensor [pairs].

    Returns:
        (−ln p(target) in nats, float32 [pairs]; whether the target is the most probable token, bool [pairs]; of equals
        the first counts).
    """
    weight, bias = output_layer(model)
    normaliser, favourite = [], []
    for h in states.split(POSITIONS):
        largest = _Largest(h)
        shift = torch.full((len(h), 1), -torch.inf, device=h.device)
        normaliser.append(_sum_of_exponentials(model, h, weight, bias, shift, largest))
        favourite.append(largest.token)
    hits = [
        _target_logits(model, states[row], weight, bias, target)
        for row, target in zip(rows.split(POSITIONS), targets.split(POSITIONS), strict=True)
    ]
    return (torch.cat(normaliser)[rows] - torch.cat(hits)).squeeze(1), torch.cat(favourite)[rows] == targets


@torch.no_grad()
def most_probable(model: nn.Module, states: Tensor) -> Tensor:
    """The most probable token after each position, LongTensor [positions], from states [positions, width]; of equals
    the first.
    """
    weight, bias = output_layer(model)
    largest = _Largest(states)
    for start in range(0, len(weight), COLUMNS):
        largest.update(_block(model, states, weight, bias, start), start)
    return largest.token


class _Largest:
    """The largest logit of each position over the blocks seen, and its token; of equals the first. Both [positions]."""

    def __init__(self, h: Tensor) -> None:
        self.value = torch.full((len(h),), -torch.inf, device=h.device)
        self.token = torch.zeros(len(h), dtype=torch.long, device=h.device)

    def update(self, block: Tensor, start: int) -> None:
        value = block.amax(dim=1)
        # few after the first block, and looking for the place takes longer than the maximum
        better = (value > self.value).nonzero().squeeze(1)
        self.value[better] = value[better]
        self.token[better] = block[better].argmax(dim=1) + start


def _target_logits(model: nn.Module, h: Tensor, weight: Tensor, bias: Tensor | None, target: Tensor) -> Tensor:
    """The logit of one target for each position, multiplied in float32, [positions, 1]."""
    hit = (h.float() * weight[target].float()).sum(dim=1, keepdim=True)
    return logits(model, hit if bias is None else hit + bias[target, None])


def _sum_of_exponentials(
    model: nn.Module, h: Tensor, weight: Tensor, bias: Tensor | None, shift: Tensor, largest: _Largest | None = None
) -> Tensor:
    """ln Σ exp(logit) for each position, float32 [positions, 1]; `shift` [positions, 1] is a logit of each position or
    −∞.
    """
    total = torch.zeros_like(shift)
    for start in range(0, len(weight), COLUMNS):
        block = _block(model, h, weight, bias, start)
        if largest is not None:
            largest.update(block, start)
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
