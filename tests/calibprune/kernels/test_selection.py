"""Which weights go: exact quotas, and of equal scores the first."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from calibprune.errors import ParameterError
from calibprune.kernels.selection import lowest_in_groups, lowest_of_all, lowest_per_row, zero
from calibprune.schemes import Sparsity

FINITE = st.floats(0, 2.0**20, width=32)
FEW_VALUES = st.integers(0, 3).map(float)


def scores(elements):
    return hnp.arrays(np.float32, hnp.array_shapes(min_dims=2, max_dims=2, max_side=40), elements=elements)


def stable_lowest(score: np.ndarray, k: int) -> np.ndarray:
    mask = np.zeros(score.shape, bool)
    np.put_along_axis(mask, np.argsort(score, axis=1, kind="stable")[:, :k], True, axis=1)
    return mask


@settings(deadline=None)
@given(score=st.one_of(scores(FINITE), scores(FEW_VALUES)), share=st.floats(0, 1))
def test_rows_lose_their_lowest_and_of_equal_scores_the_first(score, share):
    k = int(score.shape[1] * share)
    mask = lowest_per_row(torch.from_numpy(score), k)
    assert mask.dtype == torch.bool
    np.testing.assert_array_equal(mask.numpy(), stable_lowest(score, k))


@settings(deadline=None)
@given(data=st.data(), n=st.integers(1, 7), more=st.integers(1, 4), groups=st.integers(1, 6), rows=st.integers(1, 9))
def test_every_group_loses_its_lowest(data, n, more, groups, rows):
    m = n + more
    score = data.draw(
        hnp.arrays(np.float32, (rows, m * groups), elements=data.draw(st.sampled_from([FINITE, FEW_VALUES])))
    )
    mask = lowest_in_groups(torch.from_numpy(score), n, m).numpy()
    assert (mask.reshape(rows, groups, m).sum(axis=2) == n).all()
    np.testing.assert_array_equal(mask.reshape(-1, m), stable_lowest(score.reshape(-1, m), n))


@settings(deadline=None)
@given(score=st.one_of(scores(FINITE), scores(FEW_VALUES)), fraction=st.floats(0, 1, exclude_max=True))
def test_one_threshold_for_the_whole_matrix(score, fraction):
    mask = lowest_of_all(torch.from_numpy(score), fraction).numpy()
    if fraction == 0:
        assert not mask.any()
        return
    threshold = np.sort(score, axis=None)[int(score.size * fraction)]
    np.testing.assert_array_equal(mask, score <= threshold)
    assert mask.sum() >= int(score.size * fraction) + 1


def test_a_threshold_without_ties_takes_one_more_than_the_share():
    score = torch.randperm(1000, generator=torch.Generator().manual_seed(0)).float().view(20, 50)
    assert int(lowest_of_all(score, 0.5).sum()) == 501
    assert int(lowest_of_all(score, 0.333).sum()) == 334


@pytest.mark.parametrize("rows", [1, 4])
def test_selection_does_not_change_the_scores(rows):
    score = torch.rand(rows, 12)
    before = score.clone()
    lowest_per_row(score, 5)
    lowest_in_groups(score, 2, 4)
    lowest_of_all(score, 0.5)
    assert torch.equal(score, before)


@pytest.mark.parametrize(
    ("given", "fraction", "pattern", "text"),
    [
        (0, 0.0, "unstructured", "0"),
        (0.5, 0.5, "unstructured", "0.5"),
        ("0.25", 0.25, "unstructured", "0.25"),
        ("2:4", 0.5, "2:4", "2:4"),
        (" 5 : 8 ", 0.625, "5:8", "5:8"),
        ((4, 8), 0.5, "4:8", "4:8"),
        ([1, 3], 1 / 3, "1:3", "1:3"),
        ((np.int32(1), np.int64(4)), 0.25, "1:4", "1:4"),
        (np.float64(0.3), 0.3, "unstructured", "0.3"),
        (0.9999999, 0.9999999, "unstructured", "0.9999999"),
        (1 / 3, 1 / 3, "unstructured", "0.3333333333333333"),
        (-0.0, 0.0, "unstructured", "0"),
    ],
)
def test_sparsity_from_what_people_write(given, fraction, pattern, text):
    sparsity = Sparsity.of(given)
    assert (sparsity.fraction, sparsity.pattern, str(sparsity)) == (fraction, pattern, text)
    assert Sparsity.of(sparsity) == sparsity
    assert Sparsity.of(str(sparsity)) == sparsity


@pytest.mark.parametrize(
    "bad",
    [
        1,
        1.0,
        -0.1,
        2,
        "half",
        "",
        None,
        True,
        False,
        np.False_,
        (True, 4),
        10**400,
        float("nan"),
        float("inf"),
        "4:2",
        "4:4",
        "0:4",
        (2,),
        (2, 4, 6),
        ("2", "4"),
        {},
    ],
)
def test_sparsity_that_is_refused(bad):
    with pytest.raises(ParameterError, match=r"^sparsity .*(\[0, 1\)|0 < n < m)") as caught:
        Sparsity.of(bad)
    assert "\n" not in str(caught.value)


def test_groups_must_fit_the_matrix():
    Sparsity.of("2:4").check_width(12, "mlp.down_proj")
    Sparsity.of(0.3).check_width(7, "mlp.down_proj")
    with pytest.raises(ParameterError, match=r"sparsity 2:4: mlp.down_proj has 10 inputs, not a multiple of 4"):
        Sparsity.of("2:4").check_width(10, "mlp.down_proj")


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float16])
def test_zeroed_weights_are_plus_zero_and_the_others_keep_their_bits(dtype):
    weight = torch.randn(6, 10).to(dtype)
    weight[0, 0], weight[1, 1] = float("nan"), float("-inf")
    mask = torch.rand(6, 10) < 0.5
    mask[0, 0] = mask[1, 1] = True
    expected = torch.where(mask, torch.zeros((), dtype=dtype), weight)
    zero(weight, mask)
    assert torch.equal(weight, expected)
    assert not torch.signbit(weight[mask]).any()
