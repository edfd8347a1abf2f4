"""Sizes of models that are not loaded: the tables' against transformers' own count, and configurations of strangers."""

import json

import pytest
import torch
import transformers as hf
from tiny_models import CONFIGS, tiny

from calibprune.errors import ModelError
from calibprune.models.families import decoder, linears
from calibprune.study.planning import architecture


def without_weights(config):
    with torch.device("meta"):
        return hf.AutoModelForCausalLM.from_config(config)


@pytest.mark.parametrize("family", CONFIGS)
def test_sizes_are_those_of_the_model(family, tmp_path):
    model = tiny(family)
    model.save_pretrained(tmp_path)
    found = architecture._of_folder(tmp_path)
    layers = decoder(model).layers
    assert found.shape.layers == len(layers)
    assert found.shape.parameters == sum(linear.weight.numel() for layer in layers for _, linear in linears(layer))
    assert (found.vocabulary, found.shape.width) == model.get_input_embeddings().weight.shape
    assert found.tied == (model.lm_head.weight is model.model.embed_tokens.weight)


@pytest.mark.parametrize(
    ("name", "billions"),
    [
        ("meta-llama/Meta-Llama-3-8B-Instruct", 8.03),
        ("meta-llama/Meta-Llama-3-70B-Instruct", 70.55),
        ("CohereForAI/aya-23-8B", 8.03),
        ("CohereForAI/aya-23-35B", 34.98),
        ("gemma3-270m", 0.268),
        ("smollm2-135m", 0.1345),
    ],
)
def test_known_models_have_as_many_weights_as_they_are_said_to(name, billions):
    assert architecture.KNOWN[name].parameters / 1e9 == pytest.approx(billions, rel=2e-3)


def test_llama_3_8b_is_what_transformers_makes_of_its_sizes():
    known = architecture.KNOWN["meta-llama/Meta-Llama-3-8B-Instruct"]
    config = hf.LlamaConfig(
        vocab_size=128256,
        hidden_size=4096,
        intermediate_size=14336,
        num_hidden_layers=32,
        num_attention_heads=32,
        num_key_value_heads=8,
    )
    norms = (2 * 32 + 1) * 4096
    assert sum(p.numel() for p in without_weights(config).parameters()) == known.parameters + norms


def test_a_model_that_also_sees_is_planned_by_its_text_decoder(tmp_path):
    text = json.loads(CONFIGS["gemma3_text"]().to_json_string())
    (tmp_path / "config.json").write_text(json.dumps({"model_type": "gemma3", "text_config": text}))
    assert architecture._of_folder(tmp_path).shape.width == 32


@pytest.mark.parametrize(
    "change",
    [
        {"hidden_size": 2**60},
        {"hidden_size": -4},
        {"hidden_size": "32"},
        {"num_hidden_layers": True},
        {"vocab_size": None},
        {"num_attention_heads": 0},
        {"text_config": 5},
    ],
)
def test_a_size_that_is_none_is_refused(change, tmp_path):
    config = json.loads(CONFIGS["llama"]().to_json_string()) | change
    (tmp_path / "config.json").write_text(json.dumps(config))
    with pytest.raises(ModelError, match="config.json: the model's sizes cannot be read"):
        architecture._of_folder(tmp_path)


def test_a_folder_with_a_configuration_alone_is_enough(tmp_path):
    CONFIGS["llama"]().save_pretrained(tmp_path)
    found = architecture.find(str(tmp_path))
    assert found.architecture.shape.layers == 3 and not found.fingerprint and "has no weights" in found.note


def test_a_configuration_that_is_too_long_is_not_read(tmp_path):
    (tmp_path / "config.json").write_text("[" * (architecture.LONGEST + 1))
    with pytest.raises(ModelError, match="longer than any configuration"):
        architecture.find(str(tmp_path))
    (tmp_path / "config.json").write_text("[" * 100_000)
    with pytest.raises(ModelError, match="the model's sizes cannot be read"):
        architecture.find(str(tmp_path))


@pytest.mark.parametrize("name", ["/nowhere/at-all", "./nowhere", "gemma", "a/b/c"])
def test_a_name_that_is_none(name):
    with pytest.raises(ModelError, match="unknown model"):
        architecture.find(name)


def test_a_hub_model_that_cannot_be_reached(monkeypatch):
    monkeypatch.setattr(architecture, "_from_the_hub", lambda name: None)
    found = architecture.find("nobody/nothing-that-is-there")
    assert (found.architecture, found.fingerprint) == (None, "")
    assert "nobody/nothing-that-is-there" in found.note and "hub" in found.note


def test_known_sizes_ask_nobody(monkeypatch):
    monkeypatch.setattr(architecture, "_from_the_hub", lambda name: pytest.fail("the hub was asked"))
    monkeypatch.setattr(architecture, "_in_the_hubs_cache", lambda name: None)
    found = architecture.find("meta-llama/Meta-Llama-3-8B-Instruct")
    assert found.architecture.shape.layers == 32 and not found.fingerprint and found.note
