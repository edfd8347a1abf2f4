"""The kernels for one threshold of a whole matrix, against a sort."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from triton_device import DEVICE

pytest.importorskip("triton", reason="triton is an optional extra")

from calibprune.kernels import selection_triton

ANY = st.floats(-(2.0**100), 2.0**100, width=32)
CLOSE = st.integers(0, 300).map(lambda steps: float(np.float32(1) + np.float32(steps) * np.float32(2**-23)))
FEW_VALUES = st.sampled_from([-1.0, -0.0, 0.0, 1.0, 2.0**-149])
MATRICES = st.sampled_from([ANY, CLOSE, FEW_VALUES]).flatmap(
    lambda elements: hnp.arrays(np.float32, hnp.array_shapes(min_dims=2, max_dims=2, max_side=20), elements=elements)
)


@settings(deadline=None, max_examples=30)
@given(score=MATRICES, share=st.floats(0, 1, exclude_max=True), block=st.sampled_from([128, 512]))
def test_one_threshold_for_the_whole_matrix(score, share, block):
    rank = int(score.size * share)
    mask = selection_triton.lowest_of_all(torch.from_numpy(score).to(DEVICE), rank, block)
    assert mask.dtype == torch.bool
    np.testing.assert_array_equal(mask.cpu().numpy(), score <= np.sort(score, axis=None)[rank])


@settings(deadline=None, max_examples=10)
@given(score=MATRICES, first=st.integers(0, 5), share=st.floats(0, 1, exclude_max=True))
def test_matrices_that_are_a_part_of_another(score, first, share):
    whole = torch.from_numpy(np.pad(score, ((1, 0), (first, 3)), constant_values=-7)).to(DEVICE)
    part = whole[1:, first : first + score.shape[1]]
    rank = int(score.size * share)
    expected = score <= np.sort(score, axis=None)[rank]
    np.testing.assert_array_equal(selection_triton.lowest_of_all(part, rank, 32).cpu().numpy(), expected)
    np.testing.assert_array_equal(selection_triton.lowest_of_all(part.T, rank, 512).cpu().numpy(), expected.T)


def test_scores_of_a_sweep():
    score = torch.randn(128, 300, generator=torch.Generator().manual_seed(0)).square().to(DEVICE)
    for share in (0.01, 0.5, 0.9):
        rank = int(score.numel() * share)
        assert int(selection_triton.lowest_of_all(score, rank).sum()) == rank + 1
