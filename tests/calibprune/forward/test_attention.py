"""The attention of short windows against the plain formula, and where it is used."""

import pytest
import torch
from tiny_models import some_tokens, tiny

from calibprune.forward.attention import NAME, attend, short_windows
from calibprune.models.families import decoder


def causal(length: int, window: int | None = None) -> torch.Tensor:
    """Additive mask [1, 1, length, length]; of a sliding window only the last `window` keys are seen."""
    i, j = torch.arange(length)[:, None], torch.arange(length)
    seen = (j <= i) & (j > i - window if window else True)
    return torch.zeros(length, length).masked_fill(~seen, torch.finfo(torch.float32).min)[None, None]


@pytest.mark.parametrize("length", [1, 24, 128, 129, 300])
@pytest.mark.parametrize("window", [None, 8])
def test_equals_the_plain_formula(length, window):
    torch.manual_seed(length)
    query, (key, value) = torch.randn(2, 6, length, 16), torch.randn(2, 2, 2, length, 16)
    mask = causal(length, window)
    found, _ = attend(torch.nn.Module(), query, key, value, mask, scaling=0.25)
    keys, values = (x.double().repeat_interleave(3, dim=1) for x in (key, value))
    expected = torch.softmax(query.double() @ keys.transpose(2, 3) * 0.25 + mask, dim=-1) @ values
    torch.testing.assert_close(found.transpose(1, 2).double(), expected, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("family", ["llama", "gemma3_text", "cohere2", "mistral"])
def test_a_whole_decoder_computes_the_same_with_it(family):
    model = tiny(family).to(torch.bfloat16)
    tokens = some_tokens()
    with torch.no_grad():
        own = decoder(model)(input_ids=tokens).last_hidden_state.float()
        with short_windows(model, tokens.shape[1]):
            assert model.config._attn_implementation == NAME
            ours = decoder(model)(input_ids=tokens).last_hidden_state.float()
    assert model.config._attn_implementation == "sdpa"
    assert (ours - own).norm() < 0.02 * own.norm()  # bfloat16 has eight bits


def test_float32_and_long_windows_keep_the_model_s_own():
    for model, length in ((tiny("llama"), 24), (tiny("llama").to(torch.bfloat16), 5000)):
        with short_windows(model, length):
            assert model.config._attn_implementation == "sdpa"
