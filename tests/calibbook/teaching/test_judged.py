"""What counts as the right number or the right list, in whatever type it is given, and what is said of others."""

from decimal import Decimal
from fractions import Fraction

import numpy as np
import pandas as pd
import pytest
import torch

from calibbook.teaching.judged import Wrong, agrees, judge, number, places, whole

RIGHT = 0.33333
MISTAKES = {"too large": 0.5, "too large by a little": 0.501}


@pytest.mark.parametrize(
    "answer",
    [
        2.5,
        np.float32(2.5),
        np.array(2.5),
        np.array([[2.5]]),
        torch.tensor(2.5),
        torch.tensor([2.5], requires_grad=True),
        [2.5],
        (2.5,),
        [np.array([2.5])],
        pd.Series([2.5], index=["de"]),
        pd.DataFrame([[2.5]]),
        Fraction(5, 2),
        Decimal("2.5"),
    ],
    ids=lambda answer: type(answer).__name__,
)
def test_a_number_is_one_in_every_type(answer):
    assert number(answer) == 2.5


@pytest.mark.parametrize("answer", [3, np.int64(3), 3.0, [3], torch.tensor(3), pd.Series([3])])
def test_a_whole_number_is_one_in_every_type(answer):
    assert whole(answer) == 3 and isinstance(whole(answer), int)


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        (True, "not True"),
        (np.bool_(False), "not False"),
        ([True], "not True"),
        (torch.tensor(True), "not True"),
        ("2.5", "quotation marks"),
        (np.array("2.5"), "quotation marks"),
        ([1, 2], "not list"),
        (np.ones(2), "not ndarray"),
        ([], "not list"),
        (np.ones(0), "not ndarray"),
        (pd.Series([1, 2]), "not Series"),
        ({"a": 1}, "not dict"),
        ({1}, "not set"),
        (torch.tensor(1j), "real number"),
    ],
)
def test_what_is_no_number_is_refused(answer, said):
    with pytest.raises(Wrong, match=said):
        number(answer)


@pytest.mark.parametrize("answer", [0.33333, 0.333, 0.3333, 0.33334, 0.33333 * (1 + 1e-4)])
def test_three_digits_or_more_are_right(answer):
    assert agrees(answer, RIGHT)
    judge(answer, RIGHT, MISTAKES, "otherwise")


@pytest.mark.parametrize("answer", [0.334, 0.332, 0.33, 0.3, 0.3345, 0.33333 * (1 + 1e-3), -0.333])
def test_fewer_digits_and_other_numbers_are_not(answer):
    assert not agrees(answer, RIGHT)


@pytest.mark.parametrize(
    ("answer", "right", "said"),
    [
        (0.5, RIGHT, "^too large$"),
        (0.501, RIGHT, "by a little$"),
        (0.33, RIGHT, "rounded too far: give three digits"),
        (0.3, RIGHT, "rounded too far"),
        (0.66, 0.66666, "cut off"),
        (0.666, 0.66666, "cut off"),
        (0.9, RIGHT, "^otherwise$"),
        (0, RIGHT, "^otherwise$"),
    ],
)
def test_a_known_mistake_is_named_before_a_rough_number(answer, right, said):
    with pytest.raises(Wrong, match=said):
        judge(answer, right, MISTAKES, "otherwise")


def test_what_a_mistake_cannot_lead_to_is_passed_over():
    with pytest.raises(Wrong, match="^otherwise$"):
        judge(0, 1.5, {"nothing": 0.0, "no number": float("nan"), "no end": float("inf")}, "otherwise")


@pytest.mark.parametrize(
    "answer",
    [
        [0, 2, 5],
        (5, 2, 0),
        {0, 2, 5},
        np.array([0, 2, 5]),
        torch.tensor([0, 2, 5]),
        pd.Series([0, 2, 5], index=[7, 8, 9]),
        pd.Index([0, 2, 5]),
        np.where(np.isin(np.arange(8), (0, 2, 5))),
        np.argwhere(np.isin(np.arange(8), (0, 2, 5))),
        torch.where(torch.isin(torch.arange(8), torch.tensor([0, 2, 5]))),
        torch.nonzero(torch.isin(torch.arange(8), torch.tensor([0, 2, 5]))),
        [[0, 2, 5]],
        [[0], [2], [5]],
        [0.0, 2.0, 5.0],
    ],
)
def test_places_are_places_in_every_type(answer):
    assert places(answer, 8) == {0, 2, 5}


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        ([0, 2, 5, 5], "5 stands there more than once"),
        (np.array([2, 2]), "more than once"),
        ([1, 0, 1, 0, 0, 1, 0, 0], "mask of 0 and 1"),
        (np.array([1.0, 0, 1, 0]), "mask of 0 and 1"),
        (pd.Series([True, False]), "mask of True and False"),
        ([[True, False, True]], "mask of True and False"),
        (torch.tensor([True, False]), "mask of True and False"),
        ([[0, 2], [5, 7]], "lists in your list"),
        (np.ones((2, 2)), "lists in your list"),
        ([0, [2, 5]], "lists in your list"),
        ([0, True], "not True"),
        (["0", "2"], "quotation marks"),
        ([-1], "-1 is not among"),
    ],
)
def test_what_is_no_list_of_places_is_refused(answer, said):
    with pytest.raises(Wrong, match=said):
        places(answer, 8)
