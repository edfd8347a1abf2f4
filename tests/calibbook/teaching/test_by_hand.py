"""Notebook (a): what is calculated by hand is what calibprune calculates, what is said of it is true, and a wrong
answer is told what is wrong.
"""

import numpy as np
import pytest
from lab import NOTEBOOKS, Ran

from calibbook.teaching import check
from calibbook.teaching.by_hand import FIRST, SECOND, WEIGHT, by_calibprune, lost
from calibprune.errors import ParameterError

(NOTEBOOK,) = [path for path in NOTEBOOKS if path.stem == "a_prune_by_hand"]


@pytest.fixture(scope="module")
def names():
    return Ran(NOTEBOOK).names


@pytest.mark.parametrize("method", ["magnitude", "wanda", "sparsegpt"])
def test_pruning_by_hand_is_that_of_calibprune(names, method):
    theirs = by_calibprune(method, WEIGHT, FIRST, 0.5)
    assert np.array_equal(names[f"{method}_gone"], theirs.gone)
    assert np.allclose(names[f"{method}_pruned"], theirs.weight, atol=1e-5)


def test_rounding_by_hand_is_that_of_calibprune(names):
    assert np.allclose(names["gptq"], by_calibprune("gptq", WEIGHT, FIRST, bits=3).weight, atol=1e-5)
    assert np.allclose(names["both"], by_calibprune("sparsegpt", WEIGHT, FIRST, 0.5, bits=3).weight, atol=1e-5)


def test_what_the_notebook_concludes(names):
    for home, away in ((FIRST, SECOND), (SECOND, FIRST)):
        on = {
            method: [lost(WEIGHT, by_calibprune(method, WEIGHT, home, 0.5).weight, text) for text in (home, away)]
            for method in ("magnitude", "wanda", "sparsegpt")
        }
        assert on["sparsegpt"][0] < on["wanda"][0] < on["magnitude"][0]
        assert min(on["sparsegpt"][1], on["wanda"][1]) > on["magnitude"][1]
        gptq = by_calibprune("gptq", WEIGHT, home, bits=3).weight
        assert lost(WEIGHT, gptq, home) < lost(WEIGHT, names["nearest"], home)
        assert lost(WEIGHT, gptq, away) > lost(WEIGHT, names["nearest"], away)


@pytest.mark.parametrize(
    ("exercise", "answer", "said"),
    [
        ("a1", 1, "norm of its input"),
        ("a1", "one", "One number"),
        ("a1", float("nan"), "finite"),
        ("a1", 0.29 * 9, "sum of squares"),
        ("a1", 11.53, "another weight"),
        ("a1", 0.29 * np.linalg.norm(SECOND[:, 3]), "second text"),
        ("a2", [1, 4, 5, 7], "first text"),
        ("a2", [1, 3, 4, 6], "stay"),
        ("a2", [0, 2], "4 weights"),
        ("a2", [8], "run to 7"),
        ("a2", 5, "give a list"),
        ("a3", 8, "Wanda's count"),
        ("a3", 8.5, "whole number"),
        ("a3", 12, "Sort"),
        ("a6", 3, "how many steps"),
        ("a6", 16, "codes 0 to 15"),
        ("a6", 5, "scale"),
    ],
)
def test_wrong_answers_are_told_why(exercise, answer, said):
    found = check(exercise, answer)
    assert not found.right and said in found.words, found


def wanda(weight, tokens, n, m, score=lambda weight, tokens: np.abs(weight) * np.linalg.norm(tokens, axis=0)):
    groups = score(weight, tokens).reshape(len(weight), -1, m)
    return (groups.argsort(axis=-1).argsort(axis=-1) < n).reshape(weight.shape)


@pytest.mark.parametrize(
    ("function", "said"),
    [
        (wanda(WEIGHT, FIRST, 2, 4), "A function is asked for"),
        (lambda weight, tokens, n, m: 1 / 0, "ZeroDivisionError"),
        (lambda weight, tokens, n, m: None, "returns nothing"),
        (lambda weight, tokens, n, m: weight[0] > 0, "shape"),
        (lambda weight, tokens, n, m: ~wanda(weight, tokens, n, m), "highest scores"),
        (lambda weight, tokens, n, m: weight > 0, "weights go in every"),
        (lambda weight, tokens, n, m: wanda(weight, tokens, n, m, lambda w, x: np.abs(w)), "magnitude"),
        (lambda weight, tokens, n, m: wanda(weight, tokens, n, m, lambda w, x: w), "marked wrongly"),
    ],
)
def test_wrong_masks_are_told_why(function, said):
    found = check("a4", function)
    assert not found.right and said in found.words, found


def test_a_row_that_is_not_compensated_is_told_why():
    assert "was to become 0" in check("a5", lambda row, tokens, gone: row).words
    found = check("a5", lambda row, tokens, gone: np.where(np.arange(len(row)) == gone, 0, row))
    assert "other weights are as they were" in found.words


def test_an_unknown_exercise_is_named():
    with pytest.raises(ParameterError, match="a1"):
        check("a9", 1)
