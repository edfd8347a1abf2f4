"""A picture that the paper lacks: what the target language gains, language by language, task by task."""

import pandas as pd

from calibbook.s04_2_downstream_tasks.data import TASK_METRICS, Scores
from calibbook.s04_2_downstream_tasks.gains import of_what, target_gains
from calibbook.s04_2_downstream_tasks.tables import task_name
from calibbook.shared.dots import MEAN, ZERO, dot_figure, in_words, row_names
from calibbook.shared.figure import Picture
from calibbook.shared.frames import METHODS, MODEL_SETTING, languages_of, method_label, setting
from calibbook.shared.palette import Look, looks
from calibbook.shared.words import in_caption, listed

GAIN = "calibrated in the target language, minus the mean of the other calibration languages"


def gain_pictures(scores: Scores) -> list[Picture]:
    """One for each model and setting: a panel a task, a row a language, a mark a method, in points with 95% intervals.
    None where no evaluation language was calibrated in, or no other language beside it.
    """
    return [_picture(rows) for _, rows in target_gains(scores).groupby(MODEL_SETTING, sort=False)]


def _picture(rows: pd.DataFrame) -> Picture:
    found = {_panel(mine): as_dots(mine) for _, mine in rows.groupby("task", sort=False)}
    where, intervals = model_and_setting(rows), of_intervals(rows)
    names = row_names(rows["language"]) | labels(rows)
    label = f"points gained, with 95% intervals\n({intervals})"
    figure, axes = dot_figure(found, method_looks(rows), names, f"{GAIN[0].upper()}{GAIN[1:]}\n{where}", label)
    for axis in axes:
        axis.axvline(0, **ZERO)
    sentences = [f"Dot plot of the points gained, {GAIN}, with 95% intervals ({intervals}). {where}."]
    sentences += [f"{panel}: {sentence}" for panel, mine in found.items() for sentence in by_series(mine, names)]
    return Picture(figure, " ".join(sentences), folds=True)


def as_dots(rows: pd.DataFrame) -> pd.DataFrame:
    """Rows of `gains.CHANGES` as a panel of `dots` has them: languages down in the paper's order, the mean last."""
    order = [*languages_of(code for code in rows["language"] if code != MEAN), MEAN]
    found = rows.sort_values("language", key=lambda codes: codes.map(order.index), kind="stable")
    return found.rename(columns={"language": "row", "method": "series"})


def by_series(rows: pd.DataFrame, names: dict[str, str]) -> list[str]:
    """Of every method in a panel: in how many languages its interval leaves out zero, and its numbers."""
    sentences = []
    for series, mine in rows.groupby("series", sort=False):
        languages = mine[mine["row"] != MEAN]
        above, below = int((languages["low"] > 0).sum()), int((languages["high"] < 0).sum())
        clear = f"interval above zero in {above} of {len(languages)} languages, below zero in {below}"
        sentences.append(f"{names[series]}, {clear}: {in_words(mine, names)}.")
    return sentences


def method_looks(rows: pd.DataFrame) -> dict[str, Look]:
    """Looks of the methods in `rows`, in the order of tables, the same in every figure."""
    order = [name for name in METHODS if name != "dense"]
    present = set(rows["method"])
    return looks([*(name for name in order if name in present), *sorted(present - set(order))], order)


def labels(rows: pd.DataFrame) -> dict[str, str]:
    """Method -> its name in legends."""
    return {method: method_label(method) for method in rows["method"].unique()}


def model_and_setting(rows: pd.DataFrame) -> str:
    """`gemma3-270m, 50%` of rows that share them."""
    first = rows.iloc[0]
    return f"{first['model']}, {setting(first['sparsity'], first['pattern'])}"


def of_intervals(rows: pd.DataFrame) -> str:
    """What the intervals are over: those of the mean too, where there is one."""
    means = "; of the mean: over languages" if (rows["language"] == MEAN).any() else ""
    return f"over {of_what(rows)}{means}"


def _panel(rows: pd.DataFrame) -> str:
    """`knowledge (accuracy, 400 questions)`."""
    measures = listed(TASK_METRICS[name] for name in dict.fromkeys(rows["metric"]))
    return f"{task_name(rows['task'].iloc[0])} ({measures}, {in_caption(rows['n'])} questions)"
