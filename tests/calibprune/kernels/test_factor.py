"""The inverse of a triangle from products of its halves, the way that a GPU takes, against float64."""

import gc
import weakref

import pytest
import torch
from triton_device import DEVICE

from calibprune.kernels import factor


@pytest.mark.parametrize("leaf", [1, 3, 16, 1000])
@pytest.mark.parametrize("size", [1, 2, 5, 31, 64, 100])
def test_halves_give_the_inverse(monkeypatch, size, leaf):
    monkeypatch.setattr(factor, "LEAF", leaf)
    random = torch.Generator().manual_seed(size)
    x = torch.randn(2 * size + 5, size, generator=random, dtype=torch.float64) * (
        0.1 + torch.rand(size, generator=random, dtype=torch.float64)
    )
    lower = torch.linalg.cholesky(x.T @ x)
    found = factor.triangular_inverse(lower.float().to(DEVICE)).cpu().double()
    expected = torch.linalg.inv(lower)
    assert torch.equal(found, found.tril())
    size_of_sums = expected.norm(dim=1, keepdim=True) * expected.norm(dim=0)
    assert float(((found - expected).abs() / size_of_sums.clamp(min=1e-30)).max()) < 1e-4
    torch.testing.assert_close(found @ lower, torch.eye(size, dtype=torch.float64), rtol=0, atol=1e-4)


def test_a_matrix_of_several_leaves_as_they_are():
    size = 2 * factor.LEAF + 37
    lower = torch.randn(size, size, generator=torch.Generator().manual_seed(0)).tril_() / size
    lower.diagonal().copy_(torch.linspace(0.5, 2, size))
    found = factor.triangular_inverse(lower.to(DEVICE))
    identity = torch.eye(size, device=DEVICE)
    torch.testing.assert_close(found @ lower.to(DEVICE), identity, rtol=0, atol=1e-4)


def test_nothing_is_kept_of_a_matrix(monkeypatch):
    """What waits for Python's collector of cycles stays on a GPU meanwhile: two matrices of every layer, once."""
    monkeypatch.setattr(factor, "LEAF", 3)
    gc.collect()
    gc.disable()
    try:
        lower = torch.eye(20, device=DEVICE)
        inverse = factor.triangular_inverse(lower)
        watched = [weakref.ref(lower), weakref.ref(inverse)]
        del lower, inverse
        assert [reference() for reference in watched] == [None, None]
    finally:
        gc.enable()
