"""The Optimal Brain Surgeon sweep over a whole matrix, block by block: pruning, rounding, or both at once."""

from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Tensor

from calibprune.kernels.obs_block import solve_block
from calibprune.kernels.rounding import fit
from calibprune.schemes import Grid

BLOCK = 128


class Swept(NamedTuple):
    """bool mask [out, in], True = pruned, or None; scale and zero point of each group, float32 [out, groups], or
    None.
    """

    mask: Tensor | None
    scale: Tensor | None
    zero: Tensor | None


def sweep(
    weight: Tensor,
    factor: Tensor,
    choose: Callable[[Tensor], Tensor] | None = None,
    nm: tuple[int, int] | None = None,
    grid: Grid | None = None,
    dtype: torch.dtype = torch.float32,
    order: Tensor | None = None,
) -> Swept:
    """Prune and round `weight` in place, and return what was pruned and the grid that the rest lies on.

    Blocks of 128 columns are solved one after another (`obs_block.solve_block`), and the columns to the right see all
    errors of a block in one product: the lazy updates of GPTQ and SparseGPT. A group of the grid is fitted when the
    sweep reaches the block where it starts.

    Args:
        weight: float32 [out, in]; holds the solved weights afterwards.
        factor: float32 [in, in], upper triangular, from `kernels.factor.inverse_factor`; of the Hessian in the order of
            `order`, if given.
        choose: takes the scores w²/U_jj² of a block, float32 [columns, out], of weights updated by all blocks to its
            left, and returns the bool mask of that shape.
        nm: prune the n lowest scores of every m columns of a row instead; blocks are then the nearest multiple of m
            below 128 columns, or m columns.
        grid: what to round to; None leaves the weights that are not pruned as they come.
        dtype: of the model, which the scales are rounded to.
        order: LongTensor [in], the columns in the order they are swept, with groups fitted to the weights as they were;
            None for left to right.
    """
    columns, rows = weight.shape[1], weight.shape[0]
    work = weight.T.contiguous()  # a column of the weight matrix is contiguous here
    mask = torch.zeros(columns, rows, dtype=torch.bool, device=weight.device) if choose or nm else None
    group = torch.arange(columns, device=weight.device) // grid.group_size if grid else None
    scale = zero = None
    if grid:
        scale, zero = (torch.empty(columns // grid.group_size, rows, device=weight.device) for _ in range(2))
        if order is not None:
            _fit_groups(work, grid, dtype, range(0, columns, grid.group_size), scale, zero)
            work, group = work[order], group[order]
    block = max(BLOCK // nm[1] * nm[1], nm[1]) if nm else BLOCK
    diagonal = factor.diagonal()
    for start in range(0, columns, block):
        stop = min(start + block, columns)
        here = slice(start, stop)
        if choose:
            mask[here] = choose((work[here] / diagonal[here, None]).square_())
        if grid and order is None:
            first = -(-start // grid.group_size) * grid.group_size
            _fit_groups(work, grid, dtype, range(first, stop, grid.group_size), scale, zero)
        level = (scale[group[here]], zero[group[here]], grid.levels) if grid else (None, None, 0)
        error = solve_block(work[here], factor[here, here], None if mask is None else mask[here], nm, *level)
        if stop < columns:
            work[stop:].addmm_(factor[here, stop:].T, error, alpha=-1)
    if order is not None:
        back = order.argsort()
        work, mask = work[back], None if mask is None else mask[back]
    weight.copy_(work.T)
    return Swept(*(None if tensor is None else tensor.T.contiguous() for tensor in (mask, scale, zero)))


def _fit_groups(work: Tensor, grid: Grid, dtype: torch.dtype, starts: range, scale: Tensor, zero: Tensor) -> None:
    for start in starts:
        number = start // grid.group_size
        scale[number], zero[number] = fit(work[start : start + grid.group_size], grid, dtype)
