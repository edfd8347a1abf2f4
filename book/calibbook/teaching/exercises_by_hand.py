"""Checks of the exercises of notebook (a), on the matrix and the two texts of `by_hand`."""

from typing import Any

import numpy as np

from calibbook.teaching.by_hand import FIRST, SECOND, WEIGHT, by_calibprune
from calibbook.teaching.judged import Wrong, array, called, close, number, numbers, places, whole

OUTPUT, INPUT = 2, 4
"""The weight whose score is asked for; it is negative, and its input is not only 0 and 1 in the second text."""
ROUNDED = 2, (0, 3)
"""The output and the inputs whose codes are asked for: a scale with one step too few changes the second code, one with
a step too many the first.
"""
BITS = 4
QUARTER = 0.25
SHAPES = ((6, 16), (5, 24))
"""Of the matrices that functions are tried on."""
ZERO = 1e-6
"""What a removed weight may be off 0 by: the rounding of another way to calculate it."""


def a1(answer: Any) -> None:
    """Wanda's score of one weight under the second text."""
    norms = np.linalg.norm(SECOND, axis=0)
    score = abs(WEIGHT[OUTPUT, INPUT]) * norms[INPUT]
    found = number(answer)
    if close(found, score, rel_tol=5e-3):
        return
    if np.isclose(found, -score, rtol=5e-3):
        raise Wrong("A score has no sign: take the magnitude of the weight.")
    if np.isclose(found, abs(WEIGHT[OUTPUT, INPUT]) * norms[INPUT] ** 2, rtol=5e-3):
        raise Wrong("That is the weight times the sum of squares. The norm is the root of that sum.")
    if np.isclose(found, abs(WEIGHT[OUTPUT, INPUT]) * np.linalg.norm(FIRST[:, INPUT]), rtol=5e-3):
        raise Wrong("That is the score under the first text.")
    if np.isclose(found, abs(WEIGHT[OUTPUT, INPUT]) * np.abs(SECOND[:, INPUT]).sum(), rtol=5e-3):
        raise Wrong("That is the weight times the sum of the input. Wanda takes the Euclidean norm.")
    if (np.isclose(found, np.abs(WEIGHT) * norms, rtol=5e-3)).any():
        raise Wrong("That is the score of another weight: outputs are rows, inputs columns, both counted from 0.")
    raise Wrong("The score is the magnitude of the weight times the norm of its input over all ten tokens.")


def a2(answer: Any) -> None:
    """What Wanda removes of the first row when the text is the second."""
    found = places(answer, WEIGHT.shape[1])
    right, other = (_removed(tokens) for tokens in (SECOND, FIRST))
    if found == right:
        return
    if found == other:
        raise Wrong("That is what the first text removes.")
    if found == set(range(WEIGHT.shape[1])) - right:
        raise Wrong("Those are the weights that stay.")
    if len(found) != len(right):
        raise Wrong(f"At 50% a row of eight loses {len(right)} weights; you name {len(found)}.")
    raise Wrong(f"{len(found & right)} of your {len(found)} inputs are right.")


def _removed(tokens: np.ndarray) -> set[int]:
    return set(np.flatnonzero(by_calibprune("wanda", WEIGHT, tokens, 0.5).gone[0]).tolist())


def a3(answer: Any) -> None:
    """How many weights SparseGPT removes of the matrix at 25%."""
    found = whole(answer)
    right = int(by_calibprune("sparsegpt", WEIGHT, FIRST, QUARTER).gone.sum())
    if found == right:
        return
    if found == int(WEIGHT.size * QUARTER):
        raise Wrong("That is the share of the weights, and Wanda's count. Look up where SparseGPT puts its threshold.")
    raise Wrong(
        "Sort all scores of the matrix, find the one at the place that the share gives, and count what is not above it."
    )


def a4(answer: Any) -> None:
    """A function that gives Wanda's mask for n of every m inputs."""
    stream = np.random.default_rng(4)
    for shape in SHAPES:
        weight, tokens = stream.normal(size=shape), _tokens(shape[1], stream)
        for n, m in ((2, 4), (3, 8)):
            given = array(called(answer, weight, tokens, n, m), shape, "The mask")
            if not np.isin(given, (0, 1)).all():
                raise Wrong("A mask of True and False is asked for; yours has other numbers, such as pruned weights.")
            found = given.astype(bool)
            groups = found.reshape(shape[0], -1, m).sum(axis=-1)
            if (groups == m - n).all() and n != m - n:
                raise Wrong("Your mask marks the weights that stay; True stands for those that go.")
            if not (groups == n).all():
                raise Wrong(f"With {n}:{m}, {n} weights go in every {m} consecutive inputs of a row; yours differ.")
            right = by_calibprune("wanda", weight, tokens, f"{n}:{m}").gone
            if (found == by_calibprune("magnitude", weight, tokens, f"{n}:{m}").gone).all():
                raise Wrong("That is the mask of magnitude: the scores do not know the text.")
            if (found == ~right).all():
                raise Wrong("Your mask marks the weights with the highest scores.")
            if (found == right).all():
                continue
            if (found == _lowest(np.abs(weight) * np.abs(tokens).sum(axis=0), n, m)).all():
                raise Wrong("Your scores take the sum of absolute values instead of the norm.")
            raise Wrong(f"With {n}:{m}, {(found != right).sum()} of {right.size} weights are marked wrongly.")


def _tokens(width: int, stream: np.random.Generator) -> np.ndarray:
    """Tokens of inputs that differ in how many tokens they are silent in, in their spread and in their mean, so that
    neither the sum, nor the largest, nor the standard deviation orders them as the norm does. [24, width].
    """
    values = stream.normal(size=(24, width)) + stream.choice((-2, 0, 2), width)
    silent = stream.random((24, width)) < stream.uniform(0, 0.95, width)
    silent[0] = False
    return np.where(silent, 0, values) * stream.uniform(0.5, 2, width)


def _lowest(scores: np.ndarray, n: int, m: int) -> np.ndarray:
    """True at the n lowest of every m consecutive scores of a row."""
    groups = scores.reshape(len(scores), -1, m)
    return (groups.argsort(axis=-1).argsort(axis=-1) < n).reshape(scores.shape)


def a5(answer: Any) -> None:
    """A function that removes one weight of a row and changes the others so that the output changes least."""
    stream = np.random.default_rng(5)
    for width, gone in ((3, 0), (6, 2), (8, 7)):
        row, tokens = stream.normal(size=width), stream.normal(size=(20, width)) @ stream.normal(size=(width, width))
        found = array(called(answer, row, tokens, gone), (width,), "The row").astype(float)
        if abs(found[gone]) > ZERO:
            raise Wrong(f"Weight {gone} was to become 0, and is {found[gone]:.3g}.")
        stay = np.arange(width) != gone
        best = np.linalg.lstsq(tokens[:, stay], tokens @ row, rcond=None)[0]
        least = np.square(tokens @ row - tokens[:, stay] @ best).sum()
        error = np.square(tokens @ (row - found)).sum()
        if error > least * (1 + 1e-6):
            unchanged = "The other weights are as they were. " if np.array_equal(found[stay], row[stay]) else ""
            excess = 100 * (error / least - 1)
            said = f"{excess:,.0f}" if excess >= 10 else f"{excess:.2g}"
            raise Wrong(f"{unchanged}The squared error is {said}% above the least that can be had.")


def a6(answer: Any) -> None:
    """The codes of two weights of a row on a symmetric grid with one scale for the row."""
    output, inputs = ROUNDED
    found = [whole(one) for one in numbers(answer, len(inputs))]
    largest, middle = np.abs(WEIGHT[output]).max(), 2 ** (BITS - 1)
    exact = WEIGHT[output, list(inputs)] / (2 * largest / (2**BITS - 1))
    steps = np.round(exact)
    if found == (steps + middle).tolist():
        return
    if found == steps.tolist():
        raise Wrong(
            "Those are the steps that the weights lie from 0; a code is not negative, and that of 0 is 2^(b−1)."
        )
    if found == (steps + middle).tolist()[::-1]:
        raise Wrong("The other way round: in the order in which the weights are named.")
    if any(not 0 <= one < 2**BITS for one in found):
        raise Wrong(f"{BITS} bits have the codes 0 to {2**BITS - 1}.")
    if found == (np.floor(exact) + middle).tolist():
        raise Wrong("You round down; the nearest level is asked for.")
    raise Wrong(
        "Not both: the scale is twice the largest magnitude of the row, over the number of steps between 2^b levels."
    )


EXERCISES = {"a1": a1, "a2": a2, "a3": a3, "a4": a4, "a5": a5, "a6": a6}
