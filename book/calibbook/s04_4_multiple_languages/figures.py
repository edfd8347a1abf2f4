"""A picture that the paper lacks: every kind of mixture, and English alone, against the target alone."""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.ticker import FixedLocator, FuncFormatter, MaxNLocator, NullLocator

from calibbook.s04_2_downstream_tasks.data import Scores
from calibbook.s04_2_downstream_tasks.figures import model_and_setting
from calibbook.s04_4_multiple_languages.data import ENGLISH, TARGET
from calibbook.s04_4_multiple_languages.over_languages import perplexity_points, task_points
from calibbook.shared.dots import MEAN, ZERO, dot_figure, heights_of
from calibbook.shared.figure import Picture
from calibbook.shared.frames import MODEL_SETTING, is_mixture, languages_of, method_label
from calibbook.shared.languages import text_label
from calibbook.shared.palette import Look, looks
from calibbook.shared.words import listed, signed
from calibprune.languages import describe

WIDE = (0.1, 0.25, 0.5, 1, 1.5, 2.5, 5, 10, 20, 50, 100)
"""Ratios that are written below an axis, unless values lie close together."""
MARKS = "large: mean over languages with its 95% interval\nsmall: single languages, hollow if not in the mean"


class Scale(NamedTuple):
    """What is shown, the value of no change, how a value is written, and whether values are ratios."""

    name: str
    same: float
    written: Callable[[float], str]
    ratio: bool


PERPLEXITY = Scale(f"perplexity against the {TARGET}", 1.0, lambda ratio: f"{signed(100 * (ratio - 1))}%", ratio=True)
TASKS = Scale(f"points gained over the {TARGET}, mean over tasks", 0.0, signed, ratio=False)


def mixture_pictures(frame: pd.DataFrame, differences: pd.DataFrame, scores: Scores) -> list[Picture]:
    """One for each model and setting: a panel a method, a row a mixture or English alone, each against the target
    alone, as a mean over languages with the interval of the claims, and language by language.

    Of perplexity, a mark a text; of tasks where none was measured (`differences` is `data.against(scores, TARGET)`).
    None without a mixture beside its target alone.
    """
    for points, scale in ((perplexity_points(frame), PERPLEXITY), (task_points(differences, scores), TASKS)):
        if len(points):
            return [_picture(rows, scale) for _, rows in points.groupby(MODEL_SETTING, sort=False)]
    return []


def _picture(points: pd.DataFrame, scale: Scale) -> Picture:
    points = _in_order(points)
    panels = {method_label(method): rows for method, rows in points.groupby("method", sort=False)}
    series = list(dict.fromkeys(points["series"]))
    styles = looks(series, series)
    means = {name: rows[rows["language"] == MEAN].rename(columns={"setup": "row"}) for name, rows in panels.items()}
    names = {setup: _setup_name(setup) for setup in points["setup"]} | dict(zip(series, series, strict=True))
    title = f"Several calibration languages against one\n{model_and_setting(points)}"
    label = f"{scale.name}{' (logarithmic)' if scale.ratio else ''}\n{MARKS}"
    figure, axes = dot_figure(means, styles, names, title, label)
    for axis, rows in zip(axes, panels.values(), strict=True):
        _languages(axis, rows, styles)
        axis.axvline(scale.same, **ZERO)
    if scale.ratio:
        _ratios(axes, points["value"])
    sentences = [f"Dot plot of {label.replace(chr(10), '; ')}. {model_and_setting(points)}."]
    for panel, rows in panels.items():
        for one, mine in rows.groupby("series", sort=False):
            parts = [_in_words(part, scale) for _, part in mine.groupby("setup", sort=False)]
            sentences.append(f"{panel}, {one}: {'; '.join(parts)}.")
    return Picture(figure, " ".join(sentences), folds=True)


def _in_order(points: pd.DataFrame) -> pd.DataFrame:
    """Mixtures by their number of languages, English alone last."""
    sizes = points["calibration"].str.count(r"\+") + 100 * (points["setup"] == ENGLISH)
    return points.iloc[np.argsort(sizes, kind="stable")]


def _setup_name(setup: str) -> str:
    return text_label(setup) if is_mixture(setup) and " " not in setup else setup


def _languages(axis: Axes, rows: pd.DataFrame, styles: dict[str, Look]) -> None:
    """A small mark for each language, hollow where the mean leaves it out."""
    rows = rows[rows["language"] != MEAN].rename(columns={"setup": "row"})
    order = list(dict.fromkeys(rows["row"]))
    for (one, counted), mine in rows.groupby(["series", "counted"], sort=False):
        style = styles[one]
        axis.plot(
            mine["value"],
            heights_of(mine, order, list(styles)),
            linestyle="",
            marker=style.marker,
            markersize=3.5,
            color=style.colour,
            markerfacecolor=style.colour if counted else "#ffffff",
            markeredgewidth=0.7,
            alpha=0.45 if counted else 0.8,
            zorder=1,
        )


def _ratios(axes: list[Axes], values: pd.Series) -> None:
    """A logarithmic axis that is labelled in percent."""
    known = values[np.isfinite(values)]
    inside = [ratio for ratio in WIDE if known.min() / 1.1 <= ratio <= 1.1 * known.max()]
    axes[0].set_xscale("log")  # shared by all
    for axis in axes:
        axis.xaxis.set_major_locator(FixedLocator(inside) if len(inside) > 2 else MaxNLocator(5, steps=[1, 2, 5, 10]))
        axis.xaxis.set_major_formatter(FuncFormatter(lambda ratio, _: _change(ratio)))
        axis.xaxis.set_minor_locator(NullLocator())


def _change(ratio: float) -> str:
    """`+50%`, `0%`."""
    percent = round(100 * (ratio - 1), 6)
    return f"{percent:+.3g}%".replace("-", "−") if percent else "0%"


def _in_words(rows: pd.DataFrame, scale: Scale) -> str:
    """`seven languages +3.8% (−1.2% to +9.0%), mean of 6 languages, …; left out English +3.8%` of one setup."""
    mean = rows[rows["language"] == MEAN].iloc[0]
    languages = rows[rows["language"] != MEAN].set_index("language")
    mine, others = languages[languages["counted"]]["value"], languages[~languages["counted"]]["value"]
    words = _setup_name(mean["setup"])
    if len(mine):
        interval = f" ({scale.written(mean['low'])} to {scale.written(mean['high'])})"
        words += f" {scale.written(mean['value'])}{interval if np.isfinite(mean['low']) else ''}"
        words += f" as the mean of {len(mine)} language{'s' if len(mine) > 1 else ''}"
    if len(mine) > 1:
        low, high = mine.idxmin(), mine.idxmax()
        ends = [f"{scale.written(mine[code])} in {describe(code).name}" for code in (low, high)]
        words += f", from {ends[0]} to {ends[1]}"
    if len(others):
        left = listed(f"{describe(code).name} {scale.written(others[code])}" for code in languages_of(others.index))
        words += f", not in the mean {left}"
    return words
