"""SparseGPT (Frantar & Alistarh 2023): prune column by column and let the remaining weights pay for each error."""

from typing import NamedTuple

import torch
from torch import Tensor

from ..errors import ModelError
from ..kernels.factor import inverse_factor
from ..kernels.gram import add_gram, symmetric
from ..kernels.selection import lowest_in_groups, lowest_of_all
from ..kernels.sweep import sweep
from ..sparsity import Sparsity
from .base import Method, check_finite

DAMPING = 0.01


class Prepared(NamedTuple):
    """U with UᵀU = (H + damping)⁻¹, float32 [in, in], and the inputs that were never anything but zero, bool [in]."""

    factor: Tensor
    dead: Tensor


def prepare(gram: Tensor, samples: int) -> Prepared:
    """The inverse factor of the damped Hessian from the sum of xxᵀ over tokens, float32 [in, in], of `samples` sequences.

    H = 2/n·XXᵀ with n the number of sequences, as published. The scale cancels in the mask and in the update, but for dead inputs:
    their diagonal is set to 1, and the damping is 1% of the mean diagonal taken after that.

    Raises:
        ModelError: activations that are not finite, or a Hessian that is not positive definite in float64.
    """
    hessian = symmetric(gram).mul_(2 / samples)
    diagonal = hessian.diagonal()
    dead = diagonal == 0
    diagonal[dead] = 1
    diagonal += DAMPING * diagonal.mean()
    check_finite(diagonal)
    try:
        return Prepared(inverse_factor(hessian), dead)
    except torch.linalg.LinAlgError:
        raise ModelError("the Hessian is not positive definite: calibrate on more tokens") from None


def solve(weight: Tensor, prepared: Prepared, sparsity: Sparsity) -> Tensor:
    """Prune and update the weights in place; returns the mask, bool [out, in].

    Unstructured: one threshold over each block of 128 columns and all rows. n:m: the n lowest scores of every m columns of a row.
    """
    return solve_all([weight], prepared, sparsity)[0]


def solve_all(weights: list[Tensor], prepared: Prepared, sparsity: Sparsity) -> list[Tensor]:
    """`solve` for matrices that read the same tensor, in one sweep over their columns: rows do not see each other, and thresholds stay apart."""
    rows = [len(weight) for weight in weights]
    work = torch.cat([weight.float() for weight in weights])
    work[:, prepared.dead] = 0
    if sparsity.m:
        mask = sweep(work, prepared.factor, lambda score: lowest_in_groups(score, sparsity.n, sparsity.m), every=sparsity.m)
    else:
        mask = sweep(work, prepared.factor, lambda score: torch.cat([lowest_of_all(part, sparsity.fraction) for part in score.split(rows)]))
    for weight, solved in zip(weights, work.split(rows), strict=True):
        weight.copy_(solved)
    return list(mask.split(rows))


METHOD = Method(solve, add_gram, prepare, solve_all)
