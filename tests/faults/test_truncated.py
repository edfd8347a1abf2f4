"""Files that end early, at many places: one line that names the file, whatever of it is left. (Cut in the middle, most
kinds are in tests/calibprune/; there a checksum finds it. Here the checksum, where there is one, is of what is left.)
"""

import json
import random
import shutil
from pathlib import Path

import pytest
import tiny_gguf
import torch
from byte_tokenizer import TOKENIZER
from tiny_models import tiny

from calibprune import load
from calibprune.corpora import corpus
from calibprune.errors import CorpusError, ModelError, StoreError
from calibprune.models.streaming import stream
from calibprune.saving import making
from calibprune.saving.construction import place_of
from calibprune.schemes import Sparsity


def lengths(path: Path, number: int) -> list[int]:
    """Where to cut: at nothing, near both ends, and at random places."""
    size = path.stat().st_size
    chosen = random.Random(path.name)
    return [0, 1, 8, size - 8, size - 1, *(chosen.randrange(size) for _ in range(number))]


def assert_one_line(caught, *words) -> None:
    assert "\n" not in str(caught.value)
    for word in words:
        assert str(word) in str(caught.value)


def test_records_and_artifacts(finished, published):
    cell = finished.cells()[1]
    folder = finished.store.folder(cell)
    store = finished.store
    reads = {"records.parquet": lambda: store.records(cell)}
    reads |= {f"{name}.safetensors": lambda name=name: open_all(store, cell, name) for name in ("masks", "neurons")}
    for name, read in reads.items():
        path = folder / name
        whole = path.read_bytes()
        read()
        for length in lengths(path, 40):
            path.write_bytes(whole[:length])
            published(folder)
            with pytest.raises(StoreError) as caught:
                read()
            assert_one_line(caught, path, "damaged or cut short", "delete the folder")
        path.write_bytes(whole)
        published(folder)


def open_all(store, cell, name: str) -> None:
    with store.artifact(cell, name) as tensors:
        for key in tensors.keys():  # noqa: SIM118 - no mapping
            tensors.get_tensor(key)


def test_what_is_known_of_a_cell(finished):
    cell = finished.cells()[1]
    path = finished.store.folder(cell) / "cell.json"
    whole = path.read_bytes()
    for length in lengths(path, 40):
        path.write_bytes(whole[:length])
        with pytest.raises(StoreError) as caught:
            finished.store.records(cell)
        assert_one_line(caught, "damaged or cut short", "delete the folder")


def test_text_in_parquet(tmp_path):
    import pyarrow
    from pyarrow import parquet

    path = tmp_path / "a.parquet"
    parquet.write_table(pyarrow.table({"text": [f"text {n}" for n in range(40)], "id": list(range(40))}), path)
    whole = path.read_bytes()
    for length in lengths(path, 40):
        path.write_bytes(whole[:length])
        with pytest.raises(CorpusError) as caught:
            corpus(f"file:{path}", "de")
        assert_one_line(caught, path)


@pytest.mark.parametrize("read", [load, stream])
def test_weights(tiny_checkpoint, tmp_path, read):
    folder = shutil.copytree(tiny_checkpoint, tmp_path / "model")
    path = folder / "model.safetensors"
    whole = path.read_bytes()
    for length in lengths(path, 6):
        path.write_bytes(whole[:length])
        with pytest.raises(ModelError) as caught:
            read(str(folder), "cpu", "float32")
        assert_one_line(caught, folder, "fetch it again")


@pytest.mark.parametrize("read", [load, stream])
@pytest.mark.parametrize("name", ["config.json", "tokenizer.json"])
def test_what_is_beside_the_weights(tiny_checkpoint, tmp_path, read, name):
    folder = shutil.copytree(tiny_checkpoint, tmp_path / "model")
    whole = (folder / name).read_bytes()
    for length in lengths(folder / name, 3):
        (folder / name).write_bytes(whole[:length])
        if whole[:length].strip() == whole.strip():
            continue  # without the empty line at its end
        with pytest.raises(ModelError) as caught:
            read(str(folder), "cpu", "float32")
        assert_one_line(caught, folder)


def test_gguf(tmp_path):
    path = tmp_path / "model.gguf"
    tiny_gguf.write(path)
    whole = path.read_bytes()
    for length in lengths(path, 6):
        path.write_bytes(whole[:length])
        with pytest.raises(ModelError) as caught:
            load(path, "cpu", "float32")
        assert_one_line(caught, path)


def test_the_manifest_of_a_checkpoint_under_construction(tiny_texts, tmp_path):
    tiny("llama", dtype=torch.bfloat16).save_pretrained(tmp_path / "model")
    TOKENIZER.save_pretrained(tmp_path / "model")

    def prune(**more) -> None:
        target = making.Target(tmp_path / "out", "dense", "cpu", "bfloat16", True)
        text = making.Text("de", tiny_texts, 6, 24)
        making.prune(str(tmp_path / "model"), target, "wanda", Sparsity.of("0.5"), text, **more)

    def stop(done: int, _layers: int) -> None:
        if done == 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        prune(progress=stop)
    path = place_of(tmp_path / "out") / "manifest.json"
    whole = path.read_bytes()
    assert len(json.loads(whole)["parts"]) == 2
    for length in lengths(path, 6):
        path.write_bytes(whole[:length])
        with pytest.raises(ModelError) as caught:
            prune()
        assert_one_line(caught, path, "is damaged", "to start over")
    path.write_bytes(whole)
    solved: list[int] = []
    prune(progress=lambda done, _layers: solved.append(done))
    assert solved[:3] == [0, 1, 2] and load(tmp_path / "out", "cpu", "bfloat16")
