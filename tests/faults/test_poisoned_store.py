"""A store, a shelf or an archive of a stranger who means harm: nothing outside of it is read or written, and no size is
believed. (Links in a shelf's cells and names in archives: tests/calibprune/study/test_shelves.py.)
"""

import gzip
import io
import json
import os
import shutil
import tarfile
from pathlib import Path

import pandas as pd
import pytest
import torch
from children import ROOM, refused
from lying_parquet import claim_rows
from safetensors.torch import save_file

from calibprune.errors import StoreError
from calibprune.study.shelves import open_shelves
from calibprune.study.study import Study


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch) -> Path:
    monkeypatch.setenv("CALIBPRUNE_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


def contents(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.fixture
def elsewhere(tmp_path) -> Path:
    """A folder of somebody's, which a store has no business in."""
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere" / "precious").write_text("his own")
    return tmp_path / "elsewhere"


@pytest.mark.parametrize("what", ["the cell", "all cells", "the lock", "all locks"])
@pytest.mark.parametrize("there", [True, False], ids=["to something", "to nothing"])
def test_nothing_is_written_through_a_link(settings, elsewhere, tmp_path, what, there):
    study = Study(**settings)
    cell, root = study.cells()[0], study.store.root
    link = {
        "the cell": study.store.folder(cell),
        "all cells": root / "cells",
        "the lock": root / "claims" / cell.id,
        "all locks": root / "claims",
    }[what]
    link.parent.mkdir(parents=True, exist_ok=True)
    target = elsewhere / "precious" if what == "the lock" else elsewhere
    if what == "the cell":  # an empty folder, which could be filled
        target = elsewhere / "empty"
        target.mkdir()
    link.symlink_to(target if there else elsewhere / "nothing")
    before, names = contents(elsewhere), sorted(elsewhere.iterdir())
    with pytest.raises(StoreError) as caught:
        study.run(progress=False)
    assert f"{link}" in str(caught.value) and "leads out of the store" in str(caught.value)
    assert "\n" not in str(caught.value)
    assert contents(elsewhere) == before and sorted(elsewhere.iterdir()) == names


@pytest.mark.parametrize("what", ["the cell", "its file", "its records", "its masks"])
def test_nothing_is_read_through_a_link(finished, elsewhere, what):
    """What the link leads to would be good otherwise."""
    cell = finished.cells()[1]
    folder = finished.store.folder(cell)
    names = {"its file": "cell.json", "its records": "records.parquet", "its masks": "masks.safetensors"}
    link = folder / names[what] if what in names else folder
    shutil.move(link, elsewhere / link.name)
    link.symlink_to(elsewhere / link.name)
    [shelf] = open_shelves([str(finished.store.root)])
    assert "is a link to somewhere else" in shelf.flaw(cell.id) and not shelf.has(cell)
    with pytest.raises(StoreError, match="damaged"):
        if what == "its masks":
            with finished.store.artifact(cell, "masks"):
                pass
        else:
            finished.store.records(cell)


def test_what_never_ends_is_not_read(finished):
    """A pipe in the place of a file."""
    cell = finished.cells()[1]
    path = finished.store.folder(cell) / "records.parquet"
    path.unlink()
    os.mkfifo(path)
    refused(lambda: finished.store.records(cell), path, "damaged")


def test_a_header_that_claims_a_billion_rows(finished, published):
    cell = finished.cells()[1]
    path = finished.store.folder(cell) / "records.parquet"
    frame = pd.read_parquet(path)
    pd.concat([frame] * 20_011).head(20_011).to_parquet(path, index=False)
    claim_rows(path, 20_011, 10**9)
    published(path.parent)
    refused(lambda: finished.store.records(cell), path, "damaged")


def test_a_long_text_that_is_named_many_times(finished, published):
    """Some megabytes, which would be fifty gigabytes as a table."""
    cell = finished.cells()[1]
    path = finished.store.folder(cell) / "records.parquet"
    frame = pd.concat([pd.read_parquet(path)] * 200).head(5000)
    frame["model"] = pd.Categorical.from_codes([0] * len(frame), ["x" * 10**7])
    frame.to_parquet(path, index=False)
    assert path.stat().st_size < 10**7
    published(path.parent)
    refused(lambda: finished.store.records(cell), path, "damaged")


@pytest.mark.parametrize("shape", [[2**60], [2**30, 2**30], [2**32, 2**32], [-1, -(2**60)]])
@pytest.mark.parametrize("bytes_claimed", [None, 2**60])
def test_masks_that_claim_to_be_larger_than_their_file(finished, published, shape, bytes_claimed):
    cell = finished.cells()[1]
    path = finished.store.folder(cell) / "masks.safetensors"
    save_file({"layers.0.mlp.down_proj": torch.zeros(64, dtype=torch.uint8)}, path)
    content = path.read_bytes()
    length = int.from_bytes(content[:8], "little")
    header = json.loads(content[8 : 8 + length])
    header["layers.0.mlp.down_proj"]["shape"] = shape
    if bytes_claimed:
        header["layers.0.mlp.down_proj"]["data_offsets"] = [0, bytes_claimed]
    text = json.dumps(header).encode()
    path.write_bytes(len(text).to_bytes(8, "little") + text + content[8 + length :])
    published(path.parent)

    def read() -> None:
        with finished.store.artifact(cell, "masks") as tensors:
            tensors.get_tensor("layers.0.mlp.down_proj")

    refused(read, path, "damaged")


def test_a_name_that_leaves_the_cell(finished, settings, elsewhere):
    cell = finished.cells()[1]
    folder = finished.store.folder(cell)
    known = json.loads((folder / "cell.json").read_text())
    known["artifacts_sha256"]["../../../elsewhere/precious"] = "0" * 64
    (folder / "cell.json").write_text(json.dumps(known))
    [shelf] = open_shelves([str(finished.store.root)])
    assert "names the artifact" in shelf.flaw(cell.id) and not shelf.has(cell)


def packed(kind: bytes, size: int, file: io.BufferedIOBase, most: int = 0) -> None:
    """A tar file that begins with a name, or attributes, of so many bytes, the first `most` of which are there."""
    info = tarfile.TarInfo("cells/x")
    info.type, info.size = kind, size
    file.write(info.tobuf(tarfile.GNU_FORMAT))
    for _ in range(most // 2**20):
        file.write(b"x" * 2**20)


@pytest.mark.parametrize("kind", [tarfile.GNUTYPE_LONGNAME, tarfile.GNUTYPE_LONGLINK, tarfile.XHDTYPE, tarfile.XGLTYPE])
def test_an_archive_with_a_name_that_fills_the_memory(tmp_path, kind):
    with (tmp_path / "claims.tar").open("wb") as file:
        packed(kind, 2**50, file)
    with gzip.open(tmp_path / "expands.tar.gz", "wb", 1) as file:
        packed(kind, 2 * ROOM, file, 2**26)
    for archive in (tmp_path / "claims.tar", tmp_path / "expands.tar.gz"):
        refused(lambda archive=archive: open_shelves([str(archive)]), archive)
    assert not [path for path in (tmp_path / "cache" / "shelves").iterdir() if path.is_dir()]
