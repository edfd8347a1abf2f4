"""Heatmaps and layer curves from a tidy frame."""

from textwrap import fill

import numpy as np
import pandas as pd
from matplotlib.colors import Normalize

from calibbook.s04_1_pruning_results.data import by_layer, layer_means
from calibbook.shared.colours import colours
from calibbook.shared.figure import Picture, block_title, one_legend, panels
from calibbook.shared.frames import BLOCK, METRICS, blocks, square, summarize
from calibbook.shared.languages import code_label, text_label
from calibbook.shared.palette import DASHES, Look
from calibbook.shared.plots import (
    LOWEST_TO_HIGHEST,
    WRITTEN_UP_TO,
    heatmap,
    name_cells,
    rotation,
    through_layers,
    write_cells,
)
from calibbook.shared.words import fixed, listed, number_style
from calibprune.errors import ParameterError

SHADES = Normalize(0, 1)
CELL, SMALL_CELL = (0.62, 0.4), (0.24, 0.26)  # inches across and down, with and without room for a value
TALL = 24  # calibrations from which on rows are lower
HALF = 6.5  # inches of a panel beside which there is room for another
GROUPS = {
    "target": "calibrated in the target language",
    "other": "calibrated in another language",
    "none": "without calibration",
}
LOOKS = {
    GROUPS["target"]: Look(colours(0.0)[0], "o", DASHES[0]),
    GROUPS["other"]: Look("#b35900", "s", DASHES[1]),
    GROUPS["none"]: Look("#555555", "D", DASHES[2]),
}


def fidelity_heatmap(frame: pd.DataFrame, metric: str, source: str) -> Picture:
    """One panel a model, method and sparsity: calibration languages down, evaluation languages across.

    Values are means over calibration draws; the star marks the best calibration of a column; the shades are those of
    the tables, dark for low. The dense model has no panel. Raises ParameterError where there is nothing to draw.
    """
    summary = summarize(frame, metric, source)
    pruned = _pruned_blocks(summary, metric, source)
    shape = METRICS[metric]
    style = number_style(metric, summary["mean"])
    columns, most = summary["language"].nunique(), max(rows["calibration"].nunique() for _, rows in pruned)
    written = columns <= WRITTEN_UP_TO
    wide, high = CELL if written else SMALL_CELL
    high = min(high, SMALL_CELL[1]) if most > TALL else high
    width = max(4.5 if len(pruned) == 1 else 2.8, (1.1 if written else 1.8) + wide * columns)
    heights = [1.2 + high * rows["calibration"].nunique() for _, rows in pruned]
    figure, axes = panels(len(pruned), 2 if width <= HALF else 1, width, heights, words=1.2)
    for axis, (block, rows) in zip(axes, pruned, strict=True):
        _square(axis, rows, style, written, wide)
        axis.set_title(fill(block_title(block), int(10 * width)), fontsize=9)
    unit = f"10$^{{{style[0]}}}$" if style[0] else shape.unit
    marks = "★ best language of its column"
    if any(rows["best_mixture"].any() for _, rows in pruned):
        marks += "\n◆ mixture that is better than every language"
    figure.suptitle(f"{shape.label}{f' ({unit})' if unit else ''} on {source}; dark is low\n{marks}", fontsize=10)
    return Picture(figure, _best_of_columns(pruned, metric, source, style), folds=True)


def layer_curves(frame: pd.DataFrame, metric: str, source: str) -> Picture:
    """A metric through the layers: calibrated in the evaluation language against calibrated in another one.

    One panel a model, method and sparsity; lines are means, bands run from the lowest to the highest. Raises
    ParameterError if the frame has no such metric by layer.
    """
    rows = by_layer(frame, metric, source)
    rows = rows.assign(line=rows["group"].map(GROUPS))
    shape = METRICS[metric]
    found = list(rows.groupby(BLOCK, sort=False))
    figure, axes = panels(len(found), 2, 4.6, 3.0, margin=(0, 0.4), sharey=True)
    for axis, (block, mine) in zip(axes, found, strict=True):
        through_layers(axis, mine, "value", "line", LOOKS, errorbar=LOWEST_TO_HIGHEST, linewidth=2)
        axis.set_title(fill(f"{block_title(block)}, on {source}", 48), fontsize=10)
        axis.set_ylabel(f"{shape.label}{f' ({shape.unit})' if shape.unit else ''}", fontsize=8)
    one_legend(figure, axes, 3)
    return Picture(figure, _ends_of_lines(layer_means(rows), metric, source), folds=True)


def _square(axis, rows: pd.DataFrame, style: tuple[int, int], written: bool, wide: float) -> None:
    """One block as shaded cells `wide` inches wide, `written` with their values, else with a star where the best is;
    `rows` are those of `summarize`.
    """
    means, shades = square(rows), square(rows, "shade")
    # a cell that was not measured is not the best
    best, mixed = (square(rows, name).eq(True).to_numpy() for name in ("best", "best_mixture"))
    texts = np.select([best, mixed], ["★", "◆"], "").astype(object)
    if written:
        texts = means.map(lambda mean: fixed(mean, *style)).to_numpy() + np.select([best, mixed], [" ★", " ◆"], "")
    heatmap(axis, shades, SHADES)
    write_cells(axis, shades, SHADES, texts, best | mixed)
    columns = [code_label(code) for code in means.columns]
    name_cells(axis, columns, [_in_lines(code) or "none" for code in means.index], rotation(columns, wide))
    axis.set_xlabel("evaluation language", fontsize=8)
    axis.set_ylabel("calibration", fontsize=8)


def _in_lines(calibration: str) -> str:
    """`AR+DE+EN+` and `ES+RU+SW+ZH` below each other: four languages of a mixture a line; of many the first two, the
    last and their number.
    """
    parts = text_label(calibration).split("+")
    return "+\n".join("+".join(parts[start : start + 4]) for start in range(0, len(parts), 4))


def _pruned_blocks(summary: pd.DataFrame, metric: str, source: str) -> list:
    """The blocks of `summarize` without the dense model. Raises ParameterError if none are left."""
    found = [(block, rows) for block, rows in blocks(summary) if block[1] != "dense"]
    if not found:
        raise ParameterError(f"no pruned model with {metric} on {source!r} in these records: add a method to the study")
    return found


def _best_of_columns(pruned: list, metric: str, source: str, style: tuple[int, int]) -> str:
    """The best calibration language of every column of every panel."""
    factor = f" in units of 10 to the power {style[0]}" if style[0] else ""
    sentences = [f"Heatmap of {METRICS[metric].label.lower()}{factor} on {source}, calibration by evaluation language."]
    for block, rows in pruned:
        marked = rows[rows["best"]]
        if marked.empty:
            values = listed(f"{row.language} {fixed(row.mean, *style)}" for row in rows.itertuples())
            sentences.append(f"{block_title(block)}: {values}.")
            continue
        won = listed(f"{row.language} by {row.calibration} ({fixed(row.mean, *style)})" for row in marked.itertuples())
        hits = int((marked["calibration"] == marked["language"]).sum())
        own = set(rows["language"]) & set(rows["calibration"])
        target = f"; the target language is best in {hits} of {len(own)} columns" if own else ""
        sentences.append(f"{block_title(block)}: best for {won}{target}.")
        mixed = listed(
            f"{row.language} by {row.calibration} ({fixed(row.mean, *style)})"
            for row in rows[rows["best_mixture"]].itertuples()
        )
        sentences += [f"A mixture is better than every single language for {mixed}."] if mixed else []
    return " ".join(sentences)


def _ends_of_lines(means: pd.DataFrame, metric: str, source: str) -> str:
    """The mean at the first and last layer of every line."""
    exponent, _ = number_style(metric, means["mean"])
    sentences = [f"Line plot of {METRICS[metric].label.lower()} by layer on {source}."]
    for block, rows in means.groupby(BLOCK, sort=False):
        parts = []
        for name, curve in rows.groupby("group", sort=False):
            first, last = curve.iloc[0], curve.iloc[-1]
            parts.append(
                f"{GROUPS[name]} from {fixed(first['mean'], exponent, 2)} at layer {first['layer']} "
                f"to {fixed(last['mean'], exponent, 2)} at layer {last['layer']}"
            )
        sentences.append(f"{block_title(block)}: {listed(parts)}.")
    return " ".join(sentences)
