"""Beyond the paper: which language-specific neurons survive pruning, and in which language neurons stay as active as
they were.

Language-specific neurons are those of Tang et al. (2024) here, each assigned to its languages
(`metrics.neurons.language_specific`).
"""

from collections.abc import Callable, Sequence
from math import expm1, factorial

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
from calibbook.shared.claims import Claim, claims_frame, decided
from calibbook.shared.frames import BLOCK, blocks, in_order, setting, square
from calibbook.shared.statistics import mean_interval, relabelling_p_value, target_advantage
from calibbook.shared.words import more_or_less, number
from calibprune.metrics.neurons import language_specific, survival
from calibprune.study.cells import Cell
from calibprune.study.store import Store

SURVIVES = "calibrating in a language keeps more of its neurons"
STAYS = "calibrating in a language changes activation probabilities in it less"


def kept(store: Store, cells: Sequence[Cell]) -> pd.DataFrame:
    """One row per model, method, sparsity, pattern, calibration and language, means over draws of calibration text.

    `survival`: the percentage of the language's neurons in the dense model that are its neurons in the pruned model as
    well, NaN where it has none; `neurons`: how many it has; `change`: the change of the activation probability in that
    language, mean over all neurons, in percentage points. The rows of method "dense" are what the dense model would
    show on other texts (`neurons.other_texts`). Raises ParameterError where there is nothing to compare.
    """
    rows = []
    for model in models(cells):
        dense = read(store, dense_cell(cells, model))
        own = language_specific(dense.probability)
        for often, _ in other_texts(dense):
            rows += _rows(dense, own, dense.cell, torch.from_numpy(often).reshape(dense.probability.shape))
        for method in methods(cells):
            for cell in calibrated(cells, model, method):
                rows += _rows(dense, own, cell, read(store, cell).probability)
    keys = [*BLOCK, "source", "calibration", "language"]
    return in_order(
        pd.DataFrame(rows).groupby(keys, sort=False)[["survival", "change", "neurons"]].mean().reset_index()
    )


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

    Bootstrap interval over languages; the test exchanges the labels of the calibrations. found: rows of `kept`.
    """
    claims = []
    for (model, method, sparsity, pattern), rows in blocks(found[found["method"] != "dense"]):
        names = {
            "source": rows["source"].iloc[0],
            "model": model,
            "method": method,
            "sparsity": setting(sparsity, pattern),
        }
        shares = _own(square(rows, "survival").dropna(axis=1))  # languages without neurons are not compared
        claims.append(_claim(SURVIVES, names, "share that survives", shares, _points))
        claims.append(_claim(STAYS, names, "mean change", -np.log(_own(square(rows, "change"))), _change))
    return claims_frame(claims)


def _own(table: pd.DataFrame) -> np.ndarray:
    """The languages of [calibrations, languages] that are both, [languages, languages]."""
    languages = [code for code in table.columns if code in table.index]
    return table.loc[languages, languages].to_numpy()


def _claim(
    claim: str, names: dict, metric: str, gains: np.ndarray, shown: Callable[[float], tuple[float, str]]
) -> Claim:
    """A Claim that calibrating in the target language gains more; gains: [calibrations, languages]; `shown` turns a
    gain into number and words.
    """
    advantages = target_advantage(gains)
    low, high = mean_interval(advantages)
    value, what = shown(float(advantages.mean())) if len(advantages) else (np.nan, "–")
    p = relabelling_p_value(gains)
    bounds = dict(zip(("low", "high"), sorted((shown(low)[0], shown(high)[0])), strict=True))
    verdict = decided(low, high, p, 1 / factorial(len(gains)))
    return Claim(claim, **names, metric=metric, what=what, statistic=value, **bounds, p=p, n=len(gains), **verdict)


def _points(value: float) -> tuple[float, str]:
    return value, f"{number(value)} percentage points more"


def _change(logarithm: float) -> tuple[float, str]:
    percent = 100 * expm1(-logarithm)
    return percent, more_or_less(percent)
