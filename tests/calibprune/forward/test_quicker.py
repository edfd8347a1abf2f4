"""The one way into the quicker passes: what it enters, what it leaves behind, and that importing it changes nothing."""

import subprocess
import sys

import pytest
import torch
from plugin import with_path
from tiny_models import tiny

from calibprune.forward import quicker
from calibprune.forward.attention import NAME
from calibprune.forward.rms_norm import FORMS


def norms(root) -> list[bool]:
    """Whether each norm in a module runs the quicker code."""
    return ["forward" in vars(module) for module in root.modules() if type(module).__name__ in FORMS]


@pytest.fixture
def model():
    return tiny("llama").to(torch.bfloat16)


@pytest.mark.parametrize(("length", "attention"), [(24, NAME), (None, "sdpa"), (2048, "sdpa")])
def test_attention_is_quicker_for_short_windows_alone(model, length, attention):
    with quicker(model, length):
        assert model.config._attn_implementation == attention
        assert all(norms(model))
    assert model.config._attn_implementation == "sdpa"
    assert not any(norms(model))


def test_a_part_leaves_the_rest_alone(model):
    first, second, *_ = model.model.layers
    with quicker(model, 24, first):
        assert all(norms(first)) and not any(norms(second))


def test_the_model_is_left_as_it_was_after_an_error(model):
    with pytest.raises(RuntimeError), quicker(model, 24):
        raise RuntimeError
    assert model.config._attn_implementation == "sdpa"
    assert not any("forward" in vars(module) for module in model.modules())


def test_transformers_hears_of_the_attention_when_it_is_used_and_not_before():
    code = """
import torch
from tiny_models import tiny
import calibprune.metrics.fidelity, calibprune.walk.layerwise
from calibprune.forward import quicker
from calibprune.forward.attention import NAME
from transformers import AttentionInterface
from transformers.masking_utils import AttentionMaskInterface
known = lambda: [NAME in registry().valid_keys() for registry in (AttentionInterface, AttentionMaskInterface)]
assert known() == [False, False]
with quicker(tiny("llama").to(torch.bfloat16), 24):
    assert known() == [True, True]
"""
    done = subprocess.run([sys.executable, "-c", code], env=with_path(), capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
