"""How the picture of Section 5.1 changes with the rank of the language subspace."""

from collections.abc import Mapping

import numpy as np
import pandas as pd

from calibbook.s05_1_subspaces.data import BLOCK_ON, at_rank, cube, percent_less, ranks
from calibbook.shared.statistics import mean_interval, target_advantage


@np.errstate(divide="ignore", invalid="ignore")  # where nothing was pruned
def by_rank(found: pd.DataFrame, widths: Mapping[str, int] | None = None) -> pd.DataFrame:
    """One row per block, part (agnostic, specific) and rank of `data.changes`; empty where features were not
    separated.

    `advantage` is the percent by which the part changes less when calibrated in the target language (mean over layers
    and languages, logarithms averaged; NaN with fewer than two languages that were calibrated in), `low` to `high` its
    Student's interval over languages, `share` how much of all change lies in the part: parts at right angles add up by
    their squares, so that is specific² / (specific² + agnostic²) of the mean norms, averaged over everything. `chance`
    is the share that a change in a random direction would have, rank / width for the specific part, NaN for models that
    `widths` (of hidden states, by model) does not name.
    """
    lines = []
    for block, rows in found.groupby(BLOCK_ON, sort=False):
        for rank in ranks(rows):
            at_this = at_rank(rows, rank)
            own, every = (
                {part: cube(at_this, part, every=which)[2] for part in ("agnostic", "specific")}
                for which in (False, True)
            )
            by_chance = {"specific": rank / (widths or {}).get(block[0], np.nan)}
            by_chance["agnostic"] = 1 - by_chance["specific"]
            squares = {part: values**2 for part, values in every.items()}
            for part, values in own.items():
                advantage = target_advantage(-np.log(values).mean(axis=0))
                mean = advantage.mean() if len(advantage) else np.nan
                shown = map(percent_less, (mean, *mean_interval(advantage)))
                lines.append(
                    dict(zip(BLOCK_ON, block, strict=True))
                    | {"rank": rank, "part": part}
                    | dict(zip(("advantage", "low", "high"), shown, strict=True))
                    | {"share": float((squares[part] / sum(squares.values())).mean()), "chance": by_chance[part]}
                )
    return pd.DataFrame(lines, columns=[*BLOCK_ON, "rank", "part", "advantage", "low", "high", "share", "chance"])
