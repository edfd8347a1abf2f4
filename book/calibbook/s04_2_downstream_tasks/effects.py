"""How claims about tasks are made and read.

Effects are in points, the difference of two percentages. What is to hold for languages at large is tested over
languages: an effect is averaged over the tasks of each evaluation language. What the evaluations of one effect share,
the pruned models, is no number of languages: it enters by `Draws`, or by the design (`statistics.target_interval`,
`crossed_interval`).
"""

import math
from collections.abc import Iterable, Mapping
from typing import NamedTuple

import numpy as np
import pandas as pd
from scipy.stats import t

from calibbook.s04_2_downstream_tasks.data import Scores, tasks_of
from calibbook.s04_2_downstream_tasks.tables import task_name
from calibbook.shared.claims import Claim
from calibbook.shared.draws import FEWEST_DRAWS, ONE_DRAW
from calibbook.shared.frames import Block, is_mixture
from calibbook.shared.statistics import ALPHA, shared_interval, student_interval
from calibbook.shared.verdicts import NO_GAIN, NO_GAIN_POINTS, Expected, decided
from calibbook.shared.words import fixed, listed, signed


class Draws(NamedTuple):
    """How much the mean over all columns of one calibration varies between draws of its text: the variance of the mean
    of its draws, in points squared, and the degrees of freedom; NaN and 0 where there is one draw.
    """

    variance: float
    freedom: int

    def times(self, factor: float) -> "Draws":
        """Of a difference whose variance is so many times that of one calibration."""
        return self._replace(variance=factor * self.variance)


def runs_of(scores: Scores, block: Block) -> tuple[list[str], list[tuple[str, str]], np.ndarray]:
    """(single calibration languages, columns (task, language), means in points [calibrations, draws, columns]) of one
    block, as many draws as all have.
    """
    mine = {column: by_text for column, by_text in scores.items() if column.block == block}
    texts = [text for text in next(iter(mine.values()), {}) if text and not is_mixture(text)]
    texts = [text for text in texts if all(text in by_text for by_text in mine.values())]
    draws = min((len(by_text[text]) for by_text in mine.values() for text in texts), default=0)
    means = [[100 * by_text[text][:draws].mean(axis=1) for by_text in mine.values()] for text in texts]
    shape = len(texts), len(mine), draws
    return texts, [column.where for column in mine], np.array(means, dtype=float).reshape(shape).transpose(0, 2, 1)


def draws_of(scores: Scores, block: Block) -> Draws:
    """The Draws of a block, those of all its single calibration languages taken together."""
    _, _, runs = runs_of(scores, block)
    calibrations, draws, columns = runs.shape
    if draws < FEWEST_DRAWS or not columns:
        return Draws(math.nan, 0)
    return Draws(float(runs.mean(axis=2).var(axis=1, ddof=1).mean() / draws), calibrations * (draws - 1))


def effect(
    claim: str,
    where: dict,
    values: Mapping[tuple[str, str], float],
    expected: Expected,
    what: str = "",
    note: str = "",
    draws: Draws | None = None,
) -> Claim:
    """A claim about the mean over languages of an effect, `values` by (task, language), as fractions; `what` is added
    to the result's words. `draws`: of the models that all languages share, None where each has its own.
    """
    mean, low, high, p, n = over_languages(values)
    if draws is not None and not draws.freedom:
        return Claim(
            claim, **where, what=f"{signed(mean)} points{what}", statistic=mean, n=n, note=_and(note, ONE_DRAW)
        )
    if draws is not None and n > 1:
        mean, low, high, p = shared_interval(_by_language(values), *draws)
    return made(claim, where, (mean, low, high, p), n, expected, what, note)


def made(
    claim: str,
    where: dict,
    found: tuple[float, float, float, float],
    n: int,
    expected: Expected,
    what: str = "",
    note: str = "",
    languages: int | None = None,
) -> Claim:
    """A claim about an effect in points that `found` (mean, low, high, p) says all of. Of NO_GAIN p is that of an
    effect of the margin or more, one-sided.
    """
    mean, low, high, p = found
    if expected is NO_GAIN:
        p = margin_p_value(mean, low, high, n)
    return Claim(
        claim,
        **where,
        what="–" if math.isnan(mean) else f"{signed(mean)} points{what}",
        statistic=mean,
        low=low,
        high=high,
        p=p,
        n=n,
        **decided(low, high, expected, languages=n if languages is None else languages, note=note),
    )


def margin_p_value(mean: float, low: float, high: float, n: int) -> float:
    """One-sided p value of an effect of NO_GAIN_POINTS or more, from Student's interval over n languages."""
    if n < 2 or not high > low:
        return math.nan
    error = (high - low) / 2 / t.isf(ALPHA / 2, n - 1)
    return float(t.cdf((mean - NO_GAIN_POINTS) / error, n - 1))


def over_languages(values: Mapping[tuple[str, str], float]) -> tuple[float, float, float, float, int]:
    """(mean, low, high, p, languages) in points of an effect by (task, language): Student's 95% interval over the
    languages' means.
    """
    means = _by_language(values)
    return *student_interval(means), len(means)


def _by_language(values: Mapping[tuple[str, str], float]) -> np.ndarray:
    series = pd.Series(values, dtype=float)
    return 100 * series.groupby([language for _, language in values]).mean().to_numpy()


def _and(*notes: str) -> str:
    return "; ".join(filter(None, notes))


def table_of(means: pd.DataFrame) -> pd.DataFrame:
    """Means [calibration, (task, language)] as points [calibration, language], mean over tasks."""
    return 100 * means.T.groupby(level="language", sort=False).mean().T


def tasks_in_words(table: pd.DataFrame) -> str:
    """`knowledge and continuation`: what the claims about a table of tasks are measured as."""
    return listed(task_name(task) for task in tasks_of(table))


def columns_in_words(hits: int, n: int) -> str:
    """`3 of 7 columns (43%)`."""
    return f"{hits} of {n} columns ({fixed(100 * hits / n, 0, 0)}%)"


def languages_in(columns: Iterable[tuple[str, str]]) -> int:
    """How many languages there are in columns of (task, language)."""
    return len({language for _, language in columns})
