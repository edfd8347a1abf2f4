"""Beyond the paper: which language-specific neurons survive pruning, and in which language neurons stay as active as
they were.

Language-specific neurons are those of Tang et al. (2024) here, each assigned to its languages
(`metrics.neurons.language_specific`).
"""

from collections.abc import Sequence
from functools import partial
from math import expm1

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from calibbook.s05_3_language_neurons.data import (
    Activations,
    calibrated,
    dense_cell,
    methods,
    models,
    other_texts,
    read,
)
from calibbook.shared.claims import MORE_OR_LESS, Claim, claims_frame, names, targeted
from calibbook.shared.frames import BLOCK, blocks, in_order, square
from calibbook.shared.languages import NO_TARGET
from calibbook.shared.registered import wording
from calibbook.shared.words import more_or_less, number
from calibprune.metrics.neurons import language_specific, survival
from calibprune.study.cells import Cell
from calibprune.study.derived import derived
from calibprune.study.store import Store

SURVIVAL, VERSION = "surviving neurons", 1
"""The derived table of `_of_model`; the version is raised when its numbers would change."""

SURVIVES = wording("beyond-neurons-survive")
STAYS = wording("beyond-probabilities-stay")


def kept(store: Store, cells: Sequence[Cell]) -> pd.DataFrame:
    """One row per model, method, sparsity, pattern, calibration and language, means over draws of calibration text.

    `survival`: the percentage of the language's neurons in the dense model that are its neurons in the pruned model as
    well, NaN where it has none; `neurons`: how many it has; `change`: the change of the activation probability in that
    language, mean over all neurons, in percentage points. The rows of method "dense" are what the dense model would
    show on other texts (`data.other_texts`). Raises ParameterError where there is nothing to compare.
    """
    found = []
    for model in models(cells):
        dense = dense_cell(cells, model)
        pruned = [cell for method in methods(cells) for cell in calibrated(cells, model, method)]
        compute = partial(_of_model, store, dense, pruned)
        found.append(derived(store, SURVIVAL, VERSION, [dense, *pruned], compute))
    keys = [*BLOCK, "source", "calibration", "language"]
    rows = pd.concat(found, ignore_index=True)
    return in_order(rows.groupby(keys, sort=False)[["survival", "change", "neurons"]].mean().reset_index())


def _of_model(store: Store, dense: Cell, pruned: Sequence[Cell]) -> pd.DataFrame:
    """The rows of `kept` before means are taken: a row a draw."""
    before = read(store, dense)
    own = language_specific(before.probability)
    rows = []
    for often, _ in other_texts(before):
        rows += _rows(before, own, dense, torch.from_numpy(often).reshape(before.probability.shape))
    for cell in pruned:
        rows += _rows(before, own, cell, read(store, cell).probability)
    return pd.DataFrame(rows)


def _rows(dense: Activations, own: Tensor, cell: Cell, probability: Tensor) -> list[dict]:
    """A row a language: what `probability` [layers, neurons, languages] keeps of the dense model, whose
    language-specific neurons are `own`.
    """
    names = {
        "model": cell.model,
        "method": cell.method,
        "sparsity": cell.sparsity.fraction,
        "pattern": cell.pattern,
        "source": dense.source,
        "calibration": "+".join(cell.calibration),
    }
    columns = {
        "language": list(dense.languages),
        "survival": (100 * survival(own, language_specific(probability))).tolist(),
        "change": (100 * (probability.double() - dense.probability.double()).abs().mean(dim=(0, 1))).tolist(),
        "neurons": own.sum(dim=(0, 1)).tolist(),
    }
    return [names | dict(zip(columns, values, strict=True)) for values in zip(*columns.values(), strict=True)]


def specific_neurons(found: pd.DataFrame) -> pd.DataFrame:
    """How many language-specific neurons the dense model has in each language: a row a model, a column a language.
    found: rows of `kept`.
    """
    counts = found.groupby(["model", "language"], sort=False)["neurons"].first().astype(int)
    return counts.unstack()[list(dict.fromkeys(found["language"]))].rename_axis(columns=None).reset_index()


# where nothing changed the logarithms are infinite and the claim undecided
@np.errstate(divide="ignore", invalid="ignore")
def kept_claims(found: pd.DataFrame) -> pd.DataFrame:
    """Whether calibrating in a language keeps what belongs to it, against the mean of the other calibrations: one row a
    Claim.

    By `statistics.target_interval`. found: rows of `kept`.
    """
    claims = []
    for block, rows in blocks(found[found["method"] != "dense"]):
        where = names(block, source=rows["source"].iloc[0])
        if not rows["language"].isin(rows["calibration"]).any():
            claims += [Claim(claim, **where, what=NO_TARGET) for claim in (SURVIVES, STAYS)]
            continue
        shares = _own(square(rows, "survival").dropna(axis=1))  # languages without neurons are not compared
        survives = targeted(shares, float, lambda points: f"{number(points)} percentage points more")
        stays = targeted(-np.log(_own(square(rows, "change"))), _percent_more, more_or_less, MORE_OR_LESS)
        claims.append(Claim(SURVIVES, **where, metric="share that survives", **survives))
        claims.append(Claim(STAYS, **where, metric="mean change", **stays))
    return claims_frame(claims)


def _own(table: pd.DataFrame) -> np.ndarray:
    """The languages of [calibrations, languages] that are both, [languages, languages]."""
    languages = [code for code in table.columns if code in table.index]
    return table.loc[languages, languages].to_numpy()


def _percent_more(gain: float) -> float:
    """Of a gain, minus the logarithm of a change: by how many percent the change is more."""
    return 100 * expm1(-gain)
