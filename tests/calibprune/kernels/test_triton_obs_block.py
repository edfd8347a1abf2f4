"""The kernel for a block of the OBS sweep against the same columns one by one in float64, and against the package's
path on a CPU.
"""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from triton_device import DEVICE

pytest.importorskip("triton", reason="triton is an optional extra")

import triton
import triton.language as tl

from calibprune.kernels import obs_block, obs_block_triton
from calibprune.kernels.factor import inverse_factor
from calibprune.kernels.rounding import fit
from calibprune.schemes import Grid


def block_of(columns: int, rows: int, seed: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Weights [columns, rows] and the factor of correlated inputs of different sizes, of which some are dead."""
    random = torch.Generator().manual_seed(seed)
    x = torch.randn(2 * columns + 8, columns, generator=random)
    x = (x + x.roll(1, 1)) * (0.3 + 2 * torch.rand(columns, generator=random))
    dead = torch.rand(columns, generator=random) < 0.1
    x[:, dead] = 0
    gram = x.T @ x
    gram.diagonal()[dead] = 1
    gram.diagonal().add_(0.01 * gram.diagonal().mean())
    work = torch.randn(columns, rows, generator=random)
    work[dead] = 0
    return work, inverse_factor(gram)


def column_by_column(work, factor, mask, nm, scale, zero, levels):
    """Algorithm 1 of both papers as it is written, float64: (weights, mask, errors, how clearly each weight was
    decided).
    """
    work, factor = work.double().clone(), factor.double()
    error, clear = torch.zeros_like(work), torch.ones(work.shape, dtype=torch.bool)
    mask = None if mask is None else mask.clone()
    for i in range(len(work)):
        if nm and i % nm[1] == 0:
            group = slice(i, i + nm[1])
            score = (work[group] / factor.diagonal()[group, None]) ** 2
            ordered = score.sort(dim=0, stable=True)
            mask[group] = torch.zeros_like(score, dtype=torch.bool).scatter_(0, ordered.indices[: nm[0]], True)
            last, next_ = ordered.values[nm[0] - 1], ordered.values[nm[0]]
            clear[group] &= (next_ - last > 1e-4 * next_) | ((score[0] == last) & (last == next_))
        kept = work[i] if mask is None else work[i].masked_fill(mask[i], 0)
        if scale is not None:
            code = kept / scale[i].double()
            clear[i] &= (code - code.floor() - 0.5).abs() > 1e-3
            kept = ((code.round() + zero[i]).clamp(0, levels - 1) - zero[i]) * scale[i].double()
        error[i] = (work[i] - kept) / factor[i, i]
        work[i:] -= factor[i, i:, None] * error[i]
        work[i] = kept
    return work, mask, error, clear


@settings(deadline=None, max_examples=40)
@given(
    columns=st.integers(1, 40),
    rows=st.integers(1, 21),
    kind=st.sampled_from(["given", "n:m"]),
    pruned=st.booleans(),
    rounded=st.booleans(),
    symmetric=st.booleans(),
    bits=st.sampled_from([2, 4, 8]),
    nm=st.sampled_from([(2, 4), (4, 8), (1, 3), (5, 8), (7, 20)]),
    seed=st.integers(0, 2**31),
)
def test_all_switches_against_float64(columns, rows, kind, pruned, rounded, symmetric, bits, nm, seed):
    pruned = pruned or not rounded
    nm = nm if pruned and kind == "n:m" else None
    if nm:
        columns = -(-columns // nm[1]) * nm[1]
    work, factor = block_of(columns, rows, seed)
    mask = None
    if pruned:
        mask = torch.zeros(columns, rows, dtype=torch.bool)
        if not nm:
            mask = torch.rand(columns, rows, generator=torch.Generator().manual_seed(seed)) < 0.5
    scale = zero = None
    grid = Grid.of(bits, 8, symmetric)
    if rounded:
        groups = [fit(part, grid, torch.float16) for part in work.split(8)]
        widths = [len(part) for part in work.split(8)]
        scale, zero = (
            torch.cat([each[k].expand(width, rows) for each, width in zip(groups, widths, strict=True)]).contiguous()
            for k in range(2)
        )
    expected, expected_mask, expected_error, clear = column_by_column(work, factor, mask, nm, scale, zero, grid.levels)
    found, found_mask, *on_device = (
        None if tensor is None else tensor.clone().to(DEVICE) for tensor in (work, mask, factor, scale, zero)
    )
    error = obs_block_triton.solve_block(
        found, on_device[0], found_mask, nm, *on_device[1:], grid.levels, elements=256, warps=1
    ).cpu()
    found = found.cpu()
    # where a column's choice hangs on float32's rounding, what follows in its row may differ
    rows_agree = clear.all(dim=0)
    if found_mask is not None:
        assert torch.equal(found_mask.cpu()[:, rows_agree], expected_mask[:, rows_agree])
        assert (found[found_mask.cpu()] == 0).all() or rounded
        if nm:
            assert (found_mask.cpu().view(-1, nm[1], rows).sum(dim=1) == nm[0]).all()
    tolerance = 1e-3 * float(expected.abs().max().clamp(min=1))
    torch.testing.assert_close(found[:, rows_agree].double(), expected[:, rows_agree], rtol=1e-3, atol=tolerance)
    tolerance = 1e-3 * float(expected_error.abs().max().clamp(min=1))
    torch.testing.assert_close(error[:, rows_agree].double(), expected_error[:, rows_agree], rtol=1e-3, atol=tolerance)


@pytest.mark.parametrize("nm", [None, (2, 4), (4, 8)])
@pytest.mark.parametrize("bits", [None, 4])
def test_a_whole_block_is_that_of_the_cpu(nm, bits):
    columns, rows = 128, 40
    work, factor = block_of(columns, rows, seed=7)
    mask = (
        torch.zeros(columns, rows, dtype=torch.bool)
        if nm
        else torch.rand(columns, rows, generator=torch.Generator().manual_seed(1)) < 0.5
    )
    scale = zero = None
    if bits:
        scale, zero = (each.expand(columns, rows).contiguous() for each in fit(work, Grid.of(bits), torch.float16))
    found, found_mask, *on_device = (
        None if tensor is None else tensor.clone().to(DEVICE) for tensor in (work, mask, factor, scale, zero)
    )
    error = obs_block_triton.solve_block(found, on_device[0], found_mask, nm, *on_device[1:], 2 ** (bits or 0)).cpu()
    expected_error = obs_block.solve_block(work, factor, mask, nm, scale, zero, 2 ** (bits or 0))
    same = (found_mask.cpu() == mask).all(dim=0) & (torch.isclose(found.cpu(), work, rtol=1e-3, atol=1e-3)).all(dim=0)
    assert float(same.float().mean()) >= 0.9, "rows where the rounding of float32 did not decide a column"
    assert float((found_mask.cpu() == mask).float().mean()) >= 0.999
    torch.testing.assert_close(error[:, same], expected_error[:, same], rtol=1e-3, atol=1e-2)


def test_parts_of_larger_tensors():
    columns, rows, start = 24, 10, 8
    work, factor = block_of(columns, rows, seed=3)
    mask = torch.rand(columns, rows) < 0.5
    expected = work[start:].clone()
    expected_error = obs_block.solve_block(expected, factor[start:, start:].contiguous(), mask[start:])
    # what is below the diagonal is not read
    for u in (factor, factor.T.contiguous().T, factor + torch.ones_like(factor).tril(-1)):
        found, u = work.clone().to(DEVICE), u.to(DEVICE)
        error = obs_block_triton.solve_block(
            found[start:], u[start:, start:], mask.to(DEVICE)[start:], None, None, None, 0, elements=128, warps=1
        )
        assert torch.equal(found[:start].cpu(), work[:start])
        torch.testing.assert_close(found[start:].cpu(), expected, rtol=1e-5, atol=1e-5)
        torch.testing.assert_close(error.cpu(), expected_error, rtol=1e-5, atol=1e-5)


def test_of_equal_scores_the_first_column_goes():
    work, mask = torch.ones(8, 3, device=DEVICE), torch.zeros(8, 3, dtype=torch.bool, device=DEVICE)
    obs_block_triton.solve_block(work, torch.eye(8, device=DEVICE), mask, (2, 4), None, None, 0, elements=64, warps=1)
    assert mask.T.tolist() == [[True, True, False, False] * 2] * 3
    assert torch.equal(work == 0, mask)


def test_halves_are_rounded_to_even():
    @triton.jit
    def rounded(x, size: tl.constexpr):
        place = x + tl.arange(0, size)
        tl.store(place, obs_block_triton.nearest(tl.load(place)))

    values = torch.cat(
        [
            torch.arange(-8, 8) / 2,
            torch.tensor([0.49999997, -0.49999997, 1.4999999, 2.5000002, 255.5, -1000.5, 3e6, -3e6 - 0.5]),
        ]
    ).float()
    values = torch.nn.functional.pad(values, (0, 32 - len(values))).to(DEVICE)
    found = values.clone()
    rounded[(1,)](found, 32)
    assert torch.equal(found, values.round())
