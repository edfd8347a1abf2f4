"""Whether a cell that was computed again is the same: to the bit, or within the tolerances that are stated here."""

import math
from collections.abc import Iterator, Mapping
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


DENSE = {"perplexity": Tolerance(0.02)}
KEPT = {"perplexity": Tolerance(0.1), "snr_db": Tolerance(0.0, 1.0), "pruning_error": Tolerance(0.2)}
MOVED = {"perplexity": Tolerance(0.6), "snr_db": Tolerance(0.0, 4.0), "pruning_error": Tolerance(1.25)}
"""Of values that another processor or another version of a package computed: of a dense model, of one whose method
leaves the remaining weights as they are (`KEEPING`), and of one whose method moves them.

Sums in another order change the masks of near-ties, and layer by layer what follows. So rounding moves a pruned model
about as far as another draw of its calibration text does, with SparseGPT furthest outside its own language. Measured
on 15 models in bfloat16, calibrated on 2,048 tokens, on an AMD EPYC and on an Intel Xeon: perplexities were up to 0.6%
apart (dense), 5% (Wanda) and 41% (SparseGPT); half of them less than 0.3%, 1.1% and 7%.
"""
KEEPING = ("wanda", "magnitude")
MIDDLE = 0.4
"""Half of the values of a measure may be off by this share of what a single one may, and no more: far-off values are
few where rounding is their only cause.
"""
FEWEST = 5
"""Values of a measure from which on their middle is judged."""
OTHERS, OTHERS_PRUNED = Tolerance(0.05), Tolerance(0.6)
"""Of every other metric: damping, the sizes and changes of features in a subspace, and metrics of other packages."""
SCORES = 0.05
"""Of a task's score: one item in twenty may be answered otherwise, and in any case one; of a pruned model twice as
many.
"""
ITEMS, ITEMS_PRUNED = 0.05, 0.2
"""The share of a task's items that may be answered otherwise, in either direction. Of a model that was pruned with
SparseGPT up to 12% of hundreds were, on an H200 and on an Intel Xeon.
"""
LEAST, LEAST_PRUNED = 1, 3
"""So many items may be in any case. Of eight, SparseGPT moved up to three, between an AMD EPYC and an Intel Xeon."""
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
    """The value that is furthest out of its tolerance, or nearest to being so; or the measure whose middle value is."""
    values = compared(before, after)
    worst = max(_middles(values), key=lambda one: one.excess, default=Difference("", 0.0))
    if worst.excess <= 1:
        worst = Difference("every value is the same", 0.0)
    for row in values.to_dict("records"):
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


def _middles(values: pd.DataFrame) -> Iterator[Difference]:
    """Of each measure how far the middle one of its values is off, over what is allowed to it."""
    both = values[(values["side"] == "both") & (values["task"] == "")]
    for (metric, source), rows in both.groupby(["metric", "source"], sort=False):
        if len(rows) >= FEWEST:
            middle = float(rows["excess"].median())
            what = f"{metric} {source}: half of {len(rows)} values are more than {middle:.0%} of what one may be off"
            yield Difference(what, middle / MIDDLE)


def _tolerance(method: str, metric: str) -> Tolerance:
    known = DENSE if method == "dense" else KEPT if method in KEEPING else MOVED
    return known.get(metric, OTHERS if method == "dense" else OTHERS_PRUNED)


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
        allowed *= 1 if row["method"] == "dense" else 2
        allowed *= 1 + 1e-9  # of one item exactly, whatever rounding makes of it
    else:
        allowed = _tolerance(row["method"], row["metric"]).allows(before)
    return abs(after - before) / allowed if allowed else math.inf


def compare_tensors(name: str, before: Mapping[str, Tensor], after: Mapping[str, Tensor], method: str) -> Difference:
    """How an artifact of a model that was compressed by this method, or "dense", came out: of masks how many entries
    agree, of others the largest mean difference.
    """
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
            share, least = (ITEMS, LEAST) if method == "dense" else (ITEMS_PRUNED, LEAST_PRUNED)
            found = Difference(f"items {key}: {difference:.2%} off", difference / max(share, least / one.numel()))
        else:
            share = difference / size if size else 0.0 if not difference else math.inf
            found = Difference(f"{name} {key}: {share:.2%} off", share / TENSORS)
        worst = max(worst, found, key=lambda each: each.excess)
    return worst


def _bytes(tensor: Tensor) -> tuple:
    return tensor.dtype, tensor.shape, tensor.contiguous().flatten().view(torch.uint8).numpy().tobytes()
