"""What an answer to an exercise is told: right, or what is wrong with it; never the answer itself."""

import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Set
from copy import deepcopy
from dataclasses import dataclass
from html import escape
from typing import Any

import numpy as np

DIGITS = 3
"""That a number is asked for with, in every exercise; fewer are refused."""
EXACT = 2e-4
"""By how much two ways to calculate one number may differ, relative to it: float32 against float64."""


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


def single(answer: Any) -> Any:
    """What a list, an array, a tensor or a Series has, where that is one thing; any other answer as it is."""
    if hasattr(answer, "to_numpy"):
        answer = answer.to_numpy()
    if isinstance(answer, (list, tuple)):
        return single(answer[0]) if len(answer) == 1 else answer
    return answer.item() if hasattr(answer, "ndim") and math.prod(answer.shape) == 1 else answer


def number(answer: Any) -> float:
    """The answer as a finite number, or Wrong. One that stands alone in a list or an array counts as a number."""
    given = single(answer)
    if isinstance(given, complex):
        raise Wrong("A real number is asked for, not a complex one.")
    if isinstance(given, (bool, np.bool_)):
        raise Wrong(f"A number is asked for, not {given}.")
    if isinstance(given, (str, bytes)):
        raise Wrong("One number is asked for, not text: without quotation marks.")
    try:
        found = float(given)
    except OverflowError:
        raise Wrong("A finite number is asked for; yours is too large for one.") from None
    except (TypeError, ValueError, RuntimeError):
        raise Wrong(f"One number is asked for, not {type(answer).__name__}.") from None
    if not np.isfinite(found):
        raise Wrong(f"A finite number is asked for, not {found}.")
    return found


def agrees(found: float, right: float) -> bool:
    """Whether a number is the right one: as near as another way to calculate it comes, or rounded to three digits or
    more.
    """
    if math.isclose(found, right, rel_tol=EXACT, abs_tol=1e-12):
        return True
    return any(_rounded(found, right, digits) for digits in range(DIGITS, DIGITS + 4))


def judge(
    found: float, right: float, mistakes: Mapping[str, float], otherwise: str, too_far: str = "give three digits"
) -> None:
    """Nothing where a number is the right one, else Wrong.

    Args:
        mistakes: what a known mistake leads to, by what is said of it; of several that fit, the nearest is named.
        otherwise: what is said where none fits.
        too_far: what is asked of a number that is rounded to fewer digits.
    """
    if agrees(found, right):
        return
    if fitting := {words: value for words, value in mistakes.items() if value and agrees(found, value)}:
        raise Wrong(min(fitting, key=lambda words: abs(found - fitting[words])))
    if any(_rounded(found, right, digits) for digits in range(1, DIGITS)):
        raise Wrong(f"Near, but rounded too far: {too_far}.")
    if _cut_off(found, right):
        raise Wrong(f"Near, but cut off and not rounded: {too_far}.")
    raise Wrong(otherwise)


def _rounded(found: float, right: float, digits: int) -> bool:
    """Whether `found` has no more than so many digits and lies nearest to `right`; a half counts in both directions."""
    if not right or not math.isfinite(right):
        return False
    unit = _unit(right, digits)
    steps = found / unit
    return math.isclose(steps, round(steps), rel_tol=1e-9) and abs(found - right) <= unit / 2 * (1 + 1e-9)


def _cut_off(found: float, right: float) -> bool:
    """Whether `found` is what is left of `right` when all digits after some are dropped."""
    return bool(right) and any(
        math.isclose(found / unit, math.trunc(right / unit), rel_tol=1e-9)
        for unit in (_unit(right, digits) for digits in range(1, DIGITS + 1))
    )


def _unit(right: float, digits: int) -> float:
    """What one step of the last of so many digits is worth."""
    return 10.0 ** (math.floor(math.log10(abs(right))) - digits + 1)


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
    """The answer as a set of whole numbers from 0 to below - 1, or Wrong. What numpy's `where` or `argwhere` returns
    counts as a list.
    """
    several = "Several numbers are asked for: give a list, such as [1, 2]."
    given = _in_a_row(listed(list(answer) if isinstance(answer, Set) else answer, several))
    if given and all(isinstance(one, (bool, np.bool_)) or "bool" in str(getattr(one, "dtype", "")) for one in given):
        raise Wrong("That is a mask of True and False: give the numbers of the places that are True.")
    found = [whole(one) for one in given]
    if len(found) > 2 and len(set(found)) < len(found) and set(found) <= {0, 1}:
        raise Wrong("That is a mask of 0 and 1: give the numbers of the places that have a 1.")
    if outside := sorted(one for one in found if not 0 <= one < below):
        raise Wrong(f"Counted from 0, the numbers run to {below - 1}; {outside[0]} is not among them.")
    if twice := [one for one in found if found.count(one) > 1]:
        raise Wrong(f"Name each place once; {twice[0]} stands there more than once.")
    return set(found)


def _in_a_row(given: list) -> list:
    """What stands in one row or one column of a table, as a list; Wrong for lists in a list that are more than that."""
    if not any(isinstance(one, (list, tuple)) or getattr(one, "ndim", 0) for one in given):
        return given
    if len(given) == 1:
        return _in_a_row(list(given[0]))
    if all(not isinstance(alone := single(one), (list, tuple)) and not getattr(alone, "ndim", 0) for one in given):
        return [single(one) for one in given]
    raise Wrong("There are lists in your list: give the numbers in one list, such as [1, 2].")


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
