"""Which weights go: order statistics over rows, groups and blocks of a score matrix."""

import numpy as np
import torch
from torch import Tensor


def _smallest(score: Tensor, k: int) -> Tensor:
    """The k-th smallest value (k from 0) along the last dimension, [..., 1]."""
    if score.device.type == "cpu":  # numpy's vectorised selection is several times faster than torch.kthvalue
        return torch.from_numpy(np.partition(score.numpy(), k, axis=-1)[..., k : k + 1].copy())
    return score.kthvalue(k + 1, dim=-1, keepdim=True).values


def zero(weight: Tensor, mask: Tensor) -> None:
    """Set the marked entries of `weight` [rows, columns] to +0 in place."""
    if weight.dtype.itemsize == 2:  # the product with 0 or 1 as whole numbers is ten times faster than masked_fill_ on a CPU
        weight.view(torch.int16).mul_(~mask)
    else:
        weight.masked_fill_(mask, 0)


def lowest_per_row(score: Tensor, k: int) -> Tensor:
    """Mark the k lowest scores of each row; of equal scores the lowest column index goes first.

    Args:
        score: float32 [rows, columns].
        k: number of entries to mark in each row, 0 to columns.

    Returns:
        bool [rows, columns], exactly k True in each row.
    """
    if k == 0:
        return torch.zeros_like(score, dtype=torch.bool)
    threshold = _smallest(score, k - 1)
    mask = score <= threshold
    if int(mask.sum()) != k * len(score):  # ties at a threshold: keep the later ones
        tied = score == threshold
        spare = k - (score < threshold).sum(dim=1, keepdim=True)
        mask = (score < threshold) | (tied & (tied.cumsum(dim=1) <= spare))
    return mask


def lowest_in_groups(score: Tensor, n: int, m: int) -> Tensor:
    """Mark the n lowest scores of every m consecutive columns; of equal scores the lowest column index goes first.

    Args:
        score: float32 [rows, columns], columns a multiple of m.

    Returns:
        bool [rows, columns], exactly n True in each aligned group of m.
    """
    rows, columns = score.shape
    return lowest_per_row(score.reshape(-1, m), n).view(rows, columns)


def lowest_of_all(score: Tensor, fraction: float) -> Tensor:
    """Mark every entry not above the threshold sorted(score)[⌊size·fraction⌋], one threshold for the whole matrix.

    That is ⌊size·fraction⌋ + 1 entries, more where entries tie with the threshold: the published SparseGPT's quota. At fraction 0
    nothing is marked.
    """
    if fraction == 0:
        return torch.zeros_like(score, dtype=torch.bool)
    return score <= _smallest(score.flatten(), int(score.numel() * fraction))
