"""The check of an answer: names of exercises, names of a notebook that are overwritten, and answers of any type."""

import numpy as np
import pandas as pd
import pytest
import torch
from planted_predictions import LANGUAGES, Planted

from calibbook.teaching import check, evidence
from calibbook.teaching.exercises import EXERCISES, NOT_ANSWERED, OVERWRITTEN
from calibbook.teaching.mixtures import Measured
from calibprune.errors import ParameterError

DRAW = torch.Generator().manual_seed(0)
USAGE, BUDGET = {"de": 0.2, "en": 0.1, "sw": 0.7}, 12
BOOK = {"equal shares": dict.fromkeys(LANGUAGES, 4)}
SOLVED = {"de": 1, "en": 1, "sw": 10}


def layer() -> dict[str, torch.Tensor]:
    """The masks of a layer, drawn by lot."""
    return {
        name: torch.rand(8, 30, generator=DRAW) < 0.5
        for name in ("self_attn.q_proj", "self_attn.o_proj", "mlp.down_proj")
    }


def inputs() -> dict[str, torch.Tensor]:
    return {name: torch.rand(2, 4, 30, generator=DRAW) for name in layer()}


FIRST, AGAIN, SECOND, PREDICTED, KEPT = layer(), layer(), layer(), Planted(), evidence.kept()
MEASURED = {
    "yours": Measured(SOLVED, {"de": 5.0, "en": 4.0, "sw": 9.0}),
    "equal shares": Measured(BOOK["equal shares"], {"de": 6.0, "en": 3.0, "sw": 11.0}),
}
ABOUT = {
    "b1": [inputs(), inputs(), inputs()],
    "b3": [FIRST, SECOND],
    "b4": [torch.tensor([1.0, 2.0]), torch.tensor([2.0, 0.1])],
    "b5": [FIRST, AGAIN, SECOND],
    "c2": [{64: FIRST, 128: AGAIN}, SECOND, FIRST],
    "c3": [FIRST, AGAIN, SECOND],
    "c4": [torch.tensor([[2, 5, 6, 7]]), 2],
    "c5": [{"language": FIRST, "BOS": AGAIN}, SECOND],
    "d1": [KEPT],
    "d2": [KEPT],
    "d3": [KEPT],
    "d4": [KEPT],
    "d6": [KEPT],
    "e1": [PREDICTED, USAGE],
    "e3": [BUDGET, LANGUAGES],
    "e4": [PREDICTED, "q"],
    "e5": [PREDICTED, BOOK, USAGE, BUDGET],
    "e6": [MEASURED, SOLVED, PREDICTED, BOOK, USAGE, BUDGET],
}
"""What the cell of an exercise passes beside the answer."""
ODD = [
    True,
    -1,
    0,
    10**400,
    float("nan"),
    1j,
    "de",
    b"de",
    "",
    [],
    [None],
    [[1, 2], [3]],
    [[[]]],
    (1, "a"),
    {},
    {1},
    {"de": None},
    {1: 2},
    object(),
    object,
    iter([1]),
    len,
    print,
    lambda *arguments: arguments,
    lambda *arguments: "text",
    np.ones(0),
    np.ones((2, 2)),
    np.array(None),
    np.array(["a", None], dtype=object),
    torch.ones(2, 2),
    torch.ones(0),
    torch.tensor(True),
    pd.Series(dtype=float),
    pd.Series({"de": None}),
    pd.DataFrame({"a": [1, 2]}),
    pd.NA,
    pd.NaT,
]


@pytest.mark.parametrize("name", ["a3", "A3", " A3 "])
def test_an_exercise_is_named_in_small_or_capital_letters(name):
    assert check(name, 9).right and "a3" in check(name, 9).words


@pytest.mark.parametrize("name", EXERCISES)
def test_no_answer_is_no_mistake(name):
    assert repr(check(name, None, *ABOUT.get(name, []))) == f"Not yet. {NOT_ANSWERED}"


@pytest.mark.parametrize("name", EXERCISES)
@pytest.mark.parametrize("answer", ODD, ids=lambda answer: f"{type(answer).__name__} {answer!s:.20}")
def test_an_answer_of_any_type_is_told_what_is_wrong_with_it(name, answer):
    found = check(name, answer, *ABOUT.get(name, []))
    assert not found.right and OVERWRITTEN not in found.words, found


@pytest.mark.parametrize("other", [5, "text", [1, 2]], ids=str)
@pytest.mark.parametrize("name", ABOUT)
def test_overwritten_names_end_in_one_line(name, other):
    found = check(name, SOLVED if name == "e5" else "sw" if name in ("e1", "e4") else 3, other, *ABOUT[name][1:])
    assert not found.right and "\n" not in found.words, found


@pytest.mark.parametrize("name", ABOUT)
def test_missing_names_are_said_to_be_missing(name):
    found = check(name, 3)
    assert not found.right and "cells again from the top" in found.words and "TypeError" in found.words, found


@pytest.mark.parametrize(
    ("name", "answer", "about"),
    [
        ("b1", 1, [5, 5, 5]),
        ("c2", 64, [{64: FIRST}, SECOND, torch.ones(3)]),
        ("c2", 64, [[1, 2], SECOND, FIRST]),
        ("d1", 1, [{"de": 1}]),
        ("e1", "sw", [None, USAGE]),
        ("e6", 1, [{"yours": {"de": 1.0}}, SOLVED, PREDICTED, BOOK, USAGE, BUDGET]),
    ],
)
def test_names_that_mean_something_else_are_told_from_wrong_answers(name, answer, about):
    found = check(name, answer, *about)
    assert not found.right and OVERWRITTEN in found.words and "Error" in found.words, found


def test_an_exercise_that_does_not_exist_is_named():
    with pytest.raises(ParameterError, match="A9"):
        check("A9", 1)
