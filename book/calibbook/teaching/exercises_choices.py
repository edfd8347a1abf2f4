"""Checks of the exercises of notebook (c), on the masks that the notebook has made."""

from collections.abc import Mapping
from itertools import pairwise
from typing import Any

from torch import Tensor

from calibbook.checkout import ROOT
from calibbook.teaching.judged import Wrong, judge, listed, number, whole
from calibprune.metrics.masks import mask_iou
from calibprune.study.parameter_files import read_parameters

Masks = Mapping[str, Tensor]
PAPER, OURS, SMALL = "llama3-8b.yaml", "published.yaml", "embedded.yaml"
"""The files in params/ with the paper's settings, with those of this book's study, and with those of a small one."""

OUTPUT = "self_attn.o_proj"
"""The matrix that exercise C3 is about."""


def c1(answer: Any) -> None:
    """How many times as many tokens the paper's calibration has."""
    found, paper, ours, small = number(answer), *map(_tokens, (PAPER, OURS, SMALL))
    if found == small:
        raise Wrong(f"That is of params/{SMALL}, a small study. This book's windows are in params/{OURS}.")
    if found in (paper, ours):
        raise Wrong("That is the number of tokens of one of the two. How many times is it the other?")
    mistakes = {
        f"That is with params/{SMALL}, a small study. This book's windows are in params/{OURS}.": paper / small,
        "That is this book over the paper, the other way round.": ours / paper,
    }
    judge(found, paper / ours, mistakes, "Windows times tokens in a window, of the one and of the other.")


def _tokens(file: str) -> int:
    given = read_parameters(ROOT / "params" / file)
    return given["calibration_samples"] * given["calibration_length"]


def c2(answer: Any, by_amount: Mapping[int, Masks], other: Masks, reference: Masks) -> None:
    """The fewest tokens whose masks are closer to the reference than those of another language, in every matrix."""
    found = whole(answer)
    closer = {
        count: [mask_iou(mine[name], one) - mask_iou(other[name], one) for name, one in reference.items()]
        for count, mine in by_amount.items()
    }
    enough = [count for count, by_matrix in closer.items() if min(by_matrix) > 0]
    if found not in by_amount:
        raise Wrong(f"The table has {', '.join(map(str, by_amount))} tokens; a number of tokens is asked for.")
    if not enough:
        raise Wrong("No amount in the table is; read the exercise with other masks.")
    if found == min(enough):
        return
    if found in enough:
        raise Wrong("That is enough, and there is a smaller amount that is enough too.")
    if found == min(count for count, by_matrix in closer.items() if sum(by_matrix) > 0):
        raise Wrong("That is by the mean over the matrices. There is a matrix in which it is not enough.")
    if max(closer[found]) > 0:
        raise Wrong("In some matrices that is enough. There is one in which the other language is at least as close.")
    raise Wrong("With so few tokens the other language is at least as close in every matrix.")


def c3(answer: Any, usual: Masks, uncounted: Masks, without: Masks) -> None:
    """What is lost by not counting BOS, over what is lost by leaving it out."""
    before, *after = (masks[OUTPUT] for masks in (usual, uncounted, without))
    little, much = (1 - mask_iou(before, one) for one in after)
    few, many = (float((before & ~one).sum()) for one in after)
    mistakes = {
        "That is in percent; a ratio is asked for.": 100 * little / much,
        "The other way round: not counting it, over leaving it out.": much / little,
        "That is with the share in common. Disagreement is one minus the intersection over union.": few / many,
        "That is a ratio of agreements. Disagreement is one minus the intersection over union.": (1 - little)
        / (1 - much),
        "That is what not counting it loses. Divide it by what leaving it out loses.": little,
        "That is what leaving it out loses, by which the other is to be divided.": much,
    }
    otherwise = "One minus the intersection over union with the usual masks, either way."
    judge(number(answer), little / much, mistakes, otherwise)


def c4(answer: Any, tokens: Tensor, bos: int) -> None:
    """Which share of the tokens is BOS."""
    right = float((tokens == bos).double().mean())
    mistakes = {
        "That is in percent; a share from 0 to 1 is asked for.": 100 * right,
        "That is the share of the other tokens.": 1 - right,
        "That is how many tokens there are to one BOS, the other way round.": 1 / right,
        "BOS is one of the tokens of a window, and counts among them.": right / (1 - right),
    }
    otherwise = "Every window begins with one such token. How many tokens does a window have?"
    judge(number(answer), right, mistakes, otherwise)


def c5(answer: Any, moved: Mapping[str, Masks], reference: Masks) -> None:
    """The choices in the order of how far they move the masks away from the reference, the largest move first."""
    asked = f"Give each of {', '.join(moved)} once, in a list."
    names = {name.casefold(): name for name in moved}
    said = [str(one).strip() for one in listed(answer, asked)]
    given = [names.get(one.casefold(), one) for one in said]
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
