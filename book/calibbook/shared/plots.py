"""seaborn's plots as the book draws them: heat maps in its colours, and curves through the layers of a model."""

from collections.abc import Iterable

import numpy as np
import pandas as pd
import seaborn
from matplotlib.axes import Axes
from matplotlib.colors import Normalize

from calibbook.shared.colours import COLOURS, colours
from calibbook.shared.palette import Look

NOT_SHADED = ("#e6e6e6", "#000000")  # a cell without a shade, and the ink on it
WRITTEN_UP_TO = 12  # columns of a heat map whose values have room in the cells
LETTER = 0.075  # inches that a letter of a label takes
LOWEST_TO_HIGHEST = ("pi", 100)  # seaborn's name of a band that leaves nothing out


def heatmap(axis: Axes, table: pd.DataFrame, scale: Normalize) -> None:
    """The cells of a table, its first row on top, from dark (low) to light (high) on `scale`; grey where a value is
    missing. The centre of cell (i, j) is at (j + 0.5, i + 0.5).
    """
    seaborn.heatmap(
        table,
        ax=axis,
        cmap=COLOURS,
        norm=scale,
        vmin=scale.vmin,
        vmax=scale.vmax,
        cbar=False,
        xticklabels=False,
        yticklabels=False,
    )
    axis.set(xlabel="", ylabel="", facecolor=NOT_SHADED[0])


def write_cells(axis: Axes, table: pd.DataFrame, scale: Normalize, texts: np.ndarray, bold: np.ndarray) -> None:
    """Texts, str [rows, columns], on the cells of `heatmap` in the ink that stands out; bold where `bold` is True. An
    empty text is not written.
    """
    for (i, j), value in np.ndenumerate(table.to_numpy()):
        if not texts[i, j]:
            continue
        ink = NOT_SHADED[1] if np.isnan(value) else colours(scale(value))[1]
        weight = "bold" if bold[i, j] else "normal"
        axis.text(j + 0.5, i + 0.5, texts[i, j], color=ink, fontsize=8, fontweight=weight, ha="center", va="center")


def rotation(labels: Iterable[str], room: float) -> int:
    """Degrees by which labels are turned so that the longest has `room` inches beside its neighbours: 0, or 90."""
    return 0 if max(map(len, labels), default=0) * LETTER <= room else 90


def name_cells(axis: Axes, columns: list[str], rows: list[str], turned: int = 0) -> None:
    """Names below the columns and beside the rows of a `heatmap`; those of the columns turned by so many degrees."""
    axis.set_xticks(np.arange(len(columns)) + 0.5, columns, fontsize=8, rotation=turned)
    axis.set_yticks(np.arange(len(rows)) + 0.5, rows, fontsize=8)
    axis.tick_params(length=0)


def lines(axis: Axes, rows: pd.DataFrame, x: str, y: str, by: str, styles: dict[str, Look], **options) -> None:
    """A line for each value of the column `by`, in the order of `styles`: the mean of `y` at each `x`, without a band
    unless seaborn's `errorbar` asks for one. The lines are labelled; the legend is the caller's.
    """
    present = {name: style for name, style in styles.items() if (rows[by] == name).any()}
    defaults = {"errorbar": None, "err_kws": {"alpha": 0.15, "linewidth": 0}, "markersize": 4.5, "markeredgewidth": 0}
    seaborn.lineplot(
        rows,
        x=x,
        y=y,
        hue=by,
        style=by,
        hue_order=list(present),
        style_order=list(present),
        palette={name: style.colour for name, style in present.items()},
        markers={name: style.marker for name, style in present.items()},
        dashes={name: style.dashes for name, style in present.items()},
        ax=axis,
        **defaults | options,
    )
    axis.get_legend().remove()
    axis.set(xlabel="", ylabel="")


def through_layers(axis: Axes, rows: pd.DataFrame, y: str, by: str, styles: dict[str, Look], **options) -> None:
    """`lines` over the column `layer`."""
    lines(axis, rows, "layer", y, by, styles, **options)
    axis.set_xlabel("layer", fontsize=8)
    axis.xaxis.get_major_locator().set_params(integer=True)
