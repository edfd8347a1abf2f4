"""A matrix small enough for a blackboard, two texts for it, and what calibprune itself makes of them."""

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
import pandas as pd
import torch

from calibbook.shared.html import Cell, Html, Mark, heat_table, text_table
from calibprune.methods import METHODS
from calibprune.schemes import Grid, Sparsity

WEIGHT = np.array(
    [
        [0.62, -0.35, 0.12, 0.88, -0.51, 0.27, -0.74, 0.09],
        [-0.21, 0.94, -0.43, 0.16, 0.37, -0.68, 0.05, 0.59],
        [-0.47, -0.11, 0.83, 0.29, -0.71, -0.33, 0.18, 0.56],
        [0.91, -0.24, -0.31, 0.65, 0.07, -0.49, -0.78, 0.40],
    ]
)
"""float64 [4 outputs, 8 inputs]. No two weights have the same magnitude. The largest of each row is positive, since on
a symmetric grid a negative one would lie just between two levels.
"""

FIRST = np.array(
    [
        [1, 0, 4, 1, 0, 2, 2, 0],
        [0, 1, 5, 0, 1, 1, 1, 0],
        [2, 0, 3, 1, 0, 0, 0, 1],
        [1, 1, 6, 0, 0, 3, 2, 0],
        [0, 2, 4, 1, 1, 1, 1, 0],
        [1, 0, 5, 2, 0, 0, 0, 1],
        [0, 1, 3, 0, 2, 2, 3, 0],
        [1, 0, 4, 1, 0, 1, 1, 0],
        [0, 1, 5, 0, 1, 0, 0, 1],
        [2, 0, 4, 1, 0, 2, 2, 0],
    ],
    dtype=float,
)
"""float64 [10 tokens, 8 inputs] of a first text. Input 2 is always strong, 5 and 6 go together, 7 is nearly silent."""

SECOND = np.array(
    [
        [0, 2, 1, 0, 1, 2, 0, 3],
        [1, 1, 0, 1, 2, 0, 1, 4],
        [0, 3, 1, 0, 1, 1, 0, 5],
        [1, 2, 0, 0, 3, 0, 2, 4],
        [0, 1, 1, 1, 2, 2, 0, 3],
        [0, 2, 0, 0, 1, 0, 1, 5],
        [1, 1, 1, 0, 2, 1, 0, 4],
        [0, 3, 0, 1, 1, 0, 2, 3],
        [0, 2, 1, 0, 2, 2, 0, 4],
        [1, 1, 0, 0, 1, 0, 1, 5],
    ],
    dtype=float,
)
"""float64 [10 tokens, 8 inputs] of a second text. Here input 7 is the strong one, input 2 is among the quiet ones, and
5 and 6 do not go together.
"""

REMOVED = Mark("×", "removed")


class Calculated(NamedTuple):
    """What calibprune makes of a matrix: float64 [outputs, inputs], and bool, True where a weight was removed (None
    where the method only rounds).
    """

    weight: np.ndarray
    gone: np.ndarray | None


def by_calibprune(
    method: str, weight: np.ndarray, tokens: np.ndarray, sparsity: float | str | None = None, bits: int | None = None
) -> Calculated:
    """A matrix [outputs, inputs] pruned, rounded or both by calibprune's own code, in float32, on one sequence of
    tokens [tokens, inputs].

    Args:
        method: its name in `calibprune.methods`.
        sparsity: a share or a pattern such as "2:4"; None to remove nothing.
        bits: of a symmetric grid with one scale for each row; None to round nothing.
    """
    used = METHODS[method]
    grid = None if bits is None else Grid.of(bits, group_size=weight.shape[1])
    total = used.accumulate(None, torch.tensor(tokens, dtype=torch.float32)) if used.accumulate else None
    value = used.prepare(total, 1, grid, True).value if used.accumulate else None
    solved = torch.tensor(weight, dtype=torch.float32)
    asked = None if sparsity is None else Sparsity.of(sparsity)
    (found,) = used.solve([solved], value, asked, grid)
    return Calculated(solved.double().numpy(), None if found.mask is None else found.mask.numpy())


def lost(weight: np.ndarray, solved: np.ndarray, tokens: np.ndarray) -> float:
    """The squared error of the outputs over their sum of squares, ‖(W − Ŵ)Xᵀ‖² / ‖WXᵀ‖²: 0 where nothing is lost."""
    return float(np.square((weight - solved) @ tokens.T).sum() / np.square(weight @ tokens.T).sum())


def matrix(
    values: np.ndarray,
    title: str,
    note: str = "",
    gone: np.ndarray | None = None,
    rows: str = "output",
    columns: str = "input",
    decimals: int = 2,
) -> Html:
    """A matrix as a table, its rows and columns counted from 0; × beside the weights that are `gone`."""
    gone = np.zeros(values.shape, dtype=bool) if gone is None else gone
    cells = {
        place: Cell(f"{value:.{decimals}f}".replace("-", "−"), mark=REMOVED if gone[place] else None)
        for place, value in np.ndenumerate(values)
    }
    return heat_table(
        {i: (f"{rows} {i}",) for i in range(values.shape[0])},
        {j: (f"{columns} {j}",) for j in range(values.shape[1])},
        cells,
        [rows.capitalize()],
        title,
        note,
    )


def steps(states: list[np.ndarray], row: int, title: str, note: str = "") -> Html:
    """One row of a matrix before a sweep over its columns and after each of them: `states` are the whole matrices."""
    names = ["before"] + [f"after input {j}" for j in range(len(states) - 1)]
    cells = {
        (step, j): Cell(f"{value:.3f}".replace("-", "−"))
        for step, state in enumerate(states)
        for j, value in enumerate(state[row])
    }
    return heat_table(
        {step: (name,) for step, name in enumerate(names)},
        {j: (f"input {j}",) for j in range(states[0].shape[1])},
        cells,
        ["Step"],
        title,
        note,
    )


def compared(results: dict[str, np.ndarray], title: str, note: str = "") -> Html:
    """What each result loses of the outputs, on either text: one row a result, in percent."""
    rows = [
        {"Result": name, "Lost on the first text": f"{first:.1%}", "Lost on the second text": f"{second:.1%}"}
        for name, first, second in _losses(results)
    ]
    return text_table(pd.DataFrame(rows), title, note)


def _losses(results: dict[str, np.ndarray]) -> Iterator[tuple[str, float, float]]:
    for name, solved in results.items():
        yield name, lost(WEIGHT, solved, FIRST), lost(WEIGHT, solved, SECOND)
