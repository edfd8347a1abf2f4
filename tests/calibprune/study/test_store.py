"""The store: a cell is there whole or not at all, and what is damaged is said, not used."""

import errno
import hashlib
import json
import os
import threading

import pandas as pd
import pytest
import torch
from cells import cell

from calibprune.errors import CalibpruneError, StoreError
from calibprune.study.store import COLUMNS, Store
from calibprune.study.study import Study


def records(rows: int = 3) -> pd.DataFrame:
    texts = {name: ["x"] * rows for name, kind in COLUMNS.items() if kind == "str"}
    numbers = {name: list(range(rows)) for name, kind in COLUMNS.items() if kind != "str"}
    return pd.DataFrame(
        texts | numbers | {"layer": [None, *range(rows - 1)], "value": [1 / (i + 3) for i in range(rows)], "more": 1}
    )


def everything(store: Store) -> set[str]:
    return {str(path.relative_to(store.root)) for path in store.root.rglob("*") if "claims" not in path.parts}


def assert_one_line(caught, *words):
    assert "\n" not in str(caught.value)
    for word in words:
        assert str(word) in str(caught.value)


@pytest.fixture
def store(tmp_path):
    return Store(tmp_path / "results")


def test_what_is_written_is_read(store):
    assert not store.has(cell())
    store.write(cell(), records(), {"seconds_prune": 1.5, "machine": "Größe 7"})
    assert store.has(cell())
    frame = store.records(cell())
    assert {name: str(dtype) for name, dtype in frame.dtypes.items()} == COLUMNS
    assert frame["value"].tolist() == [1 / 3, 1 / 4, 1 / 5]
    assert frame["layer"].isna().tolist() == [True, False, False]
    known = store.provenance(cell())
    assert known["machine"] == "Größe 7"
    assert known["id"] == cell().id
    assert known["configuration"] == json.loads(json.dumps(cell().configuration()))
    assert everything(store) == {
        "cells",
        f"cells/{cell().id}",
        f"cells/{cell().id}/records.parquet",
        f"cells/{cell().id}/cell.json",
    }


def test_artifacts_are_read_as_they_were_written(store):
    masks = {
        "layers.0.mlp.down_proj": torch.arange(12, dtype=torch.uint8).view(3, 4).T,
        "layers.1.mlp.down_proj": torch.zeros(2, dtype=torch.uint8),
    }
    store.write(cell(), records(), {}, {"masks": masks})
    with store.artifact(cell(), "masks") as opened:
        assert set(opened.keys()) == set(masks)
        assert all(torch.equal(opened.get_tensor(key), tensor) for key, tensor in masks.items())


def test_a_missing_or_damaged_artifact_is_said(store):
    store.write(cell(), records(), {}, {"masks": {"a": torch.zeros(8)}})
    with pytest.raises(StoreError) as caught, store.artifact(cell(), "neurons"):
        pass
    assert_one_line(caught, "neurons", "masks")
    path = store.folder(cell()) / "masks.safetensors"
    path.write_bytes(path.read_bytes()[:-3])
    with pytest.raises(StoreError) as caught, store.artifact(cell(), "masks"):
        pass
    assert_one_line(caught, "masks.safetensors", "damaged")


def test_another_configuration_is_another_cell(store):
    store.write(cell(), records(), {})
    assert not store.has(cell(seed=1))


@pytest.mark.parametrize("file", ["records.parquet", "cell.json"])
@pytest.mark.parametrize("damage", ["cut short", "empty", "changed", "gone"])
def test_damage_is_said(store, file, damage):
    store.write(cell(), records(), {})
    path = store.folder(cell()) / file
    content = path.read_bytes()
    if damage == "gone":
        path.unlink()
    else:
        path.write_bytes(
            {"cut short": content[: len(content) // 2], "empty": b"", "changed": b"[" + content[1:]}[damage]
        )
    with pytest.raises(StoreError) as caught:
        store.records(cell())
    assert_one_line(caught, store.folder(cell()), "damaged or cut short", "delete the folder", "run the study again")


def test_after_deleting_the_folder_it_is_missing(store):
    store.write(cell(), records(), {})
    for path in store.folder(cell()).iterdir():
        path.unlink()
    store.folder(cell()).rmdir()
    assert not store.has(cell())


def test_records_whose_other_half_is_lost_can_be_written_again(store):
    store.write(cell(), records(), {})
    (store.folder(cell()) / "cell.json").unlink()
    assert not store.has(cell())
    store.write(cell(), records(2), {})
    assert len(store.records(cell())) == 2


@pytest.mark.parametrize("call", ["to_parquet", "replace"])
def test_a_full_disk_leaves_nothing_half_written(store, monkeypatch, call):
    def full(self, path, **_):
        if call == "to_parquet":
            path.write_bytes(b"half")
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(*{"to_parquet": (pd.DataFrame, call), "replace": (os, call)}[call], full)
    with pytest.raises(StoreError) as caught:
        store.write(cell(), records(), {})
    assert_one_line(caught, store.root, "cannot be written (No space left on device)", "free some space")
    assert everything(store) == {"cells"}
    assert not store.has(cell())


def test_an_interrupted_write_leaves_nothing(store, monkeypatch):
    def interrupted(*_, **__):
        raise KeyboardInterrupt

    monkeypatch.setattr(pd.DataFrame, "to_parquet", interrupted)
    with pytest.raises(KeyboardInterrupt):
        store.write(cell(), records(), {})
    assert everything(store) == {"cells"}


def test_a_store_that_cannot_be_written(tmp_path):
    (tmp_path / "file").write_text("not a folder")
    store = Store(tmp_path / "file")
    for attempt in (lambda: store.write(cell(), records(), {}), lambda: store.claim(cell(), wait=False).__enter__()):
        with pytest.raises(StoreError) as caught:
            attempt()
        assert_one_line(caught, store.root, "cannot be written", "choose another store")
    assert (tmp_path / "file").read_text() == "not a folder"


def test_a_read_only_store(store, monkeypatch):
    def read_only(*_, **__):
        raise OSError(errno.EROFS, os.strerror(errno.EROFS))

    monkeypatch.setattr(os, "mkdir", read_only)  # permissions do not stop root, so the system call is made to fail
    with pytest.raises(StoreError) as caught, store.claim(cell(), wait=False):
        pass
    assert_one_line(caught, store.root, "cannot be written (Read-only file system)")


def test_what_cannot_be_written_is_known_before_anything_is_computed(store):
    store.root.mkdir()
    (store.root / "cells").write_text("not a folder")
    with pytest.raises(StoreError) as caught, store.claim(cell(), wait=False):
        raise AssertionError("the cell would be computed")
    assert_one_line(caught, store.root, "cannot be written", "choose another store")
    assert "space" not in str(caught.value)


@pytest.mark.parametrize("umask", [0o022, 0o002, 0o077])
def test_rights_are_those_that_the_umask_leaves(store, umask):
    before = os.umask(umask)
    try:
        with store.claim(cell(), wait=False):
            store.write(cell(), records(), {}, {"masks": {"a": torch.zeros(8)}})
    finally:
        os.umask(before)
    paths = list(store.root.rglob("*"))
    assert {"masks.safetensors", "records.parquet", "cell.json"} <= {path.name for path in paths}
    for path in paths:
        assert path.stat().st_mode & 0o777 == (0o666 if path.is_file() else 0o777) & ~umask, path


def test_a_claim_is_held_by_one(store):
    other, entered = Store(store.root), threading.Event()
    with store.claim(cell(), wait=False) as mine:
        assert mine
        with other.claim(cell(), wait=False) as second:
            assert not second
        with other.claim(cell(seed=1), wait=False) as another:
            assert another

        def waiting():
            with other.claim(cell(), wait=True) as late:
                assert late
                entered.set()

        thread = threading.Thread(target=waiting)
        thread.start()
        assert not entered.wait(0.2)
    assert entered.wait(5)
    thread.join()


def test_a_claim_removes_what_a_killed_process_left(store):
    left = store.root / "cells" / f".{cell().id}.abc"
    left.mkdir(parents=True)
    (left / "records.parquet").write_bytes(b"half")
    with store.claim(cell(), wait=False):
        assert not left.exists()


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda folder: "x" * 300, "File name too long"),
        (lambda folder: folder / "y" / ("x" * 300), "File name too long"),
        (lambda folder: "/".join(["x" * 200] * 21), "File name too long"),
        (lambda folder: str(folder) + "/x" * ((4050 - len(str(folder))) // 2), "File name too long"),
        (lambda folder: folder / "link", "is a link to nothing, which is not there; make that folder, or choose"),
    ],
)  # fmt: skip
def test_a_store_that_cannot_be_is_known_at_once(tmp_path, make, words):
    (tmp_path / "y").mkdir()
    (tmp_path / "link").symlink_to("nothing")
    with pytest.raises(CalibpruneError, match=words) as caught:
        Study(store=make(tmp_path))
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) <= 1000


def test_a_store_that_may_not_be_read(tmp_path, monkeypatch):
    def refused(*_, **__):
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))

    store = Store(tmp_path)
    monkeypatch.setattr(os, "stat", refused)
    with pytest.raises(StoreError, match=r"cannot be read \(Permission denied\)"):
        store.has(cell())


def test_a_store_may_be_a_link_to_a_folder(tmp_path):
    (tmp_path / "disk").mkdir()
    (tmp_path / "link").symlink_to("disk")
    assert Study(store=tmp_path / "link").store.root == tmp_path / "link"
    assert Study(store=tmp_path / "new" / "far").store.root == tmp_path / "new" / "far"


@pytest.mark.parametrize("content", ["[]", "{}", "null", "", '{"records_sha256": 3}', "3", '"x"'])
@pytest.mark.parametrize("read", [Store.provenance, Store.records, Store.checksums])
def test_what_is_known_of_a_cell_is_a_mapping_of_its_own(tmp_path, content, read):
    store = Store(tmp_path)
    store.write(cell(), records(), {})
    read(store, cell())
    (store.folder(cell()) / "cell.json").write_text(content)
    with pytest.raises(StoreError, match="damaged or cut short; delete the folder"):
        read(store, cell())


def test_the_results_of_another_cell_are_not_served(tmp_path):
    store = Store(tmp_path)
    store.write(cell(1), records(), {})
    os.rename(store.folder(cell(1)), store.folder(cell(2)))
    with pytest.raises(StoreError, match="damaged"):
        store.records(cell(2))


def test_records_that_are_no_table_though_their_checksum_is_right(tmp_path):
    store = Store(tmp_path)
    store.write(cell(), records(), {})
    (store.folder(cell()) / "records.parquet").write_bytes(b"PAR1")
    file = store.folder(cell()) / "cell.json"
    known = json.loads(file.read_text())
    file.write_text(json.dumps(known | {"records_sha256": hashlib.sha256(b"PAR1").hexdigest()}))
    with pytest.raises(StoreError, match="damaged"):
        store.records(cell())
