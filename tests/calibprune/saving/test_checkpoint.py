"""A pruned model as an ordinary checkpoint with a card; all of it or nothing."""

import re

import pytest
import safetensors.torch
import torch
import transformers as hf
import yaml
from byte_tokenizer import TOKENIZER
from tiny_models import CONFIGS, some_tokens, tiny

from calibprune import load, prune
from calibprune.errors import ModelError
from calibprune.saving import checkpoint

SETTINGS = {
    "method": "wanda",
    "sparsity": "0.5",
    "dtype": "float32",
    "calibration": "de",
    "source": "chromium",
    "samples": 5,
    "length": 24,
    "seed": 0,
}


def saved(folder, family="llama", sparsity="0.5", dtype=torch.float32):
    model = tiny(family, dtype=dtype)
    result = prune(model, some_tokens(), "wanda", sparsity)
    card = checkpoint.model_card("org/model", result, SETTINGS | {"sparsity": sparsity}, "free for all")
    checkpoint.save(folder, model, TOKENIZER, card)
    return model, result


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("family", CONFIGS)
def test_transformers_loads_what_was_saved(family, dtype, tmp_path):
    model, result = saved(tmp_path / "new" / "pruned", family, "2:4", dtype)
    loaded = hf.AutoModelForCausalLM.from_pretrained(tmp_path / "new" / "pruned", dtype="auto")
    assert loaded.dtype == dtype
    assert torch.equal(loaded.eval()(some_tokens()).logits, model(some_tokens()).logits)
    for key, mask in result.masks.items():
        assert torch.equal(loaded.get_parameter(f"model.{key}.weight") == 0, mask)
    assert hf.AutoTokenizer.from_pretrained(tmp_path / "new" / "pruned")("abc").input_ids == TOKENIZER("abc").input_ids


def test_it_can_be_pruned_again(tmp_path):
    saved(tmp_path / "pruned")
    again, _ = load(str(tmp_path / "pruned"), "cpu", "float32")
    assert prune(again, some_tokens(), "wanda", 0.5).layers[0].sparsity == pytest.approx(0.5)


def test_the_card_says_how_it_was_made(tmp_path):
    _, result = saved(tmp_path / "pruned")
    text = (tmp_path / "pruned" / "README.md").read_text(encoding="utf-8")
    _, metadata, body = text.split("---\n", 2)
    assert yaml.safe_load(metadata) == {
        "base_model": "org/model",
        "library_name": "transformers",
        "tags": ["pruned", "wanda", "calibprune"],
    }
    weights = safetensors.torch.load_file(tmp_path / "pruned" / "model.safetensors")
    pruned = [weights[f"model.{key}.weight"] for key in result.masks]
    zeros = sum(int((weight == 0).sum()) for weight in pruned) / sum(weight.numel() for weight in pruned)
    assert float(re.search(r"([\d.]+)% of their weights", body)[1]) == pytest.approx(100 * zeros, abs=0.01)
    for name, value in SETTINGS.items():
        assert f"| {name} | {value} |" in body
    assert "| calibration tokens | 120 |" in body
    assert f"torch {torch.__version__}" in body
    assert "free for all" in body
    assert (
        "calibprune prune org/model --method wanda --sparsity 0.5 --dtype float32 --calibration de --source chromium"
        in body
    )


def test_nothing_is_overwritten(tmp_path):
    (tmp_path / "pruned").mkdir()
    (tmp_path / "pruned" / "notes.txt").write_text("mine")
    (tmp_path / "file").write_text("mine")
    for name in ("pruned", "file"):
        with pytest.raises(ModelError, match="already exists and is not empty; choose another --output") as caught:
            saved(tmp_path / name)
        assert "\n" not in str(caught.value)
    assert [path.name for path in (tmp_path / "pruned").iterdir()] == ["notes.txt"]


def test_an_empty_folder_may_be_filled(tmp_path):
    (tmp_path / "pruned").mkdir()
    saved(tmp_path / "pruned")
    assert (tmp_path / "pruned" / "config.json").is_file()
    assert [path.name for path in tmp_path.iterdir()] == ["pruned"]


def test_a_full_disk_leaves_nothing(tmp_path, monkeypatch):
    def full(*_, **__):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(type(TOKENIZER), "save_pretrained", full)
    with pytest.raises(ModelError, match="cannot be written .*No space left on device.*free some space") as caught:
        saved(tmp_path / "pruned")
    assert "\n" not in str(caught.value)
    assert list(tmp_path.iterdir()) == []
