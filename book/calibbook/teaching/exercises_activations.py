"""Checks of the exercises of notebook (b), on the activations and masks that the notebook has made."""

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from calibbook.teaching.activations import norms
from calibbook.teaching.judged import Wrong, called, judge, number, whole
from calibprune.metrics.masks import mask_iou

ByMatrix = Mapping[str, Tensor]
"""Inputs or masks of the matrices of a layer."""
QUERY, DOWN = "self_attn.q_proj", "mlp.down_proj"
"""The matrices that exercises are about."""


def b1(answer: Any, german: ByMatrix, again: ByMatrix, swahili: ByMatrix) -> None:
    """How many times the median norm the largest one is, of the query's inputs on the German text."""
    strengths = norms(german[QUERY])
    mistakes = {
        "That is the largest over the mean, which the largest itself pulls up. The median is asked for.": float(
            strengths.max() / strengths.mean()
        ),
        "That is the largest over the smallest.": float(strengths.max() / strengths.min()),
        "That is the largest alone. How many times the median is it?": float(strengths.max()),
        "That is with the squares. The norm is the root of their sum.": _unevenness(german[QUERY]) ** 2,
        "That is of the second draw of German; the first is asked for.": _unevenness(again[QUERY]),
        "That is of the Swahili text.": _unevenness(swahili[QUERY]),
        f"That is of the inputs of {DOWN}; those of the query are asked for.": _unevenness(german[DOWN]),
    }
    otherwise = "The largest norm, over the norm that half of the inputs do not reach."
    judge(number(answer), _unevenness(german[QUERY]), mistakes, otherwise)


def _unevenness(inputs: Tensor) -> float:
    strengths = norms(inputs)
    return float(strengths.max() / strengths.median())


def b2(answer: Any) -> None:
    """A function that gives the intersection over union of two masks."""
    stream = torch.Generator().manual_seed(2)
    for share in (0.5, 0.2):
        a, b = (torch.rand(6, 40, generator=stream) < share for _ in range(2))
        both, either = float((a & b).sum()), float((a | b).sum())
        mistakes = {
            "That counts the weights that both keep as well. Only removed weights are looked at.": float(
                (a == b).float().mean()
            ),
            "That is the share of the first mask that is in the second. Divide by what either of them removes.": both
            / float(a.sum()),
            "That is the share of the second mask that is in the first. Divide by what either of them removes.": both
            / float(b.sum()),
            "In the sum of both sizes the weights in common are counted twice.": both / float(a.sum() + b.sum()),
            "That is twice the weights in common over the sum of both sizes, Dice's coefficient. Divide the weights "
            "in common by what either of them removes.": 2 * both / float(a.sum() + b.sum()),
            "That is in percent; a share from 0 to 1 is asked for.": 100 * both / either,
            "That is one minus it: how much the masks differ. How alike they are is asked for.": 1 - both / either,
            "That is union over intersection, the other way round.": either / both,
            "That is a share of all weights. Divide by what either of them removes.": both / a.numel(),
            "That is how many weights both remove. Divide by what either of them removes.": both,
        }
        otherwise = "How many weights do both remove, and how many does at least one of them?"
        judge(number(called(answer, a, b)), both / either, mistakes, otherwise, "return it as it is")
    if abs(number(called(answer, a, a)) - 1) > 1e-6:
        raise Wrong("A mask has 1 in common with itself.")


def b3(answer: Any, german: ByMatrix, swahili: ByMatrix) -> None:
    """Which share of what the German mask of the query removes the Swahili one removes too."""
    first, second = german[QUERY], swahili[QUERY]
    right = _in_common(first, second)
    mistakes = {
        "That is in percent; a share from 0 to 1 is asked for.": 100 * right,
        "That is the intersection over union, which falls faster than the share in common.": mask_iou(first, second),
        "That is a share of all weights. A share of the removed ones is asked for.": float(
            (first & second).float().mean()
        ),
        "That is the share that the second mask keeps.": 1 - right,
        "That counts the weights that both keep as well. Only removed weights are looked at.": float(
            (first == second).float().mean()
        ),
        "That is how many weights they have in common. A share is asked for.": float((first & second).sum()),
        **{f"That is of {name}; {QUERY} is asked for.": _in_common(german[name], swahili[name]) for name in german},
    }
    mistakes.pop(f"That is of {QUERY}; {QUERY} is asked for.")
    otherwise = "Of the weights that the first mask removes, count those that the second removes too."
    judge(number(answer), right, mistakes, otherwise)


def _in_common(first: Tensor, second: Tensor) -> float:
    return float((first & second).sum() / first.sum())


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


def b5(answer: Any, german: ByMatrix, again: ByMatrix, swahili: ByMatrix) -> None:
    """Which share of the disagreement of two languages two draws of one language have as well."""
    first, second, other = (masks[DOWN] for masks in (german, again, swahili))
    draw, language = 1 - mask_iou(first, second), 1 - mask_iou(first, other)
    right = draw / language
    mistakes = {
        "That is in percent; a share from 0 to 1 is asked for.": 100 * right,
        "That is what the language adds. What is there without it is asked for.": 1 - right,
        "The other way round: of the disagreement between languages, the part that draws show too.": language / draw,
        "That is a ratio of agreements. Disagreement is one minus the intersection over union.": (1 - draw)
        / (1 - language),
        "That is with the share in common. Disagreement is one minus the intersection over union.": (
            1 - _in_common(first, second)
        )
        / (1 - _in_common(first, other)),
        "That is the disagreement of the two draws alone. Divide it by that of the two languages.": draw,
        "You compare Swahili with the second draw of German; the first stands in both comparisons.": draw
        / (1 - mask_iou(second, other)),
        f"That is of {QUERY}; {DOWN} is asked for.": (1 - mask_iou(german[QUERY], again[QUERY]))
        / (1 - mask_iou(german[QUERY], swahili[QUERY])),
    }
    otherwise = "One minus the intersection over union of the two draws, over that of the two languages."
    judge(number(answer), right, mistakes, otherwise)


EXERCISES = {"b1": b1, "b2": b2, "b3": b3, "b4": b4, "b5": b5}
