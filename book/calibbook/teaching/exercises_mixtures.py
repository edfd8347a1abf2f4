"""Checks of the exercises of notebook (e), on the predictions that the notebook has made."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
from torch import Tensor

from calibbook.teaching.judged import Wrong, agrees, array, called, judge, number, single, whole
from calibbook.teaching.mixtures import Measured, Predictions, Shares, cost
from calibprune.languages import describe

GAIN = 1e-4
"""By how much a design must beat another, as a ratio of losses; less is the rounding of another machine."""


def e1(answer: Any, predictions: Predictions, usage: Mapping[str, float]) -> None:
    """The language that, taken alone, costs the users least."""
    found = _one_of(answer, predictions.languages)
    alone = {code: cost(predictions.ratios({code: 1}), usage) for code in predictions.languages}
    if found == min(alone, key=alone.get):
        return
    if found == max(alone, key=alone.get):
        raise Wrong("With this one the users lose most. The smallest mean over users is asked for.")
    raise Wrong(f"With it they lose {alone[found]:.3g} times what they could. Another language is better.")


def e2(answer: Any) -> None:
    """A function that gives the mean square of each input of a mixture's text."""
    stream = np.random.default_rng(5)
    for shares in ([6, 3, 3], [1, 0, 3]):
        means, shares = stream.random((3, 5)) * [1, 10, 100, 1, 1], np.array(shares)
        right = shares @ means / shares.sum()
        found = array(called(answer, means, shares), right.shape, "The result").astype(float)
        if np.allclose(found, right, rtol=1e-6):
            continue
        if np.allclose(found, means.mean(axis=0)):
            raise Wrong("That weighs all languages alike. A language with more windows brings more tokens.")
        if np.allclose(found, np.sqrt(right)):
            raise Wrong("That is the root of the right mean. The mean square is asked for, before the root.")
        if np.allclose(found, shares @ means):
            raise Wrong("That is the sum over windows. It ranks weights as the mean does, and the mean is asked for.")
        if np.allclose(found, (shares @ np.sqrt(means) / shares.sum()) ** 2) or np.allclose(
            found, shares @ np.sqrt(means) / shares.sum()
        ):
            raise Wrong("Squares add up over tokens, norms do not: take the mean before the root.")
        if any(np.allclose(found, np.round(right, decimals), atol=1e-9) for decimals in range(1, 7)):
            raise Wrong("Near, but rounded: return the means as they are.")
        raise Wrong(
            f"With the shares {shares.tolist()} your result is not right: how many of the mixture's tokens are of each "
            "language?"
        )


def e3(answer: Any, budget: int, languages: Sequence[str]) -> None:
    """In how many ways so many windows can be shared between so many languages."""
    found, count = whole(answer), len(languages)
    if found == math.comb(budget + count - 1, count - 1):
        return
    if found == math.comb(budget - 1, count - 1):
        raise Wrong("That is with at least one window for each language. A language may also have none.")
    if found == count**budget:
        raise Wrong("That tells the windows apart. Which of a language's windows they are does not count here.")
    if found == (budget + 1) ** count:
        raise Wrong("Not all of those add up to the budget.")
    raise Wrong(
        "Lay the windows in a row and put bars between the languages: how many rows of windows and bars are there?"
    )


def e4(answer: Any, predictions: Predictions, component: str) -> None:
    """The language that a mixture in equal shares listens to most, in one matrix."""
    if component not in predictions.calibration:
        kept = ", ".join(predictions.calibration)
        raise Wrong(f"Of {component} nothing is kept: every third layer is looked at. COMPONENT is one of {kept}.")
    found = _one_of(answer, predictions.languages)
    strength = _strengths(predictions.calibration[component], predictions.languages)
    if found == strength.idxmax():
        return
    raise Wrong(
        f"Its inputs have {strength[found] / strength.max():.0%} of the mean square of the strongest language's."
    )


def _strengths(means: Tensor, languages: Sequence[str]) -> pd.Series:
    return pd.Series(means.sum(dim=1).tolist(), index=languages)


def e5(
    answer: Any, predictions: Predictions, book: Mapping[str, Shares], usage: Mapping[str, float], budget: int
) -> None:
    """Shares of the budget that cost the users less than every design of the book."""
    mine = predictions.ratios(_shares(answer, predictions.languages, budget))
    costs = {name: cost(predictions.ratios(shares), usage) for name, shares in book.items()}
    best = min(costs, key=costs.get)
    if cost(mine, usage) < costs[best] - GAIN:
        return
    if abs(cost(mine, usage) - costs[best]) <= GAIN:
        raise Wrong(f"That is a tie: it costs the users {costs[best]:.4g}, as “{best}” does. Less is asked for.")
    most = (pd.Series(usage) * (mine - 1)).idxmax()
    raise Wrong(
        f"It costs the users {cost(mine, usage):.4g}, and “{best}” {costs[best]:.4g}. "
        f"Most of what yours costs is lost in {describe(most).name}."
    )


def accepted(
    design: Any, predictions: Predictions, book: Mapping[str, Shares], usage: Mapping[str, float], budget: int
) -> dict[str, int] | None:
    """A design that solves exercise E5, in whole numbers of windows; None for any other."""
    try:
        e5(design, predictions, book, usage, budget)
    except Wrong:
        return None
    return _shares(design, predictions.languages, budget)


def e6(
    answer: Any,
    measured: Mapping[str, Measured],
    design: Any,
    predictions: Predictions,
    book: Mapping[str, Shares],
    usage: Mapping[str, float],
    budget: int,
) -> None:
    """The perplexity of the first of two designs over that of the second, the geometric mean over the users."""
    mine, other = measured.values()
    solved = accepted(design, predictions, book, usage, budget)
    if solved is None:
        raise Wrong("Solve exercise E5 first, then run the cell that prunes: this one is about your design.")
    if _present(solved) != _present(mine.shares):
        raise Wrong("What is measured is not what your design is now: run the cell that prunes once more.")
    first, second = mine.perplexities, other.perplexities
    weights = pd.Series(usage, dtype=float)
    weights /= weights.sum()
    one, other = (pd.Series(found)[weights.index] for found in (first, second))
    ratios = one / other
    mean_log = float((weights * np.log(ratios)).sum())
    right = math.exp(mean_log)
    found = number(answer)
    if found == int((one < other).sum()) and not agrees(found, right):
        raise Wrong("That is in how many languages yours is better. How much the users gain or lose is asked for.")
    mistakes = {
        "The other way round: yours over equal shares.": 1 / right,
        "That is the mean logarithm. Its exponential is the ratio.": mean_log,
        "That is the mean logarithm the other way round, and its exponential is the ratio.": -mean_log,
        "That is the change; the ratio is asked for, 1 where both are equal.": right - 1,
        "That is the change in percent; the ratio is asked for, 1 where both are equal.": 100 * (right - 1),
        "That is the mean of the ratios. Take the mean of their logarithms.": float((weights * ratios).sum()),
        "That weighs all languages alike. Weigh them by their users.": float(np.exp(np.log(ratios).mean())),
        "That divides mean perplexities, and perplexities of two languages are not comparable. Divide within each "
        "language first.": float((weights * one).sum() / (weights * other).sum()),
    }
    otherwise = (
        "In each language the logarithm of yours over equal shares; of these the users' mean, and its exponential."
    )
    judge(found, right, mistakes, otherwise)


def _present(shares: Shares) -> dict[str, int]:
    """The languages that have windows, and how many."""
    return {code: count for code, count in shares.items() if count}


def _one_of(answer: Any, languages: Sequence[str]) -> str:
    found = single(answer)
    if not isinstance(found, str):
        wrong = "not its place" if isinstance(found, int) else "as text"
        raise Wrong(f"Give the code of one language, {wrong}: one of {', '.join(languages)}.")
    if found in languages:
        return found
    for code in languages:
        if found.strip().casefold() in (code, describe(code).name.casefold()):
            raise Wrong(f'Give the code as it is in LANGUAGES: "{code}".')
    raise Wrong(f"Give one of {', '.join(languages)}.")


def _shares(answer: Any, languages: Sequence[str], budget: int) -> dict[str, int]:
    """Whole numbers of windows that add up to the budget, or Wrong."""
    if not isinstance(answer, Mapping | pd.Series):
        raise Wrong(f'Give the windows of each language, such as {{"{languages[0]}": {budget}}}.')
    given = dict(answer)
    if unknown := [code for code in given if code not in languages]:
        raise Wrong(f"{unknown[0]} is none of {', '.join(languages)}.")
    shares = {code: whole(count) for code, count in given.items()}
    if min(shares.values(), default=0) < 0:
        raise Wrong("A language cannot have less than no window.")
    if (total := sum(shares.values())) != budget:
        raise Wrong(f"Those are {total} windows; the budget is {budget}.")
    return shares


EXERCISES = {"e1": e1, "e2": e2, "e3": e3, "e4": e4, "e5": e5, "e6": e6}
