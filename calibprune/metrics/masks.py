"""How similar pruning masks are: intersections over seeds and intersection over union (Section 5.2 and Appendix D.3 of
the paper).

A mask is a bool tensor [out, in], True = pruned, or the same packed by `calibprune.kernels.packed.pack`; the masks of a
model are a mapping such as `PruneResult.masks`. A function's masks are all of one of these kinds, and it answers a
mapping with a mapping.
"""

import math
from collections.abc import Mapping, Sequence
from functools import reduce
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from calibprune.errors import ParameterError, quoted
from calibprune.kernels.packed import overlaps
from calibprune.metrics.base import Metric

METRIC = Metric("masks", "Pruning masks", models=("languages", "draws"))

Masks = Tensor | Mapping[str, Tensor]


def stable_mask(masks: Sequence[Masks]) -> Masks:
    """What every mask prunes: the intersection over seeds (Eq. 8), of the same kind as the masks.

    Raises:
        ParameterError: no mask, or masks of different models, shapes or dtypes.
    """
    if isinstance(_first(masks), Mapping):
        return {name: stable_mask([mask[name] for mask in masks]) for name in _names(masks)}
    _check(masks)
    return reduce(torch.bitwise_and, masks)


def mask_iou(a: Masks, b: Masks) -> float | dict[str, float]:
    """Intersection over union of two masks (Eq. 9); for those of a model a number a name. Of two masks that prune
    nothing: NaN.

    Raises:
        ParameterError: as `stable_mask`.
    """
    return within_iou([a, b])


def within_iou(masks: Sequence[Masks]) -> float | dict[str, float]:
    """The intersection of all masks over their union: how certain pruning is over the seeds of one language (Figure 2,
    left).

    For those of a model a number a name. Of masks that prune nothing: NaN.

    Raises:
        ParameterError: as `stable_mask`.
    """
    if isinstance(_first(masks), Mapping):
        return {name: within_iou([mask[name] for mask in masks]) for name in _names(masks)}
    _check(masks)
    if masks[0].dtype == torch.bool:
        return _ratio(int(reduce(torch.bitwise_and, masks).sum()), int(reduce(torch.bitwise_or, masks).sum()))
    found = overlaps([masks])
    return _ratio(found.all[0], found.any[0])


class Similarities(NamedTuple):
    """IoUs of one matrix's masks, in the order of `languages`; NaN where nothing is pruned.

    Attributes:
        languages: by position.
        within: |∩| / |∪| over the seeds of each language, float64 [L].
        between: of the languages' stable masks, float64 [L, L], symmetric.
        pruned: bits in each language's stable mask, int64 [L]; over the matrix's size this is the density that
            `expected_iou` takes.
    """

    languages: list[str]
    within: np.ndarray
    between: np.ndarray
    pruned: np.ndarray


def pairwise(masks: Mapping[str, Sequence[Tensor]]) -> Similarities:
    """All IoUs within and between languages for one matrix, reading every mask once.

    Args:
        masks: by language, the packed masks of its seeds; uint8 [out, ⌈in / 8⌉].

    Raises:
        ParameterError: no language, a language without a mask, masks that are not packed, or as `stable_mask`.
    """
    if not masks:
        raise ParameterError("pruning masks: give those of at least one language")
    for language, seeds in masks.items():
        if not len(seeds):
            raise ParameterError(f"pruning masks of {language}: give at least one")
    every = [mask for seeds in masks.values() for mask in seeds]
    _check(every)
    if every[0].dtype != torch.uint8:
        raise ParameterError("pruning masks: give packed ones, from calibprune.kernels.packed.pack")
    found = overlaps(list(masks.values()))
    unions = found.all[:, None] + found.all - found.both
    return Similarities(list(masks), _ratios(found.all, found.any), _ratios(found.both, unions), found.all)


def expected_iou(*densities: float) -> float:
    """What independent random masks would have, to first order: Π p / (1 − Π (1 − p)); 1/3 for two masks that prune
    half of the weights.

    Two densities give the zero line of `mask_iou`, as many as there are seeds that of `within_iou`. For stable masks
    give their own densities.

    Args:
        densities: the share that each mask prunes, 0 to 1; at least one.

    Returns:
        the ratio of the expected sizes; NaN where all densities are 0.

    Raises:
        ParameterError: no density, or one outside 0 to 1.
    """
    if not densities or not all(0 <= density <= 1 for density in densities):
        raise ParameterError(
            f"mask densities {', '.join(map(str, densities)) or 'missing'}: give one for each mask, 0 to 1"
        )
    union = 1 - math.prod(1 - density for density in densities)
    return math.prod(densities) / union if union else math.nan


def _first(masks: Sequence[Masks]) -> Masks:
    """Raises ParameterError where there is no mask, or no list of masks."""
    if not isinstance(masks, list | tuple) or not masks:
        raise ParameterError("pruning masks: give at least one, as a list")
    return masks[0]


def _names(masks: Sequence[Mapping[str, Tensor]]) -> list[str]:
    first = list(masks[0])
    for number, mask in enumerate(masks):
        if not isinstance(mask, Mapping) or (odd := set(first) ^ set(mask)):
            what = (
                f"has {quoted(min(odd))} in only one of the two" if isinstance(mask, Mapping) else "is a single matrix"
            )
            raise ParameterError(
                f"pruning masks: number {number + 1} is of another model than the first, it {what}; "
                f"compare masks of one model"
            )
    return first


def _check(masks: Sequence[Tensor]) -> None:
    for mask in masks:
        if not isinstance(mask, Tensor) or mask.dtype not in (torch.bool, torch.uint8) or mask.is_meta:
            kind = f"{mask.dtype} on {mask.device}" if isinstance(mask, Tensor) else type(mask).__name__
            raise ParameterError(f"pruning masks: bool tensors or packed uint8 tensors are needed, not {kind}")
        if mask.dtype != masks[0].dtype or mask.shape != masks[0].shape:
            shown = " and ".join(
                f"{str(each.dtype).removeprefix('torch.')} {list(each.shape)}" for each in (masks[0], mask)
            )
            raise ParameterError(f"pruning masks of {shown}: compare masks of one matrix, all packed or none")


def _ratio(part: int, whole: int) -> float:
    return part / whole if whole else math.nan


def _ratios(parts: np.ndarray, wholes: np.ndarray) -> np.ndarray:
    return np.divide(parts, wholes, out=np.full(parts.shape, np.nan), where=wholes > 0)
