"""The OBS sweep, the factor it reads and the sums they come from, against plain float64."""

import pytest
import torch
from activations import inputs
from hypothesis import given, settings
from hypothesis import strategies as st
from reference import damped, factor_in_three_steps, obs_states, obs_sweep
from scipy.linalg import lapack

from calibprune.kernels.factor import inverse_factor
from calibprune.kernels.gram import add_gram, symmetric
from calibprune.kernels.norms import add_column_squares
from calibprune.kernels.sweep import sweep


def some_hessian(columns: int, seed: int = 0, tokens: int | None = None) -> torch.Tensor:
    """Damped, float64; of full rank by its tokens where none are given."""
    x = inputs(tokens or 2 * columns + 8, columns, seed).double()
    return damped(x.T @ x)[0]


def relative(found: torch.Tensor, expected: torch.Tensor) -> float:
    return float((found.double() - expected.double()).norm() / expected.double().norm())


@settings(deadline=None, max_examples=30)
@given(rows=st.integers(1, 9), columns=st.integers(1, 270), share=st.floats(0, 1), seed=st.integers(0, 2**31))
def test_with_forced_masks_it_is_obs_column_by_column(rows, columns, share, seed):
    random = torch.Generator().manual_seed(seed)
    weight, forced = torch.randn(rows, columns, generator=random), torch.rand(rows, columns, generator=random) < share
    total = some_hessian(columns, seed)
    reached = 0

    def choose(score: torch.Tensor) -> torch.Tensor:
        nonlocal reached
        reached += len(score)
        return forced.T[reached - len(score) : reached]

    swept = weight.clone()
    mask = sweep(swept, inverse_factor(total.float()), choose).mask
    assert reached == columns
    assert torch.equal(mask, forced)
    assert (swept[forced] == 0).all()
    expected = obs_sweep(weight, total, forced)
    torch.testing.assert_close(
        swept.double(), expected, rtol=2e-3, atol=2e-3 * float(expected.abs().max().clamp(min=1e-3))
    )


@settings(deadline=None, max_examples=30)
@given(
    rows=st.integers(1, 9),
    groups=st.integers(1, 20),
    m=st.sampled_from([2, 4, 5, 8, 16, 20, 24, 31, 48, 130]),
    seed=st.integers(0, 2**31),
)
def test_groups_are_chosen_by_weights_that_everything_to_their_left_has_reached(rows, groups, m, seed):
    columns, n = min(groups, 1 + 270 // m) * m, m // 2
    total = some_hessian(columns, seed)
    diagonal = factor_in_three_steps(total).diagonal()
    weight = torch.randn(rows, columns, generator=torch.Generator().manual_seed(seed))
    swept = weight.clone()
    mask = sweep(swept, inverse_factor(total.float()), nm=(n, m)).mask
    assert (mask.view(rows, -1, m).sum(dim=2) == n).all()
    states = [state.clone() for state in obs_states(weight, total, mask)]
    for column in range(0, columns, m):
        chosen = slice(column, column + m)
        score = (states[column][:, chosen] / diagonal[chosen]) ** 2
        largest_pruned = score.masked_fill(~mask[:, chosen], 0).amax(dim=1)
        smallest_kept = score.masked_fill(mask[:, chosen], torch.inf).amin(dim=1)
        assert (largest_pruned <= smallest_kept * (1 + 2e-2) + 1e-6).all()
    torch.testing.assert_close(
        swept.double(), states[-1], rtol=5e-3, atol=5e-3 * float(states[-1].abs().max().clamp(min=1e-3))
    )


def test_scores_are_of_weights_that_all_blocks_to_the_left_have_reached():
    columns, rows = 270, 7
    total = some_hessian(columns, seed=3)
    diagonal = factor_in_three_steps(total).diagonal()
    weight = torch.randn(rows, columns, generator=torch.Generator().manual_seed(4))
    asked: list[torch.Tensor] = []

    def choose(score: torch.Tensor) -> torch.Tensor:
        asked.append(score.clone())
        return score <= score.median(dim=0, keepdim=True).values

    mask = sweep(weight.clone(), inverse_factor(total.float()), choose).mask
    assert [len(score) for score in asked] == [128, 128, 14]  # the last block may be ragged
    states = [state.clone() for state in obs_states(weight, total, mask)]
    for number, score in enumerate(asked):
        block = slice(128 * number, 128 * number + len(score))
        expected = (states[block.start][:, block] / diagonal[block]) ** 2
        torch.testing.assert_close(score.T.double(), expected, rtol=5e-3, atol=1e-3 * float(expected.max()))


def test_nothing_pruned_changes_nothing():
    weight = torch.randn(5, 200)
    swept = weight.clone()
    mask = sweep(
        swept, inverse_factor(some_hessian(200).float()), lambda score: torch.zeros_like(score, dtype=torch.bool)
    ).mask
    assert not mask.any()
    assert torch.equal(swept, weight)


@settings(deadline=None, max_examples=30)
@given(columns=st.integers(1, 200), seed=st.integers(0, 2**31))
def test_the_factor_is_that_of_the_inverse(columns, seed):
    total = some_hessian(columns, seed)
    factor = inverse_factor(total.float())
    assert factor.dtype == torch.float32
    assert torch.equal(factor, factor.triu())
    assert (factor.diagonal() > 0).all()
    assert relative(factor.T @ factor, torch.linalg.inv(total)) < 1e-3
    assert relative(factor, factor_in_three_steps(total)) < 1e-3


def test_the_factor_of_fewer_tokens_than_columns():
    total = some_hessian(150, tokens=40)
    assert relative(inverse_factor(total.float()), factor_in_three_steps(total)) < 5e-3


def test_a_matrix_that_float32_cannot_factor_is_done_in_float64():
    vector = torch.randint(-4000, 4000, (200,), generator=torch.Generator().manual_seed(0)).double()
    total = torch.outer(vector, vector) + torch.eye(200)  # whole numbers below 2²⁴: exact in float32
    assert lapack.spotrf(total.float().flip(0, 1).numpy().T)[1] > 0, "the example is too easy: float32 factors it"
    factor = inverse_factor(total.float())
    assert factor.dtype == torch.float32
    assert relative(factor, factor_in_three_steps(total)) < 1e-4


def test_a_matrix_that_is_not_positive_definite_is_refused():
    with pytest.raises(torch.linalg.LinAlgError, match="not positive definite"):
        inverse_factor(torch.diag(torch.tensor([1.0, -1.0, 1.0])))


@settings(deadline=None, max_examples=40)
@given(
    tokens=st.integers(1, 70),
    columns=st.integers(1, 60),
    dtype=st.sampled_from([torch.float32, torch.bfloat16, torch.float16]),
    seed=st.integers(0, 2**31),
)
def test_sums_over_batches_of_any_dtype_are_those_of_the_whole_in_float64(tokens, columns, dtype, seed):
    x = inputs(tokens, columns, seed).to(dtype)
    expected = x.double().T @ x.double()
    gram = squares = None
    for batch in x.split([tokens // 3, tokens - tokens // 3]):
        gram, squares = add_gram(gram, batch[None]), add_column_squares(squares, batch[None])
    assert gram.dtype == squares.dtype == torch.float32
    for found in (symmetric(gram), symmetric(add_gram(None, x))):
        assert torch.equal(found, found.T)
        torch.testing.assert_close(found.double(), expected, rtol=1e-4, atol=1e-4 * float(expected.diagonal().max()))
    torch.testing.assert_close(squares.double(), expected.diagonal(), rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float16])
def test_products_of_wide_inputs_are_exact_in_float32(dtype):
    """Also where a CPU multiplies in bfloat16, which would be off by a thousandth for inputs of the other dtypes; and
    torch is left as it was.
    """
    x = inputs(1500, 300).to(dtype)
    before = torch.backends.mkldnn.matmul.fp32_precision
    found = symmetric(add_gram(None, x)).double()
    assert torch.backends.mkldnn.matmul.fp32_precision == before
    expected = x.double().T @ x.double()
    lengths = expected.diagonal().sqrt()
    assert float(((found - expected) / (lengths[:, None] * lengths)).abs().max()) < 3e-6
    with pytest.raises(RuntimeError):
        add_gram(torch.zeros(4, 4), x)
    assert torch.backends.mkldnn.matmul.fp32_precision == before


def test_sums_leave_activations_alone_whatever_their_layout():
    x = inputs(30, 20).view(2, 15, 20)
    for seen in (x, x.transpose(0, 1), x[:, ::2], x.to(torch.bfloat16)):
        before = seen.clone()
        expected = seen.reshape(-1, 20).double().T @ seen.reshape(-1, 20).double()
        gram = add_gram(add_gram(None, seen), seen)
        squares = add_column_squares(add_column_squares(None, seen), seen)
        assert torch.equal(seen, before)
        torch.testing.assert_close(symmetric(gram).double(), 2 * expected, rtol=1e-4, atol=1e-3)
        torch.testing.assert_close(squares.double(), 2 * expected.diagonal(), rtol=1e-4, atol=1e-3)


def test_sums_do_not_depend_on_the_order_of_sequences():
    sequences = [inputs(9, 16, seed) for seed in range(6)]
    forward = backward = None
    for first, last in zip(sequences, reversed(sequences), strict=True):
        forward, backward = add_gram(forward, first), add_gram(backward, last)
    torch.testing.assert_close(symmetric(forward), symmetric(backward), rtol=1e-5, atol=1e-4)
