"""What an answer to an exercise is told: right, or what is wrong with it; never the answer itself."""

import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Set
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
    if isinstance(answer, complex):
        raise Wrong("A real number is asked for, not a complex one.")
    try:
        found = float(answer)
    except OverflowError:
        raise Wrong("A finite number is asked for; yours is too large for one.") from None
    except (TypeError, ValueError, RuntimeError):
        raise Wrong(f"One number is asked for, not {type(answer).__name__}.") from None
    if not np.isfinite(found):
        raise Wrong(f"A finite number is asked for, not {found}.")
    return found


def close(found: float, right: float, rel_tol: float = 0.01, abs_tol: float = 0.0) -> bool:
    """Whether a number is the right one; Wrong where it is the right one rounded to fewer than three digits."""
    if math.isclose(found, right, rel_tol=rel_tol, abs_tol=abs_tol):
        return True
    if any(_rounded(found, right, digits) for digits in (1, 2)):
        raise Wrong("Near, but rounded too far: give three digits.")
    return False


def _rounded(found: float, right: float, digits: int) -> bool:
    """Whether `found` has no more than so many digits and lies nearest to `right`; a half counts in both directions."""
    if not right:
        return False
    unit = 10.0 ** (math.floor(math.log10(abs(right))) - digits + 1)
    steps = found / unit
    return math.isclose(steps, round(steps), rel_tol=1e-9) and abs(found - right) <= unit / 2 * (1 + 1e-9)


def whole(answer: Any) -> int:
    """The answer as a whole number, or Wrong."""
    found = number(answer)
    if found != round(found):
        raise Wrong(f"A whole number is asked for, and {found:g} is none.")
    return round(found)


def numbers(answer: Any, count: int) -> list[float]:
    """The answer as so many numbers in an order, or Wrong."""
    found = listed(answer, f"{count} numbers are asked for: give a list, such as {list(range(1, count + 1))}.")
    if len(found) != count:
        raise Wrong(f"{count} numbers are asked for, in a list; there are {len(found)}.")
    return [number(one) for one in found]


def places(answer: Any, below: int) -> set[int]:
    """The answer as a set of whole numbers from 0 to below - 1, or Wrong."""
    several = "Several numbers are asked for: give a list, such as [1, 2]."
    given = listed(list(answer) if isinstance(answer, Set) else answer, several)
    if any(isinstance(one, (list, tuple)) or getattr(one, "ndim", 0) for one in given):
        raise Wrong("There are lists in your list: give the numbers in one list, such as [1, 2].")
    if given and all(isinstance(one, (bool, np.bool_)) or "bool" in str(getattr(one, "dtype", "")) for one in given):
        raise Wrong("That is a mask of True and False: give the numbers of the places that are True.")
    found = {whole(one) for one in given}
    if outside := sorted(one for one in found if not 0 <= one < below):
        raise Wrong(f"Counted from 0, the numbers run to {below - 1}; {outside[0]} is not among them.")
    return found


def listed(answer: Any, otherwise: str) -> list:
    """The answer as a list, or Wrong with the words `otherwise` where it is nothing that has an order."""
    unordered = isinstance(answer, (str, bytes, Mapping, Set, Iterator))
    if unordered or not isinstance(answer, Iterable) or getattr(answer, "ndim", 1) == 0:
        raise Wrong(otherwise)
    return list(answer)


def array(answer: Any, shape: tuple[int, ...], what: str) -> np.ndarray:
    """The answer as an array of finite numbers of this shape, or Wrong."""
    try:
        found = np.asarray(answer)
        if np.iscomplexobj(found):
            raise Wrong(f"{what} has complex numbers; real ones are asked for.")
        real = found.astype(float)
    except (TypeError, ValueError, OverflowError, RuntimeError):
        raise Wrong(f"{what} is no array of numbers.") from None
    if found.shape != shape:
        raise Wrong(f"{what} has the shape {found.shape}, not {shape}.")
    if not np.isfinite(real).all():
        raise Wrong(f"{what} has {np.count_nonzero(~np.isfinite(real))} numbers that are not finite (NaN or infinite).")
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
        said = " ".join(str(error).split())
        raise Wrong(f"Your function raised {type(error).__name__}: {said}.") from None
    if found is None:
        raise Wrong("Your function returns nothing yet.")
    return found
