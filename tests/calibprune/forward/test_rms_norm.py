"""The norms of the walk give what the architectures' own give, but for a neighbour here and there."""

import pytest
import torch
from tiny_models import tiny

from calibprune.forward.rms_norm import FORMS, fast_norms
from calibprune.models.families import decoder


def norms(model):
    return [module for module in model.modules() if type(module).__name__ in FORMS]


@pytest.mark.parametrize("family", ["llama", "gemma3_text", "qwen2", "qwen3", "mistral"])
def test_the_architecture_s_own_results_or_their_neighbours(family):
    model = tiny(family).to(torch.bfloat16)
    found = norms(model)
    assert found
    for norm in found:
        torch.nn.init.normal_(norm.weight)
        x = torch.randn(3, 500, len(norm.weight), dtype=torch.bfloat16) * 5
        kept = x.clone()
        with torch.no_grad():
            own = norm(x)
        with fast_norms(model):
            assert "forward" in vars(norm)
            ours = norm(x)
        apart = ours != own
        assert float(apart.float().mean()) < 1e-3
        torch.testing.assert_close(ours, own, rtol=2**-7, atol=0)
        assert torch.equal(x, kept)


def test_the_model_is_left_as_it_was_after_an_error():
    model = tiny("gemma3_text").to(torch.bfloat16)
    with pytest.raises(RuntimeError), fast_norms(decoder(model)):
        raise RuntimeError
    assert not any("forward" in vars(norm) for norm in norms(model))


def test_float32_keeps_the_architecture_s_own():
    model = tiny("gemma3_text")
    with fast_norms(model):
        assert not any("forward" in vars(norm) for norm in norms(model))
