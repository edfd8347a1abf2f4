"""Which weights go: order statistics over rows, groups and blocks of a score matrix."""

import numpy as np
import torch
from torch import Tensor

from calibprune.kernels.device import takes_kernels

WIDEST = 65536  # columns of a row that the kernel for rows takes


def _smallest(score: Tensor, k: int) -> Tensor:
    """The k-th smallest value (k from 0) along the last dimension, [..., 1]."""
    if score.device.type == "cpu":  # numpy's vectorised selection is several times faster than torch.kthvalue
        return torch.from_numpy(np.partition(score.numpy(), k, axis=-1)[..., k : k + 1].copy())
    return score.kthvalue(k + 1, dim=-1, keepdim=True).values


def zero(weight: Tensor, mask: Tensor) -> None:
    """Set the marked entries of `weight` [rows, columns] to +0 in place."""
    # the product with 0 or 1 as whole numbers is ten times faster than masked_fill_ on a CPU
    if weight.dtype.itemsize == 2:
        weight.view(torch.int16).mul_(~mask)
    else:
        weight.masked_fill_(mask, 0)


def lowest_per_row(score: Tensor, k: int) -> Tensor:
    """Mark the k lowest scores of each row; of equal scores the lowest column index goes first.

    Nothing is sorted: on a CPU numpy partitions each row, on a GPU (`selection_triton`) the bits of the k-th lowest are
    found by bisection.

    Args:
        score: float32 [rows, columns].
        k: number of entries to mark in each row, 0 to columns.

    Returns:
        bool [rows, columns], exactly k True in each row.
    """
    if k == 0:
        return torch.zeros_like(score, dtype=torch.bool)
    if takes_kernels(score) and score.shape[1] <= WIDEST:
        from calibprune.kernels import selection_triton

        return selection_triton.lowest_per_row(score.contiguous(), k)
    threshold = _smallest(score, k - 1)
    mask = score <= threshold
    # ties at a threshold: keep the later ones; a GPU is not asked, and numpy counts bools much faster than torch
    if score.device.type != "cpu" or np.count_nonzero(mask.numpy()) != k * len(score):
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
    if takes_kernels(score):
        from calibprune.kernels import selection_triton

        return selection_triton.lowest_in_groups(score.contiguous(), n, m)
    return lowest_per_row(score.reshape(-1, m), n).view(rows, columns)


def lowest_of_all(score: Tensor, fraction: float) -> Tensor:
    """Mark every entry not above the threshold sorted(score)[⌊size·fraction⌋], one threshold for the whole matrix.

    That is ⌊size·fraction⌋ + 1 entries, more where entries tie with the threshold: the published SparseGPT's quota. At
    fraction 0 nothing is marked.

    Args:
        score: float32 [rows, columns]; on a GPU (`selection_triton`) below 2³¹ entries, and the host does not wait for
            the threshold.

    Returns:
        bool [rows, columns].
    """
    if fraction == 0:
        return torch.zeros_like(score, dtype=torch.bool)
    rank = int(score.numel() * fraction)
    if takes_kernels(score):
        from calibprune.kernels import selection_triton

        return selection_triton.lowest_of_all(score, rank)
    return score <= _smallest(score.flatten(), rank)


def prune_rows(weight: Tensor, norms: Tensor, quota: int | tuple[int, int]) -> Tensor:
    """Zero the weights with the lowest |W_ij|·norm_j of each row, or of every m of its columns, in place.

    Wanda's step (Sun et al. 2024, Algorithm 1) in one function, so that a GPU (`selection_triton`) reads the weights
    once and writes them once. Scores are float32 products whatever the dtype of the weights; of equal scores the lowest
    column index goes first.

    Args:
        weight: [rows, columns] of any floating dtype.
        norms: float32 [columns], not negative.
        quota: k, as many go in each row; or (n, m), n of every m consecutive columns go, columns being a multiple of m.

    Returns:
        bool [rows, columns], True = pruned.
    """
    groups = isinstance(quota, tuple)
    fits = (
        weight.stride(1) == 1 and weight.dtype.itemsize <= 4 and (groups or (quota > 0 and weight.shape[1] <= WIDEST))
    )
    if takes_kernels(weight) and fits:
        from calibprune.kernels import selection_triton

        return (
            selection_triton.lowest_in_groups(weight, *quota, norms)
            if groups
            else selection_triton.lowest_per_row(weight, quota, norms)
        )
    score = weight.float().abs().mul_(norms)
    mask = lowest_in_groups(score, *quota) if groups else lowest_per_row(score, quota)
    zero(weight, mask)
    return mask
