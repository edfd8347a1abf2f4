"""SparseGPT (Frantar & Alistarh 2023): prune column by column and let the remaining weights pay for each error."""

import torch
from torch import Tensor

from calibprune.kernels.gram import add_gram
from calibprune.kernels.selection import lowest_of_all
from calibprune.kernels.sweep import Swept, sweep
from calibprune.methods.base import Does, Method, Quantized, Solved
from calibprune.methods.hessian import Factored, prepare
from calibprune.schemes import Grid, Sparsity


def solve(weights: list[Tensor], inputs: Factored, sparsity: Sparsity | None, grid: Grid | None = None) -> list[Solved]:
    """Prune and update matrices that read the same tensor, [out, in] each, in place.

    They are swept as one matrix of all their rows, which is faster: rows do not depend on each other but through the
    threshold of an unstructured sparsity, and each matrix has its own.

    Unstructured: one threshold over each block of 128 columns and all rows of a matrix. n:m: the n lowest scores of
    every m columns of a row. With a grid the weights that stay are rounded in the same sweep (the paper's joint mode);
    without a sparsity this is GPTQ.
    """
    rows = [len(weight) for weight in weights]
    dtype = weights[0].dtype
    work = torch.cat([weight.float() for weight in weights])
    work.masked_fill_(inputs.dead, 0)

    def choose(score: Tensor) -> Tensor:
        return torch.cat([lowest_of_all(part, sparsity.fraction) for part in score.split(rows, dim=1)], dim=1)

    nm = (sparsity.n, sparsity.m) if sparsity and sparsity.m else None
    swept = sweep(work, inputs.factor, choose if sparsity and not nm else None, nm, grid, dtype, inputs.order)
    for weight, solved in zip(weights, work.split(rows), strict=True):
        weight.copy_(solved)
    return _of_each(swept, rows, dtype)


def _of_each(swept: Swept, rows: list[int], dtype: torch.dtype) -> list[Solved]:
    """What became of each of the matrices, of so many rows, that were swept as one; scales in the model's dtype."""
    masks = swept.mask.split(rows) if swept.mask is not None else [None] * len(rows)
    if swept.scale is None:
        return [Solved(mask) for mask in masks]
    grids = zip(swept.scale.to(dtype).split(rows), swept.zero.to(torch.uint8).split(rows), strict=True)
    return [Solved(mask, Quantized(*grid)) for mask, grid in zip(masks, grids, strict=True)]


METHOD = Method("SparseGPT", solve, add_gram, prepare, Does.PRUNE | Does.ROUND)
