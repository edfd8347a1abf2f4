"""Packed checkpoints: transformers loads the weights that were saved, bit by bit; and nothing is packed that would not
come back.
"""

import json
import sys

import pytest
import safetensors.torch
import torch
import transformers as hf
import yaml
from byte_tokenizer import TOKENIZER
from compressed_tensors.compressors import PackedQuantizationCompressor
from compressed_tensors.utils import sparse_semi_structured_from_dense_cutlass, sparse_semi_structured_to_dense_cutlass
from hypothesis import given, settings
from hypothesis import strategies as st
from tiny_models import some_tokens, tiny
from torch import nn

from calibprune import load, prune, quantize
from calibprune.errors import ModelError, ParameterError
from calibprune.kernels.rounding import fit
from calibprune.methods import Quantized
from calibprune.saving import checkpoint, compressed
from calibprune.schemes import Grid
from calibprune.walk.layerwise import PruneResult

GROUP = 16
SETTINGS = {
    "method": "gptq",
    "bits": 4,
    "group-size": GROUP,
    "symmetric": True,
    "act-order": False,
    "seed": 0,
    "format": "compressed-tensors",
}


def rounded(family="llama", dtype=torch.bfloat16, **grid):
    model = tiny(family, dtype=dtype)
    return model, quantize(model, some_tokens(), group_size=GROUP, **grid)


def save(folder, model, result, card="a card"):
    checkpoint.save(folder, model, TOKENIZER, card, compressed.compress(model, result))
    return folder


def bytes_of(folder) -> int:
    return sum(tensor.nbytes for tensor in safetensors.torch.load_file(folder / "model.safetensors").values())


def one_line(error) -> str:
    assert "\n" not in str(error.value)
    return str(error.value)


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float32])
@pytest.mark.parametrize("family", ["llama", "gemma3_text"])
@pytest.mark.parametrize(
    "grid",
    [{"bits": 4}, {"bits": 4, "symmetric": False}, {"bits": 8}, {"bits": 8, "symmetric": False, "act_order": True}],
    ids=str,
)
def test_transformers_loads_what_was_saved(family, grid, dtype, tmp_path):
    model, result = rounded(family, dtype, **grid)
    save(tmp_path / "out", model, result)
    again = hf.AutoModelForCausalLM.from_pretrained(tmp_path / "out").eval()
    assert again.dtype == dtype
    before, after = model.state_dict(), again.state_dict()
    assert before.keys() == after.keys()
    assert all(torch.equal(before[name], after[name]) for name in before)
    assert torch.equal(again(some_tokens()).logits, model(some_tokens()).logits)
    assert hf.AutoTokenizer.from_pretrained(tmp_path / "out")("abc").input_ids == TOKENIZER("abc").input_ids


@pytest.mark.parametrize("bits", [2, 3, 5, 6, 7])
def test_other_bits_come_back_too(bits, tmp_path):
    model, result = rounded(bits=bits, symmetric=bits % 2 == 0)
    again = hf.AutoModelForCausalLM.from_pretrained(save(tmp_path / "out", model, result))
    assert all(torch.equal(tensor, again.state_dict()[name]) for name, tensor in model.state_dict().items())


def test_a_finer_dtype_loads_the_same_numbers(tmp_path):
    model, result = rounded(bits=8)
    again = hf.AutoModelForCausalLM.from_pretrained(save(tmp_path / "out", model, result), dtype=torch.float32)
    assert all(
        torch.equal(again.get_parameter(name), parameter.float()) for name, parameter in model.named_parameters()
    )


@pytest.mark.parametrize("family", ["llama", "gemma3_text"])
def test_codes_may_stay_packed_until_the_first_forward_pass(family, tmp_path):
    model, result = rounded(family)
    with pytest.warns(UserWarning, match="loading attributes"):
        again = hf.AutoModelForCausalLM.from_pretrained(
            save(tmp_path / "out", model, result), quantization_config=hf.CompressedTensorsConfig(dequantize=False)
        )
    packed = again.get_parameter("model.layers.0.mlp.up_proj.weight_packed")
    assert packed.dtype == torch.int32 and packed.shape == (48, 32 * 4 // 32)
    assert torch.equal(again.eval()(some_tokens()).logits, model(some_tokens()).logits)
    assert all(
        torch.equal(again.get_parameter(f"model.{key}.weight"), model.get_parameter(f"model.{key}.weight"))
        for key in result.quantized
    )


def test_it_can_be_loaded_pruned_and_saved_again(tmp_path):
    model, result = rounded()
    again, _ = load(str(save(tmp_path / "out", model, result)), "cpu", "bfloat16")
    assert prune(again, some_tokens(), "wanda", 0.5).layers[0].sparsity == pytest.approx(0.5)
    checkpoint.save(tmp_path / "dense", again, TOKENIZER, "a card")
    assert "quantization_config" not in json.loads((tmp_path / "dense" / "config.json").read_text())
    assert bytes_of(tmp_path / "dense") > bytes_of(tmp_path / "out")


def test_the_configuration_describes_the_grid(tmp_path):
    model, result = rounded(bits=8, symmetric=False, act_order=True)
    config = json.loads((save(tmp_path / "out", model, result) / "config.json").read_text())
    told = config["quantization_config"]
    assert (
        told["quant_method"] == "compressed-tensors"
        and told["format"] == "pack-quantized"
        and told["quantization_status"] == "compressed"
    )
    assert told["ignore"] == ["lm_head"]
    assert told["config_groups"]["group_0"]["targets"] == ["Linear"]
    weights = told["config_groups"]["group_0"]["weights"]
    assert {
        name: weights[name] for name in ("num_bits", "type", "strategy", "group_size", "symmetric", "actorder")
    } == {
        "num_bits": 8,
        "type": "int",
        "strategy": "group",
        "group_size": GROUP,
        "symmetric": False,
        "actorder": "weight",
    }
    assert config["model_type"] == "llama"


def test_what_was_not_rounded_is_left_out_of_the_packing(tmp_path):
    model, result = rounded()
    for key in list(result.quantized):
        if key.startswith("layers.1.mlp."):
            del result.quantized[key]
    model.model.layers[1].mlp.up_proj.weight.normal_()
    save(tmp_path / "out", model, result)
    ignored = json.loads((tmp_path / "out" / "config.json").read_text())["quantization_config"]["ignore"]
    assert sorted(ignored) == ["lm_head", *(f"model.layers.1.mlp.{name}_proj" for name in ("down", "gate", "up"))]
    again = hf.AutoModelForCausalLM.from_pretrained(tmp_path / "out")
    assert all(torch.equal(tensor, again.state_dict()[name]) for name, tensor in model.state_dict().items())


@pytest.mark.parametrize("grid", [{"bits": 4}, {"bits": 4, "symmetric": False}, {"bits": 8}], ids=str)
def test_the_file_holds_the_bits_it_should(grid, tmp_path):
    model, result = rounded(**grid)
    save(tmp_path / "packed", model, result)
    checkpoint.save(tmp_path / "dense", model, TOKENIZER, "a card")
    weights = [model.get_parameter(f"model.{key}.weight").numel() for key in result.quantized]
    shapes = 16 * len(weights)  # two int64 for each matrix
    saved = sum(weights) * (16 - result.grid.bits_per_weight()) / 8 - shapes
    assert bytes_of(tmp_path / "dense") - bytes_of(tmp_path / "packed") == saved > 0


def test_the_model_in_memory_stays_as_it_is(tmp_path):
    model, result = rounded()
    before = {name: value.clone() for name, value in model.state_dict().items()}
    save(tmp_path / "out", model, result)
    assert before.keys() == model.state_dict().keys() and all(
        torch.equal(value, model.state_dict()[name]) for name, value in before.items()
    )
    assert not hasattr(model.config, "quantization_config")


def test_two_of_four_zeros_stay_zeros_when_packed(tmp_path):
    model = tiny("llama", dtype=torch.bfloat16)
    result = prune(model, some_tokens(), "sparsegpt", "2:4", bits=4, group_size=GROUP)
    again = hf.AutoModelForCausalLM.from_pretrained(save(tmp_path / "out", model, result))
    for key, mask in result.masks.items():
        weight = again.get_parameter(f"model.{key}.weight")
        assert torch.equal(weight, model.get_parameter(f"model.{key}.weight"))
        assert (weight[mask] == 0).all() and (mask.view(-1, 4).sum(dim=1) == 2).all()


def test_a_dense_2_4_checkpoint_goes_into_the_form_that_gpus_multiply(tmp_path):
    sizes = dict.fromkeys(("hidden_size", "intermediate_size"), 64)  # the form has tiles of 64 rows
    model = tiny("llama", dtype=torch.bfloat16, num_key_value_heads=4, **sizes)
    result = prune(model, some_tokens(), "wanda", "2:4")
    checkpoint.save(tmp_path / "out", model, TOKENIZER, "a card")
    again = hf.AutoModelForCausalLM.from_pretrained(tmp_path / "out")
    for key in result.masks:
        weight = again.get_parameter(f"model.{key}.weight").detach()
        kept, places = sparse_semi_structured_from_dense_cutlass(weight)
        assert kept.numel() == weight.numel() // 2
        assert torch.equal(
            sparse_semi_structured_to_dense_cutlass(kept, places), model.get_parameter(f"model.{key}.weight")
        )


class One(nn.Module):
    """A model of one linear."""

    base_model_prefix = "model"

    def __init__(self, weight):
        super().__init__()
        self.model = nn.ModuleDict({"linear": nn.Linear(weight.shape[1], weight.shape[0], bias=False)})
        self.model["linear"].weight = nn.Parameter(weight)


GRIDS = st.builds(Grid, st.integers(2, 8), st.sampled_from([1, 8, 32, 96]), st.booleans())


@settings(deadline=None, max_examples=60)
@given(
    GRIDS,
    st.sampled_from([torch.bfloat16, torch.float16, torch.float32]),
    st.integers(9, 40),
    st.floats(-6, 2),
    st.integers(0, 2**31),
)
def test_every_level_of_every_grid_comes_back(grid, dtype, rows, magnitude, seed):
    random = torch.Generator().manual_seed(seed)
    groups = (10**magnitude * (torch.randn(rows, 96, generator=random) + torch.randn(rows, 1, generator=random))).split(
        grid.group_size, dim=1
    )
    scale, zero = (
        torch.stack(parts, dim=1) for parts in zip(*(fit(group.T, grid, dtype) for group in groups), strict=True)
    )
    code = torch.randint(0, grid.levels, (rows, len(groups), grid.group_size), generator=random)
    weight = ((code - zero[..., None]) * scale[..., None]).to(dtype).view(rows, 96)
    result = PruneResult(quantized={"linear": Quantized(scale.to(dtype), zero.to(torch.uint8))}, grid=grid)
    state, config = compressed.compress(One(weight), result)
    parts = {name.removeprefix("model.linear."): tensor for name, tensor in state.items()}
    assert parts["weight_packed"].shape == (rows, -(-96 * grid.bits // 32))
    assert ("weight_zero_point" in parts) != grid.symmetric
    assert torch.equal(
        PackedQuantizationCompressor.decompress(parts, config.config_groups["group_0"])["weight"], weight
    )


def test_weights_off_their_grid_are_refused():
    model, result = rounded()
    model.model.layers[1].mlp.up_proj.weight[0, 0] *= 1.01
    with pytest.raises(
        ModelError, match=r"model\.layers\.1\.mlp\.up_proj: weights are not on their 4-bit grid"
    ) as error:
        compressed.compress(model, result)
    one_line(error)


def test_weights_in_another_dtype_are_refused():
    model, result = rounded()
    with pytest.raises(
        ModelError, match=r"layers\.0\.self_attn\.q_proj: rounded in bfloat16, now float32; save it in the dtype"
    ) as error:
        compressed.compress(model.float(), result)
    one_line(error)


def test_a_model_without_a_grid_is_refused():
    model = tiny("llama")
    result = prune(model, some_tokens(), "wanda", "2:4")
    for call in (lambda: compressed.check(None), lambda: compressed.compress(model, result)):
        with pytest.raises(
            ParameterError, match="compressed-tensors packs rounded weights, .* round them too .*, or save as dense"
        ) as error:
            call()
        one_line(error)


def test_bits_that_the_library_cannot_pack_are_refused(monkeypatch):
    compressed.check(Grid.of(3))
    monkeypatch.setattr(
        PackedQuantizationCompressor, "can_compress", lambda _, scheme: scheme.weights.num_bits in (4, 8)
    )
    compressed.check(Grid.of(4))
    with pytest.raises(
        ParameterError, match="bits 3: format compressed-tensors packs 4, 8 bits; choose one of them"
    ) as error:
        compressed.check(Grid.of(3))
    one_line(error)


def test_the_library_is_asked_for_where_it_is_needed(monkeypatch):
    monkeypatch.setitem(sys.modules, "compressed_tensors.compressors", None)
    with pytest.raises(
        ModelError, match=r'compressed-tensors is not installed; run pip install "calibprune\[export\]"'
    ) as error:
        compressed.check(Grid.of(4))
    one_line(error)


@pytest.mark.parametrize("step", ["weights", "configuration", "tokenizer"])
def test_a_full_disk_leaves_nothing(step, tmp_path, monkeypatch):
    def full(*_, **__):
        raise OSError(28, "No space left on device")

    model, result = rounded()
    where = {
        "weights": (type(model), "save_pretrained"),
        "configuration": ("compressed_tensors.compressors.ModelCompressor.update_config",),
        "tokenizer": (type(TOKENIZER), "save_pretrained"),
    }
    monkeypatch.setattr(*where[step], full)
    with pytest.raises(ModelError, match="cannot be written .*No space left on device.*free some space") as error:
        save(tmp_path / "out", model, result)
    one_line(error)
    assert list(tmp_path.iterdir()) == []


def test_nothing_is_overwritten(tmp_path):
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "notes.txt").write_text("mine")
    model, result = rounded()
    with pytest.raises(ModelError, match="already exists and is not empty"):
        save(tmp_path / "out", model, result)
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["notes.txt"]


def test_the_card_of_a_packed_model():
    _, result = rounded(symmetric=False)
    text = checkpoint.model_card("org/model", result, SETTINGS | {"symmetric": False}, "free for all")
    _, metadata, body = text.split("---\n", 2)
    assert yaml.safe_load(metadata)["tags"] == ["quantized", "gptq", "calibprune", "compressed-tensors"]
    assert "# org/model, quantized\n" in body
    assert "each weight is one of 16 levels (4 bits), and 16 weights of a row share a scale and a zero point" in body
    assert "5.25 bits a\nweight instead of 16" in body
    assert "package `compressed-tensors`" in body and "vLLM" in body
    assert "| calibration tokens | 120 |" in body and "| bits | 4 |" in body
    options = "--bits 4 --group-size 16 --no-symmetric --no-act-order --seed 0 --format compressed-tensors"
    assert f"    calibprune quantize org/model {options} --output DIR\n" in body
    assert "free for all" in body


def test_the_card_of_a_quantized_model_stored_densely():
    _, result = rounded()
    text = checkpoint.model_card("org/model", result, SETTINGS | {"format": "dense"})
    assert (
        "share a scale." in text
        and "neither smaller nor\nfaster" in text
        and "`--format compressed-tensors` stores their codes" in text
    )
    assert "tags:\n- quantized\n- gptq\n- calibprune\n---" in text


def test_the_card_of_a_pruned_and_quantized_model():
    model = tiny("llama", dtype=torch.bfloat16)
    result = prune(model, some_tokens(), "sparsegpt", "2:4", bits=4, group_size=GROUP)
    text = checkpoint.model_card(
        "org/model", result, {"method": "sparsegpt", "sparsity": "2:4", "bits": 4, "format": "compressed-tensors"}
    )
    assert (
        "were pruned and quantized with calibprune; 50.00% of their weights are zero; each weight is one of 16 levels"
        in text
    )
    assert (
        "calibprune prune org/model --method sparsegpt --sparsity 2:4 --bits 4 --format compressed-tensors --output DIR"
        in text
    )


def test_the_card_of_a_dense_2_4_model_says_what_makes_use_of_it():
    model = tiny("llama")
    result = prune(model, None, "magnitude", "2:4")
    text = checkpoint.model_card("org/model", result, {"method": "magnitude", "sparsity": "2:4"})
    assert (
        "stored like any other number" in text
        and "Neither transformers nor vLLM reads 2:4-sparse weights in a smaller form" in text
    )
    assert "to_sparse_semi_structured" not in checkpoint.model_card(
        "org/model", result, {"method": "magnitude", "sparsity": "0.5"}
    )


@pytest.mark.parametrize("bits", [3, 4, 8])
@pytest.mark.parametrize("rows", [4, 8, 12])
def test_narrow_matrices_come_back(bits, rows, tmp_path):
    """The library cannot read zero points of 4 bits that fill one word: such a matrix is stored densely."""
    model = tiny("llama", dtype=torch.bfloat16, num_key_value_heads=1, head_dim=rows)
    result = quantize(model, some_tokens(), bits=bits, group_size=8, symmetric=False)
    folder = save(tmp_path / "out", model, result)
    for loaded in (load(folder, "cpu", "bfloat16")[0], hf.AutoModelForCausalLM.from_pretrained(folder)):
        assert all(map(torch.equal, model.state_dict().values(), loaded.state_dict().values()))
    stored = safetensors.torch.load_file(folder / "model.safetensors")
    narrow = "model.layers.0.self_attn.k_proj"
    assert (f"{narrow}.weight" in stored) == (bits == 4 and rows <= 8)
    assert f"{narrow}.weight_packed" in stored or f"{narrow}.weight" in stored
    assert "model.layers.0.mlp.up_proj.weight_packed" in stored


@pytest.mark.parametrize("symmetric", [True, False])
def test_codes_are_unpacked_though_their_configuration_does_not_ask_for_it(symmetric, tmp_path):
    """As other tools write it."""
    model, result = rounded(symmetric=symmetric)
    file = save(tmp_path / "out", model, result) / "config.json"
    config = json.loads(file.read_text())
    del config["quantization_config"]["dequantize"]
    file.write_text(json.dumps(config))
    loaded, _ = load(tmp_path / "out", "cpu", "bfloat16")
    assert all(map(torch.equal, model.state_dict().values(), loaded.state_dict().values()))
    assert prune(loaded, some_tokens(), "wanda", 0.5).masks
