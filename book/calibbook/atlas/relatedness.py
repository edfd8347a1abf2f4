"""What might make one language a good stand-in for another: the predictors of the atlas's pairs."""

import numpy as np
import pandas as pd

from calibbook.atlas.matrix_tests import mantel, regression
from calibprune.languages import NOT_KNOWN, describe

BRANCH, FAMILY, SCRIPT, OVERLAP, FERTILITY = (
    "same branch",
    "same family",
    "same script",
    "shared tokens, per 10 points",
    "tokens per character, per doubling",
)


def same(languages: list[str], attribute: str) -> np.ndarray:
    """1.0 where two languages have the same `family`, `branch` or `script`; what is not known is the same as
    nothing.
    """
    values = np.array([getattr(describe(code), attribute) for code in languages])
    return ((values[:, None] == values) & (values != NOT_KNOWN)).astype(float)


def predictors(languages: list[str], overlap: pd.DataFrame, fertility: pd.Series) -> dict[str, np.ndarray]:
    """Name -> [languages, languages], symmetric.

    overlap, fertility: as `text.overlap` and `text.fertility` give them.
    """
    pieces = np.log2(fertility[languages].to_numpy())
    return {
        BRANCH: same(languages, "branch"),
        FAMILY: same(languages, "family"),
        SCRIPT: same(languages, "script"),
        OVERLAP: overlap.loc[languages, languages].to_numpy() * 10,
        FERTILITY: np.abs(pieces[:, None] - pieces),
    }


def explained(values: np.ndarray, named: dict[str, np.ndarray]) -> pd.DataFrame:
    """One row a predictor: `alone_r` and `alone_p` of the Mantel test, and `coefficient`, `low`, `high`, `r` and `p`
    with the others held constant (`matrix_tests.regression`).

    values: increase of ln perplexity, [calibration, evaluation].
    """
    alone = pd.DataFrame(
        [mantel(values, matrix) for matrix in named.values()], index=list(named), columns=["alone_r", "alone_p"]
    )
    return alone.join(regression(values, named))


def nearest(languages: list[str], target: str) -> list[str]:
    """The other languages that are nearest to the target by branch, then script, then family: all that are tied, and
    all others where nothing is shared.
    """
    place = languages.index(target)
    shared = np.stack([same(languages, name)[:, place] for name in ("branch", "script", "family")], axis=1)
    keys = {code: tuple(row) for code, row in zip(languages, shared, strict=True) if code != target}
    best = max(keys.values())
    return [code for code, key in keys.items() if key == best]
