"""Figure 2 of the paper, of every pair of languages, and a tree of languages, from a frame of
`mask_similarity.similarities`.
"""

import numpy as np
import pandas as pd
from matplotlib.cm import ScalarMappable
from matplotlib.colors import Normalize
from matplotlib.figure import Figure
from scipy.cluster.hierarchy import dendrogram, linkage
from scipy.spatial.distance import squareform

from calibbook.shared.colours import COLOURS
from calibbook.shared.figure import block_title
from calibbook.shared.frames import BLOCK, languages_of
from calibbook.shared.words import listed, number

PANELS = {"within": "within a language: all draws", "between": "between two languages: stable masks"}


def grid(rows: pd.DataFrame) -> pd.DataFrame:
    """[layers, components] of mean IoU; `rows` are those of one block and kind."""
    components = list(dict.fromkeys(rows["component"]))
    return rows.pivot_table(index="layer", columns="component", values="iou", sort=False).sort_index()[components]


def figure_2(rows: pd.DataFrame) -> Figure:
    """Heat maps of layers by components, means over languages (left) and over pairs of languages (right); light is
    high.

    `rows` are those of one block. What was not measured (within, with one draw) has no panel.
    """
    panels = {kind: mine for kind in PANELS if len(mine := rows[rows["kind"] == kind])}
    grids = {kind: grid(mine) for kind, mine in panels.items()}
    scale = _scale(list(grids.values()))
    layers = len(next(iter(grids.values())))
    figure = Figure(figsize=(0.8 + 4.2 * len(grids), 1.6 + 0.24 * max(layers, 8)), layout="constrained")
    axes = figure.subplots(1, len(grids), squeeze=False)[0]
    for axis, (kind, table) in zip(axes, grids.items(), strict=True):
        _heat(axis, table, scale)
        axis.set_xticks(range(table.shape[1]), table.columns, rotation=45, ha="right", fontsize=8)
        axis.set_yticks(*_layer_ticks(table), fontsize=8)
        axis.set_ylabel("layer", fontsize=8)
        axis.set_title(
            f"{PANELS[kind]}\nmean of {_count(panels[kind])}; random masks: {number(panels[kind]['expected'].mean())}",
            fontsize=9,
        )
    figure.suptitle(_title(rows), fontsize=10)
    _bar(figure, axes, scale)
    return figure


def every_pair(rows: pd.DataFrame) -> Figure:
    """Figure 2 for every language and pair: a lower triangle of small heat maps, within a language on the diagonal.

    `rows` are those of one block; with one draw there is no diagonal.
    """
    rows = rows[rows["kind"].isin(PANELS)]
    tables = {pair: grid(mine) for pair, mine in rows.groupby(["first", "second"], sort=False)}
    scale = _scale(list(tables.values()))
    across, down = (languages_of(rows[side]) for side in ("first", "second"))
    figure = Figure(figsize=(1.8 + 1.25 * len(across), 1.3 + 1.45 * len(down)), layout="constrained")
    axes = figure.subplots(len(down), len(across), squeeze=False)
    for (line, column), axis in np.ndenumerate(axes):
        first, second = across[column], down[line]
        table = tables.get((first, second))
        if table is None:
            axis.remove()
            continue
        _heat(axis, table, scale)
        axis.set_xticks(
            range(table.shape[1]),
            table.columns if line == len(down) - 1 else [""] * table.shape[1],
            rotation=90,
            fontsize=6,
        )
        ticks, labels = _layer_ticks(table, 6)
        axis.set_yticks(ticks, labels if column == 0 else [""] * len(labels), fontsize=6)
        axis.set_title(f"{first}–{second}".upper() if first != second else f"{first.upper()}, draws", fontsize=8, pad=2)
    figure.suptitle(f"IoU by layer (down) and component (across)\n{_title(rows)}", fontsize=10)
    _bar(figure, [axis for axis in axes.ravel() if axis.figure], scale)
    return figure


def distances(rows: pd.DataFrame) -> pd.DataFrame:
    """[languages, languages]: 1 − mean IoU of stable masks over all matrices; `rows` are those of one block."""
    pairs = rows[rows["kind"] == "between"].groupby(["first", "second"])["iou"].mean()
    languages = languages_of([language for pair in pairs.index for language in pair])
    table = pd.DataFrame(0.0, index=languages, columns=languages)
    for (a, b), iou in pairs.items():
        table.loc[a, b] = table.loc[b, a] = 1 - iou
    return table


def tree(rows: pd.DataFrame) -> Figure:
    """Languages joined by the distance of their masks (average linkage), one panel a block; frames with two languages
    or more.
    """
    blocks = list(rows.groupby(BLOCK, sort=False))
    figure = Figure(figsize=(4.9 * min(2, len(blocks)), 3.1 * -(-len(blocks) // 2)), layout="constrained")
    axes = figure.subplots(-(-len(blocks) // 2), min(2, len(blocks)), squeeze=False).ravel()
    for axis, (_, mine) in zip(axes, blocks, strict=False):
        drawn = _joined(distances(mine))
        for across, height in zip(drawn["icoord"], drawn["dcoord"], strict=True):
            axis.plot(height, across, color="#333333", linewidth=1.5)
        places = 5 + 10 * np.arange(len(drawn["ivl"]))
        axis.set_yticks(places, [code.upper() for code in drawn["ivl"]], fontsize=9)
        axis.set_ylim(0, 10 * len(places))
        axis.set_xlim(left=0)
        axis.tick_params(axis="y", length=0)
        axis.spines[["top", "right", "left"]].set_visible(False)
        axis.set_xlabel("1 − mean IoU of stable masks", fontsize=8)
        axis.set_title(_title(mine), fontsize=10)
    for axis in axes[len(blocks) :]:
        axis.remove()
    return figure


def figure_2_alt(rows: pd.DataFrame) -> str:
    """What `figure_2` shows, in words: the highest and the lowest matrix of each panel and the means of the
    components.
    """
    sentences = [f"Heat maps of the IoU of pruning masks by layer and component. {_title(rows)}."]
    for kind, label in PANELS.items():
        if len(mine := rows[rows["kind"] == kind]):
            table = grid(mine)
            (low_layer, low), (high_layer, high) = table.stack().idxmin(), table.stack().idxmax()
            means = listed(f"{component} {number(value)}" for component, value in table.mean().items())
            sentences.append(
                f"{label[0].upper()}{label[1:]}, mean of {_count(mine)}: highest "
                f"{number(table.max().max())} in {high} of layer {high_layer}, "
                f"lowest {number(table.min().min())} in {low} of layer {low_layer}; means over layers {means}; "
                f"random masks {number(mine['expected'].mean())}."
            )
    return " ".join(sentences)


def every_pair_alt(rows: pd.DataFrame) -> str:
    """What `every_pair` shows, in words: the mean of every language's draws, the nearest and the farthest pair."""
    sentences = [f"Small heat maps of the IoU of pruning masks, one for each pair of languages. {_title(rows)}."]
    within = rows[rows["kind"] == "within"].groupby("first", sort=False)["iou"].mean()
    if len(within):
        sentences.append(f"Mean within {listed(f'{language} {number(value)}' for language, value in within.items())}.")
    pairs = rows[rows["kind"] == "between"].groupby(["first", "second"], sort=False)["iou"].mean()
    if len(pairs):
        near, far = pairs.idxmax(), pairs.idxmin()
        sentences.append(
            f"Of {len(pairs)} pairs {' and '.join(near)} have the highest mean ({number(pairs.max())}), "
            f"{' and '.join(far)} the lowest "
            f"({number(pairs.min())})."
        )
    return " ".join(sentences)


def tree_alt(rows: pd.DataFrame) -> str:
    """What `tree` shows, in words: which languages join, in order."""
    sentences = ["Trees of languages by the distance of their stable masks."]
    for _, mine in rows.groupby(BLOCK, sort=False):
        table = distances(mine)
        groups = {place: [code] for place, code in enumerate(table.index)}
        joins = []
        for step, (a, b, height, _) in enumerate(_links(table)):
            groups[len(table) + step] = groups[int(a)] + groups[int(b)]
            joins.append(f"{'+'.join(groups[int(a)])} with {'+'.join(groups[int(b)])} at {number(height)}")
        sentences.append(f"{_title(mine)}: {', then '.join(joins)}.")
    return " ".join(sentences)


def _links(table: pd.DataFrame) -> np.ndarray:
    return linkage(squareform(table.to_numpy(), checks=False), "average")


def _joined(table: pd.DataFrame) -> dict:
    return dendrogram(_links(table), labels=list(table.index), no_plot=True)


def _heat(axis, table: pd.DataFrame, scale: Normalize) -> None:
    axis.imshow(table.to_numpy(), cmap=COLOURS, norm=scale, aspect="auto", interpolation="nearest")
    axis.tick_params(length=2, pad=1)


def _layer_ticks(table: pd.DataFrame, most: int = 12) -> tuple[list[int], list[int]]:
    """Every layer, or every second, third … of them."""
    places = list(range(0, len(table), -(-len(table) // most)))
    return places, [int(table.index[place]) for place in places]


def _scale(tables: list[pd.DataFrame]) -> Normalize:
    """From the lowest value, rounded down to a twentieth, to one."""
    lowest = min(float(np.nanmin(table.to_numpy())) for table in tables)
    return Normalize(min(np.floor(20 * lowest) / 20, 0.95), 1.0)


def _bar(figure: Figure, axes, scale: Normalize) -> None:
    bar = figure.colorbar(ScalarMappable(scale, COLOURS), ax=list(axes), shrink=0.8)
    bar.set_label("IoU", fontsize=8)
    bar.ax.tick_params(labelsize=8)


def _count(rows: pd.DataFrame) -> str:
    pairs = len(rows[["first", "second"]].drop_duplicates())
    return f"{pairs} {'language' if rows['kind'].iloc[0] == 'within' else 'pair'}{'s' if pairs > 1 else ''}"


def _title(rows: pd.DataFrame) -> str:
    first = rows.iloc[0]
    return f"{block_title(tuple(first[BLOCK]))}, {first.draws} draw{'s' if first.draws > 1 else ''}"
