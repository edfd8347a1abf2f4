"""How claims about tasks are made and read.

Effects are in points, the difference of two percentages. What is to hold for languages at large is tested over
languages: an effect is averaged over the tasks of each evaluation language, and these averages give Student's interval.
Fewer than four languages decide nothing.
"""

import math
from collections.abc import Callable, Iterable, Mapping
from typing import NamedTuple

import pandas as pd
from scipy.stats import t as student

from calibbook.s04_2_downstream_tasks.data import tasks_of
from calibbook.s04_2_downstream_tasks.tables import task_name
from calibbook.shared import verdicts
from calibbook.shared.claims import Claim
from calibbook.shared.frames import setting
from calibbook.shared.statistics import ALPHA, share_interval
from calibbook.shared.words import listed, signed

FEWEST_LANGUAGES = 4
A_POINT = 1.0


class Expected(NamedTuple):
    """When a claim about an effect is held and when it is not, given its interval in points; undecided otherwise."""

    held: Callable[[float, float], bool]
    not_held: Callable[[float, float], bool]

    def verdict(self, low: float, high: float) -> str:
        return "not held" if self.not_held(low, high) else "held" if self.held(low, high) else "undecided"


GAIN = Expected(lambda low, high: low > 0, lambda low, high: high < 0)
LOSS = Expected(lambda low, high: high < 0, lambda low, high: low > 0)
NO_GAIN = Expected(lambda low, high: high < A_POINT, lambda low, high: low > 0)
ANY = Expected(lambda low, high: low > 0 or high < 0, lambda low, high: False)


def effect(
    claim: str, where: dict, values: Mapping[tuple[str, str], float], expected: Expected, what: str = "", note: str = ""
) -> Claim:
    """A claim about the mean over languages of an effect, `values` by (task, language), as fractions; `what` is added
    to the result's words.
    """
    mean, low, high, p, n = over_languages(values)
    few = n < FEWEST_LANGUAGES
    return Claim(
        claim,
        **where,
        what=f"{signed(mean)} points{what}",
        statistic=mean,
        low=low,
        high=high,
        p=p,
        n=n,
        verdict="undecided" if few else expected.verdict(low, high),
        note="; ".join(filter(None, [note, "too few languages" if few else ""])),
    )


def over_languages(values: Mapping[tuple[str, str], float]) -> tuple[float, float, float, float, int]:
    """(mean, low, high, p, languages) in points of an effect by (task, language): Student's 95% interval over the
    languages' means.
    """
    series = pd.Series(values, dtype=float)
    means = 100 * series.groupby([language for _, language in values]).mean().to_numpy()
    n, mean = len(means), float(means.mean()) if len(means) else math.nan
    if n < 2:
        return mean, math.nan, math.nan, math.nan, n
    error = means.std(ddof=1) / math.sqrt(n)
    half = student.ppf(1 - ALPHA / 2, n - 1) * error
    p = 2 * student.sf(abs(mean) / error, n - 1) if error else float(mean == 0)
    return mean, mean - half, mean + half, float(p), n


def names(block: tuple, table: pd.DataFrame, model: str = "", method: str = "") -> dict[str, str]:
    """What a Claim says about where it was tested; `metric` holds the tasks."""
    return {
        "source": "",
        "metric": listed(task_name(task) for task in tasks_of(table)),
        "model": model or block[0],
        "method": method or block[1],
        "sparsity": setting(*block[2:]),
    }


def counted(hits: int, n: int, what: str) -> dict:
    """The fields of a Claim about `hits` of `n` columns: a share in percent with the interval of Clopper and
    Pearson.
    """
    low, high = share_interval(hits, n)
    return {
        "what": f"{hits} of {n} columns ({100 * hits / n:.0f}%){what}",
        "statistic": 100 * hits / n,
        "low": 100 * low,
        "high": 100 * high,
    }


def undecided(claim: str, where: dict, why: str) -> Claim:
    """A claim that the records say nothing about, and why."""
    return Claim(
        claim, **where, what=why, statistic=math.nan, low=math.nan, high=math.nan, p=math.nan, n=0, verdict="undecided"
    )


def languages_in(columns: Iterable[tuple[str, str]]) -> int:
    """How many languages there are in columns of (task, language)."""
    return len({language for _, language in columns})


def verdict_sentence(claims: pd.DataFrame) -> str:
    """`Of 12 tests 8 held, 1 not held and 3 undecided.`"""
    return (
        verdicts.verdict_sentence(claims) if len(claims) else "There was nothing here that a claim could be tested on."
    )
