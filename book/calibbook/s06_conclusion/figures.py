"""A picture of what a choice of calibration gains, by what it is chosen by."""

from itertools import groupby

import numpy as np
import pandas as pd

from calibbook.s06_conclusion.data import Halves
from calibbook.s06_conclusion.tables import rules
from calibbook.shared.dots import MEAN, ZERO, dot_figure, in_words, row_names
from calibbook.shared.figure import Picture
from calibbook.shared.frames import method_label, setting
from calibbook.shared.palette import looks

GAIN = "points gained over the mean of all calibrations"


def gain_pictures(frame: pd.DataFrame, found: list[Halves]) -> list[Picture]:
    """One for each model: a panel a method and setting, a row an evaluation language, a mark a rule to choose by."""
    return [_picture(frame, model, list(of)) for model, of in groupby(found, key=lambda one: one.block.model)]


def _picture(frame: pd.DataFrame, model: str, found: list[Halves]) -> Picture:
    shown = {f"{method_label(one.block.method)} {setting(*one.block[2:])}": _dots(frame, one) for one in found}
    every = pd.concat(shown.values())
    series = list(dict.fromkeys(every["series"]))
    names = row_names(every["row"].unique()) | {name: name for name in series}
    title = f"{model}: what a choice of calibration gains, by what it is chosen by"
    figure, axes = dot_figure(shown, looks(series, series), names, title, GAIN)
    for axis in axes:
        axis.axvline(0, **ZERO)
    sentences = [
        f"{panel}, chosen by {name}: {in_words(rows[rows['series'] == name], names)}."
        for panel, rows in shown.items()
        for name in series
        if (rows["series"] == name).any()
    ]
    return Picture(figure, " ".join([f"Dot plot of the {GAIN}, {model}.", *sentences]), folds=True)


def _dots(frame: pd.DataFrame, one: Halves) -> pd.DataFrame:
    """Rows of `dots.dots` without intervals: every rule in each language, and in the mean of the languages."""
    lines = [
        {"row": row, "series": name, "value": value}
        for name, gains in rules(frame, one).items()
        for row, value in zip([*one.languages, MEAN], [*gains, gains.mean()], strict=True)
    ]
    rows = pd.DataFrame(lines).assign(low=np.nan, high=np.nan)
    return rows[rows["value"].notna()]
