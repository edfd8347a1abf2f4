"""A picture that the paper lacks: what pruning costs in each language, above what the target language gains there."""

import pandas as pd

from calibbook.s04_2_downstream_tasks.data import TASK_METRICS, Scores
from calibbook.s04_2_downstream_tasks.figures import as_dots, by_series, labels, method_looks, model_and_setting
from calibbook.s04_2_downstream_tasks.gains import of_what, target_gains
from calibbook.s04_2_downstream_tasks.tables import task_name
from calibbook.s04_3_open_domain_qa.changes import pruning_changes
from calibbook.shared.dots import MEAN, ZERO, dot_figure, row_names
from calibbook.shared.draws import FEWEST_DRAWS
from calibbook.shared.figure import Picture
from calibbook.shared.frames import MODEL_SETTING
from calibbook.shared.words import in_caption, listed

COST, GAIN = "pruned minus dense", "target language minus mean of others"
"""The two kinds of panels."""


def cost_pictures(scores: Scores) -> list[Picture]:
    """One for each model and setting, in points on one scale: of each task a panel of what pruning changes, and one of
    what calibration in the target language gains, as far as the study has them; a row a language, a mark a method.
    """
    kinds = {COST: pruning_changes(scores), GAIN: target_gains(scores)}
    rows = pd.concat([found.assign(kind=kind) for kind, found in kinds.items() if len(found)] or [pd.DataFrame()])
    return [_picture(mine) for _, mine in rows.groupby(MODEL_SETTING, sort=False)] if len(rows) else []


def _picture(rows: pd.DataFrame) -> Picture:
    found = {
        _panel(task, kind, mine): as_dots(mine)
        for task, part in rows.groupby("task", sort=False)
        for kind, mine in part.groupby("kind", sort=False)
    }
    where, names = model_and_setting(rows), row_names(rows["language"]) | labels(rows)
    points = f"points of {listed(TASK_METRICS[name] for name in dict.fromkeys(rows['metric']))}"
    questions = f"{in_caption(rows['n'])} questions"
    means = " (of the mean: over languages)" if (rows["language"] == MEAN).any() else ""
    label = f"{points}, with 95% intervals{means}"
    title = f"Lost by pruning, gained by the target language\n{where}, {questions}"
    figure, axes = dot_figure(found, method_looks(rows), names, title, label.replace(" (", "\n("))
    for axis in axes:
        axis.axvline(0, **ZERO)
    sentences = [f"Dot plot of {label}; {questions}. {where}."]
    sentences += [f"{panel}: {words}" for panel, mine in found.items() for words in by_series(mine, names)]
    return Picture(figure, " ".join(sentences), folds=True)


def _panel(task: str, kind: str, rows: pd.DataFrame) -> str:
    """`facts: pruned minus dense`, and what the intervals of languages are over."""
    several = "questions and pruned models" if (rows["models"] >= FEWEST_DRAWS).all() else "questions"
    return f"{task_name(task)}: {kind}, intervals over {several if kind == COST else of_what(rows)}"
