"""Notebook (a): what is calculated by hand is what calibprune calculates, what is said of it is true, and a wrong
answer is told what is wrong.
"""

import numpy as np
import pytest
from lab import NOTEBOOKS, Ran

from calibbook.teaching import check
from calibbook.teaching.by_hand import FIRST, SECOND, WEIGHT, by_calibprune, lost
from calibprune.errors import ParameterError

SQUARES = np.square(SECOND[:, 4])
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
        ("a1", 10**400, "too large"),
        ("a1", 1j, "real number"),
        ("a1", True, "not True"),
        ("a1", 4, "three digits"),
        ("a1", 3.9, "three digits"),
        ("a1", -3.889, "no sign"),
        ("a1", 0.71 * SQUARES.sum(), "sum of squares"),
        ("a1", -0.71 * SQUARES.sum(), "And a score has no sign"),
        ("a1", 0.71 * np.sqrt(SQUARES.mean()), "root of the mean"),
        ("a1", 1.23, "root of the mean"),
        ("a1", 0.71 * SQUARES.mean(), "mean of the squares, or"),
        ("a1", 0.71 * SECOND[:, 4].sum(), "sum of the input"),
        ("a1", 0.71 * SECOND[:, 4].max(), "or the largest input"),
        ("a1", 0.71**2 * np.sqrt(SQUARES.sum()), "square of the weight"),
        ("a1", 0.71**2 * SQUARES.sum(), "square of the score"),
        ("a1", np.sqrt(SQUARES.sum()), "norm alone"),
        ("a1", 0.71 * np.linalg.norm(FIRST[:, 4]), "first text."),
        ("a1", -0.71 * np.linalg.norm(FIRST[:, 4]), "first text. And a score has no sign"),
        ("a1", 0.71 * np.square(FIRST[:, 4]).sum(), "sum of squares, and of the first text"),
        ("a1", 0.56 * np.linalg.norm(SECOND[:, 7]), "another weight"),
        ("a1", -0.56 * np.linalg.norm(SECOND[:, 7]), "counted from 0. And a score has no sign"),
        ("a2", [1, 4, 5, 7], "first text"),
        ("a2", [1, 3, 4, 6], "stay"),
        ("a2", [0, 2], "4 weights"),
        ("a2", [8], "run to 7"),
        ("a2", 5, "give a list"),
        ("a2", np.array(5), "give a list"),
        ("a2", {0: 1}, "give a list"),
        ("a2", [[0, 2], [5, 7]], "lists in your list"),
        ("a2", np.ones((2, 4)), "lists in your list"),
        ("a2", [0, 2, 5, 7, 7], "more than once"),
        ("a2", [1, 0, 1, 0, 0, 1, 0, 1], "mask of 0 and 1"),
        ("a2", np.isin(np.arange(8), [0, 2, 5, 7]).astype(float), "mask of 0 and 1"),
        ("a2", np.arange(8) < 4, "mask of True and False"),
        ("a2", [True, False] * 4, "mask of True and False"),
        ("a3", 10**400, "too large"),
        ("a3", 8, "Wanda's count"),
        ("a3", 8.5, "whole number"),
        ("a3", 12, "Sort"),
        ("a6", 4, "3 numbers"),
        ("a6", [6, 5], "3 numbers"),
        ("a6", [-2, -3, 5], "steps that"),
        ("a6", [6, 5, 16], "codes 0 to 15"),
        ("a6", [13, 5, 6], "other way round"),
        ("a6", [6, 4, 12], "round down"),
        ("a6", [7, 5, 13], "round up"),
        ("a6", [7, 5, 12], "cut off"),
        ("a6", [5, 4, 12], "one less"),
        ("a6", [7, 6, 14], "one more"),
        ("a6", [3, 2, 6], "codes with 3 bits"),
        ("a6", [7, 6, 10], "scale is still that of 3 bits"),
        ("a6", [2, 1, 9], "code of 0 is still that of 3 bits"),
        ("a6", [5, 1, 17], "half of what it should be"),
        ("a6", [6, 5, 1], "Not all of them"),
    ],
)
def test_wrong_answers_are_told_why(exercise, answer, said):
    found = check(exercise, answer)
    assert not found.right and said in found.words, found


@pytest.mark.parametrize(("steps", "said"), [(14, "2^b − 2 steps"), (16, "2^b steps")])
def test_a_scale_with_another_number_of_steps_gives_other_codes(steps, said):
    scale = 2 * np.abs(WEIGHT[1]).max() / steps
    assert said in check("a6", np.round(WEIGHT[1, [0, 2, 7]] / scale) + 8).words


@pytest.mark.parametrize(
    ("exercise", "answer"),
    [
        ("a1", 3.89),
        ("a1", [np.float32(3.8888)]),
        ("a2", [0, 2, 5, 7]),
        ("a2", np.where(np.isin(np.arange(8), [0, 2, 5, 7]))),
        ("a2", np.argwhere(np.isin(np.arange(8), [0, 2, 5, 7]))),
        ("a2", {0, 2, 5, 7}),
        ("a3", np.array([9])),
        ("a6", (6, 5, 13)),
        ("a6", np.array([6.0, 5.0, 13.0])),
    ],
)
def test_right_answers_pass(exercise, answer):
    assert check(exercise, answer).right, check(exercise, answer)


def wanda(weight, tokens, n, m, score=lambda weight, tokens: np.abs(weight) * np.linalg.norm(tokens, axis=0)):
    groups = score(weight, tokens).reshape(len(weight), -1, m)
    return (groups.argsort(axis=-1).argsort(axis=-1) < n).reshape(weight.shape)


def scored_by(strength):
    """An answer to a4 that takes another strength of an input instead of its norm."""
    return lambda weight, tokens, n, m: wanda(weight, tokens, n, m, lambda w, x: np.abs(w) * strength(x))


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
        (
            lambda weight, tokens, n, m: wanda(weight, tokens, n, m, lambda w, x: w * np.linalg.norm(x, axis=0)),
            "sign of the weights: take",
        ),
        (
            lambda weight, tokens, n, m: wanda(weight, tokens, n, m, lambda w, x: w * np.square(x).sum(axis=0)),
            "sign of the weights, and the sum of squares",
        ),
        (lambda weight, tokens, n, m: np.where(wanda(weight, tokens, n, m), 0, weight), "True and False"),
        (lambda weight, tokens, n, m: np.full(weight.shape, np.nan), "not finite"),
        (scored_by(lambda x: np.abs(x).sum(axis=0)), "sum of absolute values"),
        (scored_by(lambda x: x.sum(axis=0)), "marked wrongly"),
        (scored_by(lambda x: np.abs(x.sum(axis=0))), "marked wrongly"),
        (scored_by(lambda x: x.std(axis=0)), "marked wrongly"),
        (scored_by(lambda x: np.abs(x).max(axis=0)), "largest input"),
        (scored_by(lambda x: np.square(x).sum(axis=0)), "sum of squares instead"),
        (scored_by(lambda x: np.linalg.norm(x, 3, axis=0)), "marked wrongly"),
    ],
)
def test_wrong_masks_are_told_why(function, said):
    found = check("a4", function)
    assert not found.right and said in found.words, found


def test_a_row_that_is_not_compensated_is_told_why():
    assert "was to become 0" in check("a5", lambda row, tokens, gone: row).words
    found = check("a5", lambda row, tokens, gone: np.where(np.arange(len(row)) == gone, 0, row))
    assert "other weights are as they were" in found.words and "% above the least" in found.words


@pytest.mark.parametrize(("factor", "said"), [(np.nan, "not finite"), (np.inf, "not finite"), (1j, "complex")])
def test_a_row_of_no_real_numbers_is_refused(factor, said):
    found = check("a5", lambda row, tokens, gone: row * factor)
    assert not found.right and said in found.words, found


def test_a_row_compensated_by_the_inverse_passes_although_its_weight_is_not_quite_0():
    def by_the_inverse(row, tokens, gone):
        inverse = np.linalg.inv(tokens.T @ tokens)
        new = row - row[gone] / inverse[gone, gone] * inverse[:, gone]
        new[gone] = 1e-16
        return new

    assert check("a5", by_the_inverse).right


def test_an_unknown_exercise_is_named():
    with pytest.raises(ParameterError, match="a1"):
        check("a9", 1)
