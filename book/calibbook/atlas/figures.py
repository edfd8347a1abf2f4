"""The map of the atlas, and its donors and recipients."""

import numpy as np
import pandas as pd
import seaborn
from matplotlib import pyplot
from matplotlib.axes import Axes
from matplotlib.patches import Patch
from matplotlib.ticker import LogLocator, NullLocator
from scipy.cluster.hierarchy import linkage
from scipy.spatial.distance import squareform

from calibbook.atlas.additive import FEWEST, givers_and_takers, parts
from calibbook.atlas.data import Atlas
from calibbook.atlas.look import ALONE, group_colours
from calibbook.atlas.prediction import agreement
from calibbook.atlas.tables import coefficient
from calibbook.shared.colours import COLOURS
from calibbook.shared.figure import Picture, block_title, one_legend, panels
from calibbook.shared.frames import method_label
from calibbook.shared.palette import look
from calibbook.shared.words import listed, number
from calibprune.languages import NOT_KNOWN, describe

CELL = 0.162  # inches of a language of a large map
MARGINS = ("family", "script")
TREE = 0.75  # of the clustering and the margins
NAMES = 2.95  # of the rows, to their right
ABOVE = 0.5
BELOW = 0.65  # without the keys, what the colours mean
KEY = 0.17  # a line of them
KEYS = 5  # groups in a line
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
    keys = {side: _keys(sides[side], colours[side]) for side in MARGINS}
    below = BELOW + KEY * (2.0 + sum(1.5 + -(-len(handles) // KEYS) for handles in keys.values()))
    wide, high = size + TREE + NAMES, size + TREE + ABOVE + below
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
    axis.set_xticks(np.arange(n) + 0.5, order, rotation=90 if n > 12 else 0, fontsize=8)
    axis.set_yticks(np.arange(n) + 0.5, [row_label(code) for code in order], fontsize=8, rotation=0)
    axis.tick_params(length=0)
    for margin in (grid.ax_row_colors, grid.ax_col_colors):
        margin.tick_params(length=0, labelsize=7)
    axis.set_xlabel("evaluated in", fontsize=9)
    axis.set_ylabel("")
    _mark_the_best(axis, atlas, order)
    _legends(grid, keys, axis, below)
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


def _keys(groups: pd.Series, colours: dict[str, str]) -> list[Patch]:
    """What the colours of a margin mean: those of several languages, then the grey of all others."""
    handles = [Patch(color=colour, label=group) for group, colour in colours.items() if colour != ALONE]
    if (groups.map(colours) == ALONE).any():
        handles.append(Patch(color=ALONE, label="one language only"))
    return handles


def _legends(grid, keys: dict[str, list[Patch]], axis: Axes, below: float) -> None:
    """The colour bar, and what the colours of the margins mean, in lines under the map; below: inches there."""
    figure = grid.figure
    width, height = figure.get_size_inches()
    left = 0.05 / width
    figure.subplots_adjust(left=left, right=1 - NAMES / width, top=1 - ABOVE / height, bottom=below / height)
    top = below - BELOW  # inches from the bottom
    bar = figure.add_axes((0.15 / width, (top - KEY) / height, 2.4 / width, 0.6 * KEY / height))
    figure.colorbar(axis.collections[0], cax=bar, orientation="horizontal")
    bar.tick_params(labelsize=8)
    bar.set_title("increase of ln perplexity", fontsize=8, loc="left")
    top -= 2.0 * KEY
    for side, handles in keys.items():
        figure.legend(
            handles=handles,
            title=side,
            ncols=KEYS,
            loc="upper left",
            bbox_to_anchor=(0, top / height),
            fontsize=8,
            title_fontsize=8,
            frameon=False,
            alignment="left",
            borderaxespad=0.4,
        )
        top -= (1.5 + -(-len(handles) // KEYS)) * KEY


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
    return Picture(figure, " ".join([intro, *sentences]), folds=True)


def agreement_chart(compared: list[tuple[Atlas, pd.DataFrame]]) -> Picture:
    """A panel an evaluation text: for every target the rank correlation of predicted loss and measured increase over
    the other languages, with its 95% interval, by model and method; the best predicted target on top.

    compared: atlases, each with its predicted losses (`prediction.predicted`).
    """
    tables: dict[str, dict[str, pd.DataFrame]] = {}
    several = len({atlas.block.model for atlas, _ in compared}) > 1
    for atlas, loss in compared:
        title = block_title(atlas.block) if several else method_label(atlas.block.method)
        tables.setdefault(atlas.source, {})[title] = agreement(atlas, loss)
    rows = max(len(table) for by_title in tables.values() for table in by_title.values())
    figure, axes = panels(len(tables), 2, 5.2, 1.2 + 0.17 * max(rows, 8))
    places = {title: place for place, title in enumerate(dict.fromkeys(t for found in tables.values() for t in found))}
    sentences = []
    for axis, (source, by_title) in zip(axes, tables.items(), strict=True):
        means = pd.concat([table["rho"] for table in by_title.values()], axis=1).mean(axis=1).dropna().sort_values()
        for title, table in by_title.items():
            style = look(places[title])
            shift = 0.3 * (places[title] - (len(places) - 1) / 2) / max(len(places) - 1, 1)
            heights = np.arange(len(means)) - shift
            known = table.loc[means.index]
            axis.hlines(heights, known["low"], known["high"], color=style.colour, linewidth=1)
            axis.plot(known["rho"], heights, style.marker, color=style.colour, markersize=4, label=title)
            ordered = known["rho"].sort_values()
            few = min(NAMED, len(ordered) // 2)
            sentences.append(
                f"{title}, on {source}: {coefficient(ordered.median())} in the middle; highest for "
                f"{_correlations(ordered.tail(few)[::-1])}, lowest for {_correlations(ordered.head(few))}."
            )
        names = [f"{describe(code).name} {code}" for code in means.index]
        axis.set_yticks(range(len(names)), names, fontsize=7)
        axis.set_ylim(-0.7, len(names) - 0.3)
        axis.axvline(0, color="#888888", linewidth=0.8)
        axis.tick_params(labelsize=7)
        axis.set_xlabel("rank correlation of predicted and measured", fontsize=8)
        axis.set_title(f"on {source}", fontsize=8)
    one_legend(figure, axes)
    return Picture(figure, " ".join(["Dots with intervals, one a target and method.", *sentences]), folds=True)


def _correlations(found: pd.Series) -> str:
    return listed(f"{describe(code).name} ({coefficient(value)})" for code, value in found.items())


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
    axis.xaxis.set_major_locator(LogLocator(base=2))
    axis.xaxis.set_major_formatter(lambda value, _: f"{value:g}")
    axis.xaxis.set_minor_locator(NullLocator())
    axis.tick_params(labelsize=7)
    axis.set_xlabel("perplexity, relative to the mean of all languages", fontsize=8)
    axis.set_title(title, fontsize=8)
