"""The exercises of the laboratory by their names, and the check of an answer."""

from collections.abc import Callable
from typing import Any

from calibbook.teaching import (
    exercises_activations,
    exercises_by_hand,
    exercises_choices,
    exercises_evidence,
    exercises_mixtures,
)
from calibbook.teaching.judged import Judged, Wrong
from calibprune.errors import ParameterError, one_of

EXERCISES: dict[str, Callable[..., None]] = {
    **exercises_by_hand.EXERCISES,
    **exercises_activations.EXERCISES,
    **exercises_choices.EXERCISES,
    **exercises_evidence.EXERCISES,
    **exercises_mixtures.EXERCISES,
}
"""Name -> a function that is given the answer and what it is about, and raises Wrong where it is not right."""
NOT_ANSWERED = "Nothing to check yet: put your answer in place of None, and run the cell again."
OVERWRITTEN = (
    "What the exercise is about is not there, or has been overwritten: restore the last line of its cell, and run the "
    "notebook's cells again from the top."
)


def check(name: str, answer: Any, *about: Any) -> Judged:
    """Whether an answer is right, or what is wrong with it.

    Args:
        name: of the exercise, such as "a1" or "A1".
        answer: a number, a list, an array or a function, as the exercise asks.
        about: what else the exercise is about, as its cell passes it.

    Raises:
        ParameterError: there is no such exercise.
    """
    key = str(name).strip().lower()
    if key not in EXERCISES:
        raise ParameterError(one_of("exercise", name, EXERCISES))
    if answer is None:
        return Judged(False, NOT_ANSWERED)
    try:
        EXERCISES[key](answer, *about)
    except Wrong as wrong:
        return Judged(False, str(wrong))
    except Exception as error:  # names of the notebook that mean something else by now, or that the call leaves out
        said = " ".join(str(error).split())
        return Judged(False, f"{OVERWRITTEN} (What came of it: {type(error).__name__}: {said}.)")
    return Judged(True, f"Exercise {key} is solved.")
