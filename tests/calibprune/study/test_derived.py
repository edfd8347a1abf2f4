"""Derived tables: computed once from the cells they are made of, read from a store or a shelf, and never shown damaged
or beside other results than those they were made of.
"""

import json
import logging
import shutil
import threading
from pathlib import Path

import pandas as pd
import pytest
import torch
from cells import cell
from without_arrays import shelf_without_arrays

from calibprune.errors import StoreError
from calibprune.study import derived as tables
from calibprune.study.cells import Cell
from calibprune.study.derived import DERIVED, FRAME, TABLE, Derived, derived
from calibprune.study.kept import COLUMNS
from calibprune.study.shelves import find, open_shelves
from calibprune.study.showing import lines
from calibprune.study.store import Store

COST = {"seconds_prune": 1.5, "seconds_measure": 2, "peak_memory_gb": 0.5}
FRAME_OF = pd.DataFrame({"language": ["de", "sw"], "iou": [0.25, float("nan")], "layer": [0, 1]})


CELLS = [cell(seed, metrics=("masks",)) for seed in (0, 1)]


def keep(store: Store, made: Cell, bit: int = 0) -> None:
    masks = {"masks": {"a": torch.full((8,), bit, dtype=torch.uint8)}}
    store.write(made, pd.DataFrame(columns=list(COLUMNS)), COST, masks)


@pytest.fixture
def store(tmp_path) -> Store:
    found = Store(tmp_path / "results")
    for made in CELLS:
        keep(found, made)
    return found


class Compute:
    """Counts how often it was asked."""

    def __init__(self, frame: pd.DataFrame = FRAME_OF) -> None:
        self.frame, self.calls = frame, 0

    def __call__(self) -> pd.DataFrame:
        self.calls += 1
        return self.frame


def asked(store: Store, compute: Compute, version: int = 1, cells=CELLS) -> pd.DataFrame:
    return derived(store, "mask similarity", version, cells, compute)


def never() -> pd.DataFrame:
    raise AssertionError("what is there was computed")


def folder_of(store: Store) -> Path:
    return store.folder(Derived("mask similarity", 1, tuple(CELLS)))


def flip(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


def test_a_table_is_computed_once_and_is_the_same_each_time(store):
    compute = Compute()
    pd.testing.assert_frame_equal(asked(store, compute), FRAME_OF)
    pd.testing.assert_frame_equal(asked(Store(store.root), compute), FRAME_OF)
    assert compute.calls == 1
    known = json.loads((folder_of(store) / TABLE).read_text())
    assert (known["name"], known["version"], list(known["cells"])) == ("mask similarity", 1, [c.id for c in CELLS])
    assert {"seconds", "commit", "versions", "date", "table_sha256"} <= set(known)
    assert [path.name for path in (store.root / DERIVED).iterdir()] == [folder_of(store).name], "nothing half written"


def test_another_version_or_other_cells_are_another_table(store):
    compute = Compute()
    asked(store, compute)
    asked(store, compute, version=2)
    asked(store, compute, cells=CELLS[:1])
    asked(store, compute, cells=CELLS[::-1])
    assert compute.calls == 4 and len(list((store.root / DERIVED).iterdir())) == 4


def test_a_table_is_read_from_a_shelf_that_has_no_arrays(store, tmp_path):
    asked(store, Compute())
    shelf = shelf_without_arrays(store.root, tmp_path / "shelf")
    other = Store(tmp_path / "own", open_shelves([shelf]))
    pd.testing.assert_frame_equal(derived(other, "mask similarity", 1, CELLS, never), FRAME_OF)
    assert not (tmp_path / "own").exists(), "reading writes nothing"


@pytest.mark.parametrize(
    ("damage", "words"),
    [
        (lambda folder: flip(folder / FRAME), f"checksum of {FRAME} is wrong"),
        (lambda folder: (folder / FRAME).unlink(), f"{FRAME} is missing"),
        (lambda folder: (folder / TABLE).unlink(), f"{TABLE} is missing"),
        (lambda folder: (folder / TABLE).write_text("{"), f"{TABLE} is damaged"),
        (lambda folder: (folder / TABLE).write_text("[]"), f"{TABLE} is damaged"),
        (
            lambda folder: (folder / TABLE).write_text((folder / TABLE).read_text().replace("similarity", "likeness")),
            f"{TABLE} is damaged",
        ),
        (
            lambda folder: ((folder / FRAME).unlink(), (folder / FRAME).symlink_to(__file__)),
            "is a link to somewhere else",
        ),
    ],
)
@pytest.mark.parametrize("shelved", [False, True], ids=["own", "shelf"])
def test_a_damaged_table_is_named_and_computed_again_and_never_shown(store, tmp_path, caplog, damage, words, shelved):
    asked(store, Compute(pd.DataFrame({"iou": [9.0]})))
    if shelved:
        shutil.copytree(store.root, tmp_path / "shelf")
        shutil.rmtree(store.root / DERIVED)
        damage(tmp_path / "shelf" / DERIVED / folder_of(store).name)
        store = Store(store.root, open_shelves([str(tmp_path / "shelf")]))
    else:
        damage(folder_of(store))
    compute = Compute()
    with caplog.at_level(logging.WARNING):
        pd.testing.assert_frame_equal(asked(store, compute), FRAME_OF)
        pd.testing.assert_frame_equal(asked(store, compute), FRAME_OF)
    assert compute.calls == 1
    [line] = [record.getMessage() for record in caplog.records]
    assert folder_of(store).name in line and "mask similarity" in line and words in line and "\n" not in line
    assert (str(tmp_path / "shelf") in line) == shelved


def test_a_table_of_other_results_is_not_used(store, tmp_path):
    asked(store, Compute(pd.DataFrame({"iou": [9.0]})))
    shutil.copytree(store.root, tmp_path / "shelf")
    shutil.rmtree(store.root / DERIVED)
    keep(store, CELLS[1], bit=1)  # computed again with another result, as on another machine
    both = Store(store.root, open_shelves([str(tmp_path / "shelf")]))
    compute = Compute()
    pd.testing.assert_frame_equal(asked(both, compute), FRAME_OF)
    keep(store, CELLS[1], bit=2)
    asked(both, compute)
    assert compute.calls == 2, "nor is one's own of before"


def test_a_cell_that_was_not_computed_is_said(store):
    with pytest.raises(StoreError) as caught:
        derived(store, "mask similarity", 1, [*CELLS, cell(7)], never)
    assert "tiny wanda 0.5 de seed 7 was not computed; run the study" in str(caught.value)
    assert "\n" not in str(caught.value) and not (store.root / DERIVED).exists()


def test_what_fails_while_it_is_computed_leaves_nothing(store):
    def fails() -> pd.DataFrame:
        raise StoreError("masks: damaged")

    with pytest.raises(StoreError, match="masks: damaged"):
        derived(store, "mask similarity", 1, CELLS, fails)
    assert list((store.root / DERIVED).iterdir()) == []
    pd.testing.assert_frame_equal(asked(store, Compute()), FRAME_OF)


def test_of_two_at_once_one_computes(store):
    begun, go = threading.Event(), threading.Event()
    calls, found = [], []

    def slow() -> pd.DataFrame:
        calls.append(1)
        begun.set()
        go.wait(60)
        return FRAME_OF

    threads = [
        threading.Thread(target=lambda: found.append(derived(Store(store.root), "mask similarity", 1, CELLS, slow)))
        for _ in range(2)
    ]
    threads[0].start()
    assert begun.wait(60)
    threads[1].start()
    go.set()
    for thread in threads:
        thread.join(60)
    assert len(calls) == 1 and len(found) == 2


def test_show_tells_of_a_table(store):
    asked(store, Compute())
    place, identifier = find([store.own], folder_of(store).name[:9], (Cell.kept_in, DERIVED))
    told = dict(lines(place, identifier))
    assert told["table"] == "mask similarity" and told["whole"].startswith("yes")
    assert told["made of the cells"] == ", ".join(made.id for made in CELLS)
    flip(folder_of(store) / FRAME)
    assert tables.flaw(place, identifier) in dict(lines(place, identifier))["whole"]
    with pytest.raises(StoreError, match="no cell"):
        find([store.own], folder_of(store).name)  # what is verified is a cell
