"""Models whose weights are read part by part."""

import json
import re

import pytest
import safetensors.torch
import tiny_gguf
import torch
import transformers as hf
from byte_tokenizer import TOKENIZER
from tiny_models import CONFIGS, tiny

from calibprune.errors import ModelError
from calibprune.models.loading import load
from calibprune.models.streaming import Streamed, stream, weight_bytes


@pytest.fixture
def saved(tmp_path):
    """A tiny Llama in several files with an index, as a local folder."""
    tiny("llama", dtype=torch.bfloat16).save_pretrained(tmp_path / "model", max_shard_size="20KB")
    TOKENIZER.save_pretrained(tmp_path / "model")
    return tmp_path / "model"


def change(file, alter) -> None:
    tensors = safetensors.torch.load_file(file)
    alter(tensors)
    safetensors.torch.save_file(tensors, file, metadata={"format": "pt"})


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("family", CONFIGS)
def test_it_is_the_model_that_is_loaded(family, dtype, tmp_path):
    tiny(family).save_pretrained(tmp_path)
    TOKENIZER.save_pretrained(tmp_path)
    whole, _ = load(tmp_path, "cpu", dtype)
    streamed, tokenizer = stream(tmp_path, "cpu", dtype)
    model = streamed.model
    assert type(model) is type(whole)
    assert model.config.to_json_string(use_diff=False) == whole.config.to_json_string(use_diff=False)
    assert model.generation_config.to_json_string() == whole.generation_config.to_json_string()
    for (name, buffer), (other, expected) in zip(model.named_buffers(), whole.named_buffers(), strict=True):
        assert name == other
        assert buffer.dtype == expected.dtype
        assert torch.equal(buffer, expected)
    parameters = dict(whole.named_parameters())
    assert streamed.places.keys() == parameters.keys()
    assert {name for name, tensor in model.named_parameters() if not tensor.is_meta} == {"model.norm.weight"}
    found = streamed.read(streamed.outside())
    for i, layer in streamed.layers():
        found |= {f"model.layers.{i}.{name}": tensor.clone() for name, tensor in layer.named_parameters()}
    assert found.keys() == parameters.keys()
    assert all(torch.equal(found[name], parameters[name]) for name in found)
    assert tokenizer("abc").input_ids == TOKENIZER("abc").input_ids


def test_one_layer_is_held_and_one_read_ahead(saved, monkeypatch):
    streamed, _ = stream(saved, "cpu", "bfloat16")
    read, began = Streamed._read_layer, []
    monkeypatch.setattr(Streamed, "_read_layer", lambda self, index: began.append(index) or read(self, index))
    held = []
    for i, _ in streamed.layers():
        layers = streamed.model.model.layers
        held.append([n for n in range(3) if not any(tensor.is_meta for tensor in layers[n].parameters())])
        assert max(began) <= i + 1
    assert held == [[0], [1], [2]]
    assert began == [0, 1, 2]
    assert all(tensor.is_meta for tensor in streamed.model.model.layers.parameters())


def test_embeddings_are_there_in_their_block_alone(tmp_path):
    tiny("gemma3_text").save_pretrained(tmp_path)
    TOKENIZER.save_pretrained(tmp_path)
    streamed, _ = stream(tmp_path, "cpu", "float32")
    embeddings, head = streamed.model.get_input_embeddings(), streamed.model.get_output_embeddings()
    assert embeddings.weight is head.weight
    with streamed.embeddings():
        assert not embeddings.weight.is_meta
    assert embeddings.weight.is_meta
    assert embeddings.weight is head.weight


def test_a_tied_matrix_may_have_either_name(tmp_path):
    model = tiny("qwen2", tie_word_embeddings=True)
    model.save_pretrained(tmp_path)
    TOKENIZER.save_pretrained(tmp_path)
    change(
        tmp_path / "model.safetensors",
        lambda tensors: tensors.update({"lm_head.weight": tensors.pop("model.embed_tokens.weight")}),
    )
    streamed, _ = stream(tmp_path, "cpu", "float32")
    assert torch.equal(streamed.read(["model.embed_tokens.weight"])["model.embed_tokens.weight"], model.lm_head.weight)


def test_names_without_the_model_before_them(tmp_path):
    model = tiny("gemma3_text")
    model.model.save_pretrained(tmp_path)
    TOKENIZER.save_pretrained(tmp_path)
    assert "layers.0.mlp.up_proj.weight" in safetensors.torch.load_file(tmp_path / "model.safetensors")
    streamed, _ = stream(tmp_path, "cpu", "float32")
    name = "model.layers.0.mlp.up_proj.weight"
    assert torch.equal(streamed.read([name])[name], model.get_parameter(name))


def test_the_text_decoder_of_gemma_3_with_vision(tmp_path, capsys):
    vision = {"hidden_size": 16, "intermediate_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2}
    config = hf.Gemma3Config(
        text_config=CONFIGS["gemma3_text"]().to_dict(),
        vision_config=vision | {"image_size": 28, "patch_size": 14},
        mm_tokens_per_image=4,
        image_token_index=258,
    )
    hf.Gemma3ForConditionalGeneration(config).save_pretrained(tmp_path)
    TOKENIZER.save_pretrained(tmp_path)
    whole, _ = load(tmp_path, "cpu", "float32")
    streamed, _ = stream(tmp_path, "cpu", "float32")
    assert capsys.readouterr().err.count("its text decoder alone is used") == 2
    found = streamed.read(streamed.places)
    assert all(torch.equal(found[name], tensor) for name, tensor in whole.named_parameters())
    assert streamed.model.config.to_json_string() == whole.config.to_json_string()


def refused(folder, words) -> None:
    with pytest.raises(ModelError, match=re.escape(words)) as caught:
        stream(folder, "cpu", "float32")
    assert "\n" not in str(caught.value)


def test_what_cannot_be_streamed(saved, tmp_path):
    tiny_gguf.write(tmp_path / "small.gguf")
    refused(tmp_path / "small.gguf", "a GGUF file is unpacked as a whole and cannot be streamed; use --resident")
    assert weight_bytes(tmp_path / "small.gguf", torch.float32) is None
    file = saved / "config.json"
    packing = {"quant_method": "compressed-tensors", "format": "pack-quantized", "config_groups": {}}
    file.write_text(json.dumps(json.loads(file.read_text()) | {"quantization_config": packing}))
    refused(saved, "packed weights cannot be streamed; use --resident")
    assert weight_bytes(saved, torch.float32) is None


def test_checkpoints_that_are_not_the_model(saved):
    index = saved / "model.safetensors.index.json"
    places = json.loads(index.read_text())["weight_map"]
    name = "model.layers.1.mlp.up_proj.weight"
    file = saved / places[name]
    content = file.read_bytes()
    change(file, lambda tensors: tensors.pop(name))
    refused(saved, f"the checkpoint lacks {name}")
    change(file, lambda tensors: tensors.update({name: torch.zeros(48, 16), "model.other": torch.zeros(3)}))
    refused(saved, "the checkpoint holds model.other, for which the model of its configuration has no place")
    change(file, lambda tensors: tensors.pop("model.other"))
    refused(saved, f"{name}: shape [48, 16] in the checkpoint, [48, 32] by its configuration")
    file.write_bytes(content[:-100])
    refused(saved, "the file of its weights is damaged; fetch it again")
    file.write_bytes(content)
    outside = json.loads(index.read_text())
    outside["weight_map"][name] = "../other/model.safetensors"
    index.write_text(json.dumps(outside))
    refused(saved, "the index of its weights names ../other/model.safetensors, which is not in it")


def test_sizes_by_headers(saved):
    model = tiny("llama")
    assert weight_bytes(saved, torch.float32) == sum(tensor.nbytes for tensor in model.parameters())
    assert weight_bytes(saved, torch.bfloat16) == sum(tensor.nbytes for tensor in model.parameters()) // 2
