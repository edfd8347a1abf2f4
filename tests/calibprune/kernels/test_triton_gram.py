"""The Gram kernel against float64: any shape, all tiles of the lower triangle, batches added up."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from triton_device import DEVICE, DOT_DTYPES

pytest.importorskip("triton", reason="triton is an optional extra")

import triton
import triton.language as tl

from calibprune.kernels import gram_triton
from calibprune.kernels.gram import symmetric
from calibprune.kernels.gram_triton import Tiles

SMALL = [Tiles(16, 16, 16, 16, 4, 2), Tiles(16, 32, 16, 64, 4, 2), Tiles(32, 16, 32, 32, 4, 2)]


def reference(x: torch.Tensor) -> torch.Tensor:
    return x.double().T @ x.double()


def assert_gram(total: torch.Tensor, expected: torch.Tensor) -> None:
    """To float32's error in a sum of products of the columns' sizes."""
    size = expected.diagonal().sqrt()
    error = (symmetric(total).double() - expected).abs() / (size[:, None] * size).clamp(min=1e-30)
    assert float(error.max()) < 2e-6
    assert torch.equal(total.diagonal() == 0, expected.diagonal() == 0)


@settings(deadline=None, max_examples=25)
@given(
    tokens=st.integers(1, 70),
    columns=st.integers(1, 100),
    tiles=st.sampled_from(SMALL),
    dtype=st.sampled_from(DOT_DTYPES),
    chunk=st.sampled_from([16, 37, 1000]),
    seed=st.integers(0, 2**31),
)
def test_sums_of_any_shape(tokens, columns, tiles, dtype, chunk, seed):
    random = torch.Generator().manual_seed(seed)
    x = torch.randn(tokens, columns, generator=random) * torch.logspace(-2, 1, columns)
    x[:, torch.rand(columns, generator=random) < 0.1] = 0  # dead inputs
    x = x.to(DEVICE, dtype)
    total = torch.zeros(columns, columns, device=DEVICE)
    gram_triton.add_gram(total, x, tiles, chunk)
    assert_gram(total, reference(x))


def test_batches_are_added_to_the_total_in_place():
    batches = [torch.randn(tokens, 40, device=DEVICE).half() for tokens in (5, 0, 33)]
    total = torch.zeros(40, 40, device=DEVICE)
    for batch in batches:
        gram_triton.add_gram(total, batch, SMALL[1])
    assert_gram(total, reference(torch.cat(batches)))


def test_inputs_that_are_a_part_of_a_wider_matrix_or_transposed():
    wide = torch.randn(30, 64, device=DEVICE).half()
    for x in (wide[:, 8:40], wide.T):
        total = torch.zeros(x.shape[1], x.shape[1], device=DEVICE)
        gram_triton.add_gram(total, x, SMALL[0])
        assert_gram(total, reference(x))


@triton.jit
def tiles_of_programs(
    rows, columns, programs, ROWS: tl.constexpr, COLUMNS: tl.constexpr, SPAN: tl.constexpr, BLOCK: tl.constexpr
):
    program = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
    row, column = gram_triton._tile(program, ROWS, COLUMNS, SPAN)
    tl.store(rows + program, row, mask=program < programs)
    tl.store(columns + program, column, mask=program < programs)


@pytest.mark.parametrize(
    ("tiles", "columns"),
    [
        *((tiles, columns) for tiles in SMALL for columns in (1, 33, 640)),
        *((Tiles(128, 256, 64, 2048, 8, 3), columns) for columns in (8192, 14336, 53248)),
        *((Tiles(128, 128, 64, 2048, 8, 4), columns) for columns in (4096, 28672)),
        (Tiles(64, 64, 32, 1024, 4, 2), 14336),
    ],
)
def test_every_tile_of_the_lower_triangle_is_computed_once(tiles, columns):
    programs = gram_triton.programs(columns, tiles)
    row, column = (torch.full((programs,), -1, dtype=torch.int32, device=DEVICE) for _ in range(2))
    cut = {"ROWS": tiles.rows, "COLUMNS": tiles.columns, "SPAN": tiles.span}
    tiles_of_programs[(triton.cdiv(programs, 4096),)](row, column, programs, **cut, BLOCK=4096)
    row, column = row.cpu().long(), column.cpu().long()
    needed = (row * tiles.rows < columns) & (column * tiles.columns < (row + 1) * tiles.rows)
    found = (row * columns + column)[needed]
    assert len(found.unique()) == len(found)
    first_rows = torch.arange(0, columns, tiles.rows)
    assert len(found) == int((-(-(first_rows + tiles.rows) // tiles.columns)).sum())
    assert programs < 2 * len(found) or columns < 2 * tiles.span, "few programs have nothing to do"
