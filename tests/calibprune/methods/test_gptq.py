"""GPTQ and SparseGPT's joint mode against a plain float64 loop over columns, and the grids they round to."""

import one_method
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from tiny_models import tiny

import calibprune as cp
from calibprune.errors import ModelError, ParameterError
from calibprune.kernels.gram import add_gram
from calibprune.kernels.rounding import fit, on_grid
from calibprune.methods import METHODS
from calibprune.models.families import linears
from calibprune.schemes import Grid, Sparsity

TOKENS = torch.randint(3, 100, (6, 20), generator=torch.Generator().manual_seed(0))


def drawn(rows: int, columns: int, seed: int, tokens: int = 400) -> tuple[torch.Tensor, torch.Tensor]:
    random = torch.Generator().manual_seed(seed)
    mixing = torch.randn(columns, columns, generator=random) / columns**0.5 + torch.eye(columns)
    return torch.randn(rows, columns, generator=random), torch.randn(tokens, columns, generator=random) @ mixing


def fitted(group: torch.Tensor, grid: Grid) -> tuple[torch.Tensor, torch.Tensor]:
    """Scale and zero point [rows, 1] of weights [rows, group], in the published code's words."""
    top = 2**grid.bits - 1
    low, high = group.amin(1, keepdim=True).clamp(max=0), group.amax(1, keepdim=True).clamp(min=0)
    if grid.symmetric:
        high = torch.maximum(low.abs(), high)
        low = -high
    scale = ((high - low) / top).float().double()
    return scale, torch.full_like(scale, (top + 1) / 2) if grid.symmetric else torch.round(-low / scale)


def column_loop(weight, x, grid, sparsity=None, block=128):
    """The published algorithm in float64; columns one by one, groups fitted to what the blocks before left."""
    weight, hessian = weight.double().clone(), 2 * (x.double().T @ x.double())
    hessian += 0.01 * hessian.diagonal().mean() * torch.eye(len(hessian), dtype=torch.float64)
    order = hessian.diagonal().argsort(descending=True, stable=True) if grid.act_order else torch.arange(len(hessian))
    static = [fitted(group, grid) for group in weight.split(grid.group_size, dim=1)] if grid.act_order else {}
    u = torch.linalg.cholesky(torch.linalg.inv(hessian[order][:, order]), upper=True)
    weight = weight[:, order]
    mask = torch.zeros_like(weight, dtype=torch.bool)
    for start in range(0, weight.shape[1], block):
        stop = min(start + block, weight.shape[1])
        if sparsity:
            score = weight[:, start:stop] ** 2 / u.diagonal()[start:stop] ** 2
            mask[:, start:stop] = score <= score.flatten().sort().values[int(score.numel() * sparsity)]
        before = weight.clone()
        for i in range(start, stop):
            group = int(order[i]) // grid.group_size
            if not grid.act_order and i % grid.group_size == 0:
                static[group] = fitted(before[:, i : i + grid.group_size], grid)
            scale, zero = (tensor[:, 0] for tensor in static[group])
            kept = weight[:, i].masked_fill(mask[:, i], 0)
            solved = (torch.clamp(torch.round(kept / scale) + zero, 0, 2**grid.bits - 1) - zero) * scale
            weight[:, i + 1 :] -= torch.outer((weight[:, i] - solved) / u[i, i], u[i, i + 1 :])
            weight[:, i] = solved
    return weight[:, order.argsort()], mask


GRIDS = st.builds(Grid, st.integers(2, 8), st.sampled_from([16, 32, 64, 192]), st.booleans(), st.booleans())


def loss(weight: torch.Tensor, solved: torch.Tensor, x: torch.Tensor) -> float:
    return float(((weight - solved).double() @ x.double().T).norm())


@settings(deadline=None, max_examples=25)
@given(rows=st.integers(1, 12), grid=GRIDS, seed=st.integers(0, 2**31))
def test_gptq_is_the_published_loop(rows, grid, seed):
    weight, x = drawn(rows, 192, seed)
    after = weight.clone()
    (solved,) = one_method.solve(METHODS["gptq"], [after], add_gram(None, x), 1, None, grid)
    expected, _ = column_loop(weight, x, grid)
    assert solved.mask is None
    assert solved.grid.scale.shape == solved.grid.zero.shape == (rows, 192 // grid.group_size)
    # a weight halfway between two levels may go either way, and then the columns after it differ too
    assert float((after - expected).abs().lt(1e-4).double().mean()) > 0.5
    assert loss(weight, after, x) == pytest.approx(loss(weight, expected, x), rel=0.05)


def test_most_weights_get_the_published_code():
    weight, x = drawn(64, 512, seed=1, tokens=3000)
    for grid in (Grid(4), Grid(3, 64, symmetric=False), Grid(4, 128, act_order=True)):
        after = weight.clone()
        one_method.solve(METHODS["gptq"], [after], add_gram(None, x), 1, None, grid)
        expected, _ = column_loop(weight, x, grid)
        assert float((after - expected).abs().lt(1e-4).double().mean()) > 0.97
        assert loss(weight, after, x) == pytest.approx(loss(weight, expected, x), rel=1e-3)


@pytest.mark.parametrize("symmetric", [True, False])
def test_pruning_and_rounding_in_one_sweep(symmetric):
    weight, x = drawn(64, 256, seed=2, tokens=2000)
    grid, method = Grid(4, 64, symmetric), METHODS["sparsegpt"]
    after = weight.clone()
    (solved,) = one_method.solve(method, [after], add_gram(None, x), 1, Sparsity.of(0.5), grid)
    expected, mask = column_loop(weight, x, grid, 0.5)
    assert float((solved.mask == mask).double().mean()) > 0.995
    assert (after[solved.mask] == 0).all()
    assert loss(weight, after, x) == pytest.approx(loss(weight, expected, x), rel=5e-3)


@settings(deadline=None)
@given(
    st.integers(1, 5),
    GRIDS,
    st.sampled_from([torch.bfloat16, torch.float16, torch.float32]),
    st.floats(1e-3, 1e3),
    st.integers(0, 2**31),
)
def test_a_grid_holds_its_group(rows, grid, dtype, size, seed):
    group = size * torch.randn(grid.group_size, rows, generator=torch.Generator().manual_seed(seed))
    scale, zero = fit(group, grid, dtype)
    rounded = on_grid(group, scale, zero, grid.levels)
    assert torch.equal(scale, scale.to(dtype).float())
    assert (zero == zero.round()).all() and (zero >= 0).all() and (zero < grid.levels).all()
    # half a step, and a little where the rounded scale makes the range smaller than the group
    assert ((group - rounded).abs() <= scale * (0.5 + 2**grid.bits * 0.005)).all()
    assert torch.equal(on_grid(rounded, scale, zero, grid.levels), rounded)
    assert torch.equal(on_grid(torch.zeros_like(group), scale, zero, grid.levels), torch.zeros_like(group))


def test_a_group_of_zeros_stays_zero():
    for symmetric in (True, False):
        scale, zero = fit(torch.zeros(16, 3), Grid(4, 16, symmetric), torch.bfloat16)
        assert torch.equal(on_grid(torch.zeros(16, 3), scale, zero, 16), torch.zeros(16, 3))


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("setting", [{}, {"symmetric": False}, {"act_order": True}, {"bits": 8}], ids=str)
def test_a_quantized_model_lies_on_its_grid(dtype, setting):
    model = tiny("llama").to(dtype)
    dense = {name: linear.weight.clone() for name, linear in _named(model)}
    result = cp.quantize(model, TOKENS, group_size=8, **setting)
    assert result.masks == {} and result.grid == Grid.of(
        setting.get("bits", 4), 8, setting.get("symmetric", True), setting.get("act_order", False)
    )
    assert result.tokens == TOKENS.numel()
    assert set(result.quantized) == set(dense)
    for name, linear in _named(model):
        scale, zero = result.quantized[name]
        assert scale.dtype == dtype and zero.dtype == torch.uint8
        assert not torch.equal(linear.weight, dense[name])
        steps = linear.weight.float().view(len(scale), -1, 8) / scale.float()[..., None]
        code = (steps.round() + zero[..., None]).clamp(0, result.grid.levels - 1)
        again = ((code - zero.float()[..., None]) * scale.float()[..., None]).to(dtype).view_as(linear.weight)
        assert torch.equal(again, linear.weight)


def test_more_bits_lose_less():
    errors = {}
    for bits in (2, 4, 8):
        model, dense = tiny("llama"), tiny("llama")
        cp.quantize(model, TOKENS, bits=bits, group_size=8)
        errors[bits] = float(
            sum(
                (a - b).norm()
                for (_, a), (_, b) in zip(dense.named_parameters(), model.named_parameters(), strict=True)
            )
        )
    assert errors[8] < 0.2 * errors[4] < 0.1 * errors[2]


def test_a_quantized_model_does_not_depend_on_the_run():
    first, second = tiny("gemma3_text"), tiny("gemma3_text")
    for model in (first, second):
        cp.quantize(model, TOKENS, group_size=8)
    assert all(torch.equal(a, b) for a, b in zip(first.parameters(), second.parameters(), strict=True))


def test_sparsegpt_in_joint_mode():
    model = tiny("llama")
    result = cp.prune(model, TOKENS, "sparsegpt", "2:4", bits=4, group_size=8)
    assert set(result.masks) == set(result.quantized)
    for name, linear in _named(model):
        assert (result.masks[name].view(-1, 4).sum(dim=1) == 2).all()
        assert (linear.weight[result.masks[name]] == 0).all()
        scale, _ = result.quantized[name]
        steps = linear.weight.view(len(scale), -1, 8) / scale[..., None]
        torch.testing.assert_close(steps, steps.round(), rtol=0, atol=1e-4)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda m: cp.quantize(m, TOKENS, bits=1), "bits 1: .* 2 to 8 bits"),
        (lambda m: cp.quantize(m, TOKENS, bits=9), "bits 9: .* 2 to 8 bits"),
        (lambda m: cp.quantize(m, TOKENS, bits=4.0), "bits 4.0"),
        (lambda m: cp.quantize(m, TOKENS, group_size=0), "group_size 0: give the number"),
        (lambda m: cp.quantize(m, TOKENS, group_size=7), r"group_size 7: layers\.0\.self_attn\.q_proj has \d+ inputs"),
        (lambda m: cp.quantize(m, TOKENS[:0], group_size=8), "tokens: give windows"),
        (lambda m: cp.quantize(m, None, group_size=8), "tokens: give windows"),
        (lambda m: cp.prune(m, TOKENS, "wanda", bits=4, group_size=8), "bits 4: method 'wanda' does not round"),
    ],
)
def test_bad_settings_are_one_line_and_change_nothing(call, message):
    model = tiny("llama")
    before = {name: value.clone() for name, value in model.state_dict().items()}
    with pytest.raises(ParameterError, match=message) as raised:
        call(model)
    assert "\n" not in str(raised.value)
    assert all(torch.equal(before[name], value) for name, value in model.state_dict().items())


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
@pytest.mark.parametrize("act", [cp.quantize, cp.prune], ids=["quantize", "prune"])
def test_weights_that_are_no_numbers_are_refused_by_name(value, act):
    model = tiny("llama")
    model.model.layers[1].mlp.up_proj.weight.data[0, 3] = value
    before = model.model.layers[0].mlp.up_proj.weight.clone()
    with pytest.raises(
        ModelError, match=r"layers\.1\.mlp\.up_proj: the weights hold infinite or undefined values"
    ) as raised:
        act(model, TOKENS, **({"group_size": 8} if act is cp.quantize else {}))
    assert "\n" not in str(raised.value)
    assert torch.equal(model.model.layers[0].mlp.up_proj.weight, before)


def _named(model):
    return [
        (f"layers.{i}.{name}", linear) for i, layer in enumerate(model.model.layers) for name, linear in linears(layer)
    ]
