"""Shelves: folders and archives of finished cells, which a study reads, never writes and does not believe unchecked."""

import io
import json
import logging
import re
import shutil
import tarfile
import zipfile
from pathlib import Path

import pandas as pd
import pytest
import torch

from calibprune.errors import ParameterError, StoreError
from calibprune.files import PUBLISHED
from calibprune.study import archives
from calibprune.study.kept import Kept
from calibprune.study.shelves import find, open_shelves
from calibprune.study.store import Store
from calibprune.study.study import Study


@pytest.fixture(scope="module")
def settings(tiny_checkpoint, tiny_texts):
    """Three cells: the dense model, and Wanda calibrated in two languages."""
    return {
        "models": [str(tiny_checkpoint)],
        "methods": ["wanda"],
        "languages": ["de", "sw"],
        "calibration_source": tiny_texts,
        "calibration_samples": 4,
        "calibration_length": 32,
        "evaluation_source": [tiny_texts],
        "evaluation_samples": 2,
        "evaluation_length": 24,
        "metrics": ["perplexity", "masks"],
        "device": "cpu",
        "dtype": "float32",
    }


@pytest.fixture(scope="module")
def computed(settings, tmp_path_factory) -> Path:
    """The store of that study, computed once; tests copy it."""
    folder = tmp_path_factory.mktemp("computed") / "results"
    torch.set_num_threads(1)
    Study(**settings, store=str(folder)).run(progress=False)
    return folder


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("CALIBPRUNE_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


@pytest.fixture
def shelf(computed, tmp_path) -> Path:
    shutil.copytree(computed / "cells", tmp_path / "shelf" / "cells")
    return tmp_path / "shelf"


@pytest.fixture
def study(settings, tmp_path):
    """The same study with an empty store and these shelves."""
    return lambda *shelves: Study(**settings, store=str(tmp_path / "own"), shelves=[str(one) for one in shelves])


def flip(path: Path, at: int = -20) -> None:
    content = bytearray(path.read_bytes())
    content[at] ^= 1
    path.write_bytes(content)


def states(folder: Path) -> dict[str, tuple]:
    return {
        str(path.relative_to(folder)): (path.stat().st_mtime_ns, path.read_bytes())
        for path in folder.rglob("*")
        if path.is_file()
    }


def own_cells(tmp_path) -> list[str]:
    folder = tmp_path / "own" / "cells"
    return sorted(path.name for path in folder.iterdir()) if folder.is_dir() else []


def packed(shelf: Path, kind: str, below: str = "") -> Path:
    """The shelf as an archive, everything in a folder `below` if that is given."""
    target = shelf.with_name(f"shelf.{kind}")
    files = [path for path in sorted(shelf.rglob("*")) if path.is_file()]
    if kind == "zip":
        with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as archive:
            for path in files:
                archive.write(path, Path(below) / path.relative_to(shelf))
    else:
        with tarfile.open(target, f"w:{kind.partition('.')[2]}") as archive:
            for path in files:
                archive.add(path, Path(below) / path.relative_to(shelf))
    return target


def test_what_a_shelf_has_is_not_computed_and_the_shelf_is_not_written(study, computed, shelf, settings, tmp_path):
    before = states(shelf)
    with_shelf = study(shelf)
    frame = with_shelf.run(progress=False)
    pd.testing.assert_frame_equal(frame, Study(**settings, store=str(computed)).run(progress=False))
    assert own_cells(tmp_path) == [] and states(shelf) == before
    provenance = with_shelf.provenance()
    assert set(provenance["shelf"]) == {str(shelf)}
    assert set(Study(**settings, store=str(computed)).provenance()["shelf"]) == {""}
    pruned = with_shelf.cells()[1]
    with with_shelf.store.artifact(pruned, "masks") as ours, Store(computed).artifact(pruned, "masks") as theirs:
        assert all(torch.equal(ours.get_tensor(key), theirs.get_tensor(key)) for key in theirs.keys())  # noqa: SIM118
    assert with_shelf.fingerprint() == Study(**settings, store=str(computed)).fingerprint()


def test_only_what_no_shelf_has_is_computed_and_the_own_store_goes_first(study, shelf, tmp_path):
    dense, german, swahili = study().cells()
    shutil.rmtree(shelf / "cells" / swahili.id)
    with_shelf = study(shelf)
    with_shelf.run(progress=False)
    assert own_cells(tmp_path) == [swahili.id]
    shutil.copytree(shelf / "cells" / german.id, tmp_path / "own" / "cells" / german.id)
    assert dict(zip(with_shelf.provenance()["id"], with_shelf.provenance()["shelf"], strict=True)) == {
        dense.id: str(shelf),
        german.id: "",
        swahili.id: "",
    }


def test_the_first_shelf_that_has_a_cell_is_read(study, shelf, tmp_path):
    dense, german, _ = study().cells()
    shutil.copytree(shelf, tmp_path / "first")
    shutil.rmtree(tmp_path / "first" / "cells" / german.id)
    store = study(tmp_path / "first", shelf).store
    assert store.provenance(dense)["shelf"] == str(tmp_path / "first")
    assert store.provenance(german)["shelf"] == str(shelf)


def test_ids_know_nothing_of_shelves(study, shelf):
    assert [cell.id for cell in study(shelf).cells()] == [cell.id for cell in study().cells()]


@pytest.mark.parametrize(
    ("damage", "words"),
    [
        (lambda folder: flip(folder / "records.parquet"), "checksum of records.parquet is wrong"),
        (lambda folder: flip(folder / "masks.safetensors"), "checksum of masks.safetensors is wrong"),
        (lambda folder: (folder / "records.parquet").unlink(), "records.parquet is missing"),
        (lambda folder: (folder / "masks.safetensors").unlink(), "masks.safetensors is missing"),
        (lambda folder: (folder / "cell.json").unlink(), "cell.json is missing"),
        (lambda folder: (folder / "cell.json").write_text("{"), "cell.json is damaged"),
        (
            lambda folder: (folder / "cell.json").write_text(
                (folder / "cell.json").read_text().replace("seconds_prune", "seconds")
            ),
            "has no number seconds_prune",
        ),
        *(
            (
                lambda folder, value=value: (folder / "cell.json").write_text(
                    re.sub(r'"seconds_prune": [0-9.]+', f'"seconds_prune": {value}', (folder / "cell.json").read_text())
                ),
                "has no number seconds_prune",
            )
            for value in ("Infinity", "NaN", "-1.0")
        ),
        (
            lambda folder: (
                shutil.move(folder / "cell.json", folder.parents[2] / "elsewhere"),
                (folder / "cell.json").symlink_to(folder.parents[2] / "elsewhere"),
            ),
            "cell.json is a link to somewhere else",
        ),
        (
            lambda folder: (folder / "cell.json").write_text(
                (folder / "cell.json").read_text().replace('"calibration_samples": 4', '"calibration_samples": 5')
            ),
            "configuration of another cell",
        ),
        (
            lambda folder: ((folder / "records.parquet").unlink(), (folder / "records.parquet").symlink_to(__file__)),
            "records.parquet is a link to somewhere else",
        ),
    ],
)
def test_a_damaged_cell_is_named_in_one_line_and_computed_where_it_is_asked_for(
    study, computed, shelf, settings, tmp_path, caplog, damage, words
):
    _, german, swahili = study().cells()
    damage(shelf / "cells" / german.id)
    with_shelf = study(shelf)
    with caplog.at_level(logging.WARNING):
        assert not with_shelf.store.has(german)
        assert not with_shelf.store.has(german) and with_shelf.store.has(swahili)
    [line] = [record.getMessage() for record in caplog.records]
    assert str(shelf) in line and german.id in line and words in line and "\n" not in line
    assert own_cells(tmp_path) == [], "asking computes nothing"
    frame = with_shelf.run(progress=False)
    assert own_cells(tmp_path) == [german.id]
    pd.testing.assert_frame_equal(frame, Study(**settings, store=str(computed)).run(progress=False))


def test_records_that_are_damaged_after_they_were_looked_up_are_not_shown(study, shelf):
    dense = study().cells()[0]
    with_shelf = study(shelf)
    assert with_shelf.store.has(dense)
    flip(shelf / "cells" / dense.id / "records.parquet")
    with pytest.raises(StoreError) as caught:
        Kept(shelf, "shelf").records(dense)
    assert "damaged" in str(caught.value) and "\n" not in str(caught.value)


def test_a_shelf_without_an_artifact_says_what_to_do(study, shelf):
    german = study().cells()[1]
    path = shelf / "cells" / german.id / "cell.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"artifacts_sha256": {}}))
    store = study(shelf).store
    assert store.has(german)
    with pytest.raises(StoreError) as caught, store.artifact(german, "masks"):
        pass
    assert "'masks'" in str(caught.value) and "take this shelf out" in str(caught.value)


@pytest.mark.parametrize("kind", ["zip", "tar", "tar.gz", "tar.xz"])
@pytest.mark.parametrize("below", ["", "published"])
def test_an_archive_is_a_shelf(study, computed, shelf, settings, tmp_path, kind, below):
    archive = packed(shelf, kind, below)
    frame = study(archive).run(progress=False)
    pd.testing.assert_frame_equal(frame, Study(**settings, store=str(computed)).run(progress=False))
    assert own_cells(tmp_path) == []
    assert set(study(archive).provenance()["shelf"]) == {str(archive)}


def test_an_archive_is_unpacked_once(study, shelf, cache):
    archive = packed(shelf, "zip")
    study(archive)
    before = states(cache)
    study(archive)
    assert before and states(cache) == before
    flip(shelf / "cells" / study().cells()[0].id / "records.parquet")
    changed = packed(shelf, "zip")
    assert not study(changed).store.has(study().cells()[0]), "another archive of the same name is another shelf"


@pytest.mark.parametrize("kind", ["zip", "tar"])
@pytest.mark.parametrize("name", ["../escaped", "cells/../../escaped", "/escaped", "cells/a\\..\\escaped"])
def test_a_path_that_leaves_the_folder_is_refused(study, cache, tmp_path, kind, name):
    archive = tmp_path / f"bad.{kind}"
    if kind == "zip":
        with zipfile.ZipFile(archive, "w") as opened:
            opened.writestr("cells/x", "x")
            opened.writestr(name, "x")
    else:
        with tarfile.open(archive, "w") as opened:
            for member in ("cells/x", name):
                info = tarfile.TarInfo(member)
                info.size = 1
                opened.addfile(info, io.BytesIO(b"x"))
    with pytest.raises(StoreError) as caught:
        study(archive)
    assert str(archive) in str(caught.value) and "leaves the folder" in str(caught.value)
    assert not [path for path in tmp_path.rglob("*") if path.is_file() and "escaped" in path.name]
    assert not [path for path in (cache / "shelves").iterdir() if path.is_dir()], "nothing was unpacked"


@pytest.mark.parametrize("kind", ["symlink", "hardlink", "device", "zip symlink"])
def test_links_and_devices_in_archives_are_refused(study, tmp_path, kind):
    archive = tmp_path / "bad.archive"
    if kind == "zip symlink":
        with zipfile.ZipFile(archive, "w") as opened:
            info = zipfile.ZipInfo("cells/link")
            info.external_attr = 0o120777 << 16
            opened.writestr(info, "/etc/passwd")
    else:
        with tarfile.open(archive, "w") as opened:
            info = tarfile.TarInfo("cells/link")
            info.type = {"symlink": tarfile.SYMTYPE, "hardlink": tarfile.LNKTYPE, "device": tarfile.CHRTYPE}[kind]
            info.linkname = "/etc/passwd"
            opened.addfile(info)
    with pytest.raises(StoreError, match="refused"):
        study(archive)


def test_an_archive_that_claims_more_than_the_disk_has_is_refused(study, tmp_path):
    archive = tmp_path / "bad.tar"
    info = tarfile.TarInfo("cells/x")
    info.size = 2**60
    archive.write_bytes(info.tobuf(tarfile.GNU_FORMAT) + b"x" * 512)
    with pytest.raises(StoreError, match="no room"):
        study(archive)


def test_an_archive_with_many_files_is_refused(study, shelf, monkeypatch):
    monkeypatch.setattr(archives, "MOST_FILES", 3)
    with pytest.raises(StoreError, match="4 files"):
        study(packed(shelf, "zip"))


@pytest.mark.parametrize("kind", ["tar", "tar.gz"])
def test_what_a_cut_archive_still_holds_is_read_and_the_rest_computed(study, shelf, tmp_path, caplog, kind):
    archive = packed(shelf, kind)
    archive.write_bytes(archive.read_bytes()[: archive.stat().st_size * 3 // 4])
    with caplog.at_level(logging.WARNING):
        cut = study(archive)
        there = [cell.id for cell in cut.cells() if cut.store.has(cell)]
    assert any(str(archive) in record.getMessage() and "cut short" in record.getMessage() for record in caplog.records)
    assert 0 < len(there) < 3
    cut.run(progress=False)
    assert own_cells(tmp_path) == sorted({cell.id for cell in cut.cells()} - set(there))
    caplog.clear()
    study(archive)
    assert "cut short" in caplog.text, "it is said each time"


def test_a_flipped_bit_in_an_archive_costs_one_cell(study, shelf, tmp_path, caplog):
    german = study().cells()[1]
    archive = packed(shelf, "tar")
    content = archive.read_bytes()
    records = (shelf / "cells" / german.id / "records.parquet").read_bytes()
    at = content.index(records) + len(records) // 2
    archive.write_bytes(content[:at] + bytes([content[at] ^ 1]) + content[at + 1 :])
    flipped = study(archive)
    flipped.run(progress=False)
    assert own_cells(tmp_path) == [german.id]
    assert german.id in caplog.text


def test_a_flipped_bit_in_a_zip_costs_one_cell(study, shelf, tmp_path, caplog):
    german = study().cells()[1]
    archive = packed(shelf, "zip")
    with zipfile.ZipFile(archive) as opened:
        info = opened.getinfo(f"cells/{german.id}/records.parquet")
    flip(archive, info.header_offset + 30 + len(info.filename) + info.compress_size // 2)
    study(archive).run(progress=False)
    assert own_cells(tmp_path) == [german.id]
    assert german.id in caplog.text


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04 cut", b"nothing of the kind"])
def test_what_is_no_archive_is_said(study, tmp_path, content):
    (tmp_path / "file.zip").write_bytes(content)
    with pytest.raises(StoreError) as caught:
        study(tmp_path / "file.zip")
    assert "file.zip" in str(caught.value) and "\n" not in str(caught.value)


def test_a_shelf_that_is_not_there_or_holds_no_cells_is_said(study, tmp_path):
    for folder in (tmp_path / "none", tmp_path):
        with pytest.raises(StoreError) as caught:
            study(folder)
        assert str(folder) in str(caught.value) and "name the folder or archive of a shelf" in str(caught.value)
    with pytest.raises(ParameterError, match="twice"):
        study(tmp_path, tmp_path)


def test_the_published_shelf_may_be_missing_and_is_used_where_it_is(settings, shelf, tmp_path, monkeypatch):
    for name in ("calibprune", "notebooks", "params"):
        (tmp_path / "checkout" / name).mkdir(parents=True)
    monkeypatch.chdir(tmp_path / "checkout")
    assert Study(**settings).store.places[1:] == ()
    shutil.copytree(shelf, tmp_path / "checkout" / PUBLISHED)
    default = Study(**settings)
    assert [place.name for place in default.store.places] == ["", PUBLISHED]
    assert set(default.provenance()["shelf"]) == {PUBLISHED}
    assert Study(**settings, shelves=[]).provenance().empty
    assert open_shelves([PUBLISHED], PUBLISHED) == [], "the store of the published run is no shelf of itself"


def test_a_cell_is_found_by_how_its_id_begins(shelf, study):
    dense = study().cells()[0]
    places = open_shelves([str(shelf)])
    assert find(places, dense.id[:9].upper()) == (places[0], dense.id)
    for prefix, words in (("", "no cell"), ("xyz", "no cell")):
        with pytest.raises(StoreError, match=words):
            find(places, prefix)
    (shelf / "cells" / f"{dense.id[:8]}{'0' * 8}").mkdir()
    with pytest.raises(StoreError, match="2 ids"):
        find(places, dense.id[:8])


def test_a_kept_configuration_is_the_cell_again(shelf, study):
    for cell in study().cells():
        again = Kept(shelf).cell(cell.id)
        assert again.id == cell.id and again.title == cell.title and again.configuration() == cell.configuration()
