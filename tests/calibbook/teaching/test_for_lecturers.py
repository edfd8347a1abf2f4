"""The page for lecturers: the answers and the tables that it expects are what the exercises and the texts give."""

import ast
import re

import numpy as np
import pytest
from lab import NOTEBOOKS, exercises

from calibbook.checkout import ROOT
from calibbook.teaching import check, evidence
from calibbook.teaching.by_hand import FIRST, SECOND, WEIGHT, by_calibprune, lost
from calibbook.teaching.judged import agrees

PAGE = (ROOT / "book" / "for_lecturers.md").read_text(encoding="utf-8")
EXPECTED = {name.lower(): ast.literal_eval(said) for name, said in re.findall(r"^\| ([A-E]\d) \| `(.+?)`", PAGE, re.M)}
BACKWARDS = np.arange(WEIGHT.shape[1])[::-1]


def of_day(day: int) -> str:
    """The model answer of a day."""
    return re.search(rf"^Day {day}\n: (.*?)(?=^\S)", PAGE, re.M | re.S)[1]


def test_every_exercise_that_asks_for_no_function_has_its_answer():
    functions = {"a4", "a5", "b2", "d5", "e2"}
    assert set(EXPECTED) == {name for path in NOTEBOOKS for name in exercises(path)} - functions


@pytest.mark.parametrize("name", [name for name in EXPECTED if name[0] in "ad" or name == "c1"])
def test_answers_without_a_model_are_right(name):
    assert check(name, EXPECTED[name], *([evidence.kept()] if name[0] == "d" else [])).right


def swept(order: np.ndarray, gone: np.ndarray) -> np.ndarray:
    """The matrix after SparseGPT's sweep over its columns in this order, on the first text, with this mask."""
    hessian = 2 * FIRST.T @ FIRST
    hessian += 0.01 * hessian.diagonal().mean() * np.eye(len(hessian))
    factor = np.linalg.cholesky(np.linalg.inv(hessian[np.ix_(order, order)])).T
    work, marked = WEIGHT[:, order].copy(), gone[:, order]
    for j in range(len(order)):
        error = np.where(marked[:, j], work[:, j], 0) / factor[j, j]
        work[:, j:] -= np.outer(error, factor[j, j:])
    return work[:, order.argsort()]


def test_the_table_of_day_5_is_what_the_sweeps_lose():
    usual = by_calibprune("sparsegpt", WEIGHT, FIRST, 0.5)
    anew = by_calibprune("sparsegpt", WEIGHT[:, BACKWARDS], FIRST[:, BACKWARDS], 0.5)
    mask = anew.gone[:, BACKWARDS]
    assert np.allclose(swept(BACKWARDS[::-1], usual.gone), usual.weight, atol=1e-5)
    assert np.allclose(swept(BACKWARDS, mask), anew.weight[:, BACKWARDS], atol=1e-5) and (mask != usual.gone).any()
    for named, solved in (
        ("left to right | the notebook's", usual.weight),
        ("right to left | kept", swept(BACKWARDS, usual.gone)),
        ("right to left | chosen anew", anew.weight[:, BACKWARDS]),
    ):
        both = " | ".join(f"{lost(WEIGHT, solved, text):.1%}" for text in (FIRST, SECOND))
        assert f"| {named} | {both} |" in of_day(5)


def test_day_6_says_what_a_lot_would_win():
    columns = evidence.columns_of(evidence.kept())
    shared, alone = evidence.wins_by_lot(columns)
    said = [float(one) for one in re.findall(r"\d+(?:\.\d+)?", of_day(6))[1:]]  # the first is that of exercise D6
    for found, right in zip(said, (shared, len(columns), alone, *EXPECTED["d6"]), strict=True):
        assert agrees(found, right)


def test_slides_are_those_that_the_plan_names():
    source = (ROOT / "book" / "calibbook" / "slides" / "content.py").read_text(encoding="utf-8")
    titles = re.findall(r'Slide\(\s*"(.+?)"', source[source.index("def slides(") : source.index("RULES =")])
    # two slides of a function, between 4 and 7
    of_the_answer = ["The answer", "The same, with a small mark for each language"]
    assert titles[2:4] == ["The method in one picture", "How a claim is decided"]
    assert titles[4:6] == ["What we found: perplexity", "What we found: memory and tasks"]
    assert titles[7:] == ["What is undecided", "Exercises", "What to take home"]
    assert source.index("*_answer(found)") < source.index(f'"{titles[4]}"') and len(titles) + len(of_the_answer) == 12
    assert all(f'Slide("{title}"' in source for title in of_the_answer)


def test_pages_that_the_plan_names_have_what_it_says():
    for name in ("04_1_pruning_results", "04_2_downstream_tasks"):
        assert "in_short" in (ROOT / "notebooks" / f"{name}.ipynb").read_text(encoding="utf-8")
    a, d = (next(path for path in NOTEBOOKS if path.stem[0] == which).read_text(encoding="utf-8") for which in "ad")
    assert all(f"## {title}" in a for title in ("Magnitude", "Wanda", "SparseGPT")) and "## Many tests" in d
