"""How claims about tasks are made and read.

Effects are in points, the difference of two percentages. What is to hold for languages at large is tested over
languages: an effect is averaged over the tasks of each evaluation language, and these averages give Student's interval.
"""

from collections.abc import Iterable, Mapping

import pandas as pd

from calibbook.s04_2_downstream_tasks.data import tasks_of
from calibbook.s04_2_downstream_tasks.tables import task_name
from calibbook.shared.claims import Claim
from calibbook.shared.statistics import student_interval
from calibbook.shared.verdicts import Expected, decided
from calibbook.shared.words import fixed, listed, signed


def effect(
    claim: str, where: dict, values: Mapping[tuple[str, str], float], expected: Expected, what: str = "", note: str = ""
) -> Claim:
    """A claim about the mean over languages of an effect, `values` by (task, language), as fractions; `what` is added
    to the result's words.
    """
    mean, low, high, p, n = over_languages(values)
    return Claim(
        claim,
        **where,
        what=f"{signed(mean)} points{what}",
        statistic=mean,
        low=low,
        high=high,
        p=p,
        n=n,
        **decided(low, high, expected, languages=n, note=note),
    )


def over_languages(values: Mapping[tuple[str, str], float]) -> tuple[float, float, float, float, int]:
    """(mean, low, high, p, languages) in points of an effect by (task, language): Student's 95% interval over the
    languages' means.
    """
    series = pd.Series(values, dtype=float)
    means = 100 * series.groupby([language for _, language in values]).mean().to_numpy()
    return *student_interval(means), len(means)


def tasks_in_words(table: pd.DataFrame) -> str:
    """`knowledge and continuation`: what the claims about a table of tasks are measured as."""
    return listed(task_name(task) for task in tasks_of(table))


def columns_in_words(hits: int, n: int) -> str:
    """`3 of 7 columns (43%)`."""
    return f"{hits} of {n} columns ({fixed(100 * hits / n, 0, 0)}%)"


def languages_in(columns: Iterable[tuple[str, str]]) -> int:
    """How many languages there are in columns of (task, language)."""
    return len({language for _, language in columns})
