"""What a GPU computes is what a CPU computes, for every method, every measure and every family of models.

In float32, where both differ by the order of their sums alone.
"""

import gc

import pytest
import torch
from byte_tokenizer import TOKENIZER
from tiny_models import CONFIGS, some_tokens, tiny

import calibprune as cp
from calibprune.methods import METHODS
from calibprune.models.streaming import stream
from calibprune.saving import making
from calibprune.schemes import Grid, Sparsity

pytestmark = pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no GPU on this machine")

GPU = "cuda"


def both(family: str, **changes):
    """The same random model on a GPU and on the CPU."""
    return tiny(family, **changes).to(GPU), tiny(family, **changes)


def agreement(masks: dict, others: dict) -> float:
    assert masks.keys() == others.keys()
    same = sum(int((masks[key].cpu() == others[key].cpu()).sum()) for key in masks)
    return same / sum(mask.numel() for mask in masks.values())


@pytest.mark.parametrize("sparsity", [0.5, "2:4"])
@pytest.mark.parametrize("method", ["magnitude", "wanda", "sparsegpt"])
@pytest.mark.parametrize("family", CONFIGS)
def test_masks_are_those_of_the_cpu(family, method, sparsity):
    on_gpu, on_cpu = both(family)
    tokens = None if METHODS[method].accumulate is None else some_tokens()
    ours, theirs = (cp.prune(model, tokens, method, sparsity) for model in (on_gpu, on_cpu))
    assert agreement(ours.masks, theirs.masks) > 0.98  # near-ties fall either way, and later layers follow
    first = {key: mask for key, mask in ours.masks.items() if key.startswith("layers.0.")}
    assert agreement(first, {key: theirs.masks[key] for key in first}) > 0.998
    assert cp.perplexity(on_gpu, some_tokens(seed=2)) == pytest.approx(
        cp.perplexity(on_cpu, some_tokens(seed=2)), rel=0.02
    )


@pytest.mark.parametrize("family", CONFIGS)
def test_rounded_weights_are_those_of_the_cpu(family):
    on_gpu, on_cpu = both(family)
    for model in (on_gpu, on_cpu):
        cp.quantize(model, some_tokens(), bits=4, group_size=8)
    name = "model.layers.0.self_attn.q_proj.weight"
    ours, theirs = on_gpu.get_parameter(name), on_cpu.get_parameter(name)
    # a near-tie that falls the other way moves the columns to its right, and some of them over the next tie
    assert float((ours.cpu() - theirs).abs().gt(1e-5).float().mean()) < 0.2
    tokens = some_tokens(seed=2)
    assert cp.perplexity(on_gpu, tokens) == pytest.approx(cp.perplexity(on_cpu, tokens), rel=0.05)


@pytest.mark.parametrize("family", CONFIGS)
def test_measures_are_those_of_the_cpu(family):
    on_gpu, on_cpu = both(family)
    pruned = [cp.prune(model, some_tokens(), "magnitude", 0.3) and model for model in both(family)]
    tokens = some_tokens(seed=3)
    assert cp.perplexity(on_gpu, tokens) == pytest.approx(cp.perplexity(on_cpu, tokens), rel=1e-4)
    ours, theirs = (cp.fidelity(*pair, tokens) for pair in zip((on_gpu, on_cpu), pruned, strict=True))
    assert flat(ours) == pytest.approx(flat(theirs), rel=1e-3, nan_ok=True)


def flat(value) -> list[float]:
    """Every number in a measure's result, in order."""
    if isinstance(value, dict):
        return [number for part in value.values() for number in flat(part)]
    if isinstance(value, torch.Tensor):
        return value.flatten().tolist()
    if isinstance(value, (list, tuple)):
        return [number for part in value for number in flat(part)]
    if isinstance(value, (int, float)):
        return [float(value)]
    return flat(vars(value))


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float32])
@pytest.mark.parametrize("method", ["wanda", "sparsegpt"])
@pytest.mark.parametrize("family", CONFIGS)
def test_a_streamed_checkpoint_is_the_resident_one_to_the_bit(family, method, dtype, tmp_path, tiny_texts):
    folder = tmp_path / "model"
    tiny(family, dtype=dtype).save_pretrained(folder, max_shard_size="20KB")
    TOKENIZER.save_pretrained(folder)
    text = making.Text("de", tiny_texts, 6, 24)
    made = {}
    for streams in (True, False):
        target = making.Target(tmp_path / str(streams), "dense", GPU, str(dtype).removeprefix("torch."), streams)
        making.prune(str(folder), target, method, Sparsity.of("0.5"), text)
        made[streams], _ = cp.load(tmp_path / str(streams), "cpu", dtype)
    ours, theirs = (dict(made[streams].named_parameters()) for streams in (True, False))
    assert [name for name in ours if not torch.equal(ours[name], theirs[name])] == []


def test_a_packed_streamed_checkpoint_is_the_resident_one(tmp_path, tiny_texts):
    folder = tmp_path / "model"
    tiny("llama", dtype=torch.bfloat16).save_pretrained(folder)
    TOKENIZER.save_pretrained(folder)
    text, grid = making.Text("de", tiny_texts, 6, 24), Grid.of(4, 8)
    for streams in (True, False):
        target = making.Target(tmp_path / str(streams), "compressed-tensors", GPU, "bfloat16", streams)
        making.quantize(str(folder), target, grid, text)
    ours, theirs = (dict(cp.load(tmp_path / str(s), "cpu")[0].named_parameters()) for s in (True, False))
    assert [name for name in ours if not torch.equal(ours[name], theirs[name])] == []


def test_weights_of_a_layer_are_let_go_when_the_next_one_comes(tmp_path):
    folder = tmp_path / "model"
    tiny("llama", num_hidden_layers=6, hidden_size=256, intermediate_size=512).save_pretrained(folder)
    TOKENIZER.save_pretrained(folder)
    streamed, _ = stream(folder, GPU, torch.float32)
    held = [torch.cuda.memory_allocated() for _ in streamed.layers()]
    assert max(held[1:]) <= held[0] * 1.01


@pytest.mark.parametrize("method", ["wanda", "sparsegpt"])
def test_nothing_is_kept_of_a_layer_but_its_masks(method):
    """Without Python's collector of cycles, since the memory of a GPU may be full before it comes."""
    model = tiny("llama", hidden_size=1024, intermediate_size=2048, max_position_embeddings=512, dtype=torch.bfloat16)
    model.to(GPU)
    cp.prune(model, some_tokens(2, 512), method, 0.5)
    gc.collect()
    gc.disable()
    try:
        before = torch.cuda.memory_allocated()
        result = cp.prune(model, some_tokens(2, 512), method, 0.5)
        kept = torch.cuda.memory_allocated() - before
    finally:
        gc.enable()
    matrix = 2048 * 2048 * 4  # bytes of the largest Hessian
    assert kept <= sum(mask.numel() for mask in result.masks.values()) + 2 * matrix


def test_hidden_states_take_memory_once():
    """What is computed for a batch, the wide inputs of the last linear among it, is gone when the next one begins."""
    model = tiny("llama", hidden_size=64, intermediate_size=2048, max_position_embeddings=2048, dtype=torch.bfloat16)
    model.to(GPU)
    peaks = []
    for samples in (4, 20):
        torch.cuda.reset_peak_memory_stats()
        cp.prune(model, some_tokens(samples, 2048), "wanda", 0.5)
        peaks.append(torch.cuda.max_memory_allocated())
    states = 2048 * 64 * 2  # bytes of one window
    assert peaks[1] - peaks[0] < 2 * 16 * states
