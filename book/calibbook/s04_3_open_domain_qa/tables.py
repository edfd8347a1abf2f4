"""The paper's Table 3 beside ours: one row a method and calibration, one group of columns a model."""

from operator import attrgetter

import pandas as pd

from calibbook.s04_2_downstream_tasks.data import A_SCORE
from calibbook.s04_2_downstream_tasks.paper import NUMBERS
from calibbook.s04_2_downstream_tasks.tables import caption, cell, task_name
from calibbook.shared.frames import in_order, languages_of, setting, shade
from calibbook.shared.html import Cell, Html, Languages, block_rows, heat_table
from calibbook.shared.paper import LABELS
from calibbook.shared.words import percent

UNKNOWN = Cell("?", aloud="not known")
PAPER_NOTE = (
    "The paper's columns are its Table 3: token F1 on MKQA at 50% sparsity. ? stands for values that its "
    "text lacks, – for what was not run. "
    "The embedded facts are another task than MKQA: compare what is lost, not the numbers."
)
ONE_BLOCK = {"model": "", "sparsity": 0.5, "pattern": "unstructured"}
"""Rows are methods and calibrations: what else sets scores apart stands in the columns."""


def beside_table_3(table: pd.DataFrame, title: str) -> Html:
    """Closed-book scores of the records and of the paper's Table 3, in percent: methods and calibrations down, models
    and languages across.

    `table`: rows of `data.compare` on generated answers.
    """
    ours, paper = _grouped(table), _paper()
    every = pd.concat([ours, paper], ignore_index=True)
    columns = {
        (group, code): (group, Languages((code,)))
        for group in dict.fromkeys(every["group"])
        for code in languages_of(every.loc[every["group"] == group, "language"])
    }
    corner, rows = block_rows(in_order(every.assign(**ONE_BLOCK)))
    row_of = {(method, text): (model, method, *rest, text) for model, method, *rest, text in rows}
    place, column = attrgetter("method", "calibration"), attrgetter("group", "language")
    ran = {place(row) for row in paper.itertuples()}
    cells = {(row_of[pair], key): UNKNOWN for pair in ran for key in columns if key[0] in set(paper["group"])}
    cells |= {(row_of[place(row)], column(row)): cell(row) for row in ours.itertuples()}
    cells |= {(row_of[place(row)], column(row)): Cell(percent(row.mean), row.shade) for row in paper.itertuples()}
    known = any(cell.paper for cell in cells.values())
    lead = caption(table, None, intervals=False, known=known) if len(table) else ""
    return heat_table(rows, columns, cells, corner, title, f"{lead} {PAPER_NOTE}".strip())


def _grouped(table: pd.DataFrame) -> pd.DataFrame:
    """The rows with the group of columns each belongs to: model, task and sparsity. Dense rows stand in every group of
    their model and task.
    """
    how = [setting(*pair) for pair in zip(table["sparsity"], table["pattern"], strict=True)]
    table = table.assign(setting=how)
    pruned = table.loc[table["setting"] != "", ["model", "task", "setting"]].drop_duplicates()
    dense = table[table["setting"] == ""].drop(columns="setting").merge(pruned, how="left", on=["model", "task"])
    rows = pd.concat([dense, table[table["setting"] != ""]], ignore_index=True)
    names = [
        ", ".join(filter(None, [row.model, task_name(row.task), row.setting]))
        for row in rows.fillna({"setting": ""}).itertuples()
    ]
    return rows.assign(group=names)


def _paper() -> pd.DataFrame:
    """The paper's Table 3 as rows of `data.compare`, as far as it has their columns, in groups of columns by model."""
    rows = NUMBERS.of("Table 3").rename(columns={"value": "mean"})
    rows["shade"] = shade(rows, A_SCORE)
    return rows.assign(group=[f"the paper: {LABELS[model]}, MKQA" for model in rows["model"]])
