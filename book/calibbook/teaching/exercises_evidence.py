"""Checks of the exercises of notebook (d), on the evidence that the notebook has read."""

import math
from typing import Any

import numpy as np
import pandas as pd
from scipy.stats import norm

from calibbook.shared.comparison import holm
from calibbook.shared.statistics import ALPHA
from calibbook.teaching.evidence import Evidence, columns_of, ends, own_language_wins, sign_test
from calibbook.teaching.judged import Wrong, array, called, judge, number, numbers, whole

FAMILIES = ([0.01, 0.04, 0.03], [0.5, 0.5, 0.001, 0.02], [0.2], [0.9, 0.6, 0.7], [0.03, 0.01, 0.02, 0.02, 0.04])
"""Families of p values that a correction is tried on."""


def d1(answer: Any, evidence: Evidence) -> None:
    """The standard error of the leader's accuracy, in points."""
    first, last = ends(evidence)
    scores, others = evidence.scores[first], evidence.scores[last]
    right = _error(scores)
    mistakes = {
        "That is the standard error as a fraction; points are asked for.": right / 100,
        "That is the spread of single items. The mean of many varies less.": 100 * scores.std(ddof=1),
        "That is 1.96 standard errors, half the width of a 95% interval. One is asked for.": 1.96 * right,
        "That is the whole width of a 95% interval, 3.92 standard errors. One is asked for.": 3.92 * right,
        "That is of the calibration `last`; the scores of `first` are in `best`.": _error(others),
        "That divides the squares by n. These items are a sample: divide them by n − 1.": _error(scores, ddof=0),
        "That is the variance over n. The root of it is asked for.": right**2,
        "That divides by the number of items; divide by its root.": right / math.sqrt(len(scores)),
    }
    mistakes |= {
        f"That is of the calibration {name}; {first} is asked for.": _error(evidence.scores[name])
        for name in evidence.calibrations
        if name not in (first, last)
    }
    otherwise = "The standard deviation of the items' scores, over the root of their number."
    judge(number(answer), right, mistakes, otherwise)


def _error(scores: pd.Series, ddof: int = 1) -> float:
    return 100 * float(scores.std(ddof=ddof)) / math.sqrt(len(scores))


def d2(answer: Any, evidence: Evidence) -> None:
    """How many items the comparison of the first and the last calibration rests on."""
    best, worst = (evidence.scores[name] for name in ends(evidence))
    found, right = whole(answer), int((best != worst).sum())
    if found == right:
        return
    if found == len(best) - right:
        raise Wrong("Those are the ties, which say nothing about which calibration is better.")
    if found == int(best.sum() - worst.sum()):
        raise Wrong("That is how many more the leader gets right. Count the items on which the two disagree.")
    raise Wrong("Count the items that exactly one of the two gets right.")


def d3(answer: Any, evidence: Evidence) -> None:
    """The exact p value of that comparison."""
    best, worst = (evidence.scores[name] for name in ends(evidence))
    found, right = number(answer), sign_test(best, worst)
    if not 0 <= found <= 1:
        raise Wrong("A p value lies between 0 and 1.")
    plain, continuous = _approximate(best, worst)
    mistakes = {
        "That is the approximation by a normal distribution; the exact test is asked for.": plain,
        "That is the approximation by a normal distribution, corrected for continuity; the exact test is asked for.": (
            continuous
        ),
        "That is one-sided. Before looking, nobody said which of the two would be ahead.": right / 2,
        "That is one minus the p value.": 1 - right,
    }
    otherwise = "Toss a fair coin for each item on which the two disagree: how often is it at least as uneven as here?"
    judge(found, right, mistakes, otherwise)


def _approximate(best: pd.Series, worst: pd.Series) -> tuple[float, float]:
    """The p values of the sign test by the normal approximation: without a correction for continuity, and with it."""
    apart, count = abs(float(best.sum() - worst.sum())), max(int((best != worst).sum()), 1)
    plain, continuous = (2 * float(norm.sf(max(apart - less, 0) / math.sqrt(count))) for less in (0, 1))
    return plain, continuous


def d4(answer: Any, evidence: Evidence) -> None:
    """The chance of a false alarm among all pairs of calibrations, were they independent."""
    count = len(evidence.calibrations)
    found = number(answer)
    right, too_many, of_leader = (
        1 - (1 - ALPHA) ** tests for tests in (count * (count - 1) // 2, count * (count - 1), count - 1)
    )
    if found == count * (count - 1) // 2:
        raise Wrong("That is how many pairs there are. The probability of a false alarm among them is asked for.")
    mistakes = {
        "That is in percent; a probability from 0 to 1 is asked for.": 100 * right,
        "That is the chance of no false alarm at all.": 1 - right,
        "That is the chance of no false alarm at all, and in percent.": 100 * (1 - right),
        "You count every pair twice.": too_many,
        "That is for the comparisons with one calibration. Here every pair is compared.": of_leader,
    }
    otherwise = "Each test stays silent with probability 0.95. How likely is it that all of them do?"
    if found > 1:
        otherwise = "A probability is at most 1: false alarms may coincide, so their chances do not add up."
    judge(found, right, mistakes, otherwise)


def d5(answer: Any) -> None:
    """A function that corrects p values by Holm's procedure."""
    for family in FAMILIES:
        given, right = np.array(family), holm(family)
        found = array(called(answer, given), given.shape, "The result").astype(float)
        if np.allclose(found, right, atol=1e-9):
            continue
        if (found > 1).any():
            raise Wrong(f"Of {family} you return {found.max():g}: a p value is at most 1.")
        if np.allclose(found, np.minimum(given * len(given), 1)):
            raise Wrong("That is Bonferroni's correction, which multiplies each by the number of tests.")
        if np.allclose(np.sort(found), np.sort(right)):
            raise Wrong(f"Of {family} the values are right, and not in the order in which they were given.")
        order = np.argsort(given, kind="stable")
        if (np.diff(found[order]) < -1e-12).any():
            raise Wrong(f"Of {family} a larger p value ends below a smaller one: carry the largest so far along.")
        raise Wrong(f"Of {family} you return {np.round(found, 4).tolist()}, which is not Holm's.")


def d6(answer: Any, evidence: Evidence) -> None:
    """In how many columns the own language is best or tied, and in how many it is best alone."""
    found, right = tuple(numbers(answer, 2)), own_language_wins(columns_of(evidence))
    if found == right:
        return
    if found == right[::-1]:
        raise Wrong("The other way round: first those where a tie counts, then those won alone.")
    if found[1] > found[0]:
        raise Wrong("A column that is won alone is also one that is won or tied, so the second number is not larger.")
    wrong = [name for name, mine, its in zip(("first", "second"), found, right, strict=True) if mine != its]
    raise Wrong(f"Not right: the {' and the '.join(wrong)} number.")


EXERCISES = {"d1": d1, "d2": d2, "d3": d3, "d4": d4, "d5": d5, "d6": d6}
