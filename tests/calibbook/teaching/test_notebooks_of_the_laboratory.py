"""Every notebook of the laboratory: untouched its exercises fail their checks, with the solutions they pass."""

from pathlib import Path
from unittest import mock

import pytest
from lab import NOTEBOOKS, Ran, cells_of, exercises, solutions

import calibprune
from calibbook.teaching import evidence

SEVERAL = range(4, 7)
WITH_THE_MODEL = [path for path in NOTEBOOKS if "cp.load(" in path.read_text(encoding="utf-8")]
WITHOUT_A_MODEL = [path for path in NOTEBOOKS if path not in WITH_THE_MODEL]


def assert_solved_by_its_solutions_alone(notebook: Path) -> None:
    ran, names = Ran(notebook), exercises(notebook)
    assert {name: said.right for name, said in ran.untouched.items()} == dict.fromkeys(names, False)
    assert {name: said.right for name, said in ran.solved.items()} == dict.fromkeys(names, True)


@pytest.mark.parametrize("notebook", NOTEBOOKS, ids=lambda path: path.stem)
def test_goals_and_exercises_with_solutions_are_there(notebook):
    assert "**What you will be able to do.**" in "".join(cells_of(notebook)[0]["source"])
    assert len(exercises(notebook)) in SEVERAL
    assert list(solutions(notebook)) == exercises(notebook)


@pytest.mark.parametrize("notebook", WITHOUT_A_MODEL, ids=lambda path: path.stem)
def test_an_untouched_exercise_fails_and_its_solution_passes(notebook, monkeypatch):
    # whatever this checkout has computed: whether the study is there takes reading all of its text
    monkeypatch.setattr(evidence, "read", evidence.kept)
    assert_solved_by_its_solutions_alone(notebook)


@pytest.mark.gemma
@pytest.mark.parametrize("notebook", WITH_THE_MODEL, ids=lambda path: path.stem)
def test_the_same_with_the_real_model(notebook, gemma):
    with mock.patch.object(calibprune, "load", lambda name: gemma):
        assert_solved_by_its_solutions_alone(notebook)
