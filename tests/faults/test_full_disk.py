"""A disk that is full, and has a little more room each time: whatever is being written when it ends, that is one line,
nothing is half written, and the same command goes on once there is room.

The disks are real ones in memory, which a process of its own alone sees. (In tests/calibprune/ calls are made to fail.)
"""

from pathlib import Path

import nbformat
import pandas as pd
import pytest
import torch
from byte_tokenizer import TOKENIZER
from children import in_a_child, mount_disk, need_mounts
from tiny_models import tiny

from calibbook.notebooks import execute
from calibprune import load
from calibprune.errors import CalibpruneError, NotebookError
from calibprune.saving import checkpoint, making
from calibprune.schemes import Sparsity
from calibprune.study.study import Study

FULL = "No space left on device"


@pytest.fixture
def disk(tmp_path) -> Path:
    need_mounts()
    (tmp_path / "disk").mkdir()
    return tmp_path / "disk"


def until_it_fits(disk: Path, call, first: int, more: int, most: int, check) -> int:
    """Make a call on a disk of `first` bytes, and again with `more` each time until it succeeds; returns how often it
    found the disk full.
    """
    mount_disk(disk, first)
    size, full = first, 0
    while True:
        try:
            call()
            return full
        except CalibpruneError as error:
            assert FULL in str(error) and "free some space" in str(error) and "\n" not in str(error), error
        full += 1
        check()
        size += more
        assert size < most, "it never fits"
        mount_disk(disk, size, again=True)


def test_while_cells_are_written(settings, undisturbed, disk):
    settings["store"] = str(disk / "results")

    def nothing_is_half_written() -> None:
        study = Study(**settings)
        for path in (disk / "results" / "cells").glob("*"):
            assert not path.name.startswith(".") and study.store.own.flaw(path.name) == "", path

    def in_child() -> None:
        study = Study(**settings)
        full = until_it_fits(disk, lambda: study.run(progress=False), 16_384, 20_480, 2**20, nothing_is_half_written)
        assert full > 3, full
        pd.testing.assert_frame_equal(study.run(progress=False), undisturbed[1], check_exact=True)

    ended = in_a_child(in_child)
    assert ended.status == 0, ended.said


@pytest.mark.parametrize("stream", [True, False], ids=["layer by layer", "at once"])
def test_while_a_checkpoint_is_written(tiny_texts, tmp_path, disk, monkeypatch, stream):
    tiny("llama", dtype=torch.bfloat16).save_pretrained(tmp_path / "model")
    TOKENIZER.save_pretrained(tmp_path / "model")
    # room is asked for beforehand; here another program takes it meanwhile
    monkeypatch.setattr(checkpoint, "check_room", lambda *_: None)

    def prune(output: Path) -> None:
        target = making.Target(output, "dense", "cpu", "bfloat16", stream)
        making.prune(str(tmp_path / "model"), target, "wanda", Sparsity.of("0.5"), making.Text("de", tiny_texts, 6, 24))

    def in_child() -> None:
        output = disk / "out"
        full = until_it_fits(disk, lambda: prune(output), 16_384, 20_480, 2**21, lambda: _absent(output))
        assert full > 3, full
        found = dict(load(output, "cpu", "bfloat16")[0].named_parameters())
        expected = dict(load(tmp_path / "expected", "cpu", "bfloat16")[0].named_parameters())
        assert found.keys() == expected.keys() and all(torch.equal(found[name], expected[name]) for name in found)
        assert [path.name for path in disk.iterdir()] == ["out"]

    prune(tmp_path / "expected")
    ended = in_a_child(in_child)
    assert ended.status == 0, ended.said


def _absent(output: Path) -> None:
    assert not output.exists()


def test_while_a_notebook_is_written(disk, tmp_path, monkeypatch):
    monkeypatch.setenv("HF_TOKEN", "hf_thisisnobodystoken")
    cells = [
        nbformat.v4.new_code_cell("size = 1", metadata={"tags": ["parameters"]}),
        nbformat.v4.new_code_cell("print('x' * size)"),
        nbformat.v4.new_code_cell("print('the end')"),
    ]
    notebook = nbformat.v4.new_notebook(cells=cells)
    notebook.metadata["kernelspec"] = {"name": "python3", "display_name": "Python 3", "language": "python"}
    nbformat.write(notebook, tmp_path / "page.ipynb")

    def in_child() -> None:
        mount_disk(disk, 65_536)
        output = disk / "executed" / "page.ipynb"
        with pytest.raises(NotebookError) as caught:
            execute(tmp_path / "page.ipynb", output, {"size": 200_000}, timeout=300)
        assert "page.ipynb was not written" in str(caught.value) and FULL in str(caught.value), caught.value
        assert "\n" not in str(caught.value)
        assert [path for path in disk.rglob("*") if path.is_file()] == []
        mount_disk(disk, 2**22, again=True)
        assert execute(tmp_path / "page.ipynb", output, {"size": 200_000}, timeout=300)
        assert "the end" in output.read_text() and "hf_thisisnobodystoken" not in output.read_text()

    ended = in_a_child(in_child)
    assert ended.status == 0, ended.said
