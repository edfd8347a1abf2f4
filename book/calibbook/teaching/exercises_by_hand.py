"""Checks of the exercises of notebook (a), on the matrix and the two texts of `by_hand`."""

from collections.abc import Iterator
from typing import Any

import numpy as np

from calibbook.teaching.by_hand import FIRST, SECOND, WEIGHT, by_calibprune
from calibbook.teaching.judged import Wrong, agrees, array, called, judge, number, numbers, places, whole

OUTPUT, INPUT = 2, 4
"""The weight whose score is asked for; it is negative, and its input is not only 0 and 1 in the second text."""
ROUNDED = 1, (0, 2, 7)
"""The output and the inputs whose codes are asked for: rounding down, up or towards 0, and a scale with a step too few
or too many, each give other codes than the nearest level, and no two of them the same.
"""
BITS = 4
QUARTER = 0.25
SHAPES = ((6, 16), (5, 24))
"""Of the matrices that functions are tried on."""
ZERO = 1e-6
"""What a removed weight may be off 0 by: the rounding of another way to calculate it."""


def a1(answer: Any) -> None:
    """Wanda's score of one weight under the second text."""
    found = number(answer)
    size, first, second = abs(WEIGHT[OUTPUT, INPUT]), FIRST[:, INPUT], SECOND[:, INPUT]
    norm = float(np.linalg.norm(second))
    if found < 0 and agrees(-found, size * norm):
        raise Wrong("A score has no sign: take the magnitude of the weight.")
    mistakes = {
        "That is the weight times the sum of squares. The norm is the root of that sum.": size * norm**2,
        "That is the weight times the root of the mean of the squares. The norm is the root of their sum.": size
        * np.sqrt(np.square(second).mean()),
        "That is the weight times the mean of the squares, or the largest input. The norm is the root of the sum.": size
        * np.square(second).mean(),
        "That is the score under the first text.": size * np.linalg.norm(first),
        "That is the weight times the sum of squares, and of the first text.": size * np.square(first).sum(),
        "That is the weight times the sum of the input. Wanda takes the Euclidean norm.": size * second.sum(),
        "That is the square of the weight times the norm. The magnitude of the weight is asked for.": size**2 * norm,
        "That is the norm alone. The score is the magnitude of the weight times it.": norm,
        "That is the square of the score.": (size * norm) ** 2,
    }
    signed = " And a score has no sign: take the magnitude of the weight." if found < 0 else ""
    otherwise = "The score is the magnitude of the weight times the norm of its input over all ten tokens."
    scores = (np.abs(WEIGHT) * np.linalg.norm(SECOND, axis=0)).ravel().tolist()
    if any(agrees(abs(found), one) for one in scores if not agrees(one, size * norm)):
        otherwise = "That is the score of another weight: outputs are rows, inputs columns, both counted from 0."
    try:
        judge(abs(found), size * norm, {words: float(value) for words, value in mistakes.items()}, otherwise)
    except Wrong as wrong:
        raise Wrong(f"{wrong}{signed}") from None


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
            for words, scores in _other_scores(weight, tokens):
                if (found == _lowest(scores, n, m)).all():
                    raise Wrong(words)
            raise Wrong(f"With {n}:{m}, {(found != right).sum()} of {right.size} weights are marked wrongly.")


def _other_scores(weight: np.ndarray, tokens: np.ndarray) -> Iterator[tuple[str, np.ndarray]]:
    """What is said of a mask by other scores than Wanda's, and these scores."""
    size, norm = np.abs(weight), np.linalg.norm(tokens, axis=0)
    yield "Your scores take the sum of absolute values instead of the norm.", size * np.abs(tokens).sum(axis=0)
    yield "Your scores take the sum of squares instead of its root, the norm.", size * np.square(tokens).sum(axis=0)
    yield "Your scores have the sign of the weights: take their magnitudes.", weight * norm
    yield (
        "Your scores have the sign of the weights, and the sum of squares instead of the norm.",
        weight * np.square(tokens).sum(axis=0),
    )
    yield "Your scores take the largest input instead of the norm.", size * np.abs(tokens).max(axis=0)


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
    """The codes of three weights of a row on a symmetric grid with one scale for the row."""
    output, inputs = ROUNDED
    found = [whole(one) for one in numbers(answer, len(inputs))]
    weights, largest, middle = WEIGHT[output, list(inputs)], np.abs(WEIGHT[output]).max(), 2 ** (BITS - 1)
    exact = weights / (2 * largest / (2**BITS - 1))
    steps = np.round(exact)
    if found == (steps + middle).tolist():
        return
    if found == (steps + middle).tolist()[::-1]:
        raise Wrong("The other way round: in the order in which the weights are named.")
    for words, codes in _other_codes(weights, exact, largest):
        if found == codes.tolist():
            raise Wrong(words)
    if any(not 0 <= one < 2**BITS for one in found):
        raise Wrong(f"{BITS} bits have the codes 0 to {2**BITS - 1}.")
    raise Wrong(
        "Not all of them: the scale is twice the largest magnitude of the row, over the steps between 2^b levels."
    )


def _other_codes(weights: np.ndarray, exact: np.ndarray, largest: float) -> Iterator[tuple[str, np.ndarray]]:
    """What is said of codes that a known mistake leads to, and these codes; `exact` is how many steps the weights
    lie from 0.
    """
    middle, steps, levels = 2 ** (BITS - 1), np.round(exact), 2**BITS
    coarse = weights / (2 * largest / (levels // 2 - 1))
    yield "Those are the steps that the weights lie from 0; a code is not negative, and that of 0 is 2^(b−1).", steps
    yield "Those are the codes with 3 bits. The grid has 4.", np.round(coarse) + middle // 2
    yield "The scale is still that of 3 bits.", np.round(coarse) + middle
    yield "The code of 0 is still that of 3 bits.", steps + middle // 2
    yield "You round down; the nearest level is asked for.", np.floor(exact) + middle
    yield "You round up; the nearest level is asked for.", np.ceil(exact) + middle
    yield "You cut off what follows the point; the nearest level is asked for.", np.trunc(exact) + middle
    yield "The code of 0 is one less than it should be: 2^(b−1).", steps + middle - 1
    yield "The code of 0 is one more than it should be: 2^(b−1).", steps + middle + 1
    yield (
        "That is with 2^b steps in the scale. Between 2^b levels there is one fewer.",
        np.round(weights / (2 * largest / levels)) + middle,
    )
    yield (
        "That is with 2^b − 2 steps in the scale. Between 2^b levels there is one more.",
        np.round(weights / (2 * largest / (levels - 2))) + middle,
    )
    yield (
        "The scale is half of what it should be: twice the largest magnitude of the row is shared out.",
        np.round(2 * exact) + middle,
    )


EXERCISES = {"a1": a1, "a2": a2, "a3": a3, "a4": a4, "a5": a5, "a6": a6}
