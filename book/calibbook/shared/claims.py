"""Claims of the paper and of this book, each tested on the records at hand: what one is, and how the most common ones
are made.
"""

import math
from collections.abc import Callable
from dataclasses import asdict, dataclass, fields

import numpy as np
import pandas as pd

from calibbook.shared.frames import setting
from calibbook.shared.statistics import (
    least_relabelling_p_value,
    least_sign_flip_p_value,
    mean_interval,
    relabelling_p_value,
    share_interval,
    sign_flip_p_value,
    target_advantage,
)
from calibbook.shared.verdicts import UNDECIDED, decided

MORE_OR_LESS = "% more"
"""The unit of percentages that are written as `3.00% more` and `3.00% less`."""


@dataclass(frozen=True)
class Claim:
    """One claim on one model, method and setting, and what became of it; as it stands, one that nothing is known of.

    Attributes:
        claim: in words.
        source: the evaluation text.
        metric: what was measured: a name of METRICS, or words.
        model, method, sparsity: see `names`.
        what: the result in words.
        statistic, low, high: the result as a number and its 95% interval, in `unit`; NaN where there is none.
        unit: what an end of the interval is followed by: "%", "dB", or MORE_OR_LESS; nothing where the result says it.
        p: of the test, NaN where there is none.
        n: evaluation languages, or neurons.
        verdict: "held", "not held" or "undecided", by the rule of `verdicts.judged`; `note`: what it rests on.
    """

    claim: str
    source: str = ""
    metric: str = ""
    model: str = ""
    method: str = ""
    sparsity: str = ""
    what: str = ""
    statistic: float = math.nan
    low: float = math.nan
    high: float = math.nan
    unit: str = ""
    p: float = math.nan
    n: int = 0
    verdict: str = UNDECIDED
    note: str = ""


def names(block: tuple, **more: str) -> dict[str, str]:
    """The fields of a Claim that say what it was tested on: model, method and setting (`50%`, `4-bit`) of a Block, and
    `more`, which goes first.
    """
    model, method, sparsity, pattern = block
    return {"model": model, "method": method, "sparsity": setting(sparsity, pattern)} | more


def claims_frame(claims: list[Claim]) -> pd.DataFrame:
    """One row a Claim, its fields as columns, empty or not."""
    return pd.DataFrame([asdict(claim) for claim in claims], columns=[field.name for field in fields(Claim)])


def counted(hits: int, n: int) -> dict:
    """The fields of a Claim about `hits` of `n`: a share in percent with the interval of Clopper and Pearson."""
    low, high = share_interval(hits, n)
    return {"statistic": 100 * hits / n, "low": 100 * low, "high": 100 * high, "unit": "%"}


def paired(
    values: np.ndarray, shown: Callable[[float], float], what: Callable[[float], str] | str, unit: str = ""
) -> dict:
    """The fields of a Claim that says the mean of one difference a language is positive.

    Bootstrap interval over languages, and a test that flips the signs.

    Args:
        values: [languages] on a scale where differences add, positive as claimed.
        shown: turns one value into the unit of the page; monotonic.
        what: the result in words, or what makes them of the mean in that unit.
        unit: see Claim.
    """
    values = np.asarray(values, dtype=float)
    return _over_languages(values, sign_flip_p_value(values), least_sign_flip_p_value(len(values)), shown, what, unit)


def targeted(gains: np.ndarray, shown: Callable[[float], float], what: Callable[[float], str], unit: str = "") -> dict:
    """The fields of a Claim that says calibration in the target language gains more than in the others.

    Bootstrap interval over languages, and a test that exchanges the labels of the calibrations.

    Args:
        gains: [calibrations, evaluations], the same languages in the same order, more is better.
        shown, what, unit: as for `paired`.
    """
    advantage, n = target_advantage(gains), len(gains)
    return _over_languages(advantage, relabelling_p_value(gains), least_relabelling_p_value(n), shown, what, unit)


def _over_languages(values: np.ndarray, p: float, least_p: float, shown, what, unit: str) -> dict:
    mean = shown(float(values.mean()) if len(values) else math.nan)
    low, high = mean_interval(values)
    first, last = sorted(map(shown, (low, high)))
    words = what if isinstance(what, str) else "–" if math.isnan(mean) else what(mean)
    result = {"what": words, "statistic": mean, "low": first, "high": last, "unit": unit, "p": p, "n": len(values)}
    return result | decided(low, high, p=p, least_p=least_p)
