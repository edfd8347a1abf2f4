"""A checkpoint is taken whole or not at all, and no number in it is none."""

import json
import shutil

import numpy as np
import pytest
import safetensors.torch
import tiny_gguf
import torch
import transformers as hf
from byte_tokenizer import byte_tokenizer
from tiny_models import CONFIGS, some_tokens, tiny

from calibprune import load, perplexity
from calibprune.errors import ModelError
from calibprune.models.loading import load_tokenizer
from calibprune.models.soundness import all_finite
from calibprune.saving import checkpoint


@pytest.fixture
def copy(tiny_checkpoint, tmp_path):
    return shutil.copytree(tiny_checkpoint, tmp_path / "copy")


def change(folder, edit) -> None:
    """Change the weights of a checkpoint by a function of their mapping."""
    weights = safetensors.torch.load_file(folder / "model.safetensors")
    edit(weights)
    safetensors.torch.save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})


def configure(folder, **settings) -> None:
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps(config | settings))


def refusal(name, **options) -> str:
    with pytest.raises(ModelError) as caught:
        load(name, "cpu", **options)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_weights_without_a_place_in_the_model(copy):
    change(
        copy,
        lambda weights: weights.update({f"model.layers.{i}.self_attn.q_proj.bias": torch.ones(32) for i in (0, 1)}),
    )
    assert "holds model.layers.0.self_attn.q_proj.bias and 1 more, for which" in refusal(copy)


def test_layers_beyond_those_of_the_configuration(copy):
    configure(copy, num_hidden_layers=1)
    assert "holds model.layers.1.input_layernorm.weight and 8 more, for which" in refusal(copy)


def test_names_of_another_architecture(copy):
    def rename(weights):
        weights["model.layers.0.mlp.up.weight"] = weights.pop("model.layers.0.mlp.up_proj.weight")

    change(copy, rename)
    line = refusal(copy)
    assert "holds model.layers.0.mlp.up.weight, for which" in line
    assert "and lacks model.layers.0.mlp.up_proj.weight" in line
    assert "fetch" not in line


def test_buffers_that_older_checkpoints_keep_are_no_weights(copy):
    change(copy, lambda weights: weights.update({"model.layers.0.self_attn.rotary_emb.inv_freq": torch.ones(4)}))
    load(copy)


@pytest.mark.parametrize("name", ["rotary_emb.inv_freq", "rotary_emb.cos_cached", "rotary_emb.sin_cached"])
@pytest.mark.parametrize("family", ["llama", "gemma3_text", "qwen2"])
def test_what_models_compute_for_themselves_is_not_missed(tmp_path, family, name):
    tiny(family).save_pretrained(tmp_path)
    byte_tokenizer().save_pretrained(tmp_path)
    change(tmp_path, lambda weights: weights.update({f"model.layers.0.self_attn.{name}": torch.ones(4)}))
    load(tmp_path)


@pytest.mark.parametrize(
    ("key", "second"),
    [
        ("model.norm.weight", "model.model.norm.weight"),
        ("model.norm.weight", "norm.weight"),
        ("model.embed_tokens.weight", "embed_tokens.weight"),
        ("model.layers.0.mlp.up_proj.weight", "layers.0.mlp.up_proj.weight"),
        ("lm_head.weight", "model.lm_head.weight"),
    ],
)
def test_two_tensors_for_one_parameter(copy, key, second):
    change(copy, lambda weights: weights.update({second: 3 * weights[key]}))
    line = refusal(copy)
    assert "is a second tensor for the parameter of" in line and key in line and second in line


def test_one_key_in_two_shards(copy):
    weights = safetensors.torch.load_file(copy / "model.safetensors")
    (copy / "model.safetensors").unlink()
    names = sorted(weights)
    parts = {"model-1.safetensors": names[:5], "model-2.safetensors": [*names[5:], names[0]]}
    for file, keys in parts.items():
        safetensors.torch.save_file({key: weights[key] for key in keys}, copy / file, metadata={"format": "pt"})
    where = {key: file for file, keys in reversed(parts.items()) for key in keys}
    (copy / "model.safetensors.index.json").write_text(json.dumps({"metadata": {}, "weight_map": where}))
    assert f"model-2.safetensors: {names[0]} is a second tensor for the parameter of {names[0]} in" in refusal(copy)


@pytest.mark.parametrize("dtype", [torch.int8, torch.int64, torch.bool, torch.float8_e4m3fn, torch.complex64])
def test_numbers_that_are_no_weights(copy, dtype):
    change(copy, lambda weights: weights.update({"lm_head.weight": weights["lm_head.weight"].to(dtype)}))
    assert "lm_head.weight holds numbers of type" in refusal(copy)


def test_a_setting_that_is_no_number(copy):
    configure(copy, rms_norm_eps=float("nan"))
    assert "config.json: rms_norm_eps is no number" in refusal(copy)


def test_settings_of_other_types(copy):
    configure(copy, quantization_config="x")
    assert "quantization_config 'x' is no mapping" in refusal(copy)
    configure(copy, model_type=["llama"])
    assert "architecture ['llama'] is not supported" in refusal(copy)


def test_an_output_layer_of_its_own_beside_tied_embeddings(tmp_path):
    """Both are in the file and both are used, and both are written again."""
    tiny("gemma3_text").save_pretrained(tmp_path / "one")
    byte_tokenizer().save_pretrained(tmp_path / "one")
    change(tmp_path / "one", lambda weights: weights.update({"lm_head.weight": torch.randn(260, 32)}))
    model, tokenizer = load(tmp_path / "one", "cpu", "float32")
    checkpoint.save(tmp_path / "two", model, tokenizer, "a card")
    again, _ = load(tmp_path / "two", "cpu", "float32")
    assert not torch.equal(model.lm_head.weight, model.model.embed_tokens.weight)
    assert torch.equal(again(some_tokens()).logits, model(some_tokens()).logits)


def test_tensors_of_a_gguf_file_without_a_place(tmp_path):
    more = {"blk.0.attn_q_norm.weight": np.ones(8, np.float32), "blk.5.attn_norm.weight": np.ones(32, np.float32)}
    tiny_gguf.write(tmp_path / "model.gguf", **more)
    assert "holds blk.0.attn_q_norm.weight and 1 more, for which" in refusal(tmp_path / "model.gguf")


@pytest.mark.parametrize("value", [torch.nan, torch.inf, -torch.inf])
@pytest.mark.parametrize(
    "key", ["lm_head.weight", "model.embed_tokens.weight", "model.norm.weight", "model.layers.1.mlp.up_proj.weight"]
)
def test_every_tensor_is_looked_at(copy, key, value):
    change(copy, lambda weights: weights[key].view(-1)[-1:].fill_(value))
    assert refusal(copy).startswith(f"{copy}: {key} holds infinite or undefined values in ")


def test_numbers_too_large_for_the_dtype(copy):
    change(copy, lambda weights: weights["lm_head.weight"].view(-1)[:1].fill_(1e6))
    load(copy, "cpu", "bfloat16")
    assert "lm_head.weight holds infinite or undefined values in float16" in refusal(copy, dtype="float16")


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16, torch.float32, torch.float64])
@pytest.mark.parametrize("value", [torch.nan, torch.inf, -torch.inf])
@pytest.mark.parametrize("place", [0, 500, 999])
def test_one_number_that_is_none_is_found(dtype, value, place):
    tensor = torch.full((1000,), torch.finfo(dtype).max, dtype=dtype)  # of which a sum would be infinite
    assert all_finite(tensor)
    tensor[place] = value
    assert not all_finite(tensor)
    assert not all_finite(tensor.view(10, 100).T)


def test_whole_numbers_and_nothing_at_all_are_finite():
    assert all_finite(torch.tensor([1, 2]))
    assert all_finite(torch.ones(0, 3))


@pytest.mark.parametrize("method", ["gptq", "awq", "bitsandbytes", "fp8"])
def test_weights_packed_by_another_library(copy, method):
    configure(copy, quantization_config={"quant_method": method, "bits": 4})
    assert f"packed with {method} and cannot be pruned; give the checkpoint they were made from" in refusal(copy)


def test_a_package_that_is_missing_is_what_the_advice_is_about(copy, monkeypatch):
    def missing(*_, **__):
        raise ImportError("needs the package compressed-tensors")

    monkeypatch.setattr(hf.AutoModelForCausalLM, "from_pretrained", missing)
    line = refusal(copy)
    assert "install the package" in line
    assert "fetch" not in line


@pytest.mark.parametrize("whole", [False, True])
def test_an_adapter(copy, tmp_path, whole):
    folder = copy if whole else tmp_path / "adapter"
    folder.mkdir(exist_ok=True)
    (folder / "adapter_config.json").write_text(
        json.dumps({"peft_type": "LORA", "base_model_name_or_path": "org/name"})
    )
    line = refusal(folder)
    assert "holds an adapter" in line
    assert "merge it" in line


def test_two_sets_of_weights(copy):
    tiny("llama", seed=1).save_pretrained(copy / "shards", max_shard_size="50KB")
    shard = sorted((copy / "shards").glob("*.safetensors"))[0]
    shutil.copy(shard, copy)
    assert f"{shard.name} is not of the same set of weights as model.safetensors" in refusal(copy)


def test_the_text_decoder_of_gemma_3_with_vision(tmp_path, capsys):
    """Its results are those of the whole model given text, and of the text model alone, whichever names its weights
    have.
    """
    text = CONFIGS["gemma3_text"]()
    vision = {"hidden_size": 16, "intermediate_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2}
    vision |= {"image_size": 28, "patch_size": 14}
    torch.manual_seed(0)
    config = hf.Gemma3Config(
        text_config=text.to_dict(), vision_config=vision, mm_tokens_per_image=4, image_token_index=258
    )
    whole = hf.Gemma3ForConditionalGeneration(config).eval().requires_grad_(False)
    whole.save_pretrained(tmp_path / "whole")
    byte_tokenizer().save_pretrained(tmp_path / "whole")
    logits = whole(input_ids=some_tokens()).logits
    alone = hf.Gemma3ForCausalLM(text).eval()
    alone.load_state_dict(
        {
            key.replace("model.language_model.", "model."): tensor
            for key, tensor in whole.state_dict().items()
            if "language_model" in key or "lm_head" in key
        }
    )
    names = {"language_model.model.": "model.language_model.", "vision_tower.": "model.vision_tower."}
    for renamed in (False, True):
        if renamed:

            def rename(weights):
                for old, new in names.items():
                    weights |= {key.replace(old, new): weights.pop(key) for key in list(weights) if key.startswith(old)}

            change(tmp_path / "whole", rename)
        loaded, tokenizer = load(tmp_path / "whole", "cpu", "float32")
        assert torch.equal(loaded(some_tokens()).logits, logits)
        assert perplexity(loaded, some_tokens()) == perplexity(alone, some_tokens())
        assert "its text decoder alone is used" in capsys.readouterr().err
        checkpoint.save(tmp_path / f"saved {renamed}", loaded, tokenizer, "a card")
        again = hf.AutoModelForCausalLM.from_pretrained(tmp_path / f"saved {renamed}")
        assert torch.equal(again(some_tokens()).logits, logits)
    change(
        tmp_path / "whole", lambda weights: weights.update({"model.language_model.layers.9.x.weight": torch.ones(2)})
    )
    assert "holds model.layers.9.x.weight, for which" in refusal(tmp_path / "whole")


@pytest.fixture(params=["llama", "gemma3"])
def any_copy(request, tmp_path):
    """A checkpoint, and one of an architecture with vision, of which the text decoder is loaded."""
    if request.param == "llama":
        tiny("llama").save_pretrained(tmp_path)
    else:
        vision = {"hidden_size": 16, "intermediate_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2}
        config = hf.Gemma3Config(
            text_config=CONFIGS["gemma3_text"]().to_dict(),
            vision_config=vision | {"image_size": 28, "patch_size": 14},
            mm_tokens_per_image=4,
        )
        hf.Gemma3ForConditionalGeneration(config).save_pretrained(tmp_path)
    byte_tokenizer().save_pretrained(tmp_path)
    return tmp_path


def configure_text(folder, **settings) -> None:
    config = json.loads((folder / "config.json").read_text())
    config.get("text_config", config).update(settings)
    (folder / "config.json").write_text(json.dumps(config))


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"num_attention_heads": "x"}, "Field 'num_attention_heads' expected int, got str"),
        ({"num_attention_heads": 3}, "hidden size (32) is not a multiple of the number of attention heads (3)"),
        ({"hidden_size": None}, "Field 'hidden_size' expected int"),
        ({"rms_norm_eps": "x"}, "Field 'rms_norm_eps' expected float"),
        ({"layer_types": ["foo"]}, "`layer_types` entries must be in"),
        ({"hidden_act": "swoosh", "hidden_activation": "swoosh"}, "KeyError: 'swoosh'); give the config.json that"),
        ({"vocab_size": -3}, "negative dimension -3"),
        ({"hidden_size": 48, "head_dim": 8}, "by its configuration; give the configuration that belongs to these"),
        ({"num_hidden_layers": 12, "layer_types": None}, "the checkpoint lacks model.layers."),
    ],
)
def test_a_configuration_that_does_not_fit_is_what_the_advice_is_about(any_copy, settings, words):
    configure_text(any_copy, **settings)
    line = refusal(any_copy)
    assert words in line
    assert "config" in line.rpartition(";")[2]
    assert "StrictDataclass" not in line


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("model.safetensors", b"", "the file of its weights is damaged; fetch it again"),
        ("tokenizer.json", b"{", "the tokenizer of model"),
        ("tokenizer_config.json", b"[1]", "the tokenizer of model"),
        ("generation_config.json", b"{", "generation_config.json: cannot be read (JSONDecodeError); correct it"),
        ("generation_config.json", b"[1]", "generation_config.json: [1] is no mapping; correct it"),
    ],
)
def test_files_that_are_damaged_are_named(any_copy, name, content, words):
    (any_copy / name).write_bytes(content)
    assert words in refusal(any_copy)


@pytest.mark.parametrize("family", CONFIGS)
def test_a_checkpoint_without_a_tokenizer(tmp_path, family):
    """For some architectures transformers makes one up that knows no text."""
    tiny(family).save_pretrained(tmp_path)
    byte_tokenizer().save_pretrained(tmp_path)
    (tmp_path / "tokenizer.json").unlink()
    assert "no tokenizer (tokenizer.json or another file of tokens); add the model's own" in refusal(tmp_path)
    with pytest.raises(ModelError, match="no tokenizer"):
        load_tokenizer(tmp_path)
