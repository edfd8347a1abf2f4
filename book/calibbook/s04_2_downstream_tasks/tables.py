"""The paper's Tables 2, 3 and 7 from the rows of `task_scores.compare`: shaded down every column, and marked only where
the statistics allow it.
"""

from html import escape

import numpy as np
import pandas as pd

from calibbook.s04_2_downstream_tasks.data import COLUMN, TASK_METRICS, tasks_of
from calibbook.s04_2_downstream_tasks.paper import paper_score
from calibbook.shared.colours import colours
from calibbook.shared.frames import BLOCK, languages_of, participle, treatment
from calibbook.shared.html import MISSING, Html, block_header, deviation, language_header, varying_levels, wrap
from calibbook.shared.words import in_caption, listed, percent

BEST = '<span role="img" aria-label="significantly better than every other calibration of this column">★</span>'
UNBEATEN = '<span role="img" aria-label="not significantly worse than the best of this column">≈</span>'


def task_table(
    table: pd.DataFrame, title: str, chance: dict[str, float] | None = None, intervals: bool = False
) -> Html:
    """Models, methods and calibrations down, tasks and languages across, values in percent (paper, Tables 2, 3 and 7).

    Args:
        table: rows of `task_scores.compare`, of which any part may be left out; marks stay those of the whole.
        chance: what guessing reaches in each task; without it nothing is said about chance.
        intervals: print the 95% intervals in small type; otherwise they are in the cells' titles alone.
    """
    if table.empty:
        return wrap(
            '<tbody><tr><td class="text">none</td></tr></tbody>',
            f"<strong>{escape(title)}.</strong>",
            title,
            f"{title}: none",
        )
    columns = [
        (task, code) for task in tasks_of(table) for code in languages_of(table.loc[table["task"] == task, "language"])
    ]
    cells = {
        (row.model, row.method, row.sparsity, row.pattern, row.task, row.language, row.calibration): row
        for row in table.itertuples()
    }
    levels = varying_levels(table)
    bodies = []
    for block, rows in table.groupby(BLOCK, sort=False):
        lines = [
            f'<th scope="row">{language_header(text) if text else "none"}</th>'
            + "".join(cell(cells.get((*block, *column, text)), intervals) for column in columns)
            for text in dict.fromkeys(rows["calibration"])
        ]
        bodies.append(f"<tbody><tr>{block_header(block, len(lines), levels)}{'</tr><tr>'.join(lines)}</tr></tbody>")
    plain = f"{title}: {measure(table)}\n{wide(table)}"
    return wrap(
        column_header(columns, levels) + "".join(bodies), caption(table, title, chance, intervals), title, plain
    )


def column_header(columns: list[tuple[str, str]], levels: list[str]) -> str:
    """thead: tasks above languages."""
    corner = "".join(f'<th scope="col" rowspan="2">{level}</th>' for level in [*levels, "Calibration"])
    groups = "".join(
        f'<th scope="colgroup" colspan="{sum(task == other for other, _ in columns)}">{escape(task_name(task))}</th>'
        for task in dict.fromkeys(task for task, _ in columns)
    )
    languages = "".join(f'<th scope="col">{language_header(code)}</th>' for _, code in columns)
    return f"<thead><tr>{corner}{groups}</tr><tr>{languages}</tr></thead>"


def task_name(task: str) -> str:
    """`ARC challenge`, `MKQA`, `continuation`."""
    names = {"arc": "ARC", "mkqa": "MKQA", "mmlu": "MMLU", "belebele": "Belebele", "hellaswag": "HellaSwag"}
    return " ".join(names.get(word, word) for word in task.split("_"))


def measure(rows: pd.DataFrame) -> str:
    """What rows with `task` and `metric` hold: `Accuracy in percent`, `Accuracy (knowledge) and F1 (facts) in
    percent`.
    """
    tasks = rows.drop_duplicates("task").groupby("metric", sort=False)["task"].apply(list)
    parts = [
        TASK_METRICS[name] + (f" ({listed(map(task_name, of))})" if len(tasks) > 1 else "")
        for name, of in tasks.items()
    ]
    words = f"{listed(parts)} in percent"
    return words[0].upper() + words[1:]


def cell(row, intervals: bool = False) -> str:
    """One td: mean, mark, standard deviation, the paper's value where known, shade; what else is known as its title."""
    if row is None:
        return MISSING
    text = percent(row.mean)
    if row.best:
        text = f"<strong>{text}</strong> {BEST}"
    elif row.unbeaten:
        text += f" {UNBEATEN}"
    text += deviation(100 * row.sd)
    known = paper_score(
        row.model, row.method, row.sparsity, row.pattern, row.calibration, row.task, row.language, row.metric
    )
    if known is not None:
        text += f' <small class="known">[{percent(known)}]</small>'
    if intervals:
        text += f'<br><small class="sd">{percent(row.low)} to {percent(row.high)}</small>'
    style = "" if np.isnan(row.shade) else ' style="background-color: {}; color: {}"'.format(*colours(row.shade))
    mark = ' class="best"' if row.best else ""
    return f'<td{mark}{style} title="{details(row)}">{text}</td>'


def details(row) -> str:
    """The interval of a cell and how far it is behind the best of its column, in words."""
    parts = [f"95% interval {percent(row.low)} to {percent(row.high)}", f"{row.n:,} items"]
    if row.difference < 0:
        parts.append(
            f"{percent(-row.difference)} points behind the best ({percent(-row.difference_high)} to "
            f"{percent(-row.difference_low)}), "
            f"p {row.p_holm:.2g} after Holm"
        )
    return "; ".join(parts)


def caption(table: pd.DataFrame, title: str, chance: dict[str, float] | None, intervals: bool) -> str:
    """What was measured, on how many items, over how many draws, and how to read the marks; all from the rows."""
    texts = table[table["calibration"] != ""]
    sentences = [
        f"{measure(table)}: higher (lighter) is better.",
        f"{in_caption(table['n'])} items in a column.",
        f"{escape(listed(dict.fromkeys(table['model'])))}, {escape(treatment(table))}.",
    ]
    if chance is not None:
        sentences.append(chance_sentence(table, chance))
    if len(texts):
        draws = int(texts["draws"].max())
        sentences += [
            f"Mean over {draws} draws of calibration text, standard deviation in small type."
            if draws > 1
            else "One draw of calibration text, so there is no standard deviation.",
            "Shades run from the lowest to the highest value of a column within a model.",
            "★ and bold: significantly better than every other calibration of its column, for this model and method; "
            "≈: not significantly worse than the highest (paired bootstrap over items, 5% after Holm over "
            "the whole table).",
            decided_columns(texts),
        ]
    sentences.append("95% intervals in small type." if intervals else "Intervals are in the titles of the cells.")
    if any(
        paper_score(*row) is not None
        for row in table[[*BLOCK, "calibration", *COLUMN, "metric"]].itertuples(index=False, name=None)
    ):
        sentences.append("The paper's own value is in brackets where its text gives one.")
    return f"<strong>{escape(title)}.</strong> " + " ".join(filter(None, sentences))


def decided_columns(rows: pd.DataFrame) -> str:
    """In how many columns the items suffice to tell any calibration from the best."""
    columns = rows.groupby([*BLOCK, *COLUMN])["unbeaten"].agg(["sum", "size"]).query("size > 1")
    decided = int((columns["sum"] < columns["size"]).sum())
    return (
        f"In {decided} of {len(columns)} columns any calibration is significantly worse than the best."
        if len(columns)
        else ""
    )


def chance_sentence(table: pd.DataFrame, chance: dict[str, float]) -> str:
    """What guessing reaches, and how much of the table is not above it: there nothing can be lost, or nothing is left
    to compare.
    """
    level = table["task"].map(chance)
    if not (level > 0).any():
        return ""
    known = {task: chance[task] for task in tasks_of(table) if chance.get(task)}
    values = listed(f"{percent(value)}% in {escape(task_name(task))}" for task, value in known.items())
    if len(set(known.values())) == 1:
        values = f"{percent(next(iter(known.values())))}%"
    at_chance = (table["low"] <= level) & (level > 0)
    dense = table[at_chance & (table["method"] == "dense")]
    columns = listed(f"{escape(task_name(row.task))} {row.language.upper()}" for row in dense.itertuples())
    others = table["method"] != "dense"
    lost = (
        f"Of {int(others.sum())} values of {participle(table)} models {int((at_chance & others).sum())} are "
        f"not above chance."
    )
    return " ".join(
        [
            f"Guessing reaches {values}.",
            *([f"The dense model is not above chance in {columns}."] if columns else []),
            lost if others.any() else "",
        ]
    ).strip()


def wide(table: pd.DataFrame) -> str:
    """The means, in percent, as plain text."""
    index = [*BLOCK, "calibration"]
    found = (100 * table.set_index([*index, *COLUMN])["mean"]).unstack(COLUMN)
    order = list(table[index].drop_duplicates().itertuples(index=False, name=None))
    return found.loc[order].round(1).to_string()
