"""What an answer to an exercise is told: right, or what is wrong with it; never the answer itself."""

from collections.abc import Callable, Iterable
from copy import deepcopy
from dataclasses import dataclass
from html import escape
from typing import Any

import numpy as np


class Wrong(Exception):
    """An answer that is not right; its text says why."""


@dataclass(frozen=True, repr=False)
class Judged:
    """Whether an answer is right, and words about it; a notebook shows them."""

    right: bool
    words: str

    def _repr_html_(self) -> str:
        kind, title = ("tip", "Right") if self.right else ("warning", "Not yet")
        return (
            f'<div class="admonition {kind}"><p class="admonition-title">{title}</p><p>{escape(self.words)}</p></div>'
        )

    def __repr__(self) -> str:
        return f"{'Right' if self.right else 'Not yet'}. {self.words}"


def number(answer: Any) -> float:
    """The answer as a finite number, or Wrong."""
    try:
        found = float(answer)
    except (TypeError, ValueError):
        raise Wrong(f"One number is asked for, not {type(answer).__name__}.") from None
    if not np.isfinite(found):
        raise Wrong(f"A finite number is asked for, not {found}.")
    return found


def whole(answer: Any) -> int:
    """The answer as a whole number, or Wrong."""
    found = number(answer)
    if found != round(found):
        raise Wrong(f"A whole number is asked for, and {found:g} is none.")
    return round(found)


def numbers(answer: Any, count: int) -> list[float]:
    """The answer as so many numbers, or Wrong."""
    found = _listed(answer)
    if len(found) != count:
        raise Wrong(f"{count} numbers are asked for, in a list; there are {len(found)}.")
    return [number(one) for one in found]


def places(answer: Any, below: int) -> set[int]:
    """The answer as a set of whole numbers from 0 to below - 1, or Wrong."""
    found = {whole(one) for one in _listed(answer)}
    if outside := sorted(one for one in found if not 0 <= one < below):
        raise Wrong(f"Counted from 0, the numbers run to {below - 1}; {outside[0]} is not among them.")
    return found


def _listed(answer: Any) -> list:
    if isinstance(answer, str) or not isinstance(answer, Iterable):
        raise Wrong("Several numbers are asked for: give a list, such as [1, 2].")
    return list(answer)


def array(answer: Any, shape: tuple[int, ...], what: str) -> np.ndarray:
    """The answer as an array of this shape, or Wrong."""
    try:
        found = np.asarray(answer)
        found.astype(float)
    except (TypeError, ValueError):
        raise Wrong(f"{what} is no array of numbers.") from None
    if found.shape != shape:
        raise Wrong(f"{what} has the shape {found.shape}, not {shape}.")
    return found


def called(function: Any, *arguments: Any) -> Any:
    """What a function of the reader's returns for copies of these arguments; Wrong where it fails, returns nothing, or
    is no function.
    """
    if not isinstance(function, Callable):
        raise Wrong("A function is asked for: pass it by its name, without calling it.")
    try:
        found = function(*deepcopy(arguments))
    except Exception as error:  # whatever the reader's code does wrong is for the reader to see
        raise Wrong(f"Your function raised {type(error).__name__}: {error}.") from None
    if found is None:
        raise Wrong("Your function returns nothing yet.")
    return found
