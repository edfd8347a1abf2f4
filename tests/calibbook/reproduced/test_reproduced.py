"""Numbers that were computed afresh beside the published ones: what is the same, what differs, and what is missing."""

import json
import shutil
from pathlib import Path

import pandas as pd
import pytest

from calibbook.reproduced import data, tables
from calibbook.reproduced.data import Reproduced, reproduced
from calibprune.files import file_sha256
from calibprune.study.parameters import NUMERICS
from calibprune.study.publishing import MANIFEST, publish
from calibprune.study.study import Study

LARGE = 10**9


@pytest.fixture(scope="module")
def settings(tiny_settings):
    return tiny_settings | {"metrics": ["perplexity", "snr_db"], "tasks": ["knowledge_de"], "task_limit": 2}


@pytest.fixture(scope="module")
def computed(settings, tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("computed") / "results"
    study = Study(**settings, store=str(folder))
    study.run(progress=False)
    publish({"quick": study}, folder.parent / "published", LARGE)
    return folder.parent


@pytest.fixture
def study(computed, settings, tmp_path, monkeypatch) -> Study:
    """The study, with its published run where the package looks for it."""
    shutil.copytree(computed, tmp_path, dirs_exist_ok=True)
    monkeypatch.setattr(data, "PUBLISHED", str(tmp_path / "published"))
    return Study(**settings, store=str(tmp_path / "results"))


def change(cell: Path, by: float, metric: str) -> None:
    """Multiplies a cell's values of a metric, and lets its checksum follow."""
    frame = pd.read_parquet(cell / "records.parquet")
    frame.loc[frame["metric"] == metric, "value"] *= by
    frame.to_parquet(cell / "records.parquet")
    known = json.loads((cell / "cell.json").read_text())
    known["records_sha256"] = file_sha256(cell / "records.parquet")
    (cell / "cell.json").write_text(json.dumps(known))


def test_the_same_computation_is_the_same_to_the_bit(study):
    found = reproduced(study, "quick")
    assert isinstance(found, Reproduced) and (found.values["excess"] == 0).all() and len(found.values) > 20
    said = repr(tables.in_short(found))
    assert f"Of {len(found.values):,} numbers {len(found.values):,} are the same to the bit." in said
    assert "3 models were computed afresh" in said and "differ" not in said
    agree = len(found.verdicts)
    assert agree and f"Of {agree} verdicts of Section 4.1 on these models {agree} agree." in said
    assert " no " not in repr(tables.difference_table(found)) and "none" in repr(tables.difference_table(found))
    assert repr(tables.every_number(found)).count("DE") and set(data.TEST) <= set(found.verdicts)


def test_verdicts_are_counted_by_claim_and_all_stand_behind_a_line(study):
    found = reproduced(study, "quick")
    tests = found.verdicts.reset_index(drop=True)
    tests.loc[0, "here"] = None
    found = found._replace(verdicts=tests)
    mine = tests[tests["claim"] == tests["claim"][0]]
    row = next(line for line in repr(tables.claim_table(found)).splitlines() if str(tests["claim"][0]) in line)
    assert f"{len(mine) - 1} of {len(mine)}" in row and f"1 {tables.NOT_TESTED}" in row
    every = tables.every_verdict(found)
    assert every.html.startswith("<details") and every.html.count("<tbody") == 1
    assert every.html.count('<th scope="row"') == len(tests)


def test_what_differs_is_counted_and_shown_with_its_tolerance(study):
    dense, german, _ = study.cells()
    change(study.store.folder(german), 1.05, "perplexity")
    found = reproduced(study, "quick")
    changed = (found.values["value_before"] != found.values["value_after"]).sum()
    assert f"The other {changed} differ by no more than the tolerance" in repr(tables.in_short(found))
    assert "50.0%" in repr(tables.difference_table(found)), "half of the tenth that is allowed"
    change(study.store.folder(dense), 1.1, "perplexity")
    found = reproduced(study, "quick")
    more = (found.values["excess"] > 1).sum()
    assert more > 0 and f", {more} differ by more than the tolerance" in repr(tables.in_short(found))
    row = next(line for line in repr(tables.difference_table(found)).splitlines() if "erplexity" in line)
    assert " no " in row


def records(root: Path, cell) -> Path:
    return root / "cells" / cell.id / "records.parquet"


@pytest.mark.parametrize(
    "what, said",
    [
        (lambda study, root: shutil.rmtree(study.store.folder(study.cells()[1])), "1 of the 3 models"),
        (lambda study, root: (root / "published" / MANIFEST).unlink(), "No published run"),
        (lambda study, root: shutil.rmtree(root / "published"), "No published run"),
        (
            lambda study, root: (root / "published" / "cells" / study.cells()[1].id / "records.parquet").write_bytes(
                b""
            ),
            "damaged",
        ),
    ],
)
def test_what_cannot_be_compared_is_said(study, tmp_path, what, said):
    what(study, tmp_path)
    found = reproduced(study, "quick")
    assert isinstance(found, str) and said in found
    assert said in repr(tables.in_short(found))
    assert isinstance(reproduced(study, "another"), str)


def test_a_study_of_other_parameters_is_not_compared(study, settings):
    other = Study(**settings | {"evaluation_samples": 1}, store=study.parameters.store)
    assert "other parameters" in reproduced(other, "quick")


def test_numerics_that_differ_are_said(study, tmp_path, monkeypatch):
    path = tmp_path / "published" / MANIFEST
    known = json.loads(path.read_text())
    known["studies"]["quick"]["numerics"] -= 1
    path.write_text(json.dumps(known))
    said = repr(tables.in_short(reproduced(study, "quick")))
    assert f"of version {NUMERICS - 1} of the computation, those here of version {NUMERICS}" in said
