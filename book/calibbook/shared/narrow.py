"""A figure for a phone: its panels below each other rather than beside each other.

Which image is shown is for the page to say (`figure`): both are in it, and a browser fetches one.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from textwrap import fill
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.gridspec import GridSpec
from matplotlib.legend import Legend

WIDTH = 4.9
"""Inches of a figure on a phone at most. Labels of 8 points are then as high as the small print of a page."""

LEAST = 4.2
"""Inches at least, for titles and legends."""

LETTERS = 100
"""Letters of one point that an inch has room for."""

Undo = list[tuple[Callable, tuple, dict[str, Any]]]
"""What is to be called, from the last on, for a figure to be as it was."""


@contextmanager
def on_a_phone(figure: Figure) -> Iterator[bool]:
    """The figure with as many panels a line as `WIDTH` has room for, the first of each with the labels up, and with its
    title and legends in more lines; as it was again afterwards. The panels are those of `figure.panels`, equally wide,
    and stand in reading order.

    Yields whether anything is otherwise: False where the figure is as narrow already.
    """
    panels = [axis for axis in figure.axes if axis.get_subplotspec()]  # a bar of colours has none, and stays beside all
    grid = panels[0].get_subplotspec().get_gridspec()
    width, height = figure.get_size_inches()
    panel = width / grid.ncols
    columns = max(1, int(WIDTH / panel))
    if columns >= grid.ncols:
        yield False
        return
    undo: Undo = [(figure.set_size_inches, (width, height), {})]
    ratios = [grid.get_height_ratios()[axis.get_subplotspec().rowspan.start] for axis in panels]
    lines = [max(ratios[start : start + columns]) for start in range(0, len(panels), columns)]
    folded = GridSpec(len(lines), columns, figure=figure, height_ratios=lines)
    try:
        for place, axis in enumerate(panels):
            if place % columns == 0:
                _label(axis, panels[place - axis.get_subplotspec().colspan.start], undo)
            undo.append((axis.set_subplotspec, (axis.get_subplotspec(),), {}))
            axis.set_subplotspec(folded[place // columns, place % columns])
        figure.set_size_inches(max(LEAST, columns * panel), height * sum(lines) / sum(grid.get_height_ratios()))
        if (title := figure._suptitle) is not None:
            room = int(LETTERS * figure.get_figwidth() / title.get_fontsize())
            undo.append((title.set_text, (title.get_text(),), {}))
            title.set_text("\n".join(fill(line, room) for line in title.get_text().splitlines()))
        for legend in list(figure.legends):
            _in_lines(legend, figure, undo)
        yield True
    finally:
        for setter, values, named in reversed(undo):
            setter(*values, **named)


def _in_lines(legend: Legend, figure: Figure, undo: Undo) -> None:
    """Puts one in the place of a legend that is wider than the figure, with fewer columns."""
    shown, columns = legend, legend._ncols
    labels = [text.get_text() for text in legend.get_texts()]
    # of a mark with its interval a legend's own handle is the interval alone
    whole = {one.get_label(): one for axis in figure.axes for one in axis.containers}
    handles = [whole.get(*one) for one in zip(labels, legend.legend_handles, strict=True)]
    while _width(shown, figure) > figure.bbox.width and columns > 1:
        if shown is legend:
            for setter in (legend.set_visible, legend.set_in_layout):
                undo.append((setter, (True,), {}))
                setter(False)
        else:
            shown.remove()
        columns -= 1
        shown = figure.legend(
            handles,
            labels,
            title=legend.get_title().get_text() or None,
            loc=f"outside {legend._outside_loc} center",
            ncols=columns,
            fontsize=legend.get_texts()[0].get_fontsize(),
            title_fontsize=legend.get_title().get_fontsize(),
            frameon=legend.get_frame_on(),
        )
    if shown is not legend:
        undo.append((shown.remove, (), {}))


def _width(legend: Legend, figure: Figure) -> float:
    figure.draw_without_rendering()
    return legend.get_window_extent().width


def _label(axis: Axes, first: Axes, undo: Undo) -> None:
    """Gives the first panel of a line the labels up that it had from the first panel of its line before."""
    own, shown = (one.yaxis.get_tick_params().get("labelleft", True) for one in (axis, first))
    if shown and not own:
        undo.append((axis.tick_params, (), {"axis": "y", "labelleft": False}))
        axis.tick_params(axis="y", labelleft=True)
    if first.get_ylabel() and not axis.get_ylabel():
        undo.append((axis.set_ylabel, ("",), {}))
        axis.set_ylabel(first.get_ylabel(), fontsize=first.yaxis.label.get_fontsize())
