"""Figure 2 of the paper, of every pair of languages, and the languages by the distance of their masks, from a frame of
`data.similarities`.
"""

from itertools import product
from textwrap import fill

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import seaborn
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.colors import Normalize
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator, ScalarFormatter
from scipy.cluster.hierarchy import linkage
from scipy.spatial.distance import squareform

from calibbook.s05_2_pruning_masks.data import distances, grid
from calibbook.shared.colours import COLOURS
from calibbook.shared.figure import Picture, block_title, panels
from calibbook.shared.frames import BLOCK, languages_of
from calibbook.shared.languages import code_label
from calibbook.shared.plots import LETTER, NOT_SHADED, WRITTEN_UP_TO, heatmap, name_cells, rotation, write_cells
from calibbook.shared.words import listed, number

PANELS = {"within": "within a language: all draws", "between": "between two languages: stable masks"}
EACH_PAIR_UP_TO = 12  # languages of which every pair has a map of its own
PAIRS = 12  # of more languages: the most and the least similar pairs that have one
SMALL_TREE, SMALL_CELL = 0.9, 0.44  # inches, on a phone


def figure_2(rows: pd.DataFrame) -> Picture:
    """Heat maps of layers by components, means over languages (left) and over pairs of languages (right); light is
    high.

    `rows` are those of one block. What was not measured (within, with one draw) has no panel.
    """
    found = {kind: mine for kind in PANELS if len(mine := rows[rows["kind"] == kind])}
    grids = {kind: grid(mine) for kind, mine in found.items()}
    scale = _scale(list(grids.values()))
    layers = len(next(iter(grids.values())))
    figure, axes = panels(len(grids), len(grids), 4.2, 1.6 + 0.24 * max(layers, 8), margin=(0.8, 0))
    for axis, (kind, table) in zip(axes, grids.items(), strict=True):
        heatmap(axis, table, scale)
        _layers_by_components(axis, table, 8)
        axis.set_ylabel("layer", fontsize=8)
        random = number(found[kind]["expected"].mean())
        axis.set_title(f"{PANELS[kind]}\nmean of {_count(found[kind])}; random masks: {random}", fontsize=9)
    figure.suptitle(_title(rows), fontsize=10)
    _bar(figure, axes, scale)

    sentences = [f"Heat maps of the IoU of pruning masks by layer and component. {_title(rows)}."]
    for kind, table in grids.items():
        label, mine = PANELS[kind], found[kind]
        (low_layer, low), (high_layer, high) = table.stack().idxmin(), table.stack().idxmax()
        means = listed(f"{component} {number(value)}" for component, value in table.mean().items())
        sentences.append(
            f"{label[0].upper()}{label[1:]}, mean of {_count(mine)}: highest "
            f"{number(table.max().max())} in {high} of layer {high_layer}, "
            f"lowest {number(table.min().min())} in {low} of layer {low_layer}; means over layers {means}; "
            f"random masks {number(mine['expected'].mean())}."
        )
    return Picture(figure, " ".join(sentences), folds=True)


def every_pair(rows: pd.DataFrame) -> Picture:
    """Figure 2 for every language and pair: a lower triangle of small heat maps, within a language on the diagonal. Of
    many languages the pairs with the highest and the lowest mean.

    `rows` are those of one block; with one draw there is no diagonal.
    """
    rows = rows[rows["kind"].isin(PANELS)]
    tables = {pair: grid(mine) for pair, mine in rows.groupby(["first", "second"], sort=False)}
    scale = _scale(list(tables.values()))
    within = rows[rows["kind"] == "within"].groupby("first", sort=False)["iou"].mean()
    pairs = rows[rows["kind"] == "between"].groupby(["first", "second"], sort=False)["iou"].mean()
    across, down = (languages_of(rows[side]) for side in ("first", "second"))
    drawn, wide, lead = list(product(down, across)), len(across), "one for each pair of languages"
    if len(down) > EACH_PAIR_UP_TO:
        order = pairs.sort_values(ascending=False, kind="stable").index
        chosen = dict.fromkeys([*order[:PAIRS], *order[-PAIRS:]])
        drawn, wide = [(second, first) for first, second in chosen], PAIRS // 2
        lead = f"the {PAIRS} pairs of languages with the highest mean and the {PAIRS} with the lowest"
    figure, axes = panels(len(drawn), wide, 1.25, 1.45, margin=(1.8, 1.3))
    for place, (axis, (second, first)) in enumerate(zip(axes, drawn, strict=True)):
        if (first, second) not in tables:
            axis.remove()
            continue
        heatmap(axis, tables[first, second], scale)
        _layers_by_components(axis, tables[first, second], 6, place % wide == 0, place + wide >= len(drawn))
        two = f"{code_label(first)}–{code_label(second)}"
        axis.set_title(two if first != second else f"{code_label(first)}, draws", fontsize=8, pad=2)
    figure.suptitle(f"IoU by layer (down) and component (across)\n{_title(rows)}", fontsize=10)
    _bar(figure, [axis for axis in axes if axis.figure], scale)

    sentences = [f"Small heat maps of the IoU of pruning masks, {lead}. {_title(rows)}."]
    if len(within):
        sentences.append(f"Mean within {listed(f'{language} {number(value)}' for language, value in within.items())}.")
    if len(pairs):
        near, far = pairs.idxmax(), pairs.idxmin()
        sentences.append(
            f"Of {len(pairs)} pairs {' and '.join(near)} have the highest mean ({number(pairs.max())}), "
            f"{' and '.join(far)} the lowest "
            f"({number(pairs.min())})."
        )
    return Picture(figure, " ".join(sentences), folds=True)


def tree(rows: pd.DataFrame) -> Picture:
    """Left, languages joined by the distance of their masks (average linkage); right, the mean IoU of every two, in
    the order of the tree, light is high.

    `rows` are those of one block, with two languages or more.
    """
    table = distances(rows)
    links = linkage(squareform(table.to_numpy(), checks=False), "average")
    iou = (1 - table).mask(np.eye(len(table), dtype=bool))
    figure = _clustered(iou, links, _title(rows))
    # that of many languages is too wide for a phone with any tree, and scrolls
    narrow = _clustered(iou, links, _title(rows), SMALL_TREE, SMALL_CELL) if len(iou) <= WRITTEN_UP_TO else None

    groups = {place: [code] for place, code in enumerate(table.index)}
    joins = []
    for step, (a, b, height, _) in enumerate(links):
        groups[len(table) + step] = groups[int(a)] + groups[int(b)]
        joins.append(f"{'+'.join(groups[int(a)])} with {'+'.join(groups[int(b)])} at {number(height)}")
    return Picture(
        figure,
        "Heat map of the mean IoU of every two languages' stable masks, beside a tree of languages by the distance of "
        f"their stable masks. {_title(rows)}: {', then '.join(joins)}.",
        narrow=narrow,
    )


def _clustered(
    iou: pd.DataFrame, links: np.ndarray, title: str, tree_width: float = 2.2, written: float = 0.55
) -> Figure:
    """seaborn's cluster map with one tree and its scale of distances; `links` are scipy's. tree_width and written are
    inches, of the tree and of a cell that a number is written into.
    """
    n = len(iou)
    low, high = np.floor(20 * np.nanmin(iou)) / 20, np.ceil(20 * np.nanmax(iou)) / 20
    scale = Normalize(low, max(high, low + 0.05))
    cell = written if n <= WRITTEN_UP_TO else 0.3 if n <= 24 else 0.24  # inches, as all that follow
    names = max(LETTER * max(map(len, map(code_label, iou.index))), 0.15)  # as long as the longest
    label = fill("1 − mean IoU of stable masks", int(16 * tree_width))
    left, gap, right, below = 0.25, 0.1, 0.3 + names, 0.43 + 0.12 * (label.count("\n") + 1)
    above = 0.6 + (names if names > cell else 0.15)
    width, height = max(left + tree_width + gap + cell * n + right, 4.6), below + cell * n + above
    clustered = seaborn.clustermap(
        iou,
        row_linkage=links,
        col_linkage=links,
        cmap=COLOURS,
        norm=scale,
        figsize=(width, height),
        cbar_pos=None,
        xticklabels=False,
        yticklabels=False,
        tree_kws={"linewidths": 1.5, "colors": "#333333"},
    )
    figure, tree, cells = clustered.figure, clustered.ax_row_dendrogram, clustered.ax_heatmap
    plt.close(figure)  # seaborn makes this one through pyplot, which would keep it
    clustered.ax_col_dendrogram.remove()  # the same tree again

    figure.set_layout_engine("none")  # seaborn's leaves no room for the scale of distances
    for axis, start, wide in ((tree, left, tree_width), (cells, left + tree_width + gap, cell * n)):
        axis.set_position([start / width, below / height, wide / width, cell * n / height])
    ordered = clustered.data2d
    names = [code_label(code) for code in ordered.index]
    cells.set(facecolor=NOT_SHADED[0], xlabel="", ylabel="")
    name_cells(cells, names, names, rotation(names, cell))
    cells.xaxis.tick_top()
    cells.yaxis.tick_right()
    cells.tick_params(length=0)
    if n <= WRITTEN_UP_TO:
        texts = ordered.map(lambda value: "" if np.isnan(value) else number(value)).to_numpy()
        write_cells(cells, ordered, scale, texts, np.zeros_like(texts, dtype=bool))
    tree.set_axis_on()
    tree.spines["bottom"].set_visible(True)
    tree.set_yticks([])
    tree.xaxis.set_major_locator(MaxNLocator(int(2 * tree_width)))
    tree.xaxis.set_major_formatter(ScalarFormatter())
    tree.tick_params(labelsize=8)
    tree.set_xlabel(label, fontsize=8)
    cells.set_xlabel("mean IoU, light is high", fontsize=8, labelpad=18)  # level with that of the tree
    figure.suptitle(fill(title, int(11 * width)), fontsize=10)
    return figure


def _layers_by_components(axis: Axes, table: pd.DataFrame, size: float, left: bool = True, bottom: bool = True) -> None:
    """Names of the components below a small heat map if it is the lowest, every few layers beside it if leftmost."""
    upright = size < 8
    step = -(-len(table) // (6 if upright else 12))
    layers = [str(int(layer)) for layer in table.index[::step]]
    axis.set_xticks(
        np.arange(table.shape[1]) + 0.5,
        list(table.columns),
        rotation=90 if upright else 45,
        ha="center" if upright else "right",
        fontsize=size,
    )
    axis.set_yticks(np.arange(0, len(table), step) + 0.5, layers, fontsize=size)
    axis.tick_params(length=2, pad=1, labelleft=left, labelbottom=bottom)


def _scale(tables: list[pd.DataFrame]) -> Normalize:
    """From the lowest value, rounded down to a twentieth, to one."""
    lowest = float(np.nanmin(np.concatenate([table.to_numpy().ravel() for table in tables])))
    return Normalize(min(np.floor(20 * lowest) / 20, 0.95), 1.0)


def _bar(figure: Figure, axes: list[Axes], scale: Normalize) -> None:
    bar = figure.colorbar(ScalarMappable(scale, COLOURS), ax=axes, shrink=0.8)
    bar.set_label("IoU", fontsize=8)
    bar.ax.tick_params(labelsize=8)


def _count(rows: pd.DataFrame) -> str:
    pairs = len(rows[["first", "second"]].drop_duplicates())
    return f"{pairs} {'language' if rows['kind'].iloc[0] == 'within' else 'pair'}{'s' if pairs > 1 else ''}"


def _title(rows: pd.DataFrame) -> str:
    first = rows.iloc[0]
    return f"{block_title(tuple(first[BLOCK]))}, {first.draws} draw{'s' if first.draws > 1 else ''}"
