"""The paper's Tables 2, 3 and 7 from the rows of `data.compare`: shaded down every column, and marked only where
the statistics allow it.
"""

from operator import attrgetter

import pandas as pd

from calibbook.s04_2_downstream_tasks.data import COLUMN, TASK_METRICS, tasks_of
from calibbook.s04_2_downstream_tasks.paper import NUMBERS
from calibbook.shared.draws import draws_of_models
from calibbook.shared.frames import BLOCK, ROW, languages_of, method_label, participle, treatment
from calibbook.shared.html import Cell, Html, Label, Languages, Mark, block_rows, deviation, folded, heat_table
from calibbook.shared.languages import code_label
from calibbook.shared.paper import LABELS
from calibbook.shared.words import in_caption, listed, p_value, percent
from calibprune.languages import describe

BEST = Mark("★", "significantly better than every other calibration of this column", best=True)
SMALL_TYPE = "95% intervals in small type."
UNBEATEN = Mark("≈", "not significantly worse than the best of this column")


def task_table(
    table: pd.DataFrame, title: str, chance: dict[str, float] | None = None, intervals: bool = False
) -> Html:
    """Models, methods and calibrations down, tasks and languages across, values in percent (paper, Tables 2, 3 and 7).

    Args:
        table: rows of `data.compare`, of which any part may be left out; marks stay those of the whole.
        chance: what guessing reaches in each task; without it nothing is said about chance.
        intervals: print the 95% intervals in small type; otherwise they are in the cells' titles, and in a copy of the
            table behind a line that a reader opens.
    """
    if table.empty:
        return heat_table({}, {}, {}, [], title)
    known = any(one.paper for one in cells_of(table).values())
    shown = _task_table(table, title, caption(table, chance, intervals, known), intervals)
    if intervals:
        return shown
    copy = folded(f"{title}, with intervals", _task_table(table, f"{title}, with intervals", SMALL_TYPE, True))
    return Html(shown.html + copy.html, shown.plain)


def _task_table(table: pd.DataFrame, title: str, note: str, intervals: bool) -> Html:
    corner, rows = block_rows(table)
    return heat_table(rows, task_columns(table), cells_of(table, intervals), corner, title, note)


def cells_of(table: pd.DataFrame, intervals: bool = False) -> dict[tuple, Cell]:
    """(key of a row, key of a column) -> its cell, of rows of `data.compare`."""
    key, column = attrgetter(*ROW), attrgetter(*COLUMN)
    return {(key(row), column(row)): cell(row, intervals) for row in table.itertuples()}


def task_columns(rows: pd.DataFrame) -> dict[tuple[str, str], tuple[Label, ...]]:
    """`columns` of a `heat_table`: (task, language) -> its headers, tasks above languages."""
    return {
        (task, code): (task_name(task), Languages((code,)))
        for task in tasks_of(rows)
        for code in languages_of(rows.loc[rows["task"] == task, "language"])
    }


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


def cell(row, intervals: bool = False) -> Cell:
    """A row: mean, mark, standard deviation, the paper's value where known, shade; what else is known as its title."""
    known = NUMBERS.get(**{name: getattr(row, name) for name in [*ROW, *COLUMN, "metric"]})
    return Cell(
        percent(row.mean),
        row.shade,
        BEST if row.best else UNBEATEN if row.unbeaten else None,
        deviation(100 * row.sd),
        "" if known is None else percent(known),
        below=f"{percent(row.low)} to {percent(row.high)}" if intervals else "",
        title=details(row),
    )


def details(row) -> str:
    """The interval of a cell and how far it is behind the best of its column, in words."""
    parts = [f"95% interval {percent(row.low)} to {percent(row.high)}", f"{row.n:,} items"]
    if row.difference < 0:
        parts.append(
            f"{percent(-row.difference)} points behind the best ({percent(-row.difference_high)} to "
            f"{percent(-row.difference_low)}), "
            f"p {p_value(row.p_holm)} after Holm"
        )
    return "; ".join(parts)


def caption(table: pd.DataFrame, chance: dict[str, float] | None, intervals: bool, known: bool) -> str:
    """What was measured, on how many items, over how many draws, and how to read the marks; all from the rows.

    known: whether a number of the paper stands in the table.
    """
    texts = table[table["calibration"] != ""]
    sentences = [
        f"{measure(table)}: higher (lighter) is better.",
        f"{in_caption(table['n'])} items in a column.",
        f"{listed(dict.fromkeys(table['model']))}, {treatment(table)}.",
    ]
    if chance is not None:
        sentences.append(chance_sentence(table, chance))
    if len(texts):
        draws = texts.groupby(["model", "calibration"], sort=False)["draws"].max()
        spread = "standard deviation in small type" if draws.max() > 1 else "so there is no standard deviation"
        sentences += [
            f"{draws_of_models(draws.astype(int).to_dict())}, {spread}.",
            "Shades run from the lowest to the highest value of a column within a model.",
            "★ and bold: significantly better than every other calibration of its column, for this model and method; "
            "≈: not significantly worse than the highest (paired bootstrap over items, 5% after Holm over "
            "the whole table).",
            decided_columns(texts),
        ]
    sentences.append(SMALL_TYPE if intervals else "Intervals are in the titles of the cells, and below the table.")
    if known:
        sentences.append("The paper's own value is in brackets where its text gives one.")
    return " ".join(filter(None, sentences))


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
    values = listed(f"{percent(value)}% in {task_name(task)}" for task, value in known.items())
    if len(set(known.values())) == 1:
        values = f"{percent(next(iter(known.values())))}%"
    at_chance = (table["low"] <= level) & (level > 0)
    dense = table[at_chance & (table["method"] == "dense")]
    several = table["model"].nunique() > 1
    columns = listed(
        f"{task_name(row.task)} {code_label(row.language)}{f' ({row.model})' * several}" for row in dense.itertuples()
    )
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


def beside_quotes(table: pd.DataFrame, section: str) -> pd.DataFrame:
    """The accuracies that the running text of a section states, and the same cells of the records at the paper's
    sparsity: 'not measured' mostly.
    """
    half = table[(table["sparsity"] == 0.5) & (table["pattern"] == "unstructured")]
    ours = half.set_index(["model", "method", "calibration", "task", "language"])["mean"]
    lines = []
    for number in NUMBERS.of(section).itertuples():
        line = {
            "task": task_name(number.task),
            "evaluation": number.language,
            "method": method_label(number.method),
            "calibration": number.calibration,
            "the paper": f"{percent(number.value)}, {number.model}",
        }
        for model in dict.fromkeys(half["model"]):
            found = ours.get((model, number.method, number.calibration, number.task, number.language))
            line[model] = "not measured" if found is None else percent(found)
        lines.append(line)
    return pd.DataFrame(lines)


def change_of_order() -> str:
    """The paper's example of a change of order, in a sentence with its own numbers."""
    found = NUMBERS.of("4.2, order").merge(NUMBERS.of("Table 15"), on=["model", "task", "metric", "language"])
    found = found[found["method_y"] == "dense"]
    scores = "; ".join(
        f"{describe(row.language).name} {percent(row.value_y)}% before pruning and {percent(row.value_x)}% after it"
        for row in found.itertuples()
    )
    return f"The paper's example of a change of order, {LABELS['llama3-8b']} on Belebele: {scores}."
