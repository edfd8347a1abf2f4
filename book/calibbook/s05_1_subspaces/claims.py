"""The claims of the paper's Section 5.1, each tested on the records at hand.

Every test looks at logarithms of changes, so that layers whose hidden states differ in size count alike, and takes one
value an evaluation language: the mean over layers (and over calibrations where the claim is not about them). Claims
about the target language look at the evaluation languages that were calibrated in, and are undecided without any.
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
from calibbook.shared.claims import MORE_OR_LESS, Claim, claims_frame, names, paired, targeted
from calibbook.shared.languages import NO_TARGET
from calibbook.shared.statistics import target_advantage
from calibbook.shared.words import more_or_less, number

TARGET = "calibrating in the target language changes language-specific features less"
WHOLE = "calibrating in the target language changes whole sentence embeddings less"
TARGET_MORE = "the target language spares language-specific features more than language-agnostic ones"
FLAT = "the change of language-agnostic features depends less on the calibration language"
MIDDLE = {
    "agnostic": "middle layers change more in language-agnostic features",
    "specific": "middle layers change less in language-specific features",
}
MORE = "pruning changes language-agnostic features more than language-specific ones"
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
    means = {part: target_advantage(-np.log(cube(rows, part)[2]).mean(axis=0)) for part in ("specific", "agnostic")}
    shown = {part: more_or_less(percent_more(-values.mean())) for part, values in means.items()}
    what = f"{shown['specific']} in specific, {shown['agnostic']} in agnostic features"
    return [
        Claim(
            TARGET_MORE,
            **where,
            metric="target against the others",
            **paired(means["specific"] - means["agnostic"], percent_more, what, "%"),
        )
    ]


@np.errstate(divide="ignore", invalid="ignore")
def agnostic_is_flat(rows: pd.DataFrame, where: dict) -> list[Claim]:
    """The standard deviation over calibration languages, relative to the mean: agnostic against specific features."""
    spreads = {}
    for part in ("agnostic", "specific"):
        values = np.log(cube(rows, part, every=True)[2])
        spreads[part] = (
            values.std(axis=1, ddof=1).mean(axis=0) if values.shape[1] > 1 else np.full(values.shape[2], np.nan)
        )
    shown = {part: number(100 * values.mean()) for part, values in spreads.items()}
    what = f"spread of {shown['agnostic']}% in agnostic, {shown['specific']}% in specific features"
    difference = paired(spreads["specific"] - spreads["agnostic"], lambda value: 100 * value, what, "%")
    return [Claim(FLAT, **where, metric="spread over calibration languages", **difference)]


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
            by_layer = np.log(values).mean(axis=1)  # [layers, languages]
            gap = by_layer[inside].mean(axis=0) - by_layer[~inside].mean(axis=0)
            claims.append(
                Claim(
                    MIDDLE[part],
                    **where,
                    metric=label,
                    **paired(sign * gap, lambda x, sign=sign: percent_more(sign * x), more_or_less, MORE_OR_LESS),
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
        ratio = np.log(agnostic / specific).mean(axis=(0, 1)) - expected
        claims.append(
            Claim(
                MORE,
                **where,
                metric=label,
                **paired(ratio, math.exp, lambda x: f"{number(x)} times as much"),
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
