"""Predicted against measured: what one walk over the dense model says of every pair (`calibprune advise`), beside what
pruning and measuring found.
"""

from collections.abc import Iterable
from pathlib import Path

import numpy as np
import pandas as pd
from scipy.stats import spearmanr

from calibbook.atlas.data import Atlas
from calibbook.shared.statistics import mean_interval
from calibprune.schemes import Sparsity
from calibprune.study.kept import Kept

FEWEST = 4
"""Other languages for a rank correlation."""


def read(places: Iterable[Kept], model: str) -> pd.DataFrame:
    """What `calibprune advise --table FILE` wrote of whole models: `method, sparsity, calibration, language, value`.

    Read are the CSV files in `advice/<model>/` of the places that cells are read from (`Store.places`), of hub ids and
    folders the last part of the name; the first place that has a pair goes first.
    """
    files = [path for place in places for path in sorted((place.root / "advice" / Path(model).name).glob("*.csv"))]
    tables = [pd.read_csv(path, dtype={"sparsity": "str"}) for path in files]
    whole = [table[table["layer"].isna() & table["component"].isna()] for table in tables]
    key = ["method", "sparsity", "calibration", "language"]
    found = pd.concat(whole) if whole else pd.DataFrame(columns=[*key, "value"])
    return found[[*key, "value"]].drop_duplicates(key, ignore_index=True)


def predicted(table: pd.DataFrame, atlas: Atlas) -> pd.DataFrame | None:
    """The predicted loss of the atlas's pairs, [calibration, evaluation]; None where `table`, of `read`, has none.

    The prediction knows nothing of the evaluation text: it is the same for all.
    """
    block = atlas.block
    sparsity = block.pattern if ":" in block.pattern else str(Sparsity.of(block.sparsity))
    rows = table[(table["method"] == block.method) & (table["sparsity"] == sparsity)]
    if rows.empty:
        return None
    square = rows.pivot(index="calibration", columns="language", values="value")
    return square.reindex(index=atlas.languages, columns=atlas.languages).astype(float)


def agreement(atlas: Atlas, loss: pd.DataFrame) -> pd.DataFrame:
    """One row a target: Spearman's `rho` of predicted loss and measured increase over the other languages, NaN for
    fewer than `FEWEST`; `chosen`, the other language of least predicted loss; its `regret` in ln perplexity against
    the best.
    """
    rows = []
    for target in atlas.languages:
        said, found = loss[target].drop(target), atlas.increase[target].drop(target)
        known = said.notna()
        if not known.any():
            continue
        enough = known.sum() >= FEWEST and said[known].nunique() > 1
        rho = float(spearmanr(said[known], found[known]).statistic) if enough else np.nan
        chosen = said.idxmin()
        rows.append({"language": target, "rho": rho, "chosen": chosen, "regret": found[chosen] - found.min()})
    return pd.DataFrame(rows, columns=["language", "rho", "chosen", "regret"]).set_index("language")


def mean_rank_correlation(table: pd.DataFrame) -> tuple[float, float, float]:
    """Mean over targets of `agreement`'s rho with Student's interval over targets."""
    known = table["rho"].dropna().to_numpy()
    return float(known.mean()) if len(known) else np.nan, *mean_interval(known)
