"""What the paper's Section 6 advises, each tested on the records at hand.

The pruned models are few, and all evaluation languages share them. Rank correlations are over calibrations, their
intervals leave out one calibration at a time and count the spread over languages; differences in points count the
spread of draws.
"""

import numpy as np
import pandas as pd

from calibbook.s04_2_downstream_tasks.data import Scores
from calibbook.s04_2_downstream_tasks.effects import Draws, draws_of, effect
from calibbook.s06_conclusion.data import (
    FEWEST_CALIBRATIONS,
    Halves,
    by_perplexity,
    chosen,
    correlations,
    halves_of,
    texts_with_perplexity,
)
from calibbook.shared.claims import Claim, claims_frame, crossed
from calibbook.shared.registered import wording
from calibbook.shared.verdicts import GAIN
from calibbook.shared.words import fixed

NOT_BY_PERPLEXITY = wording("6-not-by-perplexity")
NOT_BY_ENGLISH = wording("6-not-by-english")
PERPLEXITY_COSTS = wording("6-perplexity-costs")
ENGLISH_COSTS = wording("6-english-costs")
ORDER = (NOT_BY_PERPLEXITY, PERPLEXITY_COSTS, NOT_BY_ENGLISH, ENGLISH_COSTS)
NO_ENGLISH = "English and another language were not both asked in"
FEW_CALIBRATIONS = f"fewer than {FEWEST_CALIBRATIONS} calibration languages"


def shortfalls(guide: np.ndarray, scores: np.ndarray) -> np.ndarray:
    """By how much a guide's rank correlation with the scores falls short of that between halves of the questions, as
    [calibrations, languages]: mean over calibrations is the value of each language, spread over calibrations what
    leaving one out changes (pseudovalues of the jackknife; Tukey, 1958).

    guide, scores: as for `data.correlations`.
    """

    def short(*arrays: np.ndarray) -> np.ndarray:
        found, ceiling = correlations(*arrays)
        return ceiling - found

    n = scores.shape[1]
    without = np.array([short(*(np.delete(array, i, axis=1) for array in (guide, scores))) for i in range(n)])
    return short(guide, scores) + (n - 1) * (without.mean(axis=0) - without)


def guided(claim: str, where: dict[str, str], guide: np.ndarray, scores: np.ndarray) -> Claim:
    """A claim that a guide ranks the calibrations less well than half of the questions does.

    The correlation of two halves is no more than the noise of the questions allows, and that of a guide with one half
    suffers from the same noise: so their difference is not owed to questions that are few. Held if it is certainly
    above zero, not held if certainly below.
    """
    if scores.shape[1] < FEWEST_CALIBRATIONS:
        return Claim(claim, **where, what="–", note=FEW_CALIBRATIONS, n=scores.shape[2])
    found, ceiling = (values.mean() for values in correlations(guide, scores))
    what = f"{fixed(found, 0, 2)}, half of the questions {fixed(ceiling, 0, 2)}"
    return Claim(claim, **where, **crossed(shortfalls(guide, scores), float, what))


def not_by_perplexity(frame: pd.DataFrame, one: Halves) -> list[Claim]:
    """Perplexity in a language as a guide to the answers in it, on every text that it was measured on."""
    claims = []
    for source in texts_with_perplexity(frame):
        guide = by_perplexity(frame, one, source)
        if guide is not None:
            guides = np.stack([guide, guide])
            claims.append(guided(NOT_BY_PERPLEXITY, one.names(source=source), guides, one.scores))
    return claims


def not_by_english(one: Halves) -> Claim:
    """Answers in English as a guide to the answers in other languages."""
    others = [place for place, code in enumerate(one.languages) if code != "en"]
    if "en" not in one.languages or not others:
        return Claim(NOT_BY_ENGLISH, **one.names(), what=NO_ENGLISH)
    english = one.scores[:, :, [one.languages.index("en")] * len(others)]
    return guided(NOT_BY_ENGLISH, one.names(), english, one.scores[:, :, others])


def english_costs(one: Halves, draws: Draws) -> Claim:
    """What it costs in other languages to choose the calibration by answers in English."""
    if "en" not in one.languages or len(one.languages) < 2:
        return Claim(ENGLISH_COSTS, **one.names(), what=NO_ENGLISH)
    english = one.scores[:, :, [one.languages.index("en")] * len(one.languages)]
    return costs(ENGLISH_COSTS, one.names(), one, english, draws, [code for code in one.languages if code != "en"])


def perplexity_costs(frame: pd.DataFrame, one: Halves, draws: Draws) -> list[Claim]:
    """What it costs to choose the calibration by perplexity in the language, on every text that it was measured on."""
    claims = []
    for source in texts_with_perplexity(frame):
        guide = by_perplexity(frame, one, source)
        if guide is not None:
            where = one.names(source=source)
            claims.append(costs(PERPLEXITY_COSTS, where, one, np.stack([guide, guide]), draws, one.languages))
    return claims


def costs(
    claim: str, where: dict[str, str], one: Halves, guide: np.ndarray, draws: Draws, languages: list[str]
) -> Claim:
    """A claim that a choice by this guide loses points against a choice by half of the questions in the language,
    judged on the other half: mean over these languages. Two models are compared, each with the draws' spread.
    """
    lost = gains_by(one, one.scores) - gains_by(one, guide)
    values = {("", code): lost[one.languages.index(code)] / 100 for code in languages}
    return effect(claim, where, values, GAIN, draws=draws.times(2))


def gains_by(one: Halves, guide: np.ndarray) -> np.ndarray:
    """What the calibration that a guide names on one half of the questions gains on the other, over the mean of all
    calibrations: points [languages]. guide: [half, calibrations, languages].
    """
    found = [
        [
            chosen(guide[half][:, place]) @ one.scores[1 - half][:, place] - one.scores[1 - half][:, place].mean()
            for place in range(len(one.languages))
        ]
        for half in (0, 1)
    ]
    return np.mean(found, axis=0)


def section_6(frame: pd.DataFrame, scores: Scores) -> pd.DataFrame:
    """Every claim of the section, one row a Claim; none without scores."""
    claims = []
    for one in halves_of(scores):
        draws = draws_of(scores, one.block)
        claims += [*not_by_perplexity(frame, one), *perplexity_costs(frame, one, draws)]
        claims += [not_by_english(one), english_costs(one, draws)]
    return claims_frame(sorted(claims, key=lambda claim: ORDER.index(claim.claim)))
