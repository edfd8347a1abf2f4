"""Whether a cell that was computed again is the same: to the bit, or within the tolerances that are stated here."""

import math
from collections.abc import Mapping
from typing import NamedTuple

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from calibprune.study.kept import COLUMNS

KEY = [name for name in COLUMNS if name not in ("value", "stderr", "n")]


class Tolerance(NamedTuple):
    """How far a value may be from the first one: the larger of a share of it and a fixed distance."""

    share: float
    distance: float = 0.0

    def allows(self, before: float) -> float:
        return max(self.share * abs(before), self.distance)


TOLERANCES = {
    "perplexity": Tolerance(0.01),
    "snr_db": Tolerance(0.0, 0.5),
    "pruning_error": Tolerance(0.02),
    "damping": Tolerance(0.01),
}
"""Of values that another processor or another version of a package computed."""
OTHERS = Tolerance(0.05)
"""Of every other metric: the sizes of features in a subspace, and metrics of other packages."""
SCORES = 0.05
"""Of a task's score, and of its items on average: one item in twenty may be answered otherwise, and in any case one."""
MASKS = 0.995
"""The share of a mask's entries that must agree, over all matrices."""
TENSORS = 0.05
"""The largest mean difference of another array, as a share of its mean size."""
MAY_BE_ABSENT = ("damping",)
"""Metrics that a cell has only where something went a certain way: here, that a Hessian needed more damping."""


class Difference(NamedTuple):
    """How a value or an array came out. `excess` is its distance over what is allowed: above 1, it is too far."""

    what: str
    excess: float


def same_bits(before: pd.DataFrame, after: pd.DataFrame) -> bool:
    """Whether two tables of records hold the same rows in the same order, to the bit."""
    return before.reset_index(drop=True).equals(after.reset_index(drop=True))


def same_tensors(before: Mapping[str, Tensor], after: Mapping[str, Tensor]) -> bool:
    """Whether two artifacts hold the same arrays, to the bit."""
    return before.keys() == after.keys() and all(_bytes(before[key]) == _bytes(after[key]) for key in before)


def compared(before: pd.DataFrame, after: pd.DataFrame) -> pd.DataFrame:
    """Two tables of records, value beside value: the columns of `KEY`, value_before, value_after (NaN on the side that
    lacks it), `side` ("both", or the side that alone has it: "before", "after") and `excess`: the distance of the two
    over what is allowed, above 1 where it is too far.
    """
    both = before.merge(after, on=KEY, how="outer", suffixes=("_before", "_after"), indicator="side", sort=False)
    both["side"] = both["side"].astype(str).replace({"left_only": "before", "right_only": "after"})
    both["excess"] = [_excess(row) for row in both.to_dict("records")]
    return both[[*KEY, "value_before", "value_after", "side", "excess"]]


def compare_records(before: pd.DataFrame, after: pd.DataFrame) -> Difference:
    """The value that is furthest out of its tolerance, or nearest to being so."""
    worst = Difference("every value is the same", 0.0)
    for row in compared(before, after).to_dict("records"):
        what = " ".join(
            str(row[name])
            for name in ("metric", "source", "task", "language", "layer", "component")
            if row[name] != "" and not pd.isna(row[name])
        )
        if row["side"] == "both":
            found = Difference(f"{what}: {row['value_before']:.6g}, now {row['value_after']:.6g}", row["excess"])
        else:
            side = "before" if row["side"] == "before" else "now"
            found = Difference(f"{what}: only {side}", row["excess"])
        worst = max(worst, found, key=lambda one: one.excess)
    return worst


def _excess(row: dict) -> float:
    if row["side"] != "both":
        return 0.0 if row["metric"] in MAY_BE_ABSENT else math.inf
    before, after = row["value_before"], row["value_after"]
    if before == after or (math.isnan(before) and math.isnan(after)):
        return 0.0
    if not math.isfinite(before) or not math.isfinite(after):
        return math.inf
    if row["task"]:
        allowed = max(SCORES, 1 / row["n_before"] if row["n_before"] > 0 else 0.0)
        allowed *= 1 + 1e-9  # of one item exactly, whatever rounding makes of it
    else:
        allowed = TOLERANCES.get(row["metric"], OTHERS).allows(before)
    return abs(after - before) / allowed if allowed else math.inf


def compare_tensors(name: str, before: Mapping[str, Tensor], after: Mapping[str, Tensor]) -> Difference:
    """How an artifact came out: of masks how many entries agree, of others the largest mean difference."""
    odd = before.keys() ^ after.keys()
    odd |= {key for key in before.keys() & after.keys() if before[key].shape != after[key].shape}
    if odd:
        return Difference(f"{name} {min(odd)}: another shape, or only on one side", math.inf)
    if name == "masks":
        differing = entries = 0
        for key, mask in before.items():  # eight entries a byte (kernels/packed.py)
            differing += int(np.bitwise_count((mask ^ after[key]).numpy()).sum())
            entries += 8 * mask.numel()
        agree = 1 - differing / max(entries, 1)
        return Difference(f"masks: {agree:.4%} of entries agree", (1 - agree) / (1 - MASKS))
    worst = Difference(f"{name}: the same", 0.0)
    for key, tensor in before.items():
        one, other = tensor.double(), after[key].double()
        difference, size = (one - other).abs().mean().item(), one.abs().mean().item()
        if name == "items":
            found = Difference(f"items {key}: {difference:.2%} off", difference / max(SCORES, 1 / one.numel()))
        else:
            share = difference / size if size else 0.0 if not difference else math.inf
            found = Difference(f"{name} {key}: {share:.2%} off", share / TENSORS)
        worst = max(worst, found, key=lambda each: each.excess)
    return worst


def _bytes(tensor: Tensor) -> tuple:
    return tensor.dtype, tensor.shape, tensor.contiguous().flatten().view(torch.uint8).numpy().tobytes()
