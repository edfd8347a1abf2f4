"""Notebooks to hand out have every exercise and no solution, and nothing is written over."""

import subprocess
import sys

import pytest
from lab import NOTEBOOKS, cells_of, exercises, solutions

from calibbook.teaching import handout
from calibprune.errors import ParameterError


def test_copies_have_exercises_and_no_solutions(tmp_path):
    copies = handout.write(tmp_path / "for students")
    assert [copy.name for copy in copies] == [path.name for path in NOTEBOOKS]
    for copy, original in zip(copies, NOTEBOOKS, strict=True):
        assert exercises(copy) == exercises(original) and solutions(copy) == {}
        assert "Solution" not in copy.read_text(encoding="utf-8")
        kept = [cell for cell in cells_of(original) if not cell["id"].endswith("-solution")]
        assert [("".join(cell["source"])) for cell in cells_of(copy)] == ["".join(cell["source"]) for cell in kept]


def test_nothing_is_written_over(tmp_path):
    handout.write(tmp_path)
    with pytest.raises(ParameterError, match="is there already"):
        handout.write(tmp_path)
    with pytest.raises(ParameterError, match="is there already"):
        handout.write(handout.LABORATORY)


def test_the_command_writes_them_and_ends_in_one_line(tmp_path):
    command = [sys.executable, "-m", "calibbook.teaching.handout"]
    done = subprocess.run([*command, str(tmp_path)], capture_output=True, text=True, check=True)
    assert len(done.stdout.splitlines()) == len(NOTEBOOKS) == len(list(tmp_path.glob("*.ipynb")))
    failed = subprocess.run(command, capture_output=True, text=True, check=False)
    assert failed.returncode and len(failed.stderr.splitlines()) == 1 and "name one folder" in failed.stderr
