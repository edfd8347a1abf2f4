"""A picture that the paper lacks: perplexity against memory, pruned and quantized, one panel an evaluation language."""

import numpy as np
import pandas as pd
from matplotlib.lines import Line2D
from matplotlib.ticker import FixedLocator, FuncFormatter, MaxNLocator, NullLocator

from calibbook.s04_6_quantization.memory import DENSE_BITS, change, contests, size
from calibbook.shared.figure import Picture, panels
from calibbook.shared.frames import BLOCK, METHODS, languages_of, setting
from calibbook.shared.palette import DASHES, Look, looks
from calibbook.shared.words import listed
from calibprune.languages import describe

DENSE = Look("#777777", "*", DASHES[1])
COLUMNS = 3  # panels side by side, where there is room
APART = 0.8  # bits between the marks of models of one size
STEPS = ((1,), (1, 3), (1, 2, 5), (1, 1.5, 2, 3, 5))  # round numbers in a power of ten
BAR = {"linewidth": 1.6, "marker": "_", "markersize": 7, "markeredgewidth": 1.6}


def equal_memory(rows: pd.DataFrame, source: str) -> Picture:
    """Bits a weight across, perplexity over that of the dense model up (logarithmic): a mark for calibration in the
    panel's language (or without text), a bar from the best to the worst other calibration language.

    `rows` are those of `memory.at_memory` of one model.
    """
    languages = languages_of(rows["language"])
    # a single panel is wider: the legend stands below it
    width = 2.9 if len(languages) > 1 else 4.06
    figure, axes = panels(len(languages), COLUMNS, width, 1.7, margin=(0, 1.4), sharex=True, sharey=True)
    places = _places(rows)
    styles = looks(rows["method"].unique(), [name for name in METHODS if name != "dense"]) | {"dense": DENSE}
    for axis, language in zip(axes, languages, strict=True):
        axis.axhline(1, color=DENSE.colour, linewidth=0.9, linestyle="--", zorder=0)
        for row in rows[rows["language"] == language].itertuples():
            _mark(axis, row, places[row.method, row.sparsity, row.pattern], styles[row.method])
        axis.set_title(describe(language).name, fontsize=10, pad=3)
        axis.tick_params(labelsize=8, labelbottom=True)
    for axis in axes[-COLUMNS:]:
        axis.set_xlabel("bits a weight\n(marks of one size side by side)", fontsize=8)
    _scales(axes[0], rows)
    figure.supylabel("perplexity, times the dense one", fontsize=9)
    figure.suptitle(f"{rows['model'].iloc[0]}, on {source}", fontsize=10)
    figure.legend(handles=_legend(rows, styles), loc="outside lower center", ncols=2, fontsize=8)
    return Picture(figure, _ranges(rows, source), folds=True)


def _places(rows: pd.DataFrame) -> dict[tuple, float]:
    """(method, sparsity, pattern) -> place across: its bits a weight, beside others of the same size."""
    found = {}
    for bits, mine in rows.drop_duplicates(BLOCK).groupby("bits"):
        offsets = APART * (np.arange(len(mine)) - (len(mine) - 1) / 2)
        found |= {
            (row.method, row.sparsity, row.pattern): bits + offset
            for row, offset in zip(mine.itertuples(), offsets, strict=True)
        }
    return found


def _mark(axis, row, place: float, style: Look) -> None:
    if np.isfinite(row.low):
        axis.plot([place, place], [row.low, row.high], color=style.colour, zorder=1, **BAR)
    if row.method == "dense":
        axis.plot([DENSE_BITS], [1], marker=style.marker, markersize=9, color=style.colour, linestyle="", zorder=2)
    elif np.isfinite(row.own):
        axis.plot(
            [place],
            [row.own],
            marker=style.marker,
            markersize=6,
            color=style.colour,
            markeredgecolor="white",
            linestyle="",
            markeredgewidth=0.6,
            zorder=3,
        )


def _scales(axis, rows: pd.DataFrame) -> None:
    """Both axes, shared by all panels; round numbers up the side, and more of them where all values lie close
    together.
    """
    axis.set_yscale("log")
    values = rows[["own", "low", "high"]].to_numpy()
    low, high = np.nanmin(values), np.nanmax(values)
    choices = ([step * 10.0**power for power in range(-2, 9) for step in steps] for steps in STEPS)
    shown = ([value for value in choice if low / 1.1 <= value <= 1.1 * high] for choice in choices)
    axis.yaxis.set_major_locator(next((FixedLocator(ticks) for ticks in shown if len(ticks) > 2), MaxNLocator(4)))
    axis.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}×"))
    axis.yaxis.set_minor_locator(NullLocator())
    axis.set_xlim(2, DENSE_BITS + 1)
    axis.set_xticks(range(4, DENSE_BITS + 1, 4))


def _legend(rows: pd.DataFrame, styles: dict[str, Look]) -> list[Line2D]:
    """A handle for each method, the bar, and the dense model."""
    handles = []
    for method, mine in rows[rows["method"] != "dense"].drop_duplicates(BLOCK).groupby("method", sort=False):
        settings = listed(
            setting(*pair) for pair in mine.sort_values("bits")[["sparsity", "pattern"]].itertuples(index=False)
        )
        label = f"{METHODS.get(method, method)}, {settings}"
        style = styles[method]
        handles.append(Line2D([], [], color=style.colour, marker=style.marker, linestyle="", label=label))
    handles.append(Line2D([], [], color=DENSE.colour, label="other calibration languages", **BAR))
    handles.append(
        Line2D(
            [],
            [],
            color=DENSE.colour,
            marker=DENSE.marker,
            markersize=9,
            linestyle="--",
            linewidth=0.9,
            label="dense",
        )
    )
    return handles


def _ranges(rows: pd.DataFrame, source: str) -> str:
    """The range over languages of each model, and how the pairs of equal memory compare."""
    languages = languages_of(rows["language"])
    sentences = [
        f"Perplexity on {source} over that of the dense model, logarithmic, against bits a weight, one "
        f"panel for each of {len(languages)} evaluation "
        f"languages. {rows['model'].iloc[0]}."
    ]
    for (_, method, sparsity, pattern), mine in (
        rows[rows["method"] != "dense"].sort_values("bits", kind="stable").groupby(BLOCK, sort=False)
    ):
        how = "when calibrated in the language itself" if mine["calibrated"].any() else "without text"
        parts = [f"{change(mine['own'])} {how}"] if mine["own"].notna().any() else []
        parts += [f"{change(mine['others'])} in another"] if mine["others"].notna().any() else []
        name = f"{METHODS.get(method, method)} {setting(sparsity, pattern)}, {size(mine['bits'].iloc[0])} bits"
        sentences.append(f"{name}: {listed(parts)}.")
    for pruned, quantized, both in contests(rows):
        hits = int((both["quantized"] < both["pruned"]).sum())
        sentences.append(
            f"{quantized[3]} is below {METHODS.get(pruned[1], pruned[1])} {setting(*pruned[2:])} in "
            f"{hits} of {len(both)} languages."
        )
    return " ".join(sentences)
