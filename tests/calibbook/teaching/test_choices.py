"""Notebook (c): what a wrong answer is told."""

from fractions import Fraction

import numpy as np
import pandas as pd
import pytest
import torch

from calibbook.teaching import check
from calibprune.metrics.masks import mask_iou

BASE = torch.arange(40).reshape(4, 10) % 2 == 0


def flipped(count: int) -> dict[str, torch.Tensor]:
    """The masks of a layer of one matrix, in which so many weights differ from `BASE`."""
    mask = BASE.flatten().clone()
    mask[:count] = ~mask[:count]
    return {"self_attn.o_proj": mask.view_as(BASE)}


REFERENCE = flipped(0)
BY_AMOUNT = {1: flipped(9), 2: flipped(4), 4: flipped(2)}
OTHER = flipped(6)
BY_MATRIX = {
    8: {"a": flipped(9)["self_attn.o_proj"], "b": flipped(9)["self_attn.o_proj"]},
    16: {"a": flipped(1)["self_attn.o_proj"], "b": flipped(8)["self_attn.o_proj"]},
    32: {"a": flipped(1)["self_attn.o_proj"], "b": flipped(5)["self_attn.o_proj"]},
    64: {"a": BASE, "b": flipped(2)["self_attn.o_proj"]},
}
"""Masks of two matrices after more and more tokens: 16 are enough in the mean, 32 in both."""
OTHER_PAIR, BASE_PAIR = dict.fromkeys("ab", flipped(6)["self_attn.o_proj"]), {"a": BASE, "b": BASE}
PAIRS = [BY_MATRIX, OTHER_PAIR, BASE_PAIR]
WAYS = [REFERENCE, flipped(2), flipped(6)]
LITTLE, MUCH = (1 - mask_iou(BASE, way["self_attn.o_proj"]) for way in WAYS[1:])
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
        ("c2", 3, [BY_AMOUNT, OTHER, REFERENCE], "1, 2, 4 tokens"),
        ("c2", 4, [BY_AMOUNT, OTHER, REFERENCE], "smaller amount"),
        ("c2", 1, [BY_AMOUNT, OTHER, REFERENCE], "in every matrix"),
        ("c2", True, [BY_AMOUNT, OTHER, REFERENCE], "not True"),
        ("c2", 8, PAIRS, "in every matrix"),
        ("c2", 16, PAIRS, "mean over the matrices"),
        ("c2", 64, PAIRS, "smaller amount"),
        ("c2", 24, [{**BY_MATRIX, 24: BY_MATRIX[16]}, OTHER_PAIR, BASE_PAIR], "In some matrices"),
        ("c3", 9, WAYS, "either way"),
        ("c3", 100 * LITTLE / MUCH, WAYS, "in percent"),
        ("c3", MUCH / LITTLE, WAYS, "other way round"),
        ("c3", round(LITTLE / MUCH, 1), WAYS, "three digits"),
        ("c3", round(LITTLE / MUCH, 2), WAYS, "three digits"),
        ("c3", (1 - LITTLE) / (1 - MUCH), WAYS, "ratio of agreements"),
        ("c3", LITTLE, WAYS, "Divide it by"),
        ("c3", MUCH, WAYS, "to be divided"),
        ("c3", 1 / 3, WAYS, "share in common"),
        ("c4", 37.5, [TOKENS, 2], "in percent"),
        ("c4", 0.25, [TOKENS, 2], "begins with one"),
        ("c4", 0.625, [TOKENS, 2], "the other tokens"),
        ("c4", 8 / 3, [TOKENS, 2], "other way round"),
        ("c4", 0.6, [TOKENS, 2], "counts among them"),
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
        ("c1", np.array([32.5]), []),
        ("c2", 2, [BY_AMOUNT, OTHER, REFERENCE]),
        ("c2", np.int64(32), PAIRS),
        ("c2", [32], PAIRS),
        ("c3", LITTLE / MUCH, WAYS),
        ("c3", round(LITTLE / MUCH, 3), WAYS),
        ("c4", 0.375, [TOKENS, 2]),
        ("c4", Fraction(3, 8), [TOKENS, 2]),
        ("c5", ["language", "BOS", "length", "amount"], [MOVED, REFERENCE]),
        ("c5", ("Language ", "bos", " length", "AMOUNT"), [MOVED, REFERENCE]),
        ("c5", np.array(["language", "BOS", "length", "amount"]), [MOVED, REFERENCE]),
        ("c5", pd.Series(["language", "BOS", "length", "amount"]), [MOVED, REFERENCE]),
    ],
)
def test_right_answers_pass(exercise, answer, about):
    assert check(exercise, answer, *about).right, check(exercise, answer, *about)
