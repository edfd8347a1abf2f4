"""The kernel for sums of squares against float64."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from triton_device import DEVICE

pytest.importorskip("triton", reason="triton is an optional extra")

from calibprune.kernels import norms_triton


@settings(deadline=None, max_examples=40)
@given(
    tokens=st.integers(0, 90),
    columns=st.integers(1, 70),
    cut=st.sampled_from([(16, 16, 4), (32, 32, 16), (128, 256, 16)]),
    dtype=st.sampled_from([torch.float16, torch.bfloat16, torch.float32]),
    seed=st.integers(0, 2**31),
)
def test_sums_of_any_shape(tokens, columns, cut, dtype, seed):
    random = torch.Generator().manual_seed(seed)
    x = (torch.randn(tokens, columns, generator=random) * torch.logspace(-3, 2, columns)).to(DEVICE, dtype)
    x[:, torch.rand(columns, generator=random).to(DEVICE) < 0.1] = 0  # dead inputs
    found = norms_triton.column_squares(x, *cut)
    assert found.dtype == torch.float32
    torch.testing.assert_close(found.double(), x.double().square().sum(dim=0), rtol=2e-6, atol=0)


def test_inputs_that_are_a_part_of_a_wider_matrix_or_transposed():
    wide = torch.randn(40, 64, device=DEVICE)
    for x in (wide[:, 8:40], wide.T, wide[::3]):
        torch.testing.assert_close(norms_triton.column_squares(x, 16, 16, 8), x.square().sum(dim=0))


def test_two_runs_give_the_same_bits():
    x = torch.randn(3000, 300, device=DEVICE)
    assert torch.equal(norms_triton.column_squares(x), norms_triton.column_squares(x))


def test_values_that_are_not_finite_reach_the_sums():
    """So that `methods.base.check_finite` refuses them."""
    x = torch.ones(20, 5, device=DEVICE)
    x[3, 1], x[4, 2] = torch.inf, torch.nan
    assert norms_triton.column_squares(x, 16, 16, 4).isfinite().tolist() == [True, False, False, True, True]
