"""Checks of the exercises of notebook (a), on the matrix and the two texts of `by_hand`."""

from typing import Any

import numpy as np

from calibbook.teaching.by_hand import FIRST, SECOND, WEIGHT, by_calibprune
from calibbook.teaching.judged import Wrong, array, called, number, places, whole

OUTPUT, INPUT = 2, 3
"""The weight whose score is asked for."""
ROUNDED = 1, 4
"""The weight whose code is asked for."""
BITS = 4
QUARTER = 0.25
SHAPES = ((3, 8), (5, 16))
"""Of the matrices that functions are tried on."""


def a1(answer: Any) -> None:
    """Wanda's score of one weight."""
    norms = np.linalg.norm(FIRST, axis=0)
    score = abs(WEIGHT[OUTPUT, INPUT]) * norms[INPUT]
    found = number(answer)
    if np.isclose(found, score, rtol=5e-3):
        return
    if np.isclose(found, -score, rtol=5e-3):
        raise Wrong("A score has no sign: take the magnitude of the weight.")
    if np.isclose(found, abs(WEIGHT[OUTPUT, INPUT]) * norms[INPUT] ** 2, rtol=5e-3):
        raise Wrong("That is the weight times the sum of squares. The norm is the root of that sum.")
    if np.isclose(found, abs(WEIGHT[OUTPUT, INPUT]) * np.linalg.norm(SECOND[:, INPUT]), rtol=5e-3):
        raise Wrong("That is the score under the second text.")
    if np.isclose(found, abs(WEIGHT[OUTPUT, INPUT]) * np.abs(FIRST[:, INPUT]).sum(), rtol=5e-3):
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
        weight, tokens = (
            stream.normal(size=shape),
            stream.normal(size=(12, shape[1])) * stream.uniform(0.2, 4, shape[1]),
        )
        for n, m in ((2, 4), (3, 8)):
            found = array(called(answer, weight, tokens, n, m), shape, "The mask").astype(bool)
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
            if not (found == right).all():
                raise Wrong(f"With {n}:{m}, {(found != right).sum()} of {right.size} weights are marked wrongly.")


def a5(answer: Any) -> None:
    """A function that removes one weight of a row and changes the others so that the output changes least."""
    stream = np.random.default_rng(5)
    for width, gone in ((3, 0), (6, 2), (8, 7)):
        row, tokens = stream.normal(size=width), stream.normal(size=(20, width)) @ stream.normal(size=(width, width))
        found = array(called(answer, row, tokens, gone), (width,), "The row").astype(float)
        if found[gone] != 0:
            raise Wrong(f"Weight {gone} was to become 0, and is {found[gone]:.3g}.")
        stay = np.arange(width) != gone
        best = np.linalg.lstsq(tokens[:, stay], tokens @ row, rcond=None)[0]
        least = np.square(tokens @ row - tokens[:, stay] @ best).sum()
        error = np.square(tokens @ (row - found)).sum()
        if error > least * (1 + 1e-6):
            unchanged = "The other weights are as they were. " if np.array_equal(found[stay], row[stay]) else ""
            raise Wrong(f"{unchanged}The squared error is {error / least:.3g} times the least that can be had.")


def a6(answer: Any) -> None:
    """The code of one weight on a symmetric grid with one scale for its row."""
    found = whole(answer)
    row = WEIGHT[ROUNDED[0]]
    scale = 2 * np.abs(row).max() / (2**BITS - 1)
    steps = round(float(WEIGHT[ROUNDED] / scale))
    if found == steps + 2 ** (BITS - 1):
        return
    if found == steps:
        raise Wrong("That is how many steps the weight lies from 0; a code is not negative, and that of 0 is 2^(b−1).")
    if not 0 <= found < 2**BITS:
        raise Wrong(f"{BITS} bits have the codes 0 to {2**BITS - 1}.")
    raise Wrong("The scale is twice the largest magnitude of the row, over the number of steps between 2^b levels.")


EXERCISES = {"a1": a1, "a2": a2, "a3": a3, "a4": a4, "a5": a5, "a6": a6}
