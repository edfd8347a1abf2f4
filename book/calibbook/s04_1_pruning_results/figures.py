"""Heatmaps and layer curves from a tidy frame, each with a sentence that says what it shows."""

from textwrap import fill

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from calibbook.shared.colours import COLOURS, colours
from calibbook.shared.figure import block_title
from calibbook.shared.frames import BLOCK, METRICS, blocks, in_order, is_mixture, square, summarize
from calibbook.shared.words import fixed, listed, number_style
from calibprune.errors import ParameterError

UNSHADED = ("#e6e6e6", "#000000")
GROUPS = {
    "target": ("calibrated in the target language", COLOURS(0.0), "-"),
    "other": ("calibrated in another language", "#b35900", "--"),
    "none": ("without calibration", "#555555", ":"),
}


def fidelity_heatmap(frame: pd.DataFrame, metric: str, source: str) -> Figure:
    """One panel a model, method and sparsity: calibration languages down, evaluation languages across.

    Values are means over calibration draws; the star marks the best calibration of a column; the shades are those of
    the tables, dark for low. The dense model has no panel. Raises ParameterError where there is nothing to draw.
    """
    summary = summarize(frame, metric, source)
    panels = pruned_blocks(summary, metric, source)
    shape = METRICS[metric]
    style = number_style(metric, summary["mean"])
    across, down = summary["language"].nunique(), max(rows["calibration"].nunique() for _, rows in panels)
    columns = min(2, len(panels))
    lines = -(-len(panels) // columns)
    width = max(4.5 / columns, 2.8, 1.1 + 0.58 * across)
    figure = Figure(figsize=(columns * width, lines * (1.2 + 0.4 * down)), layout="constrained")
    axes = figure.subplots(lines, columns, squeeze=False).ravel()
    for axis, (block, rows) in zip(axes, panels, strict=False):
        draw_panel(axis, rows, style)
        axis.set_title(fill(block_title(block), int(11 * width)), fontsize=10)
    for axis in axes[len(panels) :]:
        axis.remove()
    unit = f"10$^{{{style[0]}}}$" if style[0] else shape.unit
    figure.suptitle(
        f"{shape.label}{f' ({unit})' if unit else ''} on {source}; dark is low, ★ best of its column", fontsize=10
    )
    return figure


def draw_panel(axis, rows: pd.DataFrame, style: tuple[int, int]) -> None:
    """One block as coloured cells with their values; `rows` are those of `summarize`."""
    means, shades = square(rows), square(rows, "shade").to_numpy()
    marks = square(rows, "best").eq(True).to_numpy()  # a cell that was not measured is not the best
    for (i, j), mean in np.ndenumerate(means.to_numpy()):
        background, ink = UNSHADED if np.isnan(shades[i, j]) else colours(shades[i, j])
        axis.fill([j, j + 1, j + 1, j], [i, i, i + 1, i + 1], color=background, linewidth=0)
        star, weight = (" ★", "bold") if marks[i, j] else ("", "normal")
        axis.text(
            j + 0.5,
            i + 0.5,
            fixed(mean, *style) + star,
            color=ink,
            fontsize=8,
            fontweight=weight,
            ha="center",
            va="center",
        )
    axis.set_xlim(0, means.shape[1])
    axis.set_ylim(means.shape[0], 0)
    axis.set_xticks(np.arange(means.shape[1]) + 0.5, [language.upper() for language in means.columns], fontsize=8)
    axis.set_yticks(np.arange(means.shape[0]) + 0.5, [name.upper() or "none" for name in means.index], fontsize=8)
    axis.tick_params(length=0)
    axis.set_xlabel("evaluation language", fontsize=8)
    axis.set_ylabel("calibration", fontsize=8)


def pruned_blocks(summary: pd.DataFrame, metric: str, source: str) -> list:
    """The blocks of `summarize` without the dense model. Raises ParameterError if none are left."""
    panels = [(block, rows) for block, rows in blocks(summary) if block[1] != "dense"]
    if not panels:
        raise ParameterError(f"no pruned model with {metric} on {source!r} in these records: add a method to the study")
    return panels


def layer_means(frame: pd.DataFrame, metric: str, source: str) -> pd.DataFrame:
    """A metric per layer, by whether the calibration language is the evaluation language.

    One row per model, method, sparsity, pattern, group ("target", "other", "none" where the method has no
    calibration) and layer, with `mean`, `low` and `high` over evaluation languages, calibrations and draws. Mixtures
    are neither and left out. Raises ParameterError if the frame has no such metric by layer.
    """
    rows = frame[
        (frame["metric"] == metric)
        & (frame["source"] == source)
        & frame["layer"].notna()
        & (frame["component"] == "")
        & ~frame["calibration"].map(is_mixture).astype(bool)
    ]
    if rows.empty:
        raise ParameterError(f"no {metric} by layer on {source!r} in these records: prune and measure a model first")
    group = np.where(
        rows["calibration"] == "", "none", np.where(rows["calibration"] == rows["language"], "target", "other")
    )
    rows = in_order(rows.assign(group=group).sort_values("layer", kind="stable"))
    return (
        rows.groupby([*BLOCK, "group", "layer"], sort=False)["value"]
        .agg(mean="mean", low="min", high="max")
        .reset_index()
    )


def layer_curves(frame: pd.DataFrame, metric: str, source: str) -> Figure:
    """A metric through the layers: calibrated in the evaluation language against calibrated in another one.

    One panel a model, method and sparsity; lines are means, bands run from the lowest to the highest.
    """
    means = layer_means(frame, metric, source)
    panels = list(means.groupby(BLOCK, sort=False))
    columns = min(2, len(panels))
    lines = -(-len(panels) // columns)
    figure = Figure(figsize=(4.6 * columns, 3.2 * lines), layout="constrained")
    axes = figure.subplots(lines, columns, squeeze=False, sharey=True).ravel()
    shape = METRICS[metric]
    for axis, (block, rows) in zip(axes, panels, strict=False):
        for name, curve in rows.groupby("group", sort=False):
            label, colour, line = GROUPS[name]
            layers = curve["layer"].astype(int)
            axis.plot(layers, curve["mean"], color=colour, linestyle=line, linewidth=2, label=label)
            axis.fill_between(layers, curve["low"], curve["high"], color=colour, alpha=0.15, linewidth=0)
        axis.set_title(fill(f"{block_title(block)}, on {source}", 48), fontsize=10)
        axis.set_xlabel("layer", fontsize=8)
        axis.set_ylabel(f"{shape.label}{f' ({shape.unit})' if shape.unit else ''}", fontsize=8)
        axis.xaxis.get_major_locator().set_params(integer=True)
        axis.legend(fontsize=8)
    for axis in axes[len(panels) :]:
        axis.remove()
    return figure


def alt_text(frame: pd.DataFrame, metric: str, source: str) -> str:
    """What `fidelity_heatmap` shows, in words: the best calibration language of every column."""
    summary = summarize(frame, metric, source)
    style = number_style(metric, summary["mean"])
    factor = f" in units of 10 to the power {style[0]}" if style[0] else ""
    sentences = [f"Heatmap of {METRICS[metric].label.lower()}{factor} on {source}, calibration by evaluation language."]
    for block, rows in pruned_blocks(summary, metric, source):
        marked = rows[rows["best"]]
        if marked.empty:
            values = listed(f"{row.language} {fixed(row.mean, *style)}" for row in rows.itertuples())
            sentences.append(f"{block_title(block)}: {values}.")
            continue
        won = listed(f"{row.language} by {row.calibration} ({fixed(row.mean, *style)})" for row in marked.itertuples())
        hits = int((marked["calibration"] == marked["language"]).sum())
        sentences.append(
            f"{block_title(block)}: best for {won}; the target language is best in {hits} of "
            f"{rows['language'].nunique()} columns."
        )
    return " ".join(sentences)


def layer_alt_text(frame: pd.DataFrame, metric: str, source: str) -> str:
    """What `layer_curves` shows, in words: the mean at the first, lowest and last layer of every line."""
    means = layer_means(frame, metric, source)
    shape = METRICS[metric]
    style = number_style(metric, means["mean"])
    sentences = [f"Line plot of {shape.label.lower()} by layer on {source}."]
    for block, rows in means.groupby(BLOCK, sort=False):
        parts = []
        for name, curve in rows.groupby("group", sort=False):
            first, last = curve.iloc[0], curve.iloc[-1]
            parts.append(
                f"{GROUPS[name][0]} from {fixed(first['mean'] / 10.0 ** style[0], 0, 2)} at layer {first['layer']} "
                f"to {fixed(last['mean'] / 10.0 ** style[0], 0, 2)} at layer {last['layer']}"
            )
        sentences.append(f"{block_title(block)}: {listed(parts)}.")
    return " ".join(sentences)
