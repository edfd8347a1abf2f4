"""Checks of the exercises of notebook (b), on the activations and masks that the notebook has made."""

import math
from typing import Any

import torch
from torch import Tensor

from calibbook.teaching.judged import Wrong, called, close, number, whole
from calibprune.metrics.masks import mask_iou


def _near(found: float, right: float) -> bool:
    return math.isclose(found, right, rel_tol=0.01)


def b1(answer: Any, strengths: Tensor) -> None:
    """How many times the median norm the largest one is."""
    found = number(answer)
    if close(found, float(strengths.max() / strengths.median())):
        return
    if _near(found, float(strengths.max() / strengths.mean())):
        raise Wrong("That is the largest over the mean, which the largest itself pulls up. The median is asked for.")
    if _near(found, float(strengths.max() / strengths.min())):
        raise Wrong("That is the largest over the smallest.")
    raise Wrong("The largest norm, over the norm that half of the inputs do not reach.")


def b2(answer: Any) -> None:
    """A function that gives the intersection over union of two masks."""
    stream = torch.Generator().manual_seed(2)
    for share in (0.5, 0.2):
        a, b = (torch.rand(6, 40, generator=stream) < share for _ in range(2))
        found, right = number(called(answer, a, b)), float((a & b).sum() / (a | b).sum())
        if close(found, right):
            continue
        if _near(found, float((a == b).float().mean())):
            raise Wrong("That counts the weights that both keep as well. Only removed weights are looked at.")
        if _near(found, float((a & b).sum() / a.sum())) or _near(found, float((a & b).sum() / b.sum())):
            raise Wrong("That is the share of one mask that is in the other. Divide by what either of them removes.")
        if _near(found, float((a & b).sum() / (a.sum() + b.sum()))):
            raise Wrong("In the sum of both sizes the weights in common are counted twice.")
        raise Wrong("How many weights do both remove, and how many does at least one of them?")
    if abs(number(called(answer, a, a)) - 1) > 1e-6:
        raise Wrong("A mask has 1 in common with itself.")


def b3(answer: Any, first: Tensor, second: Tensor) -> None:
    """Which share of what the first mask removes the second removes too."""
    found = number(answer)
    right = float((first & second).sum() / first.sum())
    if close(found, right):
        return
    if _near(found / 100, right):
        raise Wrong("That is in percent; a share from 0 to 1 is asked for.")
    if _near(found, mask_iou(first, second)):
        raise Wrong("That is the intersection over union, which falls faster than the share in common.")
    if _near(found, float((first & second).float().mean())):
        raise Wrong("That is a share of all weights. A share of the removed ones is asked for.")
    if _near(found, 1 - right):
        raise Wrong("That is the share that the second mask keeps.")
    raise Wrong("Of the weights that the first mask removes, count those that the second removes too.")


def b4(answer: Any, first: Tensor, second: Tensor) -> None:
    """The input whose norm changes most between two texts, as a ratio in either direction."""
    found = whole(answer)
    change = (first / second).log().abs()
    if not 0 <= found < len(change):
        raise Wrong(f"The inputs are counted from 0 to {len(change) - 1}.")
    if found == int(change.argmax()):
        return
    if found == int((first - second).abs().argmax()):
        raise Wrong("That is the largest difference, which the strongest inputs win. The largest ratio is asked for.")
    if found in (int((first / second).argmax()), int((second / first).argmax())):
        raise Wrong("In that direction it is the largest ratio. In the other direction there is a larger one.")
    above = int((change > change[found]).sum())
    raise Wrong(f"{above} inputs change more, as a ratio.")


def b5(answer: Any, first: Tensor, again: Tensor, second: Tensor) -> None:
    """Which share of the disagreement of two languages two draws of one language have as well."""
    found = number(answer)
    draw, language = 1 - mask_iou(first, again), 1 - mask_iou(first, second)
    if close(found, draw / language):
        return
    if _near(found / 100, draw / language):
        raise Wrong("That is in percent; a share from 0 to 1 is asked for.")
    if _near(found, 1 - draw / language):
        raise Wrong("That is what the language adds. What is there without it is asked for.")
    if _near(found, language / draw):
        raise Wrong("The other way round: of the disagreement between languages, the part that draws show too.")
    if _near(found, mask_iou(first, again) / mask_iou(first, second)):
        raise Wrong("That is a ratio of agreements. Disagreement is one minus the intersection over union.")
    raise Wrong("One minus the intersection over union of the two draws, over that of the two languages.")


EXERCISES = {"b1": b1, "b2": b2, "b3": b3, "b4": b4, "b5": b5}
