"""The kernels that choose weights in rows and in groups, against a stable sort in float64 and against the package's
path on a CPU, bit for bit.
"""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from reference import wanda_mask
from triton_device import DEVICE

pytest.importorskip("triton", reason="triton is an optional extra")

from calibprune.kernels import selection_triton
from calibprune.kernels.selection import lowest_in_groups, lowest_per_row, prune_rows
from calibprune.methods import wanda
from calibprune.schemes import Sparsity

ANY = st.floats(-(2.0**100), 2.0**100, width=32)
FEW_VALUES = st.sampled_from([-1.0, -0.0, 0.0, 1.0, 2.0**-149, 3.0])
DTYPES = [torch.float32, torch.bfloat16, torch.float16]


def scores(elements):
    shapes = st.tuples(st.integers(1, 6), st.integers(1, 32))  # a program a row, each slow in the interpreter
    return hnp.arrays(np.float32, shapes, elements=elements)


def weights_and_norms(rows: int, columns: int, dtype: torch.dtype, seed: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Weights with zeros and repeated values, norms with dead inputs and with equal ones."""
    random = torch.Generator().manual_seed(seed)
    weight, norms = torch.randn(rows, columns, generator=random), torch.rand(columns, generator=random) + 0.1
    for share, value in ((0.1, 0.0), (0.1, -0.0), (0.2, 0.5), (0.1, -0.5)):
        weight[torch.rand(rows, columns, generator=random) < share] = value
    norms[torch.rand(columns, generator=random) < 0.1] = 0
    norms[torch.rand(columns, generator=random) < 0.5] = 0.25
    return weight.to(dtype), norms


@settings(deadline=None, max_examples=25)
@given(score=st.one_of(scores(ANY), scores(FEW_VALUES)), share=st.floats(0, 1))
def test_rows_lose_their_lowest_and_of_equal_scores_the_first(score, share):
    k = max(int(score.shape[1] * share), 1)
    score = torch.from_numpy(score)
    mask = selection_triton.lowest_per_row(score.to(DEVICE), k).cpu()
    assert torch.equal(mask, lowest_per_row(score, k))
    assert (mask.sum(dim=1) == k).all()


@settings(deadline=None, max_examples=30)
@given(data=st.data(), n=st.integers(1, 7), more=st.integers(1, 4), groups=st.integers(1, 12), rows=st.integers(1, 4))
def test_every_group_loses_its_lowest(data, n, more, groups, rows):
    m = n + more
    score = torch.from_numpy(
        data.draw(hnp.arrays(np.float32, (rows, m * groups), elements=data.draw(st.sampled_from([ANY, FEW_VALUES]))))
    )
    mask = selection_triton.lowest_in_groups(score.to(DEVICE), n, m, elements=64).cpu()
    assert torch.equal(mask, lowest_in_groups(score, n, m))
    assert (mask.view(rows, groups, m).sum(dim=2) == n).all()


@settings(deadline=None, max_examples=40)
@given(
    rows=st.integers(1, 9),
    groups=st.integers(1, 30),
    nm=st.sampled_from([None, (2, 4), (4, 8), (1, 3), (5, 8)]),
    share=st.floats(0, 1, exclude_max=True),
    dtype=st.sampled_from(DTYPES),
    seed=st.integers(0, 2**31),
)
def test_scores_and_zeros_are_those_of_the_cpu_bit_for_bit(rows, groups, nm, share, dtype, seed):
    columns = groups * (nm[1] if nm else 3)
    weight, norms = weights_and_norms(rows, columns, dtype, seed)
    quota = nm or max(int(columns * share), 1)
    ours, on_device = weight.clone(), weight.clone().to(DEVICE)
    expected = prune_rows(ours, norms, quota)
    arguments = quota if nm else (quota,)
    found = (selection_triton.lowest_in_groups if nm else selection_triton.lowest_per_row)(
        on_device, *arguments, norms.to(DEVICE)
    )
    assert torch.equal(found.cpu(), expected)
    assert torch.equal(on_device.cpu().view(torch.uint8), ours.view(torch.uint8))


@settings(deadline=None, max_examples=20)
@given(
    tokens=st.integers(1, 30),
    rows=st.integers(1, 20),
    share=st.floats(0.1, 0.9),
    nm=st.sampled_from([None, (2, 4)]),
    seed=st.integers(0, 2**31),
)
def test_masks_against_float64(tokens, rows, share, nm, seed):
    columns = 60
    random = torch.Generator().manual_seed(seed)
    weight, x = torch.randn(rows, columns, generator=random), torch.randn(tokens, columns, generator=random)
    quota = nm or int(columns * share)
    norms = x.square().sum(dim=0).sqrt()
    expected = wanda_mask(weight.numpy(), x.numpy(), share, nm)
    kernel = selection_triton.lowest_in_groups if nm else selection_triton.lowest_per_row
    found = kernel(weight.to(DEVICE), *(nm or (quota,)), norms.to(DEVICE)).cpu().numpy()
    different = (found != expected).sum()
    assert different <= max(2, 0.001 * expected.size), "a tie in float32 moves one weight of a row out and another in"


@pytest.mark.parametrize("columns", [1000, 3000])
def test_wide_rows_whose_weights_are_a_part_of_a_matrix(columns):
    weight, norms = weights_and_norms(3, columns, torch.float16, seed=1)
    wide = torch.cat([weight, weight], dim=1).to(DEVICE)
    found = selection_triton.lowest_per_row(wide[:, columns:], columns // 2, norms.to(DEVICE))
    assert torch.equal(wide[:, :columns].cpu(), weight), "the rest of the matrix stays"
    expected = prune_rows(weight, norms, columns // 2)
    assert torch.equal(found.cpu(), expected)
    assert torch.equal(wide[:, columns:].cpu(), weight)


@pytest.mark.filterwarnings("ignore:overflow:RuntimeWarning")
def test_scores_beyond_float32_are_the_last_to_go():
    weight = torch.tensor([[1e38, 1.0, -3e38, 2.0, 1e38]]).bfloat16()
    norms = torch.tensor([1e3, 1.0, 1e3, 1.0, 1e3])
    assert selection_triton.lowest_per_row(weight.to(DEVICE), 3, norms.to(DEVICE)).tolist() == [
        [True, True, False, True, False]
    ]


def test_columns_of_a_row_must_be_neighbours():
    with pytest.raises(ValueError, match="contiguous"):
        selection_triton.lowest_per_row(torch.rand(8, 4, device=DEVICE).T, 2)


@pytest.mark.parametrize("sparsity", ["0.5", "0", "0.999", "2:4", "5:8"])
@pytest.mark.parametrize("dtype", DTYPES)
def test_pruning_rows_is_wanda(sparsity, dtype):
    weight, norms = weights_and_norms(7, 24, dtype, seed=2)
    chosen, squares, other = Sparsity.of(sparsity), norms.square(), weight.clone()
    expected = wanda.prune(weight, squares, chosen)
    found = prune_rows(other, squares.sqrt(), (chosen.n, chosen.m) if chosen.m else int(24 * chosen.fraction))
    assert torch.equal(found, expected)
    assert torch.equal(other.view(torch.uint8), weight.view(torch.uint8))
