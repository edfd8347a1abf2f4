"""The walk through a model that is read layer by layer gives the bits that the walk through a model in memory gives."""

import pytest
import torch
from byte_tokenizer import TOKENIZER
from tiny_models import CONFIGS, some_tokens, tiny

from calibprune import prune, quantize
from calibprune.errors import ModelError, ParameterError
from calibprune.methods import METHODS
from calibprune.models.loading import load
from calibprune.models.streaming import stream
from calibprune.schemes import Grid, Sparsity
from calibprune.walk.solving import Plan
from calibprune.walk.states import States
from calibprune.walk.streamed import Begin, walk


@pytest.fixture
def saved(tmp_path):
    """Save a tiny model in shards of a few tensors; returns its folder."""

    def save(family: str = "llama", dtype: torch.dtype = torch.float32, model=None):
        folder = tmp_path / "model"
        model = tiny(family, dtype=dtype) if model is None else model
        model.save_pretrained(folder, max_shard_size="20KB")
        TOKENIZER.save_pretrained(folder)
        return folder

    return save


class Kept:
    """What the walk hands on: copies of the layers' parameters, and what became of their linears."""

    def __init__(self) -> None:
        self.weights, self.masks, self.quantized, self.sizes, self.reports = {}, {}, {}, {}, []

    def __call__(self, solved) -> None:
        for name, parameter in solved.state.items():
            self.weights[f"model.layers.{solved.index}.{name}"] = parameter.clone()
        self.masks |= solved.result.masks
        self.quantized |= solved.result.quantized
        self.sizes[solved.index] = solved.sizes
        self.reports += solved.result.layers


def plan(method: str, samples: int, sparsity=0.5, grid: Grid | None = None) -> Plan:
    return Plan(METHODS[method], samples, None if sparsity is None else Sparsity.of(sparsity), grid)


def states_of(folder, tokens, model) -> States:
    folder.mkdir(exist_ok=True)
    return States(folder, (*tokens.shape, model.config.hidden_size), model.dtype)


def same(one: dict, other: dict) -> bool:
    return one.keys() == other.keys() and all(torch.equal(one[key], other[key]) for key in one)


def layers_of(model) -> dict:
    return {name: tensor for name, tensor in model.named_parameters() if name.startswith("model.layers.")}


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("method", ["wanda", "sparsegpt"])
@pytest.mark.parametrize("family", CONFIGS)
def test_masks_and_weights_are_those_of_the_model_in_memory(family, method, dtype, saved, small_batches, tmp_path):
    folder, tokens, kept = saved(family, dtype), some_tokens(), Kept()
    resident, _ = load(folder, "cpu", dtype)
    result = prune(resident, tokens, method, 0.5)
    streamed, _ = stream(folder, "cpu", dtype)
    states = states_of(tmp_path / "states", tokens, streamed.model)
    walk(streamed, tokens, plan(method, len(tokens)), states, kept)
    assert same(kept.masks, result.masks)
    assert same(kept.weights, layers_of(resident))
    assert [report.sparsity for report in kept.reports] == [report.sparsity for report in result.layers]
    assert list((tmp_path / "states").iterdir()) == []


def test_rounding_and_a_method_without_text(saved, tmp_path):
    folder, tokens, grid = saved(), some_tokens(), Grid.of(4, 8)
    for method, sparsity, text in (("gptq", None, tokens), ("sparsegpt", "2:4", tokens), ("magnitude", 0.5, None)):
        kept = Kept()
        resident, _ = load(folder, "cpu", "float32")
        if method == "gptq":
            result = quantize(resident, tokens, 4, 8)
        else:
            bits = {} if text is None else {"bits": 4, "group_size": 8}
            result = prune(resident, text, method, sparsity, **bits)
        streamed, _ = stream(folder, "cpu", "float32")
        states = None if text is None else states_of(tmp_path / "states", tokens, streamed.model)
        chosen = plan(method, 0 if text is None else len(text), sparsity, None if text is None else grid)
        walk(streamed, text, chosen, states, kept)
        assert same(kept.weights, layers_of(resident))
        assert same(kept.masks, result.masks)
        assert kept.quantized.keys() == result.quantized.keys()
        for name, found in result.quantized.items():
            assert torch.equal(kept.quantized[name].scale, found.scale)
            assert torch.equal(kept.quantized[name].zero, found.zero)


@pytest.mark.parametrize("family", ["llama", "gemma3_text"])
def test_a_walk_goes_on_at_any_layer(family, saved, small_batches, tmp_path):
    folder, tokens, whole = saved(family), some_tokens(), Kept()
    streamed, _ = stream(folder, "cpu", "float32")
    depth = streamed.model.config.num_hidden_layers
    walk(streamed, tokens, plan("sparsegpt", 5), states_of(tmp_path / "a", tokens, streamed.model), whole)

    class Stopped(Exception):
        pass

    for layer in range(depth):
        first, second = Kept(), Kept()

        def stop(solved, first=first, layer=layer):
            first(solved)
            if solved.index == layer:
                raise Stopped

        states = states_of(tmp_path / f"b{layer}", tokens, streamed.model)
        with pytest.raises(Stopped):
            walk(streamed, tokens, plan("sparsegpt", 5), states, stop)
        again, _ = stream(folder, "cpu", "float32")
        if layer + 1 < depth:
            begin = Begin(layer + 1, tuple(first.sizes[layer]))
            walk(
                again,
                tokens,
                plan("sparsegpt", 5),
                states_of(tmp_path / f"b{layer}", tokens, again.model),
                second,
                begin,
            )
        assert same(first.weights | second.weights, whole.weights)
        assert same(first.masks | second.masks, whole.masks)


def test_hidden_states_that_were_cut_short_are_not_gone_on_from(saved, tmp_path):
    tokens = some_tokens()
    streamed, _ = stream(saved(), "cpu", "float32")
    states = states_of(tmp_path / "states", tokens, streamed.model)
    (tmp_path / "states" / "states-1.bin").write_bytes(b"cut")
    with pytest.raises(ModelError, match=r"states-1.bin: is not what enters layers.1, .* to start over"):
        walk(streamed, tokens, plan("wanda", 5), states, Kept(), Begin(1, (5,)))


def test_a_full_disk_is_said_before_states_are_written(saved, tmp_path, monkeypatch):
    tokens = some_tokens()
    streamed, _ = stream(saved(), "cpu", "float32")

    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.posix_fallocate", full)
    with pytest.raises(
        ModelError, match="hidden states of the calibration text, .* GB, cannot be written .No space left"
    ):
        walk(streamed, tokens, plan("wanda", 5), states_of(tmp_path / "s", tokens, streamed.model), Kept())


def test_smaller_batches_where_a_layer_runs_out_of_memory(saved, tmp_path, monkeypatch):
    """They are views of the same file, so that a run goes on from them too."""
    tokens, failed = some_tokens(samples=8), []
    streamed, _ = stream(saved(), "cpu", "float32")
    layer = type(streamed.model.model.layers[0])
    forward = layer.forward

    def scarce(self, hidden_states, *args, **kwargs):
        if len(hidden_states) > 4 and self is streamed.model.model.layers[1]:
            failed.append(len(hidden_states))
            raise torch.OutOfMemoryError
        return forward(self, hidden_states, *args, **kwargs)

    monkeypatch.setattr(layer, "forward", scarce)
    kept = Kept()
    with pytest.warns(RuntimeWarning, match="batches of 4 windows instead of 8"):
        walk(streamed, tokens, plan("wanda", 8), states_of(tmp_path / "s", tokens, streamed.model), kept)
    assert failed == [8]
    assert kept.sizes == {0: [8], 1: [4, 4], 2: [4, 4]}


def test_what_would_stop_the_walk_is_said_as_ever(saved, tmp_path):
    streamed, _ = stream(saved(), "cpu", "float32")
    tokens = some_tokens()
    states = states_of(tmp_path / "s", tokens, streamed.model)
    with pytest.raises(ParameterError, match="tokens: give windows"):
        walk(streamed, torch.zeros(3), plan("wanda", 3), states, Kept())
    with pytest.raises(ParameterError, match="token 300"):
        walk(streamed, tokens + 300 - tokens.max(), plan("wanda", 5), states, Kept())
    with pytest.raises(ParameterError, match="layers.0"):
        walk(streamed, tokens, plan("wanda", 5, "3:7"), states, Kept())


@pytest.mark.parametrize("name", ["model.layers.1.mlp.up_proj.weight", "model.embed_tokens.weight"])
def test_undefined_weights_are_found_when_they_are_read(name, saved, tmp_path):
    model = tiny("llama")
    model.get_parameter(name).data[0, 0] = float("nan")
    tokens = some_tokens()
    streamed, _ = stream(saved(model=model), "cpu", "float32")
    with pytest.raises(ModelError, match=f"{name} holds infinite or undefined values in float32; check the checkpoint"):
        walk(streamed, tokens, plan("wanda", 5), states_of(tmp_path / "s", tokens, streamed.model), Kept())
