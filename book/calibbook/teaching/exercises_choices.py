"""Checks of the exercises of notebook (c), on the masks that the notebook has made."""

import math
from collections.abc import Mapping
from itertools import pairwise
from typing import Any

from torch import Tensor

from calibbook.checkout import ROOT
from calibbook.teaching.judged import Wrong, close, listed, number, whole
from calibprune.metrics.masks import mask_iou
from calibprune.study.parameter_files import read_parameters

Masks = Mapping[str, Tensor]
PAPER, OURS, SMALL = "llama3-8b.yaml", "published.yaml", "embedded.yaml"
"""The files in params/ with the paper's settings, with those of this book's study, and with those of a small one."""


def c1(answer: Any) -> None:
    """How many times as many tokens the paper's calibration has."""
    found, paper, ours, small = number(answer), *map(_tokens, (PAPER, OURS, SMALL))
    right = paper / ours
    if close(found, right):
        return
    if math.isclose(found, paper / small, rel_tol=0.01) or found == small:
        raise Wrong(f"That is with params/{SMALL}, a small study. This book's windows are in params/{OURS}.")
    if found in (paper, ours):
        raise Wrong("That is the number of tokens of one of the two. How many times is it the other?")
    if math.isclose(found, 1 / right, rel_tol=0.01):
        raise Wrong("That is this book over the paper, the other way round.")
    raise Wrong("Windows times tokens in a window, of the one and of the other.")


def _tokens(file: str) -> int:
    given = read_parameters(ROOT / "params" / file)
    return given["calibration_samples"] * given["calibration_length"]


def c2(answer: Any, by_amount: Mapping[int, Masks], other: Masks, reference: Masks) -> None:
    """The fewest windows whose masks are closer to the reference than those of another language, in every matrix."""
    found = whole(answer)
    enough = [count for count, mine in by_amount.items() if _closer_everywhere(mine, other, reference)]
    if found not in by_amount:
        raise Wrong(f"The table has {', '.join(map(str, by_amount))} windows; a number of windows is asked for.")
    if not enough:
        raise Wrong("No amount in the table is; read the exercise with other masks.")
    if found == min(enough):
        return
    if found in enough:
        raise Wrong("That is enough, and there is a smaller amount that is enough too.")
    raise Wrong("With so few windows there is a matrix in which the other language is at least as close.")


def _closer_everywhere(mine: Masks, other: Masks, reference: Masks) -> bool:
    return all(mask_iou(mine[name], one) > mask_iou(other[name], one) for name, one in reference.items())


def c3(answer: Any, usual: Tensor, uncounted: Tensor, without: Tensor) -> None:
    """What is lost by not counting BOS, over what is lost by leaving it out."""
    found = number(answer)
    little, much = 1 - mask_iou(usual, uncounted), 1 - mask_iou(usual, without)
    right = little / much
    if close(found, right, rel_tol=0.02, abs_tol=1e-3):
        return
    if right and math.isclose(found, 1 / right, rel_tol=0.02):
        raise Wrong("The other way round: not counting it, over leaving it out.")
    if math.isclose(found, (1 - little) / (1 - much), rel_tol=0.001):
        raise Wrong("That is a ratio of agreements. Disagreement is one minus the intersection over union.")
    raise Wrong("One minus the intersection over union with the usual masks, for either way.")


def c4(answer: Any, tokens: Tensor, bos: int) -> None:
    """Which share of the tokens is BOS."""
    found, right = number(answer), float((tokens == bos).float().mean())
    if close(found, right):
        return
    if math.isclose(found / 100, right, rel_tol=0.01):
        raise Wrong("That is in percent; a share from 0 to 1 is asked for.")
    raise Wrong("Every window begins with one such token. How many tokens does a window have?")


def c5(answer: Any, moved: Mapping[str, Masks], reference: Masks) -> None:
    """The choices in the order of how far they move the masks away from the reference, the largest move first."""
    asked = f"Give each of {', '.join(moved)} once, in a list."
    given = [str(one) for one in listed(answer, asked)]
    if sorted(given) != sorted(moved):
        raise Wrong(asked)
    alike = {
        name: sum(mask_iou(mine[part], one) for part, one in reference.items()) / len(reference)
        for name, mine in moved.items()
    }
    right = sorted(moved, key=alike.__getitem__)
    if given == right:
        return
    if given == right[::-1]:
        raise Wrong("That begins with the smallest move.")
    pairs = [(a, b) for a, b in pairwise(given) if alike[a] > alike[b]]
    raise Wrong(f"{pairs[0][1]} moves the masks further than {pairs[0][0]}.")


EXERCISES = {"c1": c1, "c2": c2, "c3": c3, "c4": c4, "c5": c5}
