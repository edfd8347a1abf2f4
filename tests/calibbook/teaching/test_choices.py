"""Notebook (c): what a wrong answer is told."""

import pytest
import torch

from calibbook.teaching import check

BASE = torch.arange(40).reshape(4, 10) % 2 == 0


def flipped(count: int) -> dict[str, torch.Tensor]:
    """The masks of a layer of one matrix, in which so many weights differ from `BASE`."""
    mask = BASE.flatten().clone()
    mask[:count] = ~mask[:count]
    return {"q": mask.view_as(BASE)}


REFERENCE = flipped(0)
BY_AMOUNT = {1: flipped(9), 2: flipped(4), 4: flipped(2)}
OTHER = flipped(6)
MOVED = {"language": flipped(8), "BOS": flipped(6), "amount": flipped(2), "length": flipped(4)}
TOKENS = torch.tensor([[2, 5, 6, 7], [2, 8, 9, 2]])


@pytest.mark.parametrize(
    ("exercise", "answer", "about", "said"),
    [
        ("c1", 128 * 8192, [], "of one of the two"),
        ("c1", 128 * 252 / (128 * 8192), [], "other way round"),
        ("c1", 128 * 8192 / (20 * 256), [], "params/published.yaml"),
        ("c1", 20 * 256, [], "a small study"),
        ("c1", 33, [], "three digits"),
        ("c1", 3, [], "Windows times"),
        ("c2", 3, [BY_AMOUNT, OTHER, REFERENCE], "1, 2, 4 windows"),
        ("c2", 4, [BY_AMOUNT, OTHER, REFERENCE], "smaller amount"),
        ("c2", 1, [BY_AMOUNT, OTHER, REFERENCE], "at least as close"),
        ("c3", 9, [BASE, flipped(2)["q"], flipped(6)["q"]], "for either way"),
        ("c4", 37.5, [TOKENS, 2], "in percent"),
        ("c4", 0.25, [TOKENS, 2], "begins with one"),
        ("c4", 0.38, [TOKENS, 2], "three digits"),
        ("c5", 5, [MOVED, REFERENCE], "once, in a list"),
        ("c5", 3.0, [MOVED, REFERENCE], "once, in a list"),
        ("c5", len, [MOVED, REFERENCE], "once, in a list"),
        ("c5", (name for name in MOVED), [MOVED, REFERENCE], "once, in a list"),
        ("c5", "BOS", [MOVED, REFERENCE], "once, in a list"),
        ("c5", ["BOS", "BOS", "amount", "length"], [MOVED, REFERENCE], "once, in a list"),
        ("c5", ["amount", "length", "BOS", "language"], [MOVED, REFERENCE], "smallest move"),
        (
            "c5",
            ["BOS", "language", "length", "amount"],
            [MOVED, REFERENCE],
            "language moves the masks further than BOS",
        ),
    ],
)
def test_wrong_answers_are_told_why(exercise, answer, about, said):
    found = check(exercise, answer, *about)
    assert not found.right and said in found.words, found


@pytest.mark.parametrize(
    ("exercise", "answer", "about"),
    [
        ("c1", 32.5, []),
        ("c2", 2, [BY_AMOUNT, OTHER, REFERENCE]),
        ("c4", 0.375, [TOKENS, 2]),
        ("c5", ["language", "BOS", "length", "amount"], [MOVED, REFERENCE]),
    ],
)
def test_right_answers_pass(exercise, answer, about):
    assert check(exercise, answer, *about).right
