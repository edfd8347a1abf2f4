"""A checkpoint, or one under construction, of a stranger who means harm: nothing outside of it is read or written, no
code of it is run, and no size that it claims is believed.
"""

import json
import shutil
import struct
from pathlib import Path

import pytest
import safetensors.torch
import tiny_gguf
import torch
from byte_tokenizer import TOKENIZER
from children import refused
from tiny_models import tiny

from calibprune import load
from calibprune.errors import ModelError
from calibprune.models.identity import fingerprint
from calibprune.models.streaming import stream
from calibprune.saving import making
from calibprune.saving.construction import place_of
from calibprune.schemes import Sparsity

DEEP = "[" * 100_000


@pytest.fixture
def model(tiny_checkpoint, tmp_path) -> Path:
    return shutil.copytree(tiny_checkpoint, tmp_path / "model")


def change(file: Path, **values) -> None:
    file.write_text(json.dumps(json.loads(file.read_text()) | values))


@pytest.mark.parametrize("read", [load, stream, fingerprint])
@pytest.mark.parametrize("name", ["../other/model.safetensors", "{other}/model.safetensors", "a/../../other/x"])
def test_weights_that_are_elsewhere(model, tiny_checkpoint, tmp_path, read, name):
    other = shutil.copytree(tiny_checkpoint, tmp_path / "other")
    names = list(safetensors.torch.load_file(model / "model.safetensors"))
    name = name.format(other=other)
    index = {"metadata": {}, "weight_map": dict.fromkeys(names, name)}
    (model / "model.safetensors.index.json").write_text(json.dumps(index))
    with pytest.raises(ModelError) as caught:
        read(str(model))
    assert f"the index of its weights names {name}" in str(caught.value) and "\n" not in str(caught.value)


@pytest.mark.parametrize("read", [load, stream])
@pytest.mark.parametrize(
    ("size", "claimed"),
    [("num_hidden_layers", 2**31), ("vocab_size", 2**40), ("hidden_size", 2**40), ("intermediate_size", 2**60)],
)
def test_a_configuration_of_a_model_that_fills_the_memory(model, read, size, claimed):
    change(model / "config.json", **{size: claimed})
    refused(lambda: read(str(model), "cpu", "float32"), model, size, "give the configuration that belongs to them")


@pytest.mark.parametrize("read", [load, stream])
@pytest.mark.parametrize("shape", [[2**60], [2**30, 2**30], [2**32, 2**32]])
def test_weights_that_claim_to_be_larger_than_their_file(model, read, shape):
    path = model / "model.safetensors"
    content = path.read_bytes()
    length = int.from_bytes(content[:8], "little")
    header = json.loads(content[8 : 8 + length])
    header["model.norm.weight"]["shape"] = shape
    text = json.dumps(header).encode()
    path.write_bytes(len(text).to_bytes(8, "little") + text + content[8 + length :])
    refused(lambda: read(str(model), "cpu", "float32"), model, "fetch it again")


@pytest.mark.parametrize("read", [load, stream])
@pytest.mark.parametrize(
    "file", ["config.json", "generation_config.json", "model.safetensors.index.json", "tokenizer.json"]
)
def test_json_that_is_too_deep(model, read, file):
    (model / file).write_text('{"a": ' + DEEP)
    with pytest.raises(ModelError) as caught:
        read(str(model), "cpu", "float32")
    assert str(model) in str(caught.value) and "\n" not in str(caught.value)


@pytest.mark.parametrize("file", ["config.json", "tokenizer_config.json"])
def test_code_of_a_checkpoint_is_not_run(model, tmp_path, file):
    (model / "own.py").write_text(f"open({str(tmp_path / 'was here')!r}, 'w')\nclass Own: pass")
    names = ("AutoConfig", "AutoModelForCausalLM", "AutoTokenizer")
    change(model / file, auto_map={name: ["own.Own", None] if name == "AutoTokenizer" else "own.Own" for name in names})
    for read in (load, stream):
        try:
            read(str(model), "cpu", "float32")
        except ModelError as error:
            assert "\n" not in str(error)
    assert not (tmp_path / "was here").exists()


def claimed(data: bytes, after: bytes, skipped: int, kind: str, *values: int) -> bytes:
    """A GGUF file with other numbers so many bytes behind a name in its header."""
    at = data.index(after) + len(after) + skipped
    return data[:at] + struct.pack(f"<{kind}", *values) + data[at + struct.calcsize(f"<{kind}") :]


CLAIMS = {
    "tensors": lambda data: data[:8] + struct.pack("<Q", 2**60) + data[16:],
    "settings": lambda data: data[:16] + struct.pack("<Q", 2**60) + data[24:],
    "a name": lambda data: data[:24] + struct.pack("<Q", 2**60) + data[32:],
    "a list": lambda data: claimed(data, b"tokenizer.ggml.tokens", 8, "Q", 2**60),
    "a tensor": lambda data: claimed(data, b"token_embd.weight", 4, "QQ", 2**30, 2**30),
    "layers": lambda data: claimed(data, b"qwen2.block_count", 4, "I", 2**31),
    "a width": lambda data: claimed(data, b"qwen2.embedding_length", 4, "I", 2**31),
    "an intermediate width": lambda data: claimed(data, b"qwen2.feed_forward_length", 4, "I", 2**31),
}


@pytest.mark.parametrize("claim", CLAIMS)
def test_a_gguf_file_that_claims_more_than_it_holds(tmp_path, claim):
    path = tmp_path / "model.gguf"
    tiny_gguf.write(path)
    path.write_bytes(CLAIMS[claim](path.read_bytes()))
    refused(lambda: load(path, "cpu", "float32"), path.name)  # of a long path a line says the ends


@pytest.fixture
def prune(tiny_texts, tmp_path):
    """Prune layer by layer into tmp_path/out, of which two layers are done already."""
    tiny("llama", dtype=torch.bfloat16).save_pretrained(tmp_path / "own")
    TOKENIZER.save_pretrained(tmp_path / "own")

    def call(**more) -> None:
        target = making.Target(tmp_path / "out", "dense", "cpu", "bfloat16", True)
        text = making.Text("de", tiny_texts, 6, 24)
        making.prune(str(tmp_path / "own"), target, "wanda", Sparsity.of("0.5"), text, **more)

    def stop(done: int, _layers: int) -> None:
        if done == 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        call(progress=stop)
    return call


@pytest.mark.parametrize("what", ["", "checkpoint", ".manifest.json", "moving.json", "checkpoint/README.md"])
def test_nothing_is_deleted_or_written_through_a_link(prune, tmp_path, what):
    (tmp_path / "elsewhere" / "checkpoint").mkdir(parents=True)
    for place in ("precious", "checkpoint/precious"):
        (tmp_path / "elsewhere" / place).write_text("his own")
    link = place_of(tmp_path / "out") / what
    if link.is_dir():
        shutil.move(link, tmp_path / "moved")
    link.symlink_to(tmp_path / "elsewhere" / ("precious" if "." in what else ""))
    with pytest.raises(ModelError) as caught:
        prune()
    assert str(link) in str(caught.value) and "is a link" in str(caught.value) and "\n" not in str(caught.value)
    assert {path.name: path.read_text() for path in (tmp_path / "elsewhere").rglob("precious")} == {
        "precious": "his own"
    }
    assert len(list((tmp_path / "elsewhere").rglob("*"))) == 3


@pytest.mark.parametrize("content", ["[1, {}]", "3", DEEP, '["../../elsewhere"]', '{"a": 1}', '"../x"'])
def test_a_list_of_moved_files_that_nobody_wrote(prune, tmp_path, content):
    (tmp_path / "elsewhere").write_text("his own")
    place_of(tmp_path / "out").joinpath("moving.json").write_text(content)
    prune()
    assert load(tmp_path / "out", "cpu", "bfloat16") and (tmp_path / "elsewhere").read_text() == "his own"


@pytest.mark.parametrize("lost", ["bytes", "tensors", "told"])
def test_a_manifest_whose_checksum_holds_and_that_lacks_something(prune, tmp_path, lost):
    from calibprune.saving.construction import _checksum

    path = place_of(tmp_path / "out") / "manifest.json"
    found = json.loads(path.read_text())
    del next(iter(found["parts"].values()))[lost]
    path.write_text(json.dumps(found | {"sha256": _checksum(found["run"], found["parts"])}))
    with pytest.raises(ModelError, match="manifest.json: is damaged"):
        prune()
