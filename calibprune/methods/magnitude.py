"""Magnitude pruning: the smallest |w| of a matrix go; needs no data.

One threshold a matrix, as the baseline of Frantar & Alistarh (2023) and Sun et al. (2024); the quota is exact where
theirs takes every weight tied with the threshold (in 16 bits about 0.2% more). n:m: the n smallest of every m
consecutive inputs.
"""

from torch import Tensor

from calibprune.kernels.selection import lowest_in_groups, lowest_per_row, zero
from calibprune.methods.base import Method, each_alone
from calibprune.schemes import Sparsity


def prune(weight: Tensor, _: None, sparsity: Sparsity) -> Tensor:
    """Zero the smallest weights of a matrix [out, in] in place; returns the mask, bool [out, in].

    Of equal magnitudes the first in row order goes first.
    """
    score = weight.float().abs()
    if sparsity.m:
        mask = lowest_in_groups(score, sparsity.n, sparsity.m)
    else:
        mask = lowest_per_row(score.reshape(1, -1), int(score.numel() * sparsity.fraction)).view_as(score)
    zero(weight, mask)
    return mask


METHOD = Method("Magnitude", each_alone(prune))
