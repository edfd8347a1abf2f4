"""Every notebook of the laboratory: untouched its exercises fail their checks, with the solutions they pass."""

from unittest import mock

import pytest
from lab import NOTEBOOKS, Ran, cells_of, exercises, solutions

from calibbook.teaching import evidence

SEVERAL = range(4, 7)


@pytest.fixture(scope="module", autouse=True)
def no_study_is_read():
    """The scores that are kept, whatever this checkout has computed: the study's text need not be read for them."""
    with mock.patch.object(evidence, "read", evidence.kept):
        yield


@pytest.mark.parametrize("notebook", NOTEBOOKS, ids=lambda path: path.stem)
def test_goals_and_exercises_with_solutions_are_there(notebook):
    assert "**What you will be able to do.**" in "".join(cells_of(notebook)[0]["source"])
    assert len(exercises(notebook)) in SEVERAL
    assert list(solutions(notebook)) == exercises(notebook)


@pytest.mark.parametrize("notebook", NOTEBOOKS, ids=lambda path: path.stem)
def test_an_untouched_exercise_fails_and_its_solution_passes(notebook):
    for solved in (False, True):
        ran = Ran(notebook, solved)
        assert {name: ran.values[name].right for name in exercises(notebook)} == dict.fromkeys(
            exercises(notebook), solved
        )
