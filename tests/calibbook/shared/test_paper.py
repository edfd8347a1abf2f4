"""The paper's numbers: one look-up for all rooms, and csv files that say what they hold."""

from pathlib import Path

import pandas as pd
import pytest

import calibbook
from calibbook.shared import paper
from calibbook.shared.frames import METHODS
from calibbook.shared.paper import Numbers
from calibprune.languages import PAPER_LANGUAGES

FILES = sorted(Path(calibbook.__file__).parent.glob("*/paper*.csv"))


@pytest.fixture
def numbers(tmp_path):
    path = tmp_path / "paper.csv"
    path.write_text(
        "section,model,method,sparsity,pattern,calibration,value,unit\n"
        "Table 1,llama3-8b,wanda,0.5,unstructured,de,12.5,%\n"
        "4.1,llama3-8b,dense,0.0,dense,,23.6,\n"
    )
    return Numbers(path)


NAMES = {"method": "wanda", "sparsity": 0.5, "pattern": "unstructured", "calibration": "de"}


def test_a_number_is_found_by_its_names_and_percentages_are_fractions(numbers):
    assert numbers.get(model="llama3-8b", **NAMES) == 0.125
    assert numbers.get(model="meta-llama/Meta-Llama-3-8B-Instruct", **NAMES) == 0.125
    dense = {"method": "dense", "sparsity": 0.0, "pattern": "dense", "calibration": ""}
    assert numbers.get(model="llama3-8b", **dense) == 23.6


@pytest.mark.parametrize("changed", [{"model": "gemma3-270m"}, {"sparsity": 0.6}, {"calibration": "en"}])
def test_a_number_that_is_not_there_is_not_known(numbers, changed):
    assert numbers.get(**({"model": "llama3-8b"} | NAMES | changed)) is None


def test_a_file_is_read_once(numbers, monkeypatch):
    real, read = pd.read_csv, []
    monkeypatch.setattr(paper.pd, "read_csv", lambda *given, **named: read.append(1) or real(*given, **named))
    for _ in range(3):
        numbers.get(model="llama3-8b", **NAMES)
    assert len(numbers.of("Table 1")) == 1 and len(read) == 1


def test_every_room_with_numbers_of_the_paper_has_them():
    assert [path.parent.name for path in FILES] == [
        "s04_1_pruning_results",
        "s04_2_downstream_tasks",
        "s05_2_pruning_masks",
    ]


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.parent.name)
def test_numbers_are_stated_once_and_by_names_that_a_study_has(path):
    frame = Numbers(path).frame
    names = [name for name in frame.columns if name not in ("section", "value")]
    assert not frame.duplicated(names).any() and frame["value"].notna().all() and (frame["section"] != "").all()
    assert set(frame["model"]) <= {*paper.LABELS, ""} and set(frame["method"]) <= {*METHODS, ""}
    texts = {part for column in ("calibration", "language") if column in frame for part in frame[column]}
    assert {part for text in texts for part in text.split("+")} <= {*PAPER_LANGUAGES, ""}
