"""The comparison that decides what to take, in words: another text against the language itself, corrected for the
number of texts compared.
"""

from types import SimpleNamespace

import numpy as np

from calibbook.i_have_a_language.data import Answer, choice_name
from calibbook.shared.claim_tables import interval
from calibbook.shared.claims import directed
from calibbook.shared.draws import FEWEST_DRAWS
from calibbook.shared.verdicts import UNDECIDED

BETTER, WORSE, NOT_KNOWN = "yes", "no", "not known"
"""Whether the other text is clearly better, beside UNDECIDED; NOT_KNOWN where there is no interval."""


def verdict(answer: Answer) -> str:
    """Whether the text that decides is clearly better than the language itself; a dash where none is compared."""
    if answer.deciding is None:
        return "–"
    row = answer.ranked.iloc[answer.deciding]
    if answer.clear[answer.deciding]:
        return BETTER
    if row["change"] == 0:
        return UNDECIDED
    if not np.isfinite(row["change_low"]):
        return NOT_KNOWN
    return UNDECIDED if row["change_low"] < 0 < row["change_high"] else WORSE


def comparison(answer: Answer) -> str:
    """`EN+RU: score 4.40 points higher (2.10 points lower to 10.9 points higher)`; a dash where none is compared."""
    if answer.deciding is None:
        return "–"
    row = answer.ranked.iloc[answer.deciding]
    return f"{choice_name(row, method=False)}: {_than(answer)}{_ends(answer)}"


def decision(answer: Answer) -> str:
    """What to take and why, in a sentence or two; empty where nothing is compared with the language itself."""
    if answer.deciding is None:
        return ""
    other = choice_name(answer.ranked.iloc[answer.deciding], method=False)
    named = choice_name(answer.ranked.iloc[answer.taken])
    ends, found = _ends(answer, f", corrected for {answer.texts} texts compared" * (answer.texts > 1)), verdict(answer)
    if found == BETTER:
        return f"Take {named}: {_than(answer)} than with the language itself{ends}, clearly better.{_one_draw(answer)}"
    if answer.deciding > answer.own:
        more = {WORSE: "clearly worse", UNDECIDED: f"which is better is {UNDECIDED}"}
        said = more.get(found, "how certain that is, is not known")
        return (
            f"That is the language itself. With the next text, {other}, the model has a {_than(answer)}{ends}: {said}."
        )
    return (
        f"Take {named}, the language itself: with {other} the model has a {_than(answer)}{ends}, but that {other} "
        f"is better is {found}."
    )


def _than(answer: Answer) -> str:
    """`score 4.40 points higher` of the text that decides, than with the language itself."""
    what, unit = ("score", "points higher") if answer.task else ("perplexity", "% higher")
    change = answer.ranked["change"].iloc[answer.deciding]
    return f"{what} {directed(change, unit) if change else 'that is the same'}"


def _ends(answer: Answer, more: str = "") -> str:
    """The corrected interval in brackets; empty where there is none."""
    row = answer.ranked.iloc[answer.deciding]
    unit = "points higher" if answer.task else "% higher"
    ends = SimpleNamespace(statistic=row["change"], low=row["change_low"], high=row["change_high"], unit=unit)
    return f" ({interval(ends)}{more})" if np.isfinite(row["change_low"]) else ""


def _one_draw(answer: Answer) -> str:
    """That a result holds for the draws that there were, where one side has one alone."""
    draws = answer.ranked["draws"].iloc[[answer.deciding, answer.own]]
    return " One of the two was drawn once: that holds for this draw." if draws.min() < FEWEST_DRAWS else ""
