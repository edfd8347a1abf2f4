"""Predicted against measured: what one walk over the dense model says of every pair (`calibprune advise`), beside what
pruning and measuring found.
"""

import numpy as np
import pandas as pd
from scipy.stats import spearmanr

from calibbook.atlas.data import Atlas
from calibbook.shared.statistics import mean_interval

METRIC = "predicted_loss"
FEWEST = 4
"""Other languages for a rank correlation."""


def predicted(frame: pd.DataFrame, atlas: Atlas) -> pd.DataFrame | None:
    """The predicted loss of the atlas's pairs, [calibration, evaluation]; None where the records have none.

    Records of the metric are of the dense model: `language` is that of the evaluation, `component` the calibration. Of
    several methods or texts those of the atlas are taken.
    """
    rows = frame[(frame["metric"] == METRIC) & (frame["model"] == atlas.block.model) & frame["layer"].isna()]
    for column, wanted in (("method", atlas.block.method), ("source", atlas.source)):
        if (rows[column] == wanted).any():
            rows = rows[rows[column] == wanted]
    if rows.empty:
        return None
    table = rows.pivot_table(index="component", columns="language", values="value", aggfunc="mean")
    return table.reindex(index=atlas.languages, columns=atlas.languages)


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
    """Mean over targets of `agreement`'s rho with a bootstrap interval over targets."""
    known = table["rho"].dropna().to_numpy()
    return float(known.mean()) if len(known) else np.nan, *mean_interval(known)
