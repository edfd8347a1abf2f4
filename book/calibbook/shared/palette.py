"""A colour, a marker and a line for each language, method or machine, told apart with any colour vision and on a grey
printer.
"""

from collections.abc import Iterable
from typing import NamedTuple

# Okabe and Ito's palette without its yellow, which is lost on white paper.
COLOURS = ("#0072b2", "#e69f00", "#000000", "#d55e00", "#cc79a7", "#009e73", "#56b4e9")
MARKERS = ("o", "s", "D", "^", "v", "P", "X")
FURTHER_MARKERS = ("<", ">", "p", "h", "d", "8", "H")
DASHES = ("", (4, 1.5), (1, 1), (5, 1.5, 1, 1.5))  # as seaborn takes them: points on and off, "" for a solid line


class Look(NamedTuple):
    """colour: #rrggbb; marker: matplotlib's; dashes: seaborn's."""

    colour: str
    marker: str
    dashes: str | tuple[float, ...]


def look(place: int) -> Look:
    """The look of the thing at `place` in its list: 98 different pairs of colour and marker, then again."""
    turn = place // len(COLOURS)
    markers = (MARKERS, FURTHER_MARKERS)[turn // len(MARKERS) % 2]
    return Look(
        COLOURS[place % len(COLOURS)], markers[(place + turn) % len(markers)], DASHES[(place + turn) % len(DASHES)]
    )


def looks(names: Iterable[str], known: Iterable[str] = ()) -> dict[str, Look]:
    """A look for each name: those of `known` have their place in it in every figure, others come after, sorted."""
    names, known = list(dict.fromkeys(names)), list(known)
    order = [*known, *sorted(set(names) - set(known))]
    return {name: look(order.index(name)) for name in names}
