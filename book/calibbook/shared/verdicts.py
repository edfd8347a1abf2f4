"""The one rule by which a claim is held, not held or undecided."""

from collections.abc import Callable, Mapping
from typing import NamedTuple

from calibbook.shared.statistics import ALPHA

HELD, NOT_HELD, UNDECIDED = VERDICTS = ("held", "not held", "undecided")

# Two kinds of evidence, and for each what is too little of it. Of an exact test the least p value that it can give says
# so: orders of three languages not below 1/6. An interval nearly always comes out, but that of three languages rests on
# a spread that hardly is one (Student's t multiplies it by 4.3), and a jackknife that leaves one of three out has a
# single pair left.
FEWEST_LANGUAGES = 4
TOO_FEW = "too few languages"
TOO_FEW_FOR_THE_TEST = "too few languages to tell from chance"

NO_GAIN_POINTS = 1.0


def judged(
    held: bool,
    not_held: bool = False,
    *,
    p: float = float("nan"),
    least_p: float = 0.0,
    languages: int | None = None,
    note: str = "",
    because: Mapping[str, str] | None = None,
) -> dict[str, str]:
    """`verdict` and `note` of a Claim from what was found.

    Undecided where there are too few languages; else not held where that is shown; else held where that is shown and no
    test speaks against it; else undecided.

    Args:
        held, not_held: whether the claim is borne out, or its contrary. The second goes first.
        p: of the test that a claim must pass as well to be held; NaN where there is none.
        least_p: the least value that p can have with these languages; above ALPHA the test says nothing.
        languages: that an interval rests on; fewer than FEWEST_LANGUAGES decide nothing. None: it rests on something
            else, such as items or layers.
        note: what is said in any case.
        because: the reason for each verdict, said after `note` where there are languages enough.
    """
    too_few = TOO_FEW_FOR_THE_TEST if least_p > ALPHA else ""
    if languages is not None and languages < FEWEST_LANGUAGES:
        too_few = TOO_FEW
    verdict = UNDECIDED if too_few or not (held or not_held) else NOT_HELD if not_held else HELD
    if verdict == HELD and p > ALPHA:
        verdict = UNDECIDED
    reason = too_few or (because or {}).get(verdict, "")
    return {"verdict": verdict, "note": "; ".join(filter(None, [note, reason]))}


class Expected(NamedTuple):
    """What an interval must show for a claim to be held, and for it not to be held: functions of its two ends."""

    held: Callable[[float, float], bool]
    not_held: Callable[[float, float], bool]


GAIN = Expected(lambda low, high: low > 0, lambda low, high: high < 0)
LOSS = Expected(lambda low, high: high < 0, lambda low, high: low > 0)
NO_GAIN = Expected(lambda low, high: high < NO_GAIN_POINTS, lambda low, high: low > 0)
"""Of an effect in points: less than a point counts as none."""
ANY = Expected(lambda low, high: low > 0 or high < 0, lambda low, high: False)


def within(margin: float) -> Expected:
    """No further from zero than `margin`."""
    return Expected(lambda low, high: low > -margin and high < margin, lambda low, high: low > margin or high < -margin)


def decided(low: float, high: float, expected: Expected = GAIN, **evidence) -> dict[str, str]:
    """`judged` of an interval, NaN where it is not known; `evidence` are the further arguments of `judged`."""
    return judged(bool(expected.held(low, high)), bool(expected.not_held(low, high)), **evidence)
