"""The opening argument of the paper's Section 5, as far as records can test it: three metrics share their diagonal."""

import math
from itertools import combinations

import numpy as np
import pandas as pd

from calibbook.s05_analysis.data import Named, named
from calibbook.shared.claims import Claim, claims_frame, counted
from calibbook.shared.frames import METRICS
from calibbook.shared.registered import wording
from calibbook.shared.statistics import share_interval
from calibbook.shared.verdicts import judged
from calibbook.shared.words import fixed, listed

SHARED_DIAGONAL = wording("5-shared-diagonal")
ORDERS = 9_999


def agreeing(best: np.ndarray) -> np.ndarray:
    """bool [..., languages]: whether some calibration is the best by all metrics of [..., metrics, calibrations,
    languages].
    """
    return best.all(axis=-3).any(axis=-2)


def by_chance(best: np.ndarray) -> tuple[float, float]:
    """(Probability of metrics that agree in at least as many languages, mean number of such languages) if the rows of
    one metric had nothing to do with those of the others: their labels are exchanged, for each metric by itself, a
    fixed random sample of orders.

    best: bool [metrics, calibrations, languages]. Whole rows change places, so one language that is best everywhere
    counts as one coincidence and not as many.
    """
    stream = np.random.default_rng(0)
    rows = np.tile(np.arange(best.shape[1]), (ORDERS, 1))
    same = np.broadcast_to(best[0], (ORDERS, *best[0].shape))
    for metric in best[1:]:
        same = same & metric[stream.permuted(rows, axis=1)]
    found, counts = agreeing(best).sum(), same.any(axis=1).sum(axis=1)
    return float((1 + (counts >= found).sum()) / (1 + ORDERS)), float(counts.mean())


def shared_diagonal(one: Named) -> Claim:
    """In how many evaluation languages all metrics name the same best calibration.

    Held: in most, and in more than exchanged labels would give. Not held: certainly not in most (by the interval of the
    share). Else undecided. The smallest p value is that of metrics whose bests are as many languages as there can be.
    """
    n, rows = len(one.languages), len(one.calibrations)
    same = agreeing(one.best)
    hits = int(same.sum())
    p, expected = by_chance(one.best)
    distinct = min(n, rows)
    least = (math.factorial(rows - distinct) / math.factorial(rows)) ** (len(one.metrics) - 1)
    verdict = judged(
        2 * hits > n,
        share_interval(hits, n)[1] < 0.5,
        p=p,
        least_p=least,
        note=f"the language itself in {on_the_diagonal(one)}",
    )
    return Claim(
        SHARED_DIAGONAL,
        **one.names,
        metric=listed(METRICS[metric].short or METRICS[metric].label.lower() for metric in one.metrics),
        what=f"{hits} of {n} columns, by chance {fixed(expected)}",
        **counted(hits, n),
        p=p,
        n=n,
        **verdict,
    )


def on_the_diagonal(one: Named) -> int:
    """The evaluation languages in which all metrics name the language itself."""
    best = one.best.all(axis=0)
    return sum(
        bool(best[one.calibrations.index(language), column])
        for column, language in enumerate(one.languages)
        if language in one.calibrations
    )


def pairs(one: Named) -> list[tuple[str, str, int, float, float]]:
    """Every two metrics: in how many languages they agree, by chance in how many, and p (`by_chance`)."""
    lines = []
    for first, second in combinations(one.metrics, 2):
        best = one.of(first, second)
        p, expected = by_chance(best)
        lines.append((first, second, int(agreeing(best).sum()), expected, p))
    return lines


def section_5(frame: pd.DataFrame) -> pd.DataFrame:
    """The claim on every evaluation text, model, method and setting of the frame, one row a Claim."""
    return claims_frame([shared_diagonal(one) for one in named(frame)])
