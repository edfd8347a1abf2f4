"""SparseGPT (Frantar & Alistarh 2023): prune column by column and let the remaining weights pay for each error."""

import torch
from torch import Tensor

from calibprune.kernels.gram import add_gram
from calibprune.kernels.selection import lowest_of_all
from calibprune.kernels.sweep import sweep
from calibprune.methods.base import Method, Solved
from calibprune.methods.hessian import Prepared, attempt, prepare, raised
from calibprune.schemes import Grid, Sparsity


def solve(weight: Tensor, prepared: Prepared, sparsity: Sparsity) -> Tensor:
    """Prune and update one matrix [out, in] in place; returns the mask, bool [out, in]."""
    return solve_all([weight], prepared, sparsity)[0].mask


def solve_all(
    weights: list[Tensor], prepared: Prepared, sparsity: Sparsity | None, grid: Grid | None = None
) -> list[Solved]:
    """Prune and update matrices that read the same tensor, [out, in] each, in place, in one sweep over their columns;
    rows do not see each other.

    Unstructured: one threshold over each block of 128 columns and all rows of a matrix. n:m: the n lowest scores of
    every m columns of a row. With a grid the weights that stay are rounded in the same sweep (the paper's joint mode);
    without a sparsity this is GPTQ.
    """
    rows = [len(weight) for weight in weights]
    dtype = weights[0].dtype
    work = torch.cat([weight.float() for weight in weights])
    work.masked_fill_(prepared.dead, 0)

    def choose(score: Tensor) -> Tensor:
        return torch.cat([lowest_of_all(part, sparsity.fraction) for part in score.split(rows, dim=1)], dim=1)

    nm = (sparsity.n, sparsity.m) if sparsity and sparsity.m else None
    swept = sweep(work, prepared.factor, choose if sparsity and not nm else None, nm, grid, dtype, prepared.order)
    for weight, solved in zip(weights, work.split(rows), strict=True):
        weight.copy_(solved)
    return Solved.split(swept, rows, dtype)


METHOD = Method(solve, add_gram, prepare, attempt, solve_all, mends=True, rounds=True, raised=raised)
