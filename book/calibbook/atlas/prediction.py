"""Predicted against measured: what one walk over the dense model says of every pair (`calibprune advise`), beside what
pruning and measuring found.
"""

import math
import shlex
from collections.abc import Iterable
from pathlib import Path

import numpy as np
import pandas as pd
from scipy.stats import spearmanr

from calibbook.atlas.data import Atlas
from calibbook.shared.statistics import UNKNOWN, mean_interval, normal_interval
from calibprune.advice.tables import whole_models
from calibprune.schemes import Sparsity
from calibprune.study.kept import Kept
from calibprune.study.parameters import Parameters

FEWEST = 4
"""Other languages for a rank correlation."""


def read(places: Iterable[Kept], model: str) -> pd.DataFrame:
    """What `calibprune advise --table FILE` wrote of whole models: `method, sparsity, calibration, language, value`.

    Read are the CSV files in `advice/<model>/` of the places that cells are read from (`Store.places`), of hub ids and
    folders the last part of the name; the first place that has a pair goes first. A published run has shortened ones
    (`tables.shorten_table`).

    Raises:
        StoreError: one of them is no such table.
    """
    files = [path for place in places for path in sorted((place.root / "advice" / Path(model).name).glob("*.csv"))]
    key = ["method", "sparsity", "calibration", "language"]
    found = pd.DataFrame([row for path in files for row in whole_models(path)], columns=[*key, "value"])
    return found.astype({"value": "float64"}).drop_duplicates(key, ignore_index=True)


def commands(p: Parameters) -> list[str]:
    """What writes the table of every model, method and sparsity of an atlas: its own draw of calibration text, of the
    languages and mixtures that it calibrates in.
    """
    candidates = [*p.languages, *p.calibration_mixtures]
    text = ["--source", p.calibration_source, "--samples", p.calibration_samples, "--length", p.calibration_length]
    text += ["--seed", p.seeds[0], "--dtype", p.dtype]
    found = []
    for model in p.models:
        folder = Path(p.store) / "advice" / Path(model).name
        for method in p.methods:
            for sparsity in p.sparsity:
                name = method if len(p.sparsity) == 1 else f"{method}-{sparsity}".replace(":", "-")
                words = [".venv/bin/calibprune", "advise", model, "--target", ",".join(p.languages)]
                words += ["--candidates", ",".join(candidates), "--method", method, "--sparsity", sparsity, *text]
                words += ["--table", folder / f"{name}.csv"]
                found.append(f"mkdir -p {shlex.quote(str(folder))} && {shlex.join(map(str, words))}")
    return found


def predicted(table: pd.DataFrame, atlas: Atlas) -> pd.DataFrame | None:
    """The predicted loss of the atlas's pairs, [calibration, evaluation], mixtures in further rows; NaN where it is not
    known, None where `table`, of `read`, has none of them.

    The prediction knows nothing of the evaluation text: it is the same for all.
    """
    block = atlas.block
    sparsity = block.pattern if ":" in block.pattern else str(Sparsity.of(block.sparsity))
    rows = table[(table["method"] == block.method) & (table["sparsity"] == sparsity)]
    if rows.empty:
        return None
    square = rows.pivot(index="calibration", columns="language", values="value")
    return square.reindex(index=[*atlas.languages, *atlas.mixtures.index], columns=atlas.languages).astype(float)


def agreement(atlas: Atlas, loss: pd.DataFrame, mixtures: bool = False) -> pd.DataFrame:
    """One row a target: Spearman's `rho` of predicted loss and measured increase over the other languages, and the
    mixtures if asked, with its 95% interval `low` to `high`, NaN for fewer than `FEWEST`; `chosen`, the calibration of
    these of least predicted loss; its `regret` in ln perplexity against the best of them.
    """
    measured = pd.concat([atlas.increase, atlas.mixtures]) if mixtures and len(atlas.mixtures) else atlas.increase
    rows = []
    for target in atlas.languages:
        found = measured[target].drop(target)
        said = loss[target].reindex(found.index)
        known = said.notna()
        if not known.any():
            continue
        enough = known.sum() >= FEWEST and said[known].nunique() > 1
        rho = float(spearmanr(said[known], found[known]).statistic) if enough else np.nan
        low, high = rank_interval(rho, int(known.sum()))
        chosen = said.idxmin()
        rows.append((target, rho, low, high, chosen, found[chosen] - found[known].min()))
    columns = ["language", "rho", "low", "high", "chosen", "regret"]
    return pd.DataFrame(rows, columns=columns).set_index("language")


def rank_interval(rho: float, n: int) -> tuple[float, float]:
    """The 95% interval of Spearman's correlation of n pairs, by Fisher's z with the variance of Bonett and Wright
    (2000); NaN for fewer than `FEWEST`, and for a correlation of 1 or -1, of which it says nothing.
    """
    if not abs(rho) < 1 or n < FEWEST:
        return UNKNOWN
    low, high = normal_interval(math.atanh(rho), math.sqrt((1 + rho**2 / 2) / (n - 3)))
    return math.tanh(low), math.tanh(high)


def mean_rank_correlation(table: pd.DataFrame) -> tuple[float, float, float]:
    """Mean over targets of `agreement`'s rho with Student's interval over targets."""
    known = table["rho"].dropna().to_numpy()
    return float(known.mean()) if len(known) else np.nan, *mean_interval(known)
