"""A section is a notebook, a room of its name, and a line of the table of contents: built here in a copy of the book's
frame, by the recipe of CONTRIBUTING.md.
"""

import json
import shutil
import subprocess
import sys

import pytest
import yaml
from bs4 import BeautifulSoup

from calibbook.checkout import ROOT

ROOM = '''"""The text's languages and how many there are."""

import pandas as pd

from calibbook.shared.frames import languages_of
from calibbook.shared.html import Html, text_table


def counted(frame: pd.DataFrame) -> Html:
    """One row a language, with the number of its records."""
    counts = frame["language"].value_counts()
    rows = [{"language": code, "records": int(counts[code])} for code in languages_of(frame["language"])]
    return text_table(pd.DataFrame(rows), "Records")
'''
CELL = """from calibbook.s04_7_counting.tables import counted
from calibprune import Study

study = Study.from_names(globals())
counted(study.run("languages"))"""


@pytest.fixture
def checkout(tmp_path):
    """The frame of the book, with both packages and one new section."""
    for folder in ("calibprune", "book/calibbook", "book/_ext", "book/_static"):
        shutil.copytree(ROOT / folder, tmp_path / folder, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "_config.yml", tmp_path)
    (tmp_path / "book" / "references.bib").write_text("")
    (tmp_path / "book" / "intro.md").write_text("# A book\n\n{doc}`executed/04_7_counting`\n")
    room = tmp_path / "book" / "calibbook" / "s04_7_counting"
    room.mkdir()
    (room / "__init__.py").write_text("")
    (room / "tables.py").write_text(ROOM)
    notebook = json.loads((ROOT / "notebooks" / "04_1_pruning_results.ipynb").read_text(encoding="utf-8"))
    title, parameters, code = notebook["cells"][:3]
    title["source"], code["source"] = ["# 4.7 Counting"], CELL.splitlines(keepends=True)
    notebook["cells"] = [title, parameters, code | {"metadata": {}}]
    (tmp_path / "notebooks").mkdir()
    (tmp_path / "notebooks" / "04_7_counting.ipynb").write_text(json.dumps(notebook))
    (tmp_path / "_toc.yml").write_text("format: jb-book\nroot: intro\nchapters:\n  - file: executed/04_7_counting\n")
    return tmp_path


def test_a_section_is_a_notebook_a_room_and_a_line(checkout, tiny_checkpoint, tiny_texts, monkeypatch):
    parameters = {
        "models": [str(tiny_checkpoint)],
        "methods": ["wanda"],
        "sweep_sparsity": [],
        "sweep_samples": [],
        "sweep_languages": [],
        "bits": [],
        "languages": ["de", "sw"],
        "calibration_mixtures": [],
        "mask_seeds": [],
        "calibration_source": tiny_texts,
        "calibration_length": 32,
        "evaluation_source": [tiny_texts],
        "evaluation_samples": 2,
        "evaluation_length": 32,
        "metrics": ["perplexity"],
        "tasks": [],
        "device": "cpu",
        "dtype": "float32",
        "store": str(checkout / "results"),
    }
    (checkout / "params.yaml").write_text(yaml.safe_dump(parameters))
    monkeypatch.setenv("PYTHONPATH", f"{checkout}:{checkout / 'book'}")
    call = [sys.executable, "-m", "calibbook", "params.yaml"]
    ended = subprocess.run(call, cwd=checkout, capture_output=True, text=True, check=False)
    assert ended.returncode == 0, ended.stderr
    page = BeautifulSoup((checkout / "_build" / "html" / "executed" / "04_7_counting.html").read_text(), "html.parser")
    assert [row.th.text for row in page.select("table.study-table tbody tr")] == ["de", "sw"]
    assert all(int(row.td.text) > 0 for row in page.select("table.study-table tbody tr"))
