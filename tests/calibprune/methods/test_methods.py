"""Magnitude, Wanda and SparseGPT against plain float64 versions of the published algorithms."""

import numpy as np
import one_method
import pytest
import reference
import torch
from activations import inputs
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from calibprune.errors import ModelError, ParameterError
from calibprune.kernels.gram import add_gram
from calibprune.methods import METHODS, hessian, pruner, pruners, quantizer, quantizers, wanda
from calibprune.schemes import Sparsity

SHARES = st.floats(0, 1, exclude_max=True)
PATTERNS = st.sampled_from([(2, 4), (4, 8), (1, 4), (1, 3), (5, 6)])


def run(name: str, weight: torch.Tensor, sequences: list[torch.Tensor], sparsity) -> tuple[torch.Tensor, torch.Tensor]:
    """The package's method as the walk calls it: (weights after it, mask)."""
    chosen, total = METHODS[name], None
    for x in sequences:
        total = chosen.accumulate(total, x[None])
    weight = weight.clone()
    (solved,) = one_method.solve(chosen, [weight], total, len(sequences), Sparsity.of(sparsity))
    return weight, solved.mask


def drawn(
    rows: int, columns: int, seed: int, samples: int = 4, tokens: int = 30, dead=()
) -> tuple[torch.Tensor, list[torch.Tensor]]:
    """Random weights, and sequences of inputs of which the columns `dead` are never anything but zero."""
    x = inputs(samples * tokens, columns, seed)
    x[:, list(dead)] = 0
    return torch.randn(rows, columns, generator=torch.Generator().manual_seed(seed + 1)), list(x.split(tokens))


def agreement(mask: torch.Tensor, other) -> float:
    return float((mask == torch.as_tensor(other)).float().mean())


@settings(deadline=None)
@given(st.data(), st.integers(1, 20), st.integers(1, 48), SHARES)
def test_wanda_with_ties_is_a_stable_sort_of_each_row(data, rows, columns, share):
    """Whole weights and inputs whose sums of squares are squares: float32 and float64 see the same ties."""
    weight = np.array(
        data.draw(st.lists(st.integers(-3, 3), min_size=rows * columns, max_size=rows * columns)), np.float32
    ).reshape(rows, columns)
    sizes = data.draw(st.lists(st.integers(0, 2), min_size=columns, max_size=columns))
    x = np.repeat(np.array([sizes], np.float32), 4, axis=0)  # ‖x‖ = 2·size
    after, mask = run("wanda", torch.from_numpy(weight), [torch.from_numpy(x)], share)
    np.testing.assert_array_equal(mask.numpy(), reference.wanda_mask(weight, x, share))
    assert (mask.sum(dim=1) == int(columns * share)).all()
    np.testing.assert_array_equal(after.numpy(), np.where(mask.numpy(), 0, weight))


@settings(deadline=None)
@given(st.integers(1, 20), st.integers(1, 90), SHARES, st.integers(0, 2**31), st.sets(st.integers(0, 89)))
def test_wanda_on_random_matrices(rows, columns, share, seed, dead):
    weight, sequences = drawn(rows, columns, seed, dead=[j for j in dead if j < columns])
    _, mask = run("wanda", weight, sequences, share)
    x = torch.cat(sequences).numpy()
    expected = reference.wanda_mask(weight.numpy(), x, share)
    assert (mask.sum(dim=1) == int(columns * share)).all()
    if agreement(mask, expected) < 1:  # only scores that float32 cannot tell apart may be taken for each other
        score = np.abs(weight.double().numpy()) * np.sqrt((x.astype(np.float64) ** 2).sum(axis=0))
        threshold = np.sort(score, axis=1)[:, [int(columns * share) - 1]]
        differs = mask.numpy() != expected
        assert np.isclose(score, threshold, rtol=1e-5)[differs].all()


@settings(deadline=None)
@given(st.integers(1, 12), st.integers(1, 8), PATTERNS, st.integers(0, 2**31), st.booleans())
def test_wanda_in_groups(rows, groups, nm, seed, dead):
    n, m = nm
    weight, sequences = drawn(rows, groups * m, seed, dead=[0] if dead else [])
    after, mask = run("wanda", weight, sequences, nm)
    assert (mask.view(rows, groups, m).sum(dim=2) == n).all()
    assert torch.equal(after, weight.masked_fill(mask, 0))
    assert agreement(mask, reference.wanda_mask(weight.numpy(), torch.cat(sequences).numpy(), nm=nm)) == 1


@settings(deadline=None, max_examples=30)
@given(st.integers(0, 2**31), SHARES, st.sampled_from([2.0**-20, 0.5, 4.0, 2.0**20]))
def test_wanda_does_not_depend_on_the_order_of_sequences_or_the_scale_of_inputs(seed, share, scale):
    weight, sequences = drawn(8, 40, seed)
    _, mask = run("wanda", weight, sequences, share)
    # sums differ in the last bit
    assert agreement(run("wanda", weight, sequences[::-1], share)[1], mask) >= 1 - 2 / weight.numel()
    assert torch.equal(run("wanda", weight, [x * scale for x in sequences], share)[1], mask)
    assert torch.equal(run("wanda", weight * scale, sequences, share)[1], mask)


def test_wanda_differs_from_magnitude_where_inputs_do():
    weight, sequences = drawn(16, 64, seed=5)
    _, mask = run("wanda", weight, sequences, 0.5)
    alike = wanda.prune(weight.clone(), torch.ones(64), Sparsity.of(0.5))
    assert agreement(mask, alike) < 0.95
    np.testing.assert_array_equal(alike, reference.wanda_mask(weight.numpy(), np.ones((1, 64)), 0.5))


@settings(deadline=None, max_examples=15)
@given(
    st.integers(1, 40),
    st.integers(1, 270),
    st.sampled_from([0.0, 0.1, 0.3, 0.5, 0.7, 0.95]),
    st.integers(0, 2**31),
    st.sets(st.integers(0, 269), max_size=40),
)
def test_sparsegpt_is_the_published_algorithm(rows, columns, share, seed, dead):
    weight, sequences = drawn(rows, columns, seed, samples=5, tokens=70, dead=[j for j in dead if j < columns])
    after, mask = run("sparsegpt", weight, sequences, share)
    expected, expected_mask = reference.sparsegpt(weight, sequences, share)
    # float32 may resolve a near-tie otherwise; the next test bounds how often
    assume(agreement(mask, expected_mask) == 1)
    torch.testing.assert_close(after.double(), expected, rtol=5e-3, atol=2e-3 * float(weight.abs().max()))


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("sparsity", [0.3, 0.5, 0.8, (2, 4), (4, 8), (5, 16)])
def test_sparsegpt_masks_agree_on_999_of_1000_weights(sparsity, dtype):
    weight, sequences = drawn(192, 400, seed=7, samples=8, tokens=100, dead=[3, 130, 131, 399])
    after, mask = run("sparsegpt", weight, sequences, sparsity)
    options = {"nm": sparsity} if isinstance(sparsity, tuple) else {"sparsity": sparsity}
    expected, expected_mask = reference.sparsegpt(weight, sequences, dtype=dtype, **options)
    assert agreement(mask, expected_mask) >= 0.999
    assert float((after - expected).norm() / expected.norm()) < 0.02


@settings(deadline=None, max_examples=25)
@given(st.integers(1, 12), st.integers(1, 70), PATTERNS, st.integers(0, 2**31))
def test_sparsegpt_in_groups(rows, groups, nm, seed):
    n, m = nm
    weight, sequences = drawn(rows, groups * m, seed, samples=3, tokens=100)
    after, mask = run("sparsegpt", weight, sequences, nm)
    assert (mask.view(rows, groups, m).sum(dim=2) == n).all()
    assert (after[mask] == 0).all()
    if 128 % m == 0:  # as published: groups that divide a block
        assert agreement(mask, reference.sparsegpt(weight, sequences, nm=nm)[1]) > 0.99


@pytest.mark.parametrize("sparsity", [0.5, 0.3, (2, 4)], ids=str)
def test_matrices_that_read_the_same_tensor_are_solved_together_as_apart(sparsity):
    first, sequences = drawn(24, 192, seed=3, samples=8)
    weights = [first, *(drawn(rows, 192, seed=rows)[0] for rows in (8, 40))]
    apart = [run("sparsegpt", weight, sequences, sparsity) for weight in weights]
    gram = None
    for x in sequences:
        gram = add_gram(gram, x[None])
    together = [weight.clone() for weight in weights]
    solved = one_method.solve(METHODS["sparsegpt"], together, gram, len(sequences), Sparsity.of(sparsity))
    for weight, (mask, _), (alone, its_mask) in zip(together, solved, apart, strict=True):
        assert torch.equal(mask, its_mask)
        torch.testing.assert_close(weight, alone, rtol=1e-4, atol=1e-5)


def test_sparsegpt_has_one_quota_a_block_and_rows_differ():
    weight, sequences = drawn(30, 300, seed=2)
    after, mask = run("sparsegpt", weight, sequences, 0.4)
    for block in mask.split(128, dim=1):  # two whole blocks and a ragged one
        assert int(block.sum()) == int(block.numel() * 0.4) + 1
    assert len(set(mask.sum(dim=1).tolist())) > 3
    assert (after[mask] == 0).all()
    assert (after[~mask] != weight[~mask]).float().mean() > 0.9


def test_sparsegpt_takes_dead_inputs_first():
    dead = [0, 5, 127, 128, 199]
    weight, sequences = drawn(20, 200, seed=3, dead=dead)
    after, mask = run("sparsegpt", weight, sequences, 0.5)
    assert mask[:, dead].all()
    assert (after[:, dead] == 0).all()
    none, _ = run("sparsegpt", weight, sequences, 0.0)
    assert (none[:, dead] == 0).all()
    assert torch.equal(none[:, 6:127], weight[:, 6:127])


def test_sparsegpt_loses_less_output_than_wanda():
    weight, sequences = drawn(64, 128, seed=4, samples=8, tokens=64)
    x = torch.cat(sequences)
    losses = {
        name: float(((run(name, weight, sequences, 0.5)[0] - weight) @ x.T).norm()) for name in ("wanda", "sparsegpt")
    }
    assert losses["sparsegpt"] < 0.95 * losses["wanda"]


@pytest.mark.parametrize("value", [torch.inf, torch.nan])
def test_wanda_refuses_activations_that_are_not_finite(value):
    squares = torch.tensor([1.0, value])
    assert not METHODS["wanda"].prepare(squares, 1, None, False).sound
    with pytest.raises(ModelError, match="infinite or undefined"):
        METHODS["wanda"].prepare(squares, 1, None, True)


def test_sparsegpt_refuses_what_it_cannot_factor():
    for value in (float("nan"), float("inf")):
        x = torch.ones(10, 8)
        x[3, 2] = value
        with pytest.raises(ModelError, match="infinite or undefined values"):
            hessian.prepare(add_gram(None, x), 1, None, True)
    with pytest.raises(ModelError, match="not positive definite"):
        hessian.prepare(torch.tensor([[1.0, 0.0], [50.0, 1.0]]), 1, None, True)


@pytest.mark.parametrize(("between", "damping"), [(0.9, 0.01), (1.005, 0.01), (1.05, 0.1), (1.5, 1.0), (5.0, 10.0)])
def test_damping_is_raised_tenfold_until_the_hessian_can_be_factored(between, damping):
    gram = torch.tensor([[1.0, 0.0], [between, 1.0]])
    assert bool(hessian.prepare(gram, 2, None, False).sound) == (damping == 0.01)
    prepared = hessian.prepare(gram, 2, None, True)
    assert prepared.damping == pytest.approx(damping)
    damped = torch.tensor([[1 + damping, between], [between, 1 + damping]], dtype=torch.float64)
    torch.testing.assert_close(
        (prepared.value.factor.T @ prepared.value.factor).double(), torch.linalg.inv(damped), rtol=1e-3, atol=1e-3
    )


@settings(deadline=None)
@given(st.data(), st.integers(1, 15), st.integers(1, 15), SHARES)
def test_magnitude_takes_the_smallest_of_the_matrix(data, rows, columns, share):
    values = data.draw(st.lists(st.integers(-4, 4), min_size=rows * columns, max_size=rows * columns))
    weight = torch.tensor(values, dtype=torch.float32).view(rows, columns)
    after = weight.clone()
    (solved,) = METHODS["magnitude"].solve([after], None, Sparsity.of(share), None)
    mask = solved.mask
    order = np.argsort(np.abs(np.array(values)), kind="stable")[: int(rows * columns * share)]
    assert set(mask.flatten().nonzero().flatten().tolist()) == set(order.tolist())
    assert torch.equal(after, weight.masked_fill(mask, 0))


def test_magnitude_in_groups():
    weight = torch.randn(6, 24, generator=torch.Generator().manual_seed(0))
    (solved,) = METHODS["magnitude"].solve([weight.clone()], None, Sparsity.of("2:4"), None)
    np.testing.assert_array_equal(solved.mask, reference.wanda_mask(weight.numpy(), np.ones((1, 24)), nm=(2, 4)))


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16, torch.float32])
@pytest.mark.parametrize("name", pruners())
def test_weights_keep_their_dtype_and_their_memory(name, dtype):
    weight, sequences = drawn(12, 140, seed=6)
    weight = weight.to(dtype)
    address, total = weight.data_ptr(), None
    chosen = METHODS[name]
    if chosen.accumulate:
        for x in sequences:
            before = x.to(dtype)
            total = chosen.accumulate(total, seen := before.clone())
            assert torch.equal(seen, before)
    ((mask, _),) = one_method.solve(chosen, [weight], total, len(sequences), Sparsity.of(0.5))
    assert (weight.dtype, weight.data_ptr()) == (dtype, address)
    assert mask.dtype == torch.bool
    assert mask.shape == weight.shape
    assert (weight[mask] == 0).all()
    assert 0.49 < float(mask.float().mean()) < 0.52


def test_who_prunes_and_who_quantizes():
    assert {"magnitude", "wanda", "sparsegpt"} <= set(pruners())
    assert "gptq" in quantizers()
    assert sorted([*pruners(), *quantizers()]) == sorted(METHODS), "a method is in one of the two lists"


PRUNERS, QUANTIZERS = ", ".join(pruners()), ", ".join(quantizers())


@pytest.mark.parametrize(
    ("choose", "name", "words"),
    [
        (pruner, "no such", f"unknown method 'no such': choose one of {PRUNERS}"),
        (quantizer, "no such", f"unknown method 'no such': choose one of {QUANTIZERS}"),
        (
            pruner,
            "gptq",
            "method 'gptq' does not prune: ask for it with bits, or calibprune.quantize; methods that prune are "
            + PRUNERS,
        ),
        (quantizer, "wanda", f"method 'wanda' prunes: use calibprune.prune; methods that quantize are {QUANTIZERS}"),
    ],
)
def test_a_method_that_is_not_there_or_does_something_else(choose, name, words):
    with pytest.raises(ParameterError) as caught:
        choose(name)
    assert str(caught.value) == words
