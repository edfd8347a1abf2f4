"""Who gives and who takes: every pair of languages as a mean, what the calibration language does to all, what the
evaluation language suffers from all, and a rest that belongs to the pair alone.
"""

from typing import NamedTuple

import numpy as np
import pandas as pd

from calibbook.shared.statistics import DRAWS, student_interval

FEWEST = 4
"""Languages: with three the rest of a pair is one number up to its sign."""


class Parts(NamedTuple):
    """value[i, j] = mean + donors[i] + recipients[j] + rest[i, j] for i other than j.

    `donors` and `recipients`, [n], sum to zero; `rest`, [n, n], sums to zero in every row and column, and is NaN on the
    diagonal.
    """

    mean: float
    donors: np.ndarray
    recipients: np.ndarray
    rest: np.ndarray


def parts(values: np.ndarray) -> Parts:
    """The least-squares fit over all pairs but the diagonal, [calibration, evaluation] of the same n languages, n of
    three or more (Griffing, 1956: a diallel cross without its diagonal, method 3).
    """
    n = len(values)
    pairs = np.where(np.eye(n, dtype=bool), np.nan, values)
    mean = np.nanmean(pairs)
    # each sum over a row leaves out the row's own column, so that a little of the recipients is in it, and vice versa
    rows, columns = np.nanmean(pairs, axis=1) - mean, np.nanmean(pairs, axis=0) - mean
    other = 1 / (n - 1)
    donors = (rows + other * columns) / (1 - other**2)
    recipients = (columns + other * rows) / (1 - other**2)
    return Parts(float(mean), donors, recipients, pairs - mean - donors[:, None] - recipients)


def givers_and_takers(increase: pd.DataFrame) -> pd.DataFrame:
    """One row a language: `donor`, `donor_low`, `donor_high`, the same for `recipient`, in units of ln perplexity;
    lower is better. The 95% intervals are Student's over the other languages of the pairs.
    """
    found = parts(increase.to_numpy(dtype=float))
    rows = []
    for place, code in enumerate(increase.columns):
        others = np.arange(len(found.donors)) != place
        given = student_interval(found.donors[place] + found.rest[place, others])
        taken = student_interval(found.recipients[place] + found.rest[others, place])
        names = [f"{side}{end}" for side in ("donor", "recipient") for end in ("", "_low", "_high")]
        rows.append({"language": code, **dict(zip(names, (*given[:3], *taken[:3]), strict=True))})
    return pd.DataFrame(rows).set_index("language")


def donor_rank(increase: pd.DataFrame, language: str) -> tuple[int, int, int]:
    """The place of a language among the donors, 1 for the best, and its 95% interval: evaluation languages are drawn
    anew with replacement.
    """
    found = parts(increase.to_numpy(dtype=float))
    n, place = len(found.donors), list(increase.columns).index(language)
    given = np.where(np.eye(n, dtype=bool), 0.0, found.donors[:, None] + found.rest)
    times = np.random.default_rng(0).multinomial(n, np.full(n, 1 / n), size=DRAWS).astype(float)
    with np.errstate(invalid="ignore"):
        drawn = times @ given.T / (n - times)  # the mean over what was drawn of the others
    ranks = 1 + (drawn < drawn[:, [place]]).sum(axis=1)
    low, high = np.percentile(ranks, [2.5, 97.5])
    return 1 + int((found.donors < found.donors[place]).sum()), int(np.floor(low)), int(np.ceil(high))
