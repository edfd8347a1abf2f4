"""The map of the atlas, and its donors and recipients."""

import numpy as np
import pandas as pd
import seaborn
from matplotlib import pyplot
from matplotlib.axes import Axes
from matplotlib.patches import Patch
from scipy.cluster.hierarchy import linkage
from scipy.spatial.distance import squareform

from calibbook.atlas.additive import FEWEST, givers_and_takers, parts
from calibbook.atlas.data import Atlas
from calibbook.atlas.look import ALONE, group_colours
from calibbook.shared.colours import COLOURS
from calibbook.shared.figure import Picture, block_title, panels
from calibbook.shared.words import listed, number
from calibprune.languages import NOT_KNOWN, describe

CELL = 0.19  # inches of a language of a large map
MARGINS = ("family", "script")
TREE = 0.75  # of the clustering and the margins
BESIDE = (2.7, 1.7)  # the names of rows, and what colours mean
ABOVE_AND_BELOW = (0.5, 0.8)
NAMED = 5  # pairs that the words beside the map name


def atlas_map(atlas: Atlas) -> Picture:
    """Calibration languages down, evaluation languages across, both in the one order of a clustering; dark is a small
    increase of perplexity. A dot marks the best other language of a column, margins the families and scripts.

    Two languages stand beside each other if each serves the other better than its perplexity with other partners lets
    expect (`additive.parts`; average linkage, leaves ordered by Bar-Joseph et al., 2001).
    """
    n = len(atlas.languages)
    tree = _tree(atlas)
    sides = pd.DataFrame(
        {side: [getattr(describe(code), side) for code in atlas.languages] for side in MARGINS}, index=atlas.languages
    )
    colours = {side: group_colours(list(sides[side])) for side in MARGINS}
    margins = sides.apply(lambda column: column.map(colours[column.name]))
    size = max(3.0, CELL * n)
    wide, high = size + TREE + sum(BESIDE), size + TREE + sum(ABOVE_AND_BELOW)
    grid = seaborn.clustermap(
        atlas.increase,
        row_linkage=tree,
        col_linkage=tree,
        row_colors=margins,
        col_colors=margins,
        cmap=COLOURS,
        figsize=(wide, high),
        dendrogram_ratio=(0.4 / wide, 0.4 / high),
        colors_ratio=(0.17 / wide, 0.17 / high),
        xticklabels=False,
        yticklabels=False,
        cbar_pos=None,
    )
    order = [atlas.languages[place] for place in grid.dendrogram_row.reordered_ind]
    axis = grid.ax_heatmap
    font = 8 if n <= 25 else 7
    axis.set_xticks(np.arange(n) + 0.5, order, rotation=90 if n > 12 else 0, fontsize=font)
    axis.set_yticks(np.arange(n) + 0.5, [row_label(code) for code in order], fontsize=font, rotation=0)
    axis.tick_params(length=0)
    for margin in (grid.ax_row_colors, grid.ax_col_colors):
        margin.tick_params(length=0, labelsize=7)
    axis.set_xlabel("evaluated in", fontsize=9)
    axis.set_ylabel("")
    _mark_the_best(axis, atlas, order)
    _legends(grid, sides, colours, axis)
    grid.figure.suptitle(
        f"Increase of ln perplexity over the dense model. {atlas.title}\n"
        "rows: calibrated in; dark is a small increase, a dot the best other language of a column",
        fontsize=9,
        y=0.995,
        va="top",
    )
    pyplot.close(grid.figure)  # seaborn opens it there, and a notebook would show it a second time
    return Picture(grid.figure, map_in_words(atlas))


def row_label(code: str) -> str:
    """`pt Portuguese · Romance · Latin`; only what is known. English names, which every font has."""
    known = describe(code)
    return " · ".join([f"{code} {known.name}", *(one for one in (known.branch, known.script) if one != NOT_KNOWN)])


def _tree(atlas: Atlas) -> np.ndarray:
    """scipy's linkage of the languages: near is what serves each other well."""
    if len(atlas.languages) < FEWEST:
        near = -np.eye(len(atlas.languages))  # so few tell no neighbours: all are equally far
    else:
        rest = np.nan_to_num(parts(atlas.values).rest)
        near = (rest + rest.T) / 2
    near = near - near.min()  # a distance is not below zero
    np.fill_diagonal(near, 0)
    return linkage(squareform(near), "average", optimal_ordering=True)


def _mark_the_best(axis: Axes, atlas: Atlas, order: list[str]) -> None:
    """A white dot with a black rim, which shows on any shade."""
    for column, target in enumerate(order):
        best = order.index(atlas.increase[target].drop(target).idxmin())
        axis.plot(column + 0.5, best + 0.5, "o", color="white", markeredgecolor="black", markersize=3.2, mew=0.7)


def _legends(grid, sides: pd.DataFrame, colours: dict[str, dict[str, str]], axis: Axes) -> None:
    """The colour bar, and what the colours of the margins mean, in a column on the right."""
    figure = grid.figure
    width, height = figure.get_size_inches()
    above, below = ABOVE_AND_BELOW
    figure.subplots_adjust(
        left=0.05 / width, right=1 - sum(BESIDE) / width, top=1 - above / height, bottom=below / height
    )
    left = 1 - BESIDE[1] / width
    bar = figure.add_axes((left, 1 - 1.1 / height, 1.3 / width, 0.1 / height))
    figure.colorbar(axis.collections[0], cax=bar, orientation="horizontal")
    bar.tick_params(labelsize=7)
    bar.set_title("ln perplexity ratio", fontsize=7, loc="left")
    top = 1 - 1.4 / height
    for side in MARGINS:
        named = {group: colour for group, colour in colours[side].items() if colour != ALONE}
        handles = [Patch(color=colour, label=group) for group, colour in named.items()]
        if (sides[side].map(colours[side]) == ALONE).any():
            handles.append(Patch(color=ALONE, label="one language only"))
        figure.legend(
            handles=handles,
            title=side,
            loc="upper left",
            bbox_to_anchor=(left - 0.1 / width, top),
            fontsize=7,
            title_fontsize=8,
            frameon=False,
            alignment="left",
        )
        top -= (len(handles) + 2.5) * 0.16 / height


def map_in_words(atlas: Atlas) -> str:
    """The alternative text of the map: its range, how often the diagonal wins, its best and worst pairs."""
    values, n = atlas.increase, len(atlas.languages)
    pairs = values.where(~np.eye(n, dtype=bool)).stack().dropna().sort_values()
    own = sum(values[target].idxmin() == target for target in atlas.languages)

    few = min(NAMED, len(pairs) // 2)

    def named(some: pd.Series) -> str:
        return listed(
            f"{describe(row).name} for {describe(column).name} ({number(float(np.exp(value)))} times)"
            for (row, column), value in some.items()
        )

    return (
        f"Heat map of {n} calibration languages by {n} evaluation languages. {atlas.title}. The perplexity grows by a "
        f"factor of {number(float(np.exp(np.median(values))))} in the middle, "
        f"{number(float(np.exp(values.min().min())))} at least and {number(float(np.exp(values.max().max())))} at "
        f"most. The language itself is the best calibration in {own} of {n} columns. Of two different languages the "
        f"smallest increases are {named(pairs.head(few))}; the largest are {named(pairs.tail(few)[::-1])}."
    )


def donor_chart(atlases: list[Atlas]) -> Picture:
    """Two panels an atlas: what calibration in a language does to the others, and what a language suffers from them,
    sorted, with 95% intervals; English is marked.
    """
    count = max(len(atlas.languages) for atlas in atlases)
    height = 1.0 + 0.15 * max(count, 8)
    figure, axes = panels(2 * len(atlases), 2, 5.2, height, margin=(0, 0.2))
    sentences = []
    for place, atlas in enumerate(atlases):
        table = givers_and_takers(atlas.increase)
        title = f"{block_title(atlas.block)}, on {atlas.source}"
        _dots(axes[2 * place], table, "donor", f"calibrated in it, all others\n{title}")
        _dots(axes[2 * place + 1], table, "recipient", f"evaluated in it, under all others\n{title}")
        given, taken = table["donor"].sort_values(), table["recipient"].sort_values()
        few = min(NAMED, len(given) // 2)
        sentences.append(
            f"{title}: the best donors are {_names(given.head(few))}, the worst {_names(given.tail(few)[::-1])}; "
            f"the best recipients are {_names(taken.head(few))}, the worst {_names(taken.tail(few)[::-1])}."
        )
    intro = (
        f"Dots with intervals: the perplexity of {count} languages as donors and recipients, against the mean of all."
    )
    return Picture(figure, " ".join([intro, *sentences]))


def _names(found: pd.Series) -> str:
    return listed(f"{describe(code).name} ({_change(value)})" for code, value in found.items())


def _change(value: float) -> str:
    return f"{100 * np.expm1(value):+.0f}%".replace("-", "−")


def _dots(axis: Axes, table: pd.DataFrame, side: str, title: str) -> None:
    table = table.sort_values(side, ascending=False)
    for height, (code, row) in enumerate(table.iterrows()):
        ends = np.exp([row[f"{side}_low"], row[f"{side}_high"]])
        english = code == "en"
        colour = "#d55e00" if english else "#0072b2"
        axis.plot(ends, [height, height], color=colour, linewidth=1.2)
        axis.plot(np.exp(row[side]), height, "D" if english else "o", color=colour, markersize=4)
    names = [f"{describe(code).name} {code}" for code in table.index]
    axis.set_yticks(range(len(names)), names, fontsize=7)
    for label, code in zip(axis.get_yticklabels(), table.index, strict=True):
        label.set_fontweight("bold" if code == "en" else "normal")
    axis.set_ylim(-0.7, len(names) - 0.3)
    axis.axvline(1, color="#888888", linewidth=0.8)
    axis.set_xscale("log")
    axis.xaxis.set_major_formatter(lambda value, _: f"{value:g}")
    axis.xaxis.set_minor_formatter(lambda value, _: f"{value:.2g}")
    axis.tick_params(labelsize=7)
    axis.set_xlabel("perplexity, relative to the mean of all languages", fontsize=8)
    axis.set_title(title, fontsize=8)
