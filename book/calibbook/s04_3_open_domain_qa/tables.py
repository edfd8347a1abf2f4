"""The paper's Table 3 beside ours: one row a method and calibration, one group of columns a model."""

from html import escape

import pandas as pd

from calibbook.s04_2_downstream_tasks.data import A_SCORE
from calibbook.s04_2_downstream_tasks.paper import quoted, table_3
from calibbook.s04_2_downstream_tasks.tables import caption, cell, column_header, task_name, wide
from calibbook.shared.colours import colours
from calibbook.shared.frames import METHODS, calibration_rank, languages_of, setting, shade
from calibbook.shared.html import MISSING, Html, language_header, wrap
from calibbook.shared.words import percent

UNKNOWN = '<td><span role="img" aria-label="not known">?</span></td>'
PAPER = {"llama3-8b": "the paper: Llama-3 8B, MKQA", "aya23-8b": "the paper: Aya-23 8B, MKQA"}
PAPER_NOTE = (
    "The paper's columns are its Table 3: token F1 on MKQA at 50% sparsity. ? stands for values that its "
    "text lacks, – for what was not run. "
    "The embedded facts are another task than MKQA: compare what is lost, not the numbers."
)


def beside_table_3(table: pd.DataFrame, title: str) -> Html:
    """Closed-book scores of the records and of the paper's Table 3, in percent: methods and calibrations down, models
    and languages across.

    `table`: rows of `task_scores.compare` on generated answers.
    """
    ours, paper = _grouped(table), _paper()
    cells = {(row.group, row.method, row.calibration, row.language): cell(row) for row in ours.itertuples()}
    cells |= {(row.group, row.method, row.calibration, row.language): _paper_cell(row) for row in paper.itertuples()}
    every = pd.concat([ours, paper], ignore_index=True)
    columns = [
        (group, code)
        for group in dict.fromkeys(every["group"])
        for code in languages_of(every.loc[every["group"] == group, "language"])
    ]
    in_paper = set(paper[["method", "calibration"]].itertuples(index=False, name=None))
    bodies = []
    for method in [name for name in METHODS if name in set(every["method"])]:
        lines = []
        for text in sorted(set(every.loc[every["method"] == method, "calibration"]), key=calibration_rank):
            absent = {
                group: UNKNOWN if group in PAPER.values() and (method, text) in in_paper else MISSING
                for group, _ in columns
            }
            data = "".join(cells.get((group, method, text, code), absent[group]) for group, code in columns)
            lines.append(f'<th scope="row">{language_header(text) if text else "none"}</th>{data}')
        head = f'<th scope="rowgroup" rowspan="{len(lines)}">{METHODS[method]}</th>'
        bodies.append(f"<tbody><tr>{head}{'</tr><tr>'.join(lines)}</tr></tbody>")
    lead = caption(table, title, None, intervals=False) if len(table) else f"<strong>{escape(title)}.</strong>"
    return wrap(
        column_header(columns, ["Method"]) + "".join(bodies),
        f"{lead} {escape(PAPER_NOTE)}",
        title,
        f"{title}, %\n{wide(table)}\n{PAPER_NOTE}",
    )


def beside_quotes(table: pd.DataFrame, section: str) -> pd.DataFrame:
    """The accuracies that the running text of a section states, and the same cells of the records at the paper's
    sparsity: 'not measured' mostly.
    """
    numbers = quoted()[lambda rows: rows["section"] == section]
    half = table[(table["sparsity"] == 0.5) & (table["pattern"] == "unstructured")]
    ours = half.set_index(["model", "method", "calibration", "task", "language"])["mean"]
    lines = []
    for number in numbers.itertuples():
        line = {
            "task": task_name(number.task),
            "evaluation": number.language,
            "method": METHODS[number.method],
            "calibration": number.calibration,
            "the paper": f"{percent(number.value)}, {number.model}",
        }
        for model in dict.fromkeys(half["model"]):
            found = ours.get((model, number.method, number.calibration, number.task, number.language))
            line[model] = "not measured" if found is None else percent(found)
        lines.append(line)
    return pd.DataFrame(lines)


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
    rows = table_3().rename(columns={"value": "mean"}).assign(sparsity=0.5, pattern="unstructured")
    rows["shade"] = shade(rows, A_SCORE)
    return rows.assign(group=rows["model"].map(PAPER))


def _paper_cell(row) -> str:
    if row.method == "dense":
        return f"<td>{percent(row.mean)}</td>"
    return '<td style="background-color: {}; color: {}">{}</td>'.format(*colours(row.shade), percent(row.mean))
