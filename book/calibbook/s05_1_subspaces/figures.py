"""Figures 1 and 4 to 7 of the paper: changes of features by evaluation language, calibration language and layer."""

from itertools import product

import numpy as np
import pandas as pd
from matplotlib.collections import PathCollection
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.markers import MarkerStyle

from calibbook.s05_1_subspaces.data import PARTS, TOKENS, VIEWS, figure_1_layers
from calibbook.shared.figure import Picture, block_title, panels
from calibbook.shared.frames import languages_of
from calibbook.shared.languages import code_label, fixed_order
from calibbook.shared.palette import looks
from calibbook.shared.plots import rotation
from calibbook.shared.words import listed, number

COLUMNS = 4
KEYS_IN_A_LINE = 10
ROOM = 0.2  # inches that an evaluation language has at least
DODGE = 0.7  # of the room between two evaluation languages
DARKEST = 0.22  # of the grey behind the layer that changes most
NAMES = PARTS | {TOKENS: "hidden states of single tokens"}


def figure_1(rows: pd.DataFrame, value: str = "change") -> Picture:
    """Agnostic above, specific below, at an early, two middle and the last layer.

    `rows` are those of one block of `data.at_rank`, `value` is change or relative. Vertical axes begin at zero.
    """
    parts = ("agnostic", "specific")
    layers = figure_1_layers(sorted(rows["layer"].unique()))
    width, columns, legend = _sizes(rows, len(layers))
    figure, axes = panels(len(parts) * len(layers), columns, width, 2.15, margin=(0.6, legend))
    for axis, (part, layer) in zip(axes, product(parts, layers), strict=True):
        _dots(axis, rows[(rows["part"] == part) & (rows["layer"] == layer)], value)
        axis.set_title(f"{part}, layer {layer}", fontsize=9)
    for axis in axes[::columns]:
        axis.set_ylabel(VIEWS[value], fontsize=8)
    for axis in axes[-columns:]:
        axis.set_xlabel("evaluation language", fontsize=8)
    _finish(figure, rows, _title(rows))
    sentences = [f"Dot plots of {VIEWS[value]} by evaluation and calibration language. {_title(rows)}."]
    for layer in layers:
        at_layer = rows[rows["layer"] == layer]
        ranges = listed(f"{part} {_in_words(at_layer[at_layer['part'] == part], value)}" for part in parts)
        sentences.append(f"Layer {layer}: {ranges}.")
    return Picture(figure, " ".join(sentences), folds=True)


def all_layers(rows: pd.DataFrame, part: str, value: str = "change") -> Picture:
    """One panel a layer, each with an axis of its own that begins at zero; the greyer a panel, the larger its highest
    value.

    `rows` as for `figure_1`; `part` is tokens, total, agnostic or specific (Figures 4 to 7 of the paper).
    """
    rows = rows[rows["part"] == part]
    layers = sorted(rows["layer"].unique())
    width, columns, legend = _sizes(rows, COLUMNS)
    figure, axes = panels(len(layers), columns, width, 1.75, margin=(0.6, legend))
    with np.errstate(divide="ignore"):
        heights = np.log([rows.loc[rows["layer"] == layer, value].max() for layer in layers])
    reach = float(np.ptp(heights))
    for axis, layer, height in zip(axes, layers, heights, strict=True):
        _dots(axis, rows[rows["layer"] == layer], value)
        axis.set_title(f"layer {layer}", fontsize=9, pad=3)
        axis.set_facecolor(str(1 - DARKEST * (height - heights.min()) / reach) if 0 < reach < np.inf else "1")
    _finish(figure, rows, f"{VIEWS[value]}, {NAMES[part]}\n{_title(rows)}")

    highest = int(rows.loc[rows[value].idxmax(), "layer"])
    shown = dict.fromkeys([layers[0], highest, layers[-1]])
    ranges = listed(f"layer {layer} {_in_words(rows[rows['layer'] == layer], value)}" for layer in shown)
    hits, n = _stars(rows, value)
    return Picture(
        figure,
        f"Dot plots of {VIEWS[value]} in {NAMES[part]} by evaluation and calibration language, one panel "
        f"for each of {len(layers)} layers. "
        f"{_title(rows)}. Highest in layer {highest}. {ranges[0].upper()}{ranges[1:]}."
        + (f" Over all layers the target language changes least in {hits} of {n} cases." if n else ""),
    )


def every_layer_of(rows: pd.DataFrame) -> str:
    """What a fold with `all_layers` is called: `Every layer: gemma3-270m, Wanda, 50%`."""
    return f"Every layer: {_block(rows)}"


def _sizes(rows: pd.DataFrame, columns: int) -> tuple[float, int, float]:
    """(inches of a panel with its evaluation languages, panels side by side, inches of the title and the legend)."""
    width = max(2.65, 0.6 + ROOM * rows["language"].nunique())
    lines = -(-(rows["calibration"].nunique() + 1) // KEYS_IN_A_LINE)
    return width, max(1, min(columns, int(4 * 2.65 // width))), 0.9 + 0.18 * (lines - 1)


def _dots(axis, rows: pd.DataFrame, value: str) -> None:
    """Evaluation languages across, a dot for each calibration language beside the others, a star for the target
    language.
    """
    languages, calibrations = languages_of(rows["language"]), languages_of(rows["calibration"])
    styles = looks(calibrations, fixed_order())
    small = min(1.0, 7 / max(len(languages), len(calibrations)))  # the less room, the smaller
    beside = np.linspace(-DODGE / 2, DODGE / 2, len(calibrations)) if len(calibrations) > 1 else [0.0]
    shift = dict(zip(calibrations, beside, strict=True))
    rows = rows.assign(place=rows["language"].map(languages.index) + rows["calibration"].map(shift))
    own = rows["calibration"] == rows["language"]
    # as seaborn.scatterplot draws them, which takes ten times as long for a panel of a few dots
    dots = _points(axis, rows[~own], value, styles, s=34 * small, zorder=2, linewidth=0)
    shapes = {code: MarkerStyle(style.marker) for code, style in styles.items()}
    shapes = {code: shape.get_path().transformed(shape.get_transform()) for code, shape in shapes.items()}
    dots.set_paths([shapes[code] for code in rows.loc[~own, "calibration"]])
    _points(
        axis, rows[own], value, styles, marker="*", s=95 * max(small, 0.4), zorder=3, edgecolor="black", linewidth=0.7
    )
    for i in range(1, len(languages)):
        axis.axvline(i - 0.5, color="#bbbbbb", linewidth=0.6, zorder=0)
    axis.set_xlim(-0.6, len(languages) - 0.4)
    top = rows[value].max()
    axis.set_ylim(0, 1.12 * top if np.isfinite(top) and top > 0 else 1)
    names = [code_label(language) for language in languages]
    room = axis.figure.get_figwidth() / axis.get_gridspec().ncols / len(languages)
    axis.set_xticks(range(len(languages)), names, fontsize=7, rotation=rotation(names, room))
    axis.set(xlabel="", ylabel="")
    axis.tick_params(axis="y", labelsize=7)
    axis.tick_params(axis="x", length=0)


def _points(axis, rows: pd.DataFrame, value: str, styles: dict, **options) -> PathCollection:
    colours = [styles[code].colour for code in rows["calibration"]]
    return axis.scatter(rows["place"], rows[value], c=colours, **options)


def _finish(figure: Figure, rows: pd.DataFrame, title: str) -> None:
    """The title and one legend for all panels."""
    handles = [
        Line2D([], [], linestyle="", marker=style.marker, color=style.colour, label=code_label(code))
        for code, style in looks(languages_of(rows["calibration"]), fixed_order()).items()
    ]
    if (rows["calibration"] == rows["language"]).any():
        star = {"marker": "*", "markersize": 10, "color": "white", "markeredgecolor": "black"}
        handles.append(Line2D([], [], linestyle="", label="calibrated in the evaluation language", **star))
    figure.suptitle(title, fontsize=10)
    figure.legend(
        handles=handles,
        loc="outside lower center",
        ncols=min(len(handles), KEYS_IN_A_LINE),
        fontsize=8,
        title="calibration language",
        title_fontsize=8,
    )


def _title(rows: pd.DataFrame) -> str:
    first = rows.iloc[0]
    rank = int(rows["rank"].max())
    texts = "tokens" if first.part == TOKENS else "sentences"
    about = f"{_block(rows)}, {first.n:,} {texts} of {first.source} a language"
    return about + (f", rank {rank}" if rank else "")


def _block(rows: pd.DataFrame) -> str:
    first = rows.iloc[0]
    return block_title((first.model, first.method, first.sparsity, first.pattern))


def _stars(rows: pd.DataFrame, value: str) -> tuple[int, int]:
    """In how many layers and evaluation languages the target language has the lowest value, of how many that have
    one.
    """
    lowest = rows.groupby(["part", "layer", "language"])[value].transform("min")
    own = rows["calibration"] == rows["language"]
    return int((own & (rows[value] == lowest)).sum()), int(own.sum())


def _in_words(rows: pd.DataFrame, value: str) -> str:
    hits, n = _stars(rows, value)
    ends = f"from {number(rows[value].min())} to {number(rows[value].max())}"
    return f"{ends}, lowest for the target in {hits} of {n} languages" if n else ends
