"""The Gram matrix on a GPU: the tiles of the lower triangle, products of 16 bits summed in float32."""

from typing import NamedTuple

import torch
import triton
import triton.language as tl
from torch import Tensor

# tokens of a launch: a tensor core cuts off what it adds up, so its sums are kept short and added to the total with
# rounding
CHUNK = 32768
WIDE = 8192  # from here on there are enough of the larger tiles for every processor


class Tiles(NamedTuple):
    """How the work is cut: the tile of the result that a program computes, the tokens it takes at a time, and how it
    runs.

    Tiles are computed in squares of `span` columns, whose inputs stay in the second cache; span is a multiple of rows
    and columns.
    """

    rows: int
    columns: int
    tokens: int
    span: int
    warps: int
    stages: int


def tiles_for(x: Tensor) -> Tiles:
    """Tiles that fit the memory of a processor of the GPU that x [tokens, in] is on."""
    if x.dtype == torch.float32:
        return Tiles(64, 64, 32, 1024, 4, 2)
    gpu = torch.cuda.get_device_properties(x.device)
    if gpu.shared_memory_per_block_optin < 160_000:
        return Tiles(128, 128, 32, 2048, 8, 3)
    return Tiles(128, 256, 64, 2048, 8, 3) if gpu.major >= 9 and x.shape[1] >= WIDE else Tiles(128, 128, 64, 2048, 8, 4)


def add_gram(total: Tensor, x: Tensor, tiles: Tiles | None = None, chunk: int = CHUNK) -> None:
    """Add the lower triangle of xᵀx to `total`, float32 [in, in] contiguous; x [tokens, in] float16, bfloat16 or
    float32.

    float32 is multiplied as three products of TF32 parts, about as exact as float32. Above the diagonal some tiles are
    filled and others not.
    """
    x = x if x.stride(1) == 1 else x.contiguous()
    tiles = tiles or tiles_for(x)
    columns = x.shape[1]
    with torch.cuda.device_of(x):
        for piece in x.split(chunk):
            if not len(piece):
                continue
            _gram[(programs(columns, tiles),)](
                piece,
                total,
                len(piece),
                columns,
                x.stride(0),
                PRECISION="tf32x3" if x.dtype == torch.float32 else "ieee",
                ROWS=tiles.rows,
                COLUMNS=tiles.columns,
                TOKENS=tiles.tokens,
                SPAN=tiles.span,
                num_warps=tiles.warps,
                num_stages=tiles.stages,
            )


def programs(columns: int, tiles: Tiles) -> int:
    """How many programs the squares of the lower triangle make; on the diagonal some have nothing to do."""
    squares = triton.cdiv(columns, tiles.span)
    return squares * (squares + 1) // 2 * (tiles.span // tiles.rows) * (tiles.span // tiles.columns)


@triton.jit
def _gram(
    x,
    total,
    tokens,
    columns,
    x_stride,
    PRECISION: tl.constexpr,
    ROWS: tl.constexpr,
    COLUMNS: tl.constexpr,
    TOKENS: tl.constexpr,
    SPAN: tl.constexpr,
):
    row_tile, column_tile = _tile(tl.program_id(0), ROWS, COLUMNS, SPAN)
    first_row = row_tile * ROWS
    first_column = column_tile * COLUMNS
    if (first_row < columns) & (first_column < first_row + ROWS):
        row = first_row + tl.arange(0, ROWS)
        column = first_column + tl.arange(0, COLUMNS)
        token = tl.arange(0, TOKENS)
        left = token[:, None] * x_stride + row[None, :]
        right = token[:, None] * x_stride + column[None, :]
        sums = tl.zeros((ROWS, COLUMNS), tl.float32)
        for start in range(0, tokens, TOKENS):
            here = (token < tokens - start)[:, None]
            a = tl.load(x + left, mask=here & (row < columns)[None, :], other=0.0)
            b = tl.load(x + right, mask=here & (column < columns)[None, :], other=0.0)
            sums = tl.dot(tl.trans(a), b, sums, input_precision=PRECISION)
            x += TOKENS * x_stride
        place = total + row.to(tl.int64)[:, None] * columns + column[None, :]
        inside = (row < columns)[:, None] & (column < columns)[None, :]
        tl.store(place, tl.load(place, mask=inside, other=0.0) + sums, mask=inside)


@triton.jit
def _tile(program, ROWS: tl.constexpr, COLUMNS: tl.constexpr, SPAN: tl.constexpr):
    """Squares of SPAN along the rows of the lower triangle, and in a row of squares one column of tiles after
    another.
    """
    DOWN: tl.constexpr = SPAN // ROWS
    ACROSS: tl.constexpr = SPAN // COLUMNS
    square = program // (DOWN * ACROSS)
    band = ((tl.sqrt(8.0 * square + 1.0) - 1.0) * 0.5).to(tl.int32)
    band = tl.where(band * (band + 1) // 2 > square, band - 1, band)  # the root is rounded
    band = tl.where((band + 1) * (band + 2) // 2 <= square, band + 1, band)
    local = program - band * (band + 1) // 2 * (DOWN * ACROSS)
    return band * DOWN + local % DOWN, local // DOWN
