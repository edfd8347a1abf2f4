"""The package's functions give on a GPU's path what they give on a CPU; and they need neither a GPU nor triton."""

import subprocess
import sys

import numpy as np
import one_method
import pytest
import reference
import torch
from triton_device import DEVICE, INTERPRETED

from calibbook.checkout import ROOT

pytest.importorskip("triton", reason="triton is an optional extra")

from calibprune.kernels import device, gram, gram_triton, norms, obs_block, packed, selection
from calibprune.methods import METHODS, wanda
from calibprune.schemes import Grid, Sparsity


@pytest.fixture
def kernels(monkeypatch):
    """Kernels for every tensor, in the interpreter too; returns how often one was asked for."""
    asked = []

    def takes_kernels(tensor: torch.Tensor) -> bool:
        asked.append(tensor.shape)
        return True

    for module in (gram, norms, obs_block, packed, selection):
        monkeypatch.setattr(module, "takes_kernels", takes_kernels)
    if INTERPRETED:
        monkeypatch.setattr(gram_triton, "tiles_for", lambda x: gram_triton.Tiles(32, 32, 16, 64, 4, 2))
    return asked


def on_cpu_and_with_kernels(request, function):
    """The function's results without kernels, and then with them."""
    plain = function(torch.device("cpu"))
    asked = request.getfixturevalue("kernels")
    found = function(DEVICE)
    assert asked, "no kernel was asked for"
    return plain, found


@pytest.mark.parametrize("dtype", [torch.float16, torch.float32, torch.float64])
def test_statistics(request, dtype):
    x = torch.randn(2, 17, 40, generator=torch.Generator().manual_seed(0)).to(dtype)

    def sums(device):
        one, other = (part.to(device) for part in x)
        total = gram.add_gram(gram.add_gram(None, one), other)
        squares = norms.add_column_squares(norms.add_column_squares(None, one), other)
        assert total.dtype == squares.dtype == torch.float32
        return gram.symmetric(total).cpu(), squares.cpu()

    for plain, found in zip(*on_cpu_and_with_kernels(request, sums), strict=True):
        torch.testing.assert_close(found, plain, rtol=1e-5, atol=1e-4)


def test_a_total_is_added_to_in_place(kernels):
    x = torch.randn(9, 20, device=DEVICE)
    for add in (gram.add_gram, norms.add_column_squares):
        total = add(None, x)
        once = total.clone()
        assert add(total, x) is total
        torch.testing.assert_close(total.tril(), 2 * once.tril()) if total.ndim == 2 else torch.testing.assert_close(
            total, 2 * once
        )


def test_selection(request):
    score = torch.randn(6, 24, generator=torch.Generator().manual_seed(1)).abs()
    score[:, ::3] = 0.5

    def masks(device):
        given = score.to(device)
        rows = [selection.lowest_per_row(given, k) for k in (0, 1, 12, 24)]
        rows += [
            selection.lowest_per_row(given.T, 3).T,
            selection.lowest_in_groups(given, 2, 4),
            selection.lowest_of_all(given, 0.4),
        ]
        return torch.stack([mask.cpu() for mask in [*rows, selection.lowest_of_all(given, 0)]])

    plain, found = on_cpu_and_with_kernels(request, masks)
    assert torch.equal(found, plain)


def test_rows_wider_than_the_kernel_takes(kernels, monkeypatch):
    monkeypatch.setattr(selection, "WIDEST", 16)
    score = torch.randperm(24).float().view(1, 24).to(DEVICE)
    assert torch.equal(selection.lowest_per_row(score, 7), score < 7)
    weight = score.clone()
    assert torch.equal(selection.prune_rows(weight, torch.ones(24, device=DEVICE), 7), score < 7)


@pytest.mark.parametrize("sparsity", ["0.5", "2:4"])
@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float64])
def test_wanda(request, sparsity, dtype):
    random = torch.Generator().manual_seed(2)
    weight, squares = torch.randn(7, 24, generator=random).to(dtype), torch.rand(24, generator=random)

    def pruned(device):
        work = weight.clone().to(device)
        return wanda.prune(work, squares.to(device), Sparsity.of(sparsity)).cpu(), work.cpu()

    plain, found = on_cpu_and_with_kernels(request, pruned)
    assert all(map(torch.equal, found, plain))


@pytest.mark.parametrize(("sparsity", "bits"), [("0.5", 4), ("2:4", None), ("2:4", 4), (None, 4)])
def test_sparsegpt_and_gptq(request, sparsity, bits):
    random = torch.Generator().manual_seed(3)
    x = torch.randn(400, 136, generator=random) * (0.1 + torch.rand(136, generator=random))
    weights = [torch.randn(rows, 136, generator=random) for rows in (5, 9)]

    def solved(device):
        work = [weight.clone().to(device) for weight in weights]
        grid = Grid.of(bits, 8) if bits else None
        total, chosen = gram.add_gram(None, x.to(device)), Sparsity.of(sparsity) if sparsity else None
        results = one_method.solve(METHODS["sparsegpt"], work, total, 4, chosen, grid)
        return torch.cat(work).cpu(), [each.mask for each in results]

    (plain, plain_masks), (found, found_masks) = on_cpu_and_with_kernels(request, solved)
    rows = torch.isclose(found, plain, rtol=1e-3, atol=1e-3).all(dim=1)
    assert int(rows.sum()) >= len(rows) - 2, (
        "rounding in float32 may decide a weight, and with it what follows in a row"
    )
    for mask, other in zip(found_masks, plain_masks, strict=True):
        assert (mask is None) == (other is None) == (sparsity is None)
        assert mask is None or float((mask.cpu() != other).float().mean()) < 0.01


@pytest.mark.parametrize("sparsity", ["0.5", "2:4"])
def test_the_error_that_sparsegpt_leaves_is_that_of_float64(kernels, sparsity):
    random = torch.Generator().manual_seed(4)
    chosen, weight = Sparsity.of(sparsity), torch.randn(10, 200, generator=random)
    x = torch.randn(500, 200, generator=random) @ torch.randn(200, 200, generator=random)
    x[:, 7] = 0
    expected, expected_mask = reference.sparsegpt(
        weight, list(x.split(100)), chosen.fraction, (chosen.n, chosen.m) if chosen.m else None
    )
    work = weight.clone().to(DEVICE)
    (solved,) = one_method.solve(METHODS["sparsegpt"], [work], gram.add_gram(None, x.to(DEVICE)), 5, chosen)
    assert float((solved.mask.cpu() == expected_mask).float().mean()) >= 0.999
    left, expected_left = (
        float(((solved.cpu().double() - weight) @ x.double().T).norm()) for solved in (work, expected)
    )
    assert abs(left - expected_left) <= 1e-3 * expected_left


def test_packed_masks(request):
    masks = [torch.rand(5, 19, generator=torch.Generator().manual_seed(seed)) < 0.7 for seed in range(5)]

    def results(device):
        bits = [packed.pack(mask.to(device)) for mask in masks]
        assert all(each.device.type == "cpu" for each in bits)
        bits = [each.to(device) for each in bits]
        found = packed.overlaps([bits[:3], bits[3:]])
        return bits[0].cpu().numpy(), *found, *packed.overlaps([[bits[0][1:, 1:]]])

    for plain, found in zip(*on_cpu_and_with_kernels(request, results), strict=True):
        np.testing.assert_array_equal(found, plain)
        assert np.asarray(found).dtype == np.asarray(plain).dtype


def test_a_cpu_takes_no_kernels():
    assert not device.takes_kernels(torch.zeros(2))


def test_the_package_needs_no_triton():
    code = """
import sys
sys.modules["triton"] = None  # as if it were not installed
import torch
import calibprune
from calibprune.kernels import device, gram, norms, obs_block, packed, selection
assert not device._triton_installed()
x = torch.randn(20, 8)
mask = selection.prune_rows(torch.randn(4, 8), norms.add_column_squares(None, x).sqrt(), 3)
gram.add_gram(None, x)
packed.overlaps([[packed.pack(mask)]])
obs_block.solve_block(torch.randn(4, 3), torch.eye(4), selection.lowest_of_all(torch.rand(4, 3), 0.5))
assert not [name for name in sys.modules if name.startswith("calibprune") and name.endswith("_triton")]
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT, timeout=300)
    assert done.returncode == 0, done.stderr[-2000:]
