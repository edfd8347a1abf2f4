"""One block of the Optimal Brain Surgeon sweep in one launch on a GPU: rows side by side, the block in registers from
first column to last.
"""

import torch
import triton
import triton.language as tl
from torch import Tensor

ELEMENTS = 4096  # of a block that a program holds: 32 rows of 128 columns


def solve_block(
    work: Tensor,
    factor: Tensor,
    mask: Tensor | None,
    nm: tuple[int, int] | None,
    scale: Tensor | None,
    zero: Tensor | None,
    levels: int,
    elements: int = ELEMENTS,
    warps: int = 4,
) -> Tensor:
    """As `obs_block.solve_block`; of work, mask, scale and zero, whose rows are columns of the weight matrix, each row
    is contiguous.
    """
    columns, rows = work.shape
    factor = factor if factor.stride(1) == 1 else factor.contiguous()
    error = torch.empty(columns, rows, dtype=torch.float32, device=work.device)
    height = triton.next_power_of_2(columns)
    n, m = nm or (0, columns)
    tile = max(elements // height, 1)
    absent = work  # for what is not given; never read
    with torch.cuda.device_of(work):
        _solve_block[(triton.cdiv(rows, tile),)](
            work,
            factor,
            absent if mask is None else mask.view(torch.uint8),
            absent if scale is None else scale,
            absent if zero is None else zero,
            error,
            columns,
            rows,
            work.stride(0),
            factor.stride(0),
            0 if mask is None else mask.stride(0),
            0 if scale is None else scale.stride(0),
            0 if zero is None else zero.stride(0),
            n,
            m,
            float(levels - 1),
            MASKED=mask is not None,
            CHOOSES=nm is not None,
            ROUNDS=scale is not None,
            HEIGHT=height,
            ROWS=tile,
            num_warps=warps,
        )
    return error


@triton.jit
def nearest(x):
    """Rounded to a whole number, halves to even: beside 1.5·2²³ a float32 has no room for a fraction.

    For |x| up to 2²²; beyond, a number as large and of the same sign.
    """
    return (x + 12582912.0) - 12582912.0


@triton.jit
def _solve_block(
    work,
    factor,
    mask,
    scale,
    zero,
    error,
    columns,
    rows,
    work_stride,
    factor_stride,
    mask_stride,
    scale_stride,
    zero_stride,
    n,
    m,
    highest,
    MASKED: tl.constexpr,
    CHOOSES: tl.constexpr,
    ROUNDS: tl.constexpr,
    HEIGHT: tl.constexpr,
    ROWS: tl.constexpr,
):
    row = tl.program_id(0) * ROWS + tl.arange(0, ROWS)
    column = tl.arange(0, HEIGHT)
    here = row < rows
    inside = (column < columns)[:, None] & here[None, :]
    places = column[:, None] * work_stride + row[None, :]
    block = tl.load(work + places, mask=inside, other=0.0)
    if CHOOSES:
        diagonal = tl.load(factor + column * (factor_stride + 1), mask=column < columns, other=1.0)[:, None]
    for start in range(0, columns, m):
        if CHOOSES:
            score = tl.math.div_rn(block, tl.broadcast_to(diagonal, (HEIGHT, ROWS)))
            score = score * score
            grouped = ((column >= start) & (column < start + m))[:, None]
        for i in range(start, tl.minimum(start + m, columns)):
            spread = tl.load(factor + i * factor_stride + column, mask=(column > i) & (column < columns), other=0.0)
            pivot = tl.load(factor + i * (factor_stride + 1))
            current = (column == i)[:, None]
            weight = tl.sum(tl.where(current, block, 0.0), axis=0)
            if CHOOSES:
                own = tl.sum(tl.where(current, score, 0.0), axis=0)[None, :]
                before = grouped & ((score < own) | ((score == own) & (column < i)[:, None]))
                pruned = tl.sum(before.to(tl.int32), axis=0) < n
                tl.store(mask + i * mask_stride + row, pruned.to(tl.uint8), mask=here)
            elif MASKED:
                pruned = tl.load(mask + i * mask_stride + row, mask=here, other=0) != 0
            if ROUNDS:
                kept = weight
                if MASKED:
                    kept = tl.where(pruned, 0.0, weight)
                step = tl.load(scale + i * scale_stride + row, mask=here, other=1.0)
                origin = tl.load(zero + i * zero_stride + row, mask=here, other=0.0)
                code = nearest(tl.math.div_rn(kept, step)) + origin
                solved = (tl.minimum(tl.maximum(code, 0.0), highest) - origin) * step
                e = tl.math.div_rn(weight - solved, tl.broadcast_to(pivot, (ROWS,)))
            else:
                solved = tl.where(pruned, 0.0, weight)
                e = tl.where(pruned, weight * tl.math.div_rn(1.0, pivot), 0.0)
            tl.store(error + i * rows + row, e, mask=here)
            block = tl.where(current, solved[None, :], block - spread[:, None] * e[None, :])
    tl.store(work + places, block, mask=inside)
