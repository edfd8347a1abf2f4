"""A finished study is packed without large arrays, whole and below a size, and runs on what was packed."""

import json
import shutil
from pathlib import Path

import pandas as pd
import pytest
import torch

from calibprune.errors import ParameterError, StoreError
from calibprune.study import cells, parameters
from calibprune.study import study as study_module
from calibprune.study.derived import DERIVED, Derived, derived
from calibprune.study.doctor import FAULT, of_shelf
from calibprune.study.kept import LEFT_OUT, Kept
from calibprune.study.parameters import NUMERICS
from calibprune.study.publishing import ADVICE, MANIFEST, flaws, publish, published
from calibprune.study.shelves import open_shelves
from calibprune.study.study import Study

LARGE = 10**9


@pytest.fixture(scope="module")
def settings(tiny_settings):
    return tiny_settings | {"metrics": ["perplexity", "masks"], "tasks": ["knowledge_de"], "task_limit": 2}


@pytest.fixture(scope="module")
def computed(settings, tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("computed") / "results"
    torch.set_num_threads(1)
    study = Study(**settings, store=str(folder))
    study.run(progress=False)
    for version in (1, 2):
        frame = pd.DataFrame({"version": [version]})
        derived(study.store, "similarity", version, study.cells()[1:], lambda frame=frame: frame)
    return folder


@pytest.fixture
def study(settings, computed, tmp_path) -> Study:
    shutil.copytree(computed, tmp_path / "results")
    return Study(**settings, store=str(tmp_path / "results"))


def sized(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


def test_what_was_packed_is_a_shelf_of_the_study(study, settings, tmp_path):
    shelf = tmp_path / "shelf"
    found = publish({"tiny": study}, shelf, LARGE)
    assert found == (3, 1, sized(shelf))
    packed = Study(**settings | {"shelves": [str(shelf)]}, store=str(tmp_path / "empty"))
    pd.testing.assert_frame_equal(packed.run(progress=False), study.run(progress=False))
    assert not (tmp_path / "empty" / "cells").exists(), "nothing was computed"
    assert packed.fingerprint() == study.fingerprint()
    _, german, swahili = packed.cells()
    with packed.store.artifact(german, "items") as ours, study.store.artifact(german, "items") as theirs:
        assert all(torch.equal(ours.get_tensor(key), theirs.get_tensor(key)) for key in theirs.keys())  # noqa: SIM118
    assert not list(shelf.rglob("masks.safetensors"))
    assert set(packed.store.provenance(german)[LEFT_OUT]) == {"masks"}
    with pytest.raises(StoreError, match="without 'masks'"), packed.store.artifact(german, "masks"):
        pass
    newest = derived(packed.store, "similarity", 2, [german, swahili], lambda: pytest.fail("computed"))
    assert newest["version"].tolist() == [2]


def test_the_manifest_names_every_file_and_where_it_comes_from(study, tmp_path):
    fixed = tmp_path / "claims.yaml"
    fixed.write_text("x")
    publish({"tiny": study}, tmp_path / "shelf", LARGE, [fixed])
    known = json.loads((tmp_path / "shelf" / MANIFEST).read_text())
    files = {p.relative_to(tmp_path / "shelf").as_posix() for p in (tmp_path / "shelf").rglob("*") if p.is_file()}
    assert set(known["files"]) == files - {MANIFEST}
    tiny = published(tmp_path / "shelf")["tiny"]
    assert list(tiny["cells"]) == [cell.id for cell in study.cells()]
    assert tiny["parameters"]["task_limit"] == 2 and "store" not in tiny["parameters"]
    assert (
        (tiny["parameters"]["dtype"], tiny["parameters"]["numerics"])
        == ("float32", NUMERICS)
        == ("float32", tiny["numerics"])
    )
    assert [one["name"] for one in known["derived"].values()] == ["similarity"]
    assert len(known["fixed"][str(fixed)]) == 64 and tiny["seconds"] > 0 and tiny["machines"]
    assert flaws(tmp_path / "shelf") == [] and flaws(tmp_path) == []


def test_what_differs_from_the_manifest_is_named(study, tmp_path):
    shelf = tmp_path / "shelf"
    publish({"tiny": study}, shelf, LARGE)
    one, other = sorted((shelf / "cells").iterdir())[:2]
    (one / "records.parquet").write_bytes(b"x")
    (other / "records.parquet").unlink()
    (shelf / "cells" / "more.txt").write_text("x")
    wrong, added = flaws(shelf)
    assert wrong.startswith("2 files are missing or other") and f"cells/{one.name}/records.parquet" in wrong
    assert added == f"1 files are not in {MANIFEST}: cells/more.txt"
    found = [finding for finding in of_shelf(str(shelf), tmp_path / "results") if finding.kind == FAULT]
    assert {wrong, added} <= {finding.what for finding in found}
    strange = {"../out": {"sha256": "0"}, "a\0b": {"sha256": "0"}, "\x1b[2J": {}, "none": 1}
    (shelf / MANIFEST).write_text(json.dumps({"files": strange}))
    assert flaws(shelf)[0].startswith("4 files are missing") and "\x1b" not in flaws(shelf)[0]
    (shelf / MANIFEST).write_text("{")
    assert flaws(shelf) == [f"{MANIFEST} is damaged"]


def test_more_than_the_limit_is_refused_and_leaves_nothing(study, tmp_path):
    with pytest.raises(ParameterError) as caught:
        publish({"tiny": study}, tmp_path / "shelf", 1000)
    assert "more than 0.0 MB" in str(caught.value) and "cell.json" in str(caught.value)
    assert "\n" not in str(caught.value) and not (tmp_path / "shelf").exists()
    assert not [path for path in tmp_path.iterdir() if path.name.startswith(".")]


def test_a_study_that_is_not_finished_is_refused(study, tmp_path):
    german = study.cells()[1]
    path = study.store.folder(german) / "records.parquet"
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(StoreError, match=r"the checksum of records\.parquet is wrong; delete that folder"):
        publish({"tiny": study}, tmp_path / "shelf", LARGE)
    shutil.rmtree(study.store.folder(german))
    with pytest.raises(StoreError, match=f"1 of 3 cells are not computed, {german.title} for one"):
        publish({"tiny": study}, tmp_path / "shelf", LARGE)
    assert not (tmp_path / "shelf").exists()


def test_a_folder_that_holds_something_is_not_touched(study, tmp_path):
    (tmp_path / "shelf").mkdir()
    (tmp_path / "shelf" / "mine").touch()
    with pytest.raises(ParameterError, match="holds something already"):
        publish({"tiny": study}, tmp_path / "shelf", LARGE)
    assert [path.name for path in (tmp_path / "shelf").iterdir()] == ["mine"]
    with pytest.raises(ParameterError, match="cannot be read"):
        publish({"tiny": study}, tmp_path / "other", LARGE, [tmp_path / "nothing"])


def test_tables_that_are_damaged_or_of_other_results_are_left_out(study, tmp_path):
    cells = study.cells()
    whole = study.store.folder(Derived("similarity", 1, tuple(cells[1:])))
    damaged = study.store.folder(Derived("similarity", 2, tuple(cells[1:])))
    (damaged / "table.parquet").write_bytes(b"x")
    path = Kept(tmp_path / "results").folder(cells[0]) / "cell.json"
    derived(study.store, "of the dense model", 1, cells[:1], lambda: pd.DataFrame({"a": [1]}))
    path.write_text(json.dumps(json.loads(path.read_text()) | {"artifacts_sha256": {}}))
    publish({"tiny": study}, tmp_path / "shelf", LARGE)
    assert [one.name for one in (tmp_path / "shelf" / DERIVED).iterdir()] == [whole.name]


def test_a_shelf_is_packed_from_shelves(study, settings, tmp_path):
    publish({"tiny": study}, tmp_path / "first", LARGE)
    again = Study(**settings | {"shelves": [str(tmp_path / "first")]}, store=str(tmp_path / "own"))
    publish({"tiny": again}, tmp_path / "second", LARGE)
    [one], [other] = (open_shelves([str(tmp_path / name)]) for name in ("first", "second"))
    assert [one.checksums(cell) for cell in study.cells()] == [other.checksums(cell) for cell in study.cells()]
    assert one.ids(DERIVED) == other.ids(DERIVED)


def test_several_studies_are_packed_and_what_they_share_is_there_once(study, settings, tmp_path):
    german = Study(**settings | {"languages": ["de", "sw"], "tasks": []}, store=study.parameters.store)
    german.run(progress=False)
    found = publish({"all": study, "again": study, "without tasks": german}, tmp_path / "shelf", LARGE)
    assert found.cells == 6 == len(list((tmp_path / "shelf" / "cells").iterdir()))
    known = published(tmp_path / "shelf")
    assert list(known) == ["all", "again", "without tasks"] and known["all"] == known["again"]
    assert not set(known["all"]["cells"]) & set(known["without tasks"]["cells"])


@pytest.mark.parametrize(
    "text", [None, "{", '{"studies": {}}', '{"studies": {"one": {"parameters": 1}}}', '{"studies": [1]}']
)
def test_a_published_run_without_a_whole_manifest_is_named(study, tmp_path, text):
    publish({"tiny": study}, tmp_path / "shelf", LARGE)
    (tmp_path / "shelf" / MANIFEST).unlink()
    if text is not None:
        (tmp_path / "shelf" / MANIFEST).write_text(text)
    with pytest.raises(StoreError) as caught:
        published(tmp_path / "shelf")
    assert MANIFEST in str(caught.value) and "restore" in str(caught.value) and "\n" not in str(caught.value)


def test_a_run_of_older_numerics_is_shown_and_never_computed(study, settings, tmp_path, monkeypatch):
    shelf = tmp_path / "shelf"
    publish({"tiny": study}, shelf, LARGE)
    values = published(shelf)["tiny"]["parameters"] | {"device": "cpu", "shelves": [str(shelf)]}
    for module in (cells, parameters, study_module):
        monkeypatch.setattr(module, "NUMERICS", NUMERICS + 1)
    shown = Study(**values, store=str(tmp_path / "empty"))
    pd.testing.assert_frame_equal(shown.run(progress=False), study.run(progress=False))
    shutil.rmtree(shelf / "cells" / shown.cells()[1].id)
    with pytest.raises(StoreError, match=f"numerics {NUMERICS}, and this version computes numerics {NUMERICS + 1}"):
        shown.run(progress=False)
    assert not (tmp_path / "empty" / "cells").exists()


def test_predictions_of_whole_models_are_packed(study, settings, tmp_path):
    folder = Path(study.parameters.store) / ADVICE / Path(settings["models"][0]).name
    folder.mkdir(parents=True)
    head = "method,sparsity,calibration,language,layer,component,value\n"
    (folder / "wanda.csv").write_text(head + "wanda,0.5,de,sw,,,0.25\nwanda,0.5,de,sw,0,mlp.up_proj,0.5\n")
    publish({"tiny": study}, tmp_path / "shelf", LARGE)
    path = tmp_path / "shelf" / ADVICE / folder.name / "wanda.csv"
    assert path.read_text() == head + "wanda,0.5,de,sw,,,0.25\n"
    files = json.loads((tmp_path / "shelf" / MANIFEST).read_text())["files"]
    assert path.relative_to(tmp_path / "shelf").as_posix() in files
    (folder / "odd.csv").write_text("a,b\n1,2\n")
    with pytest.raises(StoreError, match=r"odd\.csv: is no table"):
        publish({"tiny": study}, tmp_path / "other", LARGE)
    assert not (tmp_path / "other").exists()
