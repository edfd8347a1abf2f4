"""Sums of squares of columns on a GPU: x is read once, and the order of the sums does not change between runs."""

import torch
import triton
import triton.language as tl
from torch import Tensor

TOKENS = 128  # of a program; its sums take 4 bytes a column to write for 256 bytes read
COLUMNS = 256
STEP = 16


def column_squares(x: Tensor, tokens: int = TOKENS, columns: int = COLUMNS, step: int = STEP) -> Tensor:
    """Σ x² over tokens, float32 [in]; x [tokens, in] of 16-bit or 32-bit floats, each squared and summed in float32."""
    x = x if x.stride(1) == 1 else x.contiguous()
    parts = x.new_empty(triton.cdiv(len(x), tokens), x.shape[1], dtype=torch.float32)
    if parts.numel():
        with torch.cuda.device_of(x):
            grid = (len(parts), triton.cdiv(x.shape[1], columns))
            _column_squares[grid](
                x, parts, len(x), x.shape[1], x.stride(0), TOKENS=tokens, COLUMNS=columns, STEP=step, num_warps=4
            )
    return parts.sum(dim=0)


@triton.jit
def _column_squares(
    x, parts, tokens, columns, x_stride, TOKENS: tl.constexpr, COLUMNS: tl.constexpr, STEP: tl.constexpr
):
    part = tl.program_id(0)
    column = tl.program_id(1) * COLUMNS + tl.arange(0, COLUMNS)
    sums = tl.zeros((STEP, COLUMNS), tl.float32)
    for start in range(0, TOKENS, STEP):
        token = part * TOKENS + start + tl.arange(0, STEP)
        inside = (token < tokens)[:, None] & (column < columns)[None, :]
        piece = tl.load(x + token.to(tl.int64)[:, None] * x_stride + column[None, :], mask=inside, other=0.0).to(
            tl.float32
        )
        sums += piece * piece
    tl.store(parts + part.to(tl.int64) * columns + column, tl.sum(sums, axis=0), mask=column < columns)
