"""Dot plots: a mark and its 95% interval for each row and series, in panels that a phone can show below each other."""

from collections.abc import Iterable, Mapping
from textwrap import fill, wrap

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from calibbook.shared.figure import one_legend, panels
from calibbook.shared.palette import Look
from calibbook.shared.words import signed
from calibprune.languages import describe

WIDTH = 4.4  # inches of a panel: on a phone no label is smaller than 8 pixels
COLUMNS = 2  # panels side by side, elsewhere
SERIES, GAP, ROW = 0.11, 0.09, 0.26  # inches: one series in a row, between rows, and a row at the least
AROUND, LINE = 0.45, 0.15  # inches of a panel's labels below, and of a line of its title
TITLE, PANEL, LABEL, NAME = 56, 48, 56, 16  # letters that have room in a line of each
MEAN = ""
"""The row, in place of a language, for the mean over languages."""
ZERO = {"color": "#777777", "linewidth": 0.9, "linestyle": "--", "zorder": 0}


def dot_figure(
    found: Mapping[str, pd.DataFrame], styles: Mapping[str, Look], names: Mapping[str, str], title: str, label: str
) -> tuple[Figure, list[Axes]]:
    """A panel of `dots` under each title, on one scale, with `label` below the last of each column and one legend below
    all. Lines that are too long are broken. The figure folds (`figure.Picture`).
    """
    titles = [_broken(name, PANEL) for name in found]
    columns = min(COLUMNS, len(found))
    above, below = _broken(title, TITLE * columns), _broken(label, LABEL)
    words = AROUND + LINE * max(name.count("\n") + 1 for name in titles)
    heights = [words + rows["row"].nunique() * row_height(len(styles)) for rows in found.values()]
    margin = 0.55 + LINE * (above.count("\n") + below.count("\n") + 2)
    figure, axes = panels(len(found), COLUMNS, WIDTH, heights, margin=(0, margin), words=words, sharex=True)
    for axis, name, rows in zip(axes, titles, found.values(), strict=True):
        dots(axis, rows, styles, names)
        axis.set_title(name, fontsize=9, pad=4)
        axis.tick_params(labelbottom=True)
    for axis in axes[-columns:]:
        axis.set_xlabel(below, fontsize=8)
    figure.suptitle(above, fontsize=10)
    one_legend(figure, axes, 2 * columns)
    return figure, axes


def row_height(series: int) -> float:
    """Inches of a row with so many series."""
    return max(ROW, GAP + SERIES * series)


def _broken(text: str, letters: int) -> str:
    """Each line in as few lines as have room, which are about as long as each other."""
    found = []
    for line in text.split("\n"):
        fewest = len(wrap(line, letters))
        found.append(fill(line, next(width for width in range(1, letters + 1) if len(wrap(line, width)) <= fewest)))
    return "\n".join(found)


def dots(axis: Axes, rows: pd.DataFrame, styles: Mapping[str, Look], names: Mapping[str, str]) -> None:
    """Rows from top to bottom as they come, their series beside each other, labelled for a legend; a line divides the
    mean from the languages.

    Args:
        rows: `row`, `series`, `value`, `low`, `high`; NaN ends for a mark without an interval.
        styles, names: of each series, in the order in which they stand; `names` also those of rows.
    """
    order = list(dict.fromkeys(rows["row"]))
    for series, style in styles.items():
        mine = rows[rows["series"] == series]
        if mine.empty:
            continue
        reach = np.array([mine["value"] - mine["low"], mine["high"] - mine["value"]])
        axis.errorbar(
            mine["value"],
            heights_of(mine, order, list(styles)),
            xerr=np.where(np.isfinite(reach), np.maximum(reach, 0), 0),
            fmt=style.marker,
            color=style.colour,
            markersize=5,
            elinewidth=1.3,
            label=names[series],
        )
    if MEAN in order and len(order) > 1:
        axis.axhline(order.index(MEAN) - 0.5, color="#bbbbbb", linewidth=0.7, zorder=0)
    axis.set_ylim(len(order) - 0.5, -0.5)
    axis.set_yticks(range(len(order)), [fill(names[row], NAME) for row in order], fontsize=8)
    axis.tick_params(axis="y", length=0)
    axis.tick_params(axis="x", labelsize=8)
    axis.grid(axis="x", color="#e0e0e0", linewidth=0.6)
    axis.set_axisbelow(True)


def heights_of(rows: pd.DataFrame, order: list[str], series: list[str]) -> np.ndarray:
    """How far down the marks of `rows` stand in a panel with these rows and series, [marks]: a row is 1 high."""
    step = SERIES / row_height(len(series))
    middle = (len(series) - 1) / 2
    pairs = zip(rows["row"], rows["series"], strict=True)
    shifts = [order.index(row) + step * (series.index(one) - middle) for row, one in pairs]
    return np.array(shifts, dtype=float)


def row_names(codes: Iterable[str]) -> dict[str, str]:
    """What stands beside the rows: language names, and `mean`."""
    return {code: "mean" if code == MEAN else describe(code).name for code in codes}


def in_words(rows: pd.DataFrame, names: Mapping[str, str]) -> str:
    """`German +4.2 (+1.0 to +7.4), mean +2.0`: the marks of one series and their intervals, in points."""
    parts = []
    for row in rows.itertuples():
        interval = f" ({signed(row.low)} to {signed(row.high)})" if np.isfinite([row.low, row.high]).all() else ""
        parts.append(f"{names[row.row]} {signed(row.value)}{interval}")
    return ", ".join(parts)
