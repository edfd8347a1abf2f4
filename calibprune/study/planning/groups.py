"""Cells in groups, each for one job: of one model, which the job then loads once."""

import math
import re
from collections.abc import Callable, Sequence
from itertools import groupby

from calibprune.errors import ParameterError, quoted
from calibprune.study.cells import Cell
from calibprune.study.runner import work

MINUTES = 20.0
"""How long a job should take at least, so that starting it and loading its model is a small part of that."""
UNMEASURED = 8
"""Cells of a group where it was not measured how long they take."""


def how_many(cells: Sequence[Cell], seconds: Callable[[Cell], float | None], minutes: float = MINUTES) -> int:
    """In how many groups to split cells so that each takes so many minutes at least, by the seconds that are still to
    be computed for each cell: 0 for one that is done, None for one of which it is not known.
    """
    total = 0
    for same in _by_model(cells):
        left = [seconds(cell) for cell in same]
        known = sum(filter(None, left))
        wanted = known / 60 / minutes + left.count(None) / UNMEASURED
        total += min(len(same), max(1, math.floor(wanted)))
    return total


def split(cells: Sequence[Cell], number: int) -> list[list[Cell]]:
    """Cells in `number` groups of neighbours with about as much work each; no group holds cells of two models.

    It depends on the cells alone, neither on what is done nor on a machine, so that jobs that start at different times
    agree.

    Raises:
        ParameterError: fewer groups than models, or more than cells.
    """
    models = _by_model(cells)
    if not len(models) <= number <= len(cells):
        raise ParameterError(
            f"{number} groups: the study has {len(cells)} cells of {len(models)} models, which a group must not mix; "
            f"choose {len(models)} to {len(cells)} groups"
        )
    shares = [1] * len(models)
    totals = [sum(map(work, same)) for same in models]
    for _ in range(number - len(models)):  # the next group goes to the model whose groups have most to do
        open_ones = [i for i, same in enumerate(models) if shares[i] < len(same)]
        most = max(open_ones, key=lambda i: totals[i] / shares[i])
        shares[most] += 1
    return [group for same, share in zip(models, shares, strict=True) for group in _runs(same, share)]


def of_text(text: str, cells: Sequence[Cell]) -> list[Cell]:
    """The cells of group K of N, as "K/N" names it, counted from 1.

    Raises:
        ParameterError: no such group.
    """
    found = re.fullmatch(r"(\d{1,6})/(\d{1,6})", text.strip(), re.ASCII)
    if not found or not 1 <= int(found[1]) <= int(found[2]):
        raise ParameterError(f"group {quoted(text)}: give K/N, the K-th of N groups, for example 1/8")
    return split(cells, int(found[2]))[int(found[1]) - 1]


BEGINNING = 4
"""Characters of an id that may stand for the whole, as tables that are too narrow show it: `36b3…`."""


def of_ids(ids: Sequence[str], cells: Sequence[Cell]) -> list[Cell]:
    """The cells with these ids, or with ids that begin so, in the order of the study.

    Raises:
        ParameterError: an id that none of the cells has, or a beginning that several have.
    """
    known = {cell.id: cell for cell in cells}
    asked: set[str] = set()
    for one in ids:
        begins = one.rstrip("…")
        found = [own for own in known if len(begins) >= BEGINNING and own.startswith(begins)]
        found = [begins] if begins in known else found
        if not found:
            raise ParameterError(f"cell {quoted(one)}: is none of this study; `calibprune cells` lists their ids")
        if len(found) > 1:
            raise ParameterError(f"cell {quoted(one)}: {len(found)} cells of this study begin so; give more of the id")
        asked.update(found)
    return [cell for own, cell in known.items() if own in asked]


def _by_model(cells: Sequence[Cell]) -> list[list[Cell]]:
    """Cells of one model together, in their order."""
    order = {model: number for number, model in enumerate(dict.fromkeys(cell.model for cell in cells))}
    ordered = sorted(cells, key=lambda cell: order[cell.model])
    return [list(same) for _, same in groupby(ordered, key=lambda cell: cell.model)]


def _runs(cells: list[Cell], number: int) -> list[list[Cell]]:
    """Neighbours in `number` runs, none empty, each ending where its share of the work is reached."""
    total = sum(map(work, cells)) or 1
    groups: list[list[Cell]] = [[]]
    done = 0.0
    for place, cell in enumerate(cells):
        rest, still = len(cells) - place, number - len(groups)
        due = done + work(cell) / 2 >= total * len(groups) / number
        if groups[-1] and still and (due or rest == still):
            groups.append([])
        groups[-1].append(cell)
        done += work(cell)
    return groups
