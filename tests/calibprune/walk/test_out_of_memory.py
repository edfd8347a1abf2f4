"""Too little memory on a GPU: batches are halved, it is said, and the result is the same; with one window left it is
one line.
"""

import pytest
import torch
from tiny_models import tiny

import calibprune as cp
from calibprune.errors import ModelError

TOKENS = torch.randint(3, 100, (7, 20), generator=torch.Generator().manual_seed(0))


def only_up_to(model, windows: int, layer: int) -> None:
    """Let one layer fail as CUDA does where a batch has more windows."""

    def limited(_, args):
        if len(args[0]) > windows:
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB")

    model.model.layers[layer].mlp.register_forward_pre_hook(limited)


@pytest.mark.parametrize("family", ["llama", "gemma3_text", "cohere"])
@pytest.mark.parametrize("windows", [1, 2, 3])
@pytest.mark.parametrize("act", ["prune", "quantize"])
def test_batches_are_halved_and_the_result_is_the_same(family, windows, act):
    def run(model):
        return cp.prune(model, TOKENS, "wanda", 0.5) if act == "prune" else cp.quantize(model, TOKENS, group_size=8)

    whole, limited = tiny(family), tiny(family)
    run(whole)
    only_up_to(limited, windows, 1)
    with pytest.warns(
        RuntimeWarning, match=r"layers\.1: out of memory, batches of \d windows instead of 7 from here on"
    ):
        result = run(limited)
    assert len(result.layers) == len(limited.model.layers)
    same = [
        float(torch.isclose(a, b, atol=1e-5).double().mean())
        for a, b in zip(whole.parameters(), limited.parameters(), strict=True)
    ]
    assert min(same) > 0.95  # sums in another order: a near-tie may go the other way, and move what comes after it


def test_memory_that_ends_in_the_pass_after_solving():
    """The second pass of a layer fails for a batch in the middle; what was passed on before is kept."""
    model, whole = tiny("llama"), tiny("llama")
    calls = []

    def fails_once(_, args):
        calls.append(len(args[0]))
        if len(calls) == 2:
            raise torch.OutOfMemoryError("CUDA out of memory")

    model.model.layers[0].mlp.register_forward_pre_hook(fails_once)
    with pytest.warns(RuntimeWarning, match="batches of 4 windows instead of 7"):
        found = cp.prune(model, TOKENS, "wanda", 0.5)
    assert calls == [7, 7, 4, 3]
    expected = cp.prune(whole, TOKENS, "wanda", 0.5)
    assert all(float((found.masks[key] == mask).double().mean()) > 0.99 for key, mask in expected.masks.items())


def test_one_window_too_many_is_one_line():
    model = tiny("llama")
    only_up_to(model, 0, 1)
    with (
        pytest.warns(RuntimeWarning),
        pytest.raises(ModelError, match=r"layers\.1: out of memory with one window of 20 tokens") as raised,
    ):
        cp.prune(model, TOKENS, "wanda", 0.5)
    assert "\n" not in str(raised.value)


def test_too_little_memory_for_solving_is_one_line(monkeypatch):
    def fails(*_):
        raise torch.OutOfMemoryError("CUDA out of memory")

    monkeypatch.setattr("calibprune.methods.hessian.try_inverse_factor", fails)
    with pytest.raises(ModelError, match=r"layers\.0\.self_attn\.q_proj: out of memory while its weights are solved"):
        cp.prune(tiny("llama"), TOKENS, "sparsegpt", 0.5)
