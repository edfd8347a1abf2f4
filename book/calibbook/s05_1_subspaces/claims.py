"""The claims of the paper's Section 5.1, each tested on the records at hand.

Every test looks at logarithms of changes, so that layers whose hidden states differ in size count alike, and takes one
value for every pair of a calibration and an evaluation language: the mean over layers. Evaluation languages share the
pruned models, so that calibrations count as well as they (`statistics.crossed_interval`). Claims about the target
language look at the evaluation languages that were calibrated in, and are undecided without any.
"""

import math
from collections.abc import Mapping

import numpy as np
import pandas as pd

from calibbook.s05_1_subspaces.data import (
    BLOCK_ON,
    at_rank,
    changes,
    cube,
    middle,
    percent_more,
    separated,
)
from calibbook.shared.claims import MORE_OR_LESS, Claim, claims_frame, crossed, names, over_languages, targeted
from calibbook.shared.languages import NO_TARGET
from calibbook.shared.registered import wording
from calibbook.shared.statistics import jackknife_interval, target_advantage
from calibbook.shared.words import more_or_less, number

TARGET = wording("5.1-target-specific")
WHOLE = wording("beyond-whole-embeddings")
TARGET_MORE = wording("5.1-target-more")
FLAT = wording("5.1-flat")
MIDDLE = {
    "agnostic": wording("5.1-middle-agnostic"),
    "specific": wording("5.1-middle-specific"),
}
MORE = wording("5.1-agnostic-more")
MEASURES = {"change": "magnitude", "relative": "magnitude over that of the dense model"}
PER_DIMENSION = "magnitude over what a random direction would give"


# where nothing was pruned the logarithms are infinite and claims undecided
@np.errstate(divide="ignore", invalid="ignore")
def target_is_spared(rows: pd.DataFrame, where: dict, part: str = "specific", claim: str = TARGET) -> list[Claim]:
    """Target language against the mean of the others, over all layers and in the last one; rows relabelled for the
    test.
    """
    _, _, values = cube(rows, part)
    if not values.size:
        return [Claim(claim, **where, what=NO_TARGET)]
    gains = {"mean of all layers": -np.log(values).mean(axis=0), "last layer": -np.log(values[-1])}
    return [
        Claim(claim, **where, metric=layers, **targeted(gain, lambda x: percent_more(-x), more_or_less, MORE_OR_LESS))
        for layers, gain in gains.items()
    ]


@np.errstate(divide="ignore", invalid="ignore")
def target_matters_more_for_specific(rows: pd.DataFrame, where: dict) -> list[Claim]:
    """The target language's advantage in specific features less that in agnostic ones."""
    if not cube(rows, "specific")[2].size:
        return [Claim(TARGET_MORE, **where, what=NO_TARGET)]
    gains = {part: -np.log(cube(rows, part)[2]).mean(axis=0) for part in ("specific", "agnostic")}
    shown = {part: more_or_less(percent_more(-target_advantage(each).mean())) for part, each in gains.items()}
    what = f"{shown['specific']} in specific, {shown['agnostic']} in agnostic features"
    found = targeted(gains["specific"] - gains["agnostic"], percent_more, what, "%")
    return [Claim(TARGET_MORE, **where, metric="target against the others", **found)]


@np.errstate(divide="ignore", invalid="ignore")
def agnostic_is_flat(rows: pd.DataFrame, where: dict) -> list[Claim]:
    """The standard deviation over calibration languages, relative to the mean: agnostic against specific features. The
    interval leaves out one calibration at a time: one that is odd moves all evaluation languages.
    """
    logs = {part: np.log(cube(rows, part, every=True)[2]) for part in ("agnostic", "specific")}
    calibrations, evaluations = logs["specific"].shape[1:]

    def spread(part: str, left_out: int | None = None) -> float:
        values = logs[part] if left_out is None else np.delete(logs[part], left_out, axis=1)
        return float(values.std(axis=1, ddof=1).mean()) if values.shape[1] > 1 else math.nan

    shown = {part: number(100 * spread(part)) for part in logs}
    what = f"spread of {shown['agnostic']}% in agnostic, {shown['specific']}% in specific features"
    value = spread("specific") - spread("agnostic")
    without = np.array([spread("specific", i) - spread("agnostic", i) for i in range(calibrations)])
    found = (value, *jackknife_interval(value, without))
    fields = over_languages(found, evaluations, lambda value: 100 * value, what, "%", languages=calibrations)
    return [Claim(FLAT, **where, metric="spread over calibration languages", **fields)]


@np.errstate(divide="ignore", invalid="ignore")
def middle_layers(rows: pd.DataFrame, where: dict) -> list[Claim]:
    """The middle third of the layers against the others, in both parts, as they are and relative to the dense model."""
    claims = []
    for part, sign in (("agnostic", 1), ("specific", -1)):
        for value, label in MEASURES.items():
            _, layers, values = cube(rows, part, value, every=True)
            inside = middle(layers)
            if not values.size or np.isnan(values).any() or inside.all() or not inside.any():
                continue
            logs = np.log(values)
            gap = logs[inside].mean(axis=0) - logs[~inside].mean(axis=0)  # [calibrations, evaluations]
            claims.append(
                Claim(
                    MIDDLE[part],
                    **where,
                    metric=label,
                    **crossed(sign * gap, lambda x, sign=sign: percent_more(sign * x), more_or_less, MORE_OR_LESS),
                )
            )
    return claims


@np.errstate(divide="ignore", invalid="ignore")
def agnostic_changes_more(rows: pd.DataFrame, where: dict, width: int | None = None) -> list[Claim]:
    """Agnostic over specific change: as they are, relative to the size of that part in the dense model, and over what
    chance gives.

    A change in a random direction has parts of lengths as sqrt(width - rank) to sqrt(rank), so agnostic features change
    more by their number of dimensions alone; that measure needs `width`, of the hidden states.
    """
    rank = int(rows["rank"].max())
    by_chance = {MEASURES["change"]: 0.0, MEASURES["relative"]: 0.0} | (
        {PER_DIMENSION: 0.5 * math.log(width / rank - 1)} if width else {}
    )
    claims = []
    for label, expected in by_chance.items():
        value = "relative" if label == MEASURES["relative"] else "change"
        agnostic, specific = (cube(rows, part, value, every=True)[2] for part in ("agnostic", "specific"))
        if not agnostic.size or np.isnan(agnostic).any() or np.isnan(specific).any():
            continue
        ratio = np.log(agnostic / specific).mean(axis=0) - expected
        claims.append(
            Claim(
                MORE,
                **where,
                metric=label,
                **crossed(ratio, math.exp, lambda x: f"{number(x)} times as much"),
            )
        )
    return claims


TESTS = (target_is_spared, target_matters_more_for_specific, agnostic_is_flat, middle_layers)


def whole_embeddings(frame: pd.DataFrame) -> pd.DataFrame:
    """Not in the paper: the first claim for embeddings that were not taken apart, so that no turn of a subspace is in
    it; one row a Claim.
    """
    claims = []
    for where, rows in _blocks(at_rank(changes(frame))):
        claims += target_is_spared(rows, where, "total", WHOLE)
    return claims_frame(claims)


def section_5_1(frame: pd.DataFrame, widths: Mapping[str, int] | None = None) -> pd.DataFrame:
    """Every claim of the section on every model, method and sparsity, at the highest rank: one row a Claim.

    `frame` is the tidy frame, `widths` the width of the hidden states by model, as far as known. No rows where features
    were not separated, which takes two languages.
    """
    if not separated(frame):
        return claims_frame([])

    def more(rows: pd.DataFrame, where: dict) -> list[Claim]:
        return agnostic_changes_more(rows, where, (widths or {}).get(where["model"]))

    claims = []
    for test in (*TESTS, more):
        for where, rows in _blocks(at_rank(changes(frame))):
            claims += test(rows, where)
    return claims_frame(claims)


def _blocks(found: pd.DataFrame):
    for (model, method, sparsity, pattern, source), rows in found.groupby(BLOCK_ON, sort=False):
        yield names((model, method, sparsity, pattern), source=source), rows
