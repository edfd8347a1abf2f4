"""Tensors read out of a safetensors file are those of the library; a header is not believed."""

import json

import pytest
import safetensors.torch
import torch
from safetensors import SafetensorError

from calibprune.models.shards import read, stored_in

TENSORS = {
    "a": torch.arange(12, dtype=torch.bfloat16).view(3, 4),
    "b": torch.randn(5, dtype=torch.float32),
    "c": torch.randn(2, 0, dtype=torch.float16),
    "d": torch.randn((), dtype=torch.float64),
}


@pytest.fixture
def file(tmp_path):
    safetensors.torch.save_file(TENSORS, tmp_path / "x.safetensors", metadata={"format": "pt"})
    return tmp_path / "x.safetensors"


def test_what_the_library_wrote(file):
    found = stored_in(file)
    assert found.keys() == TENSORS.keys()
    for name, tensor in TENSORS.items():
        assert torch.equal(read(file, found[name]), tensor)
        assert read(file, found[name]).dtype == tensor.dtype


def with_header(file, change) -> None:
    content = file.read_bytes()
    length = int.from_bytes(content[:8], "little")
    header = json.loads(content[8 : 8 + length])
    change(header)
    text = json.dumps(header).encode()
    file.write_bytes(len(text).to_bytes(8, "little") + text + content[8 + length :])


@pytest.mark.parametrize(
    "change",
    [
        lambda header: header["a"].update(shape=[2**30, 2**30]),
        lambda header: header["a"].update(shape=[-3, -4]),
        lambda header: header["a"].update(data_offsets=[0, 2**60]),
        lambda header: header["a"].update(data_offsets=[-24, 0]),
        lambda header: header["a"].update(shape=None),
        lambda header: header["a"].pop("data_offsets"),
        lambda header: header.update(a=3),
    ],
)
def test_a_header_that_does_not_fit(file, change):
    with_header(file, change)
    with pytest.raises(SafetensorError, match="its header"):
        stored_in(file)


@pytest.mark.parametrize("content", [b"", b"abc", b"\xff" * 40, (2).to_bytes(8, "little") + b"[]", b"\2" + b"\0" * 7])
def test_no_safetensors(tmp_path, content):
    (tmp_path / "x").write_bytes(content)
    with pytest.raises(SafetensorError, match="its header"):
        stored_in(tmp_path / "x")


def test_a_file_that_is_cut_short(file):
    found, content = stored_in(file), file.read_bytes()
    file.write_bytes(content[:-1])
    with pytest.raises(SafetensorError, match="does not fit its size"):
        stored_in(file)
    last = max(found, key=lambda name: found[name].begin + found[name].nbytes)
    with pytest.raises(SafetensorError, match="has become shorter"):
        read(file, found[last])
