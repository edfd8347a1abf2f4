"""The gated feed-forward part of the walk is no less exact than the architecture's own, and its hooks see the same
tensors.
"""

import pytest
import torch
from tiny_models import CONFIGS, tiny

from calibprune.forward.gated import fast_gates
from calibprune.models.families import decoder

pytestmark = pytest.mark.skipif(
    not (torch.backends.mkldnn.is_available() and torch.ops.mkldnn._is_mkldnn_bf16_supported()),
    reason="this CPU has no instructions for bfloat16 products, so the architecture's own part runs",
)


def part(family):
    torch.manual_seed(0)
    mlp = decoder(tiny(family)).layers[0].mlp
    for linear in (mlp.gate_proj, mlp.up_proj, mlp.down_proj):
        torch.nn.init.normal_(linear.weight, std=0.3)
    return mlp.to(torch.bfloat16), torch.randn(3, 50, mlp.gate_proj.in_features).to(torch.bfloat16)


@torch.no_grad()
@pytest.mark.parametrize("family", CONFIGS)
def test_as_exact_as_the_architecture_s_own(family):
    mlp, x = part(family)
    own = mlp(x)
    with fast_gates(mlp):
        assert "forward" in vars(mlp)
        ours = mlp(x)
    exact = mlp.double()(x.double())
    error, least = (float((found - exact).norm() / exact.norm()) for found in (ours, own))
    assert 0 < error < 0.01
    assert error <= 1.05 * least


@torch.no_grad()
def test_hooks_see_what_the_linears_read_and_what_comes_out_of_the_non_linearity():
    mlp, x = part("gemma3_text")
    own, ours = {}, {}

    def remember(seen):
        def reader(name):
            return lambda _, args: seen.update({name: args[0]})

        hooks = [
            getattr(mlp, name).register_forward_pre_hook(reader(name)) for name in ("gate_proj", "up_proj", "down_proj")
        ]
        hooks.append(mlp.act_fn.register_forward_hook(lambda _, __, out: seen.update(act=out)))
        mlp(x)
        for hook in hooks:
            hook.remove()

    remember(own)
    with fast_gates(mlp):
        remember(ours)
    assert list(ours) == list(own)
    assert ours["gate_proj"] is ours["up_proj"] is x
    for name in ("act", "down_proj"):
        torch.testing.assert_close(ours[name], own[name], rtol=0.02, atol=0.02)
    assert not torch.equal(ours["act"], own["act"]), "rounded once instead of twice"


def test_the_part_is_left_as_it_was_after_an_error():
    mlp, _ = part("llama")
    with pytest.raises(RuntimeError), fast_gates(mlp):
        raise RuntimeError
    assert not any("forward" in vars(module) for module in mlp.modules())


def test_other_dtypes_keep_the_architecture_s_own():
    mlp, _ = part("llama")
    for dtype in (torch.float32, torch.float16):
        with fast_gates(mlp.to(dtype)):
            assert not any("forward" in vars(module) for module in mlp.modules())
