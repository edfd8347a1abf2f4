"""What happens to a layer between its statistics and its solved weights: a GPU is waited for once, at the end, and what
could not be factored is solved again with damping raised.
"""

import pytest
import torch
from tiny_models import some_tokens, tiny
from torch.utils._pytree import tree_map

import calibprune as cp
from calibprune.errors import ModelError
from calibprune.kernels import gram, norms, obs_block, selection
from calibprune.methods import METHODS, hessian
from calibprune.models.families import decoder, linears
from calibprune.schemes import Grid, Sparsity
from calibprune.walk.inputs import capture
from calibprune.walk.layerwise import collect
from calibprune.walk.solving import Plan, check_and_retry, try_without_waiting

HALF, GROUPS, FOUR_BITS = Sparsity.of(0.5), Sparsity.of("2:4"), Grid.of(4, 8)
BY_IMPORTANCE = FOUR_BITS._replace(act_order=True)
PLANS = {
    "wanda": Plan(METHODS["wanda"], 5, HALF, None),
    "wanda 2:4": Plan(METHODS["wanda"], 5, GROUPS, None),
    "sparsegpt": Plan(METHODS["sparsegpt"], 5, HALF, None),
    "sparsegpt 2:4": Plan(METHODS["sparsegpt"], 5, GROUPS, None),
    "sparsegpt 4 bits": Plan(METHODS["sparsegpt"], 5, HALF, FOUR_BITS),
    "gptq": Plan(METHODS["gptq"], 5, None, FOUR_BITS),
    "gptq act-order": Plan(METHODS["gptq"], 5, None, BY_IMPORTANCE),
}


@pytest.fixture(params=["plain torch", "kernels"])
def implementation(request, monkeypatch):
    """What a GPU without triton would run; and with it, but that launches do nothing."""
    if request.param == "plain torch":
        return
    pytest.importorskip("triton", reason="triton is an optional extra")
    from calibprune.kernels import gram_triton

    for module in (gram, norms, obs_block, selection):
        monkeypatch.setattr(module, "takes_kernels", lambda tensor: True)
    monkeypatch.setattr(gram_triton, "tiles_for", lambda x: gram_triton.Tiles(32, 32, 16, 64, 4, 2))
    monkeypatch.setattr(type(gram_triton._gram), "__getitem__", lambda kernel, grid: lambda *_, **__: None)


@torch.no_grad()
@pytest.mark.parametrize("name", PLANS)
@pytest.mark.parametrize("family", ["llama", "gemma3_text", "cohere"])
def test_no_value_is_asked_for_inside_a_layer(family, name, implementation, small_batches):
    """Tensors without values stand for those of a GPU that is not waited for: to ask for a value of theirs is an
    error.
    """
    model, plan = tiny(family), PLANS[name]
    inputs = capture(model, some_tokens(samples=5))
    layer = decoder(model).layers[0].to("meta")
    inputs.hidden = [states.to("meta") for states in inputs.hidden]
    inputs.arguments = tree_map(
        lambda value: value.to("meta") if isinstance(value, torch.Tensor) else value, inputs.arguments
    )
    components = dict(linears(layer))
    shared = collect(layer, 0, inputs, plan.method.accumulate)
    attempts = [try_without_waiting(plan, total, {part: components[part] for part in parts}) for total, parts in shared]
    inputs.advance(layer, 0)
    assert {part for each in attempts for part in each.names} == components.keys()
    assert all(states.is_meta for states in inputs.hidden)
    assert all(each.sound.is_meta for each in attempts)
    with pytest.raises(RuntimeError, match="meta tensors"):
        check_and_retry(plan, attempts)  # asks, so this test can fail


def unsound_where(monkeypatch, chosen) -> None:
    """Let the first factorisation of the Hessians for which `chosen(number)` is true fail as a GPU's does: with
    nonsense, and a flag.
    """
    factor, numbers = hessian.try_inverse_factor, iter(range(10**6))

    def fails(matrix):
        found, definite = factor(matrix)
        return (found * torch.nan, torch.zeros_like(definite)) if chosen(next(numbers)) else (found, definite)

    monkeypatch.setattr(hessian, "try_inverse_factor", fails)


@pytest.mark.parametrize("act", ["sparsegpt", "2:4", "gptq", "gptq act-order"])
def test_an_unsound_attempt_leaves_no_trace(act, monkeypatch):
    """In every layer the second of four attempts fails; trying again succeeds at once, with the usual damping."""

    def run():
        model = tiny("llama")
        if act.startswith("gptq"):
            return model, cp.quantize(model, some_tokens(), group_size=8, act_order=act.endswith("order"))
        return model, cp.prune(model, some_tokens(), "sparsegpt", act if act == "2:4" else 0.5)

    plain, expected = run()
    unsound_where(monkeypatch, lambda number: number % 4 == 1)
    again, found = run()
    assert not found.damping
    for (key, weight), other in zip(plain.state_dict().items(), again.state_dict().values(), strict=True):
        assert torch.equal(weight, other), key
    assert all(torch.equal(found.masks[key], mask) for key, mask in expected.masks.items())
    assert all(
        torch.equal(a, b)
        for key, level in expected.quantized.items()
        for a, b in zip(found.quantized[key], level, strict=True)
    )
    assert [report.sparsity for report in found.layers] == [report.sparsity for report in expected.layers]


def test_a_hessian_that_no_damping_helps_is_named(monkeypatch):
    def fails(_):
        raise torch.linalg.LinAlgError("not positive definite")

    unsound_where(monkeypatch, lambda number: number >= 1)
    monkeypatch.setattr(hessian, "inverse_factor", fails)
    with pytest.raises(
        ModelError, match=r"^layers\.0\.self_attn\.o_proj: the Hessian is not positive definite with 10 of its mean"
    ) as raised:
        cp.prune(tiny("llama"), some_tokens(), "sparsegpt", 0.5)
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize("name", ["wanda", "sparsegpt"])
def test_activations_that_are_not_finite_are_named(name):
    model = tiny("llama")
    model.model.layers[1].mlp.up_proj.weight.fill_(1e30)
    with pytest.raises(
        ModelError, match=r"^layers\.1\.mlp\.down_proj: the activations hold infinite or undefined values"
    ):
        cp.prune(model, some_tokens(), name, 0.5)
