"""What cannot be written, whoever runs the program: results that are there are read, and what is asked for beyond them
ends in one line before anything is computed.
"""

import nbformat
import pandas as pd
import pytest
import torch
from byte_tokenizer import TOKENIZER
from children import in_a_child, mount_read_only, need_mounts
from tiny_models import tiny

from calibbook.notebooks import execute
from calibprune.saving import making
from calibprune.schemes import Sparsity
from calibprune.study import runner
from calibprune.study.doctor import FAULT, of_store
from calibprune.study.study import Study

ONLY_READ = "Read-only file system"


def is_not_called(*_, **__):
    raise AssertionError("it would be computed")


@pytest.fixture(autouse=True)
def mounts():
    need_mounts()


def test_a_finished_study_is_read(finished, undisturbed):
    def in_child() -> None:
        mount_read_only(finished.store.root)
        pd.testing.assert_frame_equal(finished.run(progress=False), undisturbed[1])
        assert len(finished.provenance()) == len(finished.cells()) and finished.fingerprint()
        doctor = [one.what for one in of_store(finished.store.root) if one.kind == FAULT]
        assert doctor == [f"{finished.store.root} cannot be written"], doctor

    ended = in_a_child(in_child)
    assert ended.status == 0, ended.said


def test_it_is_a_shelf(finished, settings, undisturbed, tmp_path):
    def in_child() -> None:
        mount_read_only(finished.store.root)
        own = {"store": str(tmp_path / "own"), "shelves": [str(finished.store.root)]}
        pd.testing.assert_frame_equal(Study(**settings | own).run(progress=False), undisturbed[1])
        assert not (tmp_path / "own").exists()

    ended = in_a_child(in_child)
    assert ended.status == 0, ended.said


def test_a_study_that_lacks_cells(finished, settings, monkeypatch):
    monkeypatch.setattr(runner.Runner, "compute", is_not_called)

    def in_child() -> None:
        mount_read_only(finished.store.root)
        Study(**settings | {"seeds": [0, 1]}).run(progress=False)

    in_a_child(in_child).assert_one_line(
        str(finished.store.root), f"cannot be written ({ONLY_READ})", "choose another store"
    )


@pytest.mark.parametrize("stream", [True, False], ids=["layer by layer", "at once"])
def test_a_checkpoint(tiny_texts, tmp_path, monkeypatch, stream):
    tiny("llama", dtype=torch.bfloat16).save_pretrained(tmp_path / "model")
    TOKENIZER.save_pretrained(tmp_path / "model")
    (tmp_path / "disk").mkdir()
    monkeypatch.setattr(making, "load", is_not_called)
    monkeypatch.setattr(making.making_streamed, "make", is_not_called)

    def in_child() -> None:
        mount_read_only(tmp_path / "disk")
        target = making.Target(tmp_path / "disk" / "out", "dense", "cpu", "bfloat16", stream)
        text = making.Text("de", tiny_texts, 6, 24)
        making.prune(str(tmp_path / "model"), target, "wanda", Sparsity.of("0.5"), text)

    in_a_child(in_child).assert_one_line(str(tmp_path / "disk" / "out"), ONLY_READ, "choose another --output")


def test_a_notebook(tmp_path, monkeypatch):
    cell = nbformat.v4.new_code_cell("size = 1", metadata={"tags": ["parameters"]})
    nbformat.write(nbformat.v4.new_notebook(cells=[cell]), tmp_path / "page.ipynb")
    (tmp_path / "disk").mkdir()
    monkeypatch.setattr("papermill.execute_notebook", is_not_called)

    def in_child() -> None:
        mount_read_only(tmp_path / "disk")
        execute(tmp_path / "page.ipynb", tmp_path / "disk" / "page.ipynb", {}, timeout=300)

    in_a_child(in_child).assert_one_line("notebook page.ipynb was not written", ONLY_READ)
