"""Claims of the paper and of this book, each tested on the records at hand: what one is, and how the most common ones
are made.
"""

import math
from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass, fields

import numpy as np
import pandas as pd
from scipy.stats import norm

from calibbook.shared.frames import setting
from calibbook.shared.registered import corrected
from calibbook.shared.statistics import (
    ALPHA,
    NORMAL,
    crossed_interval,
    least_relabelling_p_value,
    share_interval,
    student_interval,
    target_interval,
)
from calibbook.shared.verdicts import FEWEST_LANGUAGES, UNDECIDED, decided
from calibbook.shared.words import number

MORE_OR_LESS = "% more"
"""The unit of percentages that are written as `3.00% more` and `3.00% less`."""
DIRECTIONS = {
    "% lower": ("%", "lower", "higher"),
    "% higher": ("%", "higher", "lower"),
    "dB higher": (" dB", "higher", "lower"),
    "points higher": (" points", "higher", "lower"),
}
"""Units of results whose sign is a word: how a number ends, and what a positive and a negative one are."""
NO_SPREAD = "the spread is not known"
POWER = 0.8


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
        unit: what an end of the interval is followed by: "%", "dB", MORE_OR_LESS, or one of DIRECTIONS; nothing where
            the result says it.
        p: of the test, NaN where there is none; `claims_frame` adds `p_holm`, within the family of claims.
        seen: the smallest effect that this test would find four times in five, in words. Where it is left empty,
            `claims_frame` takes it from the interval.
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
    seen: str = ""
    n: int = 0
    verdict: str = UNDECIDED
    note: str = ""


def directed(value: float, unit: str) -> str:
    """`18.7% higher`, `0.30 dB lower` of a number in a unit of DIRECTIONS; a dash for none."""
    end, positive, negative = DIRECTIONS[unit]
    return "–" if math.isnan(value) else f"{number(abs(value))}{end} {negative if value < 0 else positive}"


def names(block: tuple, **more: str) -> dict[str, str]:
    """The fields of a Claim that say what it was tested on: model, method and setting (`50%`, `4-bit`) of a Block, and
    `more`, which goes first.
    """
    model, method, sparsity, pattern = block
    return {"model": model, "method": method, "sparsity": setting(sparsity, pattern)} | more


def claims_frame(claims: list[Claim]) -> pd.DataFrame:
    """One row a Claim, its fields as columns, and `p_holm`; a verdict that does not survive the correction for the
    number of tests in its family is undecided (`registered.corrected`).
    """
    frame = pd.DataFrame([asdict(claim) for claim in claims], columns=[field.name for field in fields(Claim)])
    frame["seen"] = [row.seen or _seen(row.low, row.high, row.unit) for row in frame.itertuples()]
    return corrected(frame)


def _seen(low: float, high: float, unit: str) -> str:
    """The effect whose interval, as wide as this one, leaves out zero four times in five; empty without an interval."""
    reach = (high - low) / 2 * (1 + norm.isf(1 - POWER) / NORMAL)
    end = "%" if unit in ("%", MORE_OR_LESS) else f" {unit}" if unit else ""
    end = DIRECTIONS[unit][0] if unit in DIRECTIONS else end
    return f"{number(reach)}{end}" if math.isfinite(reach) else ""


def detectable(errors: Iterable[float], tests: int) -> str:
    """`4.2 points`: the difference that one of `tests` comparisons finds four times in five after Holm's first step, at
    the median of their standard errors (as fractions); empty without any.
    """
    known = [error for error in errors if error > 0]
    if not known:
        return ""
    return f"{number(100 * float(np.median(known)) * float(norm.isf(ALPHA / 2 / tests) + norm.isf(1 - POWER)))} points"


def counted(hits: int, n: int) -> dict:
    """The fields of a Claim about `hits` of `n`: a share in percent with the interval of Clopper and Pearson, and how
    many it takes for a majority.
    """
    low, high = share_interval(hits, n)
    most = next((k for k in range(n + 1) if share_interval(k, n)[0] > 0.5), None)
    seen = f"{most} of {n}" if most is not None else f"more than {n} needed"
    return {"statistic": 100 * hits / n, "low": 100 * low, "high": 100 * high, "unit": "%", "seen": seen}


Interval = tuple[float, float, float, float]
"""Mean, ends of the 95% interval, two-sided p value."""


def paired(
    values: np.ndarray, shown: Callable[[float], float], what: Callable[[float], str] | str, unit: str = ""
) -> dict:
    """The fields of a Claim that says the mean of one difference a language is positive, by Student's interval.

    Args:
        values: [languages], each from models or text of its own, on a scale where differences add, positive as claimed.
        shown: turns one value into the unit of the page; monotonic.
        what: the result in words, or what makes them of the mean in that unit.
        unit: see Claim.
    """
    return over_languages(student_interval(values), len(values), shown, what, unit)


def crossed(
    values: np.ndarray, shown: Callable[[float], float], what: Callable[[float], str] | str, unit: str = ""
) -> dict:
    """`paired` of [calibrations, evaluations]: evaluations that share the pruned models (`crossed_interval`)."""
    return over_languages(crossed_interval(values), values.shape[1], shown, what, unit, min(values.shape))


def targeted(
    gains: np.ndarray, shown: Callable[[float], float], what: Callable[[float], str] | str, unit: str = ""
) -> dict:
    """The fields of a Claim that says calibration in the target language gains more than in the others, by
    `target_interval`.

    Args:
        gains: [calibrations, evaluations], the same languages in the same order, more is better.
        shown, what, unit: as for `paired`.
    """
    least = least_relabelling_p_value(len(gains))
    return over_languages(target_interval(gains), len(gains), shown, what, unit, least_p=least)


def over_languages(
    found: Interval,
    n: int,
    shown: Callable[[float], float],
    what: Callable[[float], str] | str,
    unit: str = "",
    languages: int | None = None,
    least_p: float = 0.0,
) -> dict:
    """The fields of a Claim that says a value over `n` evaluation languages is positive; `languages`, if not `n`, is
    how many the interval rests on. The rest as for `paired`.
    """
    value, low, high, p = found
    mean = shown(value)
    first, last = sorted(map(shown, (low, high)))
    words = what if isinstance(what, str) else "–" if math.isnan(mean) else what(mean)
    result = {"what": words, "statistic": mean, "low": first, "high": last, "unit": unit, "p": p, "n": n}
    languages = n if languages is None else languages
    enough = languages >= FEWEST_LANGUAGES and least_p <= ALPHA
    note = NO_SPREAD if enough and math.isfinite(value) and math.isnan(low) else ""
    return result | decided(low, high, p=p, least_p=least_p, languages=languages, note=note)
