"""Cells are computed again and compared, and what differs is said."""

import hashlib
import json
import shutil
from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest
import torch

from calibprune.errors import StoreError
from calibprune.files import file_sha256
from calibprune.study import verifying
from calibprune.study.kept import Kept
from calibprune.study.parameters import NUMERICS
from calibprune.study.study import Study
from calibprune.study.verifying import announced, some, target, verify


@pytest.fixture(scope="module")
def settings(tiny_settings, tiny_texts):
    """Three cells: the dense model, Wanda, and GPTQ."""
    return tiny_settings | {
        "bits": [4],
        "group_size": 16,
        "languages": ["de"],
        "evaluation_languages": ["de", "sw"],
        "metrics": ["perplexity", "pruning_error", "subspace", "masks", "neurons"],
        "parallel_source": tiny_texts,
        "parallel_samples": 4,
    }


@pytest.fixture(scope="module")
def computed(settings, tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("computed") / "results"
    torch.set_num_threads(1)
    Study(**settings, store=str(folder)).run(progress=False)
    return folder


@pytest.fixture
def kept(computed, tmp_path) -> Kept:
    shutil.copytree(computed / "cells", tmp_path / "shelf" / "cells")
    return Kept(tmp_path / "shelf", "shelf")


def change(kept: Kept, identifier: str, **provenance) -> None:
    path = kept.root / "cells" / identifier / "cell.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | provenance))


def change_perplexity(kept: Kept, identifier: str, times: float) -> None:
    """As somebody would who publishes other numbers: with a checksum that holds."""
    path = kept.root / "cells" / identifier / "records.parquet"
    frame = pd.read_parquet(path)
    frame.loc[frame["metric"] == "perplexity", "value"] *= times
    frame.to_parquet(path, index=False)
    change(kept, identifier, records_sha256=file_sha256(path))


def verdicts(kept: Kept, *ids: str, **options):
    return list(verify([target(kept, one) for one in ids or kept.ids()], "cpu", show=False, **options))


def wanda(settings) -> str:
    [cell] = [cell for cell in Study(**settings).cells() if cell.method == "wanda"]
    return cell.id


def test_what_this_machine_computed_comes_out_to_the_bit(kept):
    before = {path: path.read_bytes() for path in kept.root.rglob("*") if path.is_file()}
    found = verdicts(kept)
    assert len(found) == 3
    assert [(one.same, one.compared, one.found) for one in found] == [(True, "to the bit", "every bit")] * 3
    assert before == {path: path.read_bytes() for path in kept.root.rglob("*") if path.is_file()}


def test_another_number_is_found(kept, settings):
    change_perplexity(kept, wanda(settings), 1 + 1e-12)
    [found] = verdicts(kept, wanda(settings))
    assert (found.same, found.compared) == (False, "to the bit")
    assert "not the same bits" in found.found


@pytest.mark.parametrize(("times", "same"), [(1.05, True), (1.2, False)])
def test_on_another_processor_there_are_tolerances(kept, settings, times, same):
    identifier = wanda(settings)
    change(kept, identifier, machine="another processor, 64 cores")
    change_perplexity(kept, identifier, times)
    [found] = verdicts(kept, identifier)
    assert (found.same, found.compared) == (same, "within tolerances")
    assert "perplexity" in found.found
    assert found.differs[0].startswith("machine another processor, 64 cores, here ")


def test_another_version_of_a_package_is_named(kept, settings):
    identifier = wanda(settings)
    versions = json.loads((kept.root / "cells" / identifier / "cell.json").read_text())["versions"]
    change(kept, identifier, versions=versions | {"torch": "1.0"})
    [found] = verdicts(kept, identifier)
    assert found.same and found.compared == "within tolerances"
    assert found.differs == (f"torch 1.0, here {versions['torch']}",)


def test_a_damaged_cell_and_one_of_other_texts_are_verdicts_and_the_others_are_computed(
    kept, settings, tiny_texts, tmp_path
):
    texts = tmp_path / "texts"
    shutil.copytree(Path(tiny_texts.removeprefix("file:")).parent, texts)
    other = f"file:{texts}/{{language}}.txt"
    more = settings | {
        "calibration_source": other,
        "evaluation_source": [other],
        "parallel_source": other,
        "store": str(tmp_path / "more"),
        "bits": [],
    }
    Study(**more).run(progress=False)
    (texts / "de.txt").write_text((texts / "de.txt").read_text().replace("a", "e"))
    shutil.copytree(tmp_path / "more" / "cells", kept.root / "cells", dirs_exist_ok=True)
    changed = sorted(path.name for path in (tmp_path / "more" / "cells").iterdir())
    damaged, *whole = [name for name in kept.ids() if name not in changed]
    path = kept.root / "cells" / damaged / "records.parquet"
    path.write_bytes(path.read_bytes()[:-1])
    found = {one.target.id: one for one in verdicts(kept)}
    assert not found[damaged].same and "checksum of records.parquet is wrong" in found[damaged].found
    for name in changed:
        assert (found[name].same, found[name].compared) == (False, "not at all")
        assert "is another here" in found[name].found
    assert whole and all(found[name].same for name in whole)


def test_artifacts_that_a_shelf_leaves_out_are_not_compared(kept, settings):
    identifier = wanda(settings)
    change(kept, identifier, artifacts_sha256={})
    (kept.root / "cells" / identifier / "masks.safetensors").unlink()
    assert [one.same for one in verdicts(kept, identifier)] == [True]


def test_how_long_it_takes_is_said_beforehand(kept):
    for identifier in kept.ids():
        change(kept, identifier, seconds_prune=100.0, seconds_measure=20.0, machine="a processor, 2 cores")
    targets = [target(kept, identifier) for identifier in kept.ids()]
    [line] = announced(targets, "cpu")
    assert line == "3 cells to compute again, which took 6 min on a processor, 2 cores"
    change(kept, targets[1].id, device="NVIDIA H200")
    assert announced([target(kept, identifier) for identifier in kept.ids()], "cpu")[1].startswith("1 of them were")
    change(kept, targets[1].id, device="CPU")
    change(kept, targets[0].id, seconds_prune=None)
    damaged = target(kept, targets[0].id)
    assert damaged.flaw == "cell.json has no number seconds_prune"
    assert announced([damaged], "cpu") == ["no cell can be computed again"]


@pytest.mark.parametrize("native", [True, False])
def test_a_processor_without_bfloat16_is_told(settings, tmp_path, monkeypatch, native):
    rounded = Study(**settings | {"dtype": "bfloat16", "store": str(tmp_path / "rounded"), "bits": []})
    rounded.run(progress=False)
    kept = Kept(tmp_path / "rounded")
    for identifier in kept.ids():
        change(kept, identifier, seconds_prune=0.0, seconds_measure=600.0)
    monkeypatch.setattr(verifying, "has_bfloat16", lambda device: native)
    monkeypatch.setattr(verifying, "slowness", lambda: 3.0)
    lines = announced([target(kept, identifier) for identifier in kept.ids()], "cpu")
    if native:
        assert len(lines) == 1
    else:
        assert "2 of them are computed in bfloat16, which this processor has not" in lines[1]
        assert "3.0 times" in lines[1] and "about 60 min" in lines[1]


def test_how_slow_bfloat16_is_is_measured():
    assert verifying.slowness() > 0


def test_cells_by_chance(kept, tmp_path):
    assert {identifier for _, identifier in some([kept], 9)} == set(kept.ids())
    assert len(some([kept], 2)) == len({identifier for _, identifier in some([kept], 2)}) == 2
    with pytest.raises(StoreError, match="holds no cells"):
        some([Kept(tmp_path / "none")], 5)


def test_a_cell_of_older_numerics_is_computed_with_todays_and_that_is_said(kept, settings):
    study = Study(**settings)
    cell = replace(next(cell for cell in study.cells() if cell.method == "wanda"), numerics=NUMERICS - 1)
    folder = kept.root / "cells" / cell.id
    shutil.copytree(kept.root / "cells" / wanda(settings), folder)
    change(kept, cell.id, id=cell.id, configuration=cell.configuration())
    [found] = verdicts(kept, cell.id)
    assert found.same and found.compared == "within tolerances"
    assert found.differs == (f"numerics {NUMERICS - 1}, here {NUMERICS}",)


def test_a_configuration_that_this_version_does_not_know_is_said(kept, settings):
    content = json.loads((kept.root / "cells" / wanda(settings) / "cell.json").read_text())
    configuration = content["configuration"] | {"of_a_later_version": 1}
    identifier = hashlib.sha256(json.dumps(configuration, sort_keys=True).encode()).hexdigest()[:16]
    shutil.copytree(kept.root / "cells" / wanda(settings), kept.root / "cells" / identifier)
    change(kept, identifier, id=identifier, configuration=configuration)
    [found] = verdicts(kept, identifier)
    assert not found.same and "none of this version of calibprune" in found.found
