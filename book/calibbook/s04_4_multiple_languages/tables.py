"""The paper's Table 4: several calibration languages beside one, each value with its difference to calibration in the
target language alone.
"""

from html import escape

import pandas as pd

from calibbook.s04_2_downstream_tasks.data import A_SCORE, COLUMN, Scores, mean_and_variance
from calibbook.s04_2_downstream_tasks.tables import column_header, measure
from calibbook.s04_4_multiple_languages.data import ENGLISH, TARGET, WITH_ENGLISH, setups
from calibbook.shared.colours import colours
from calibbook.shared.frames import BLOCK, in_order, languages_of, setting, shade
from calibbook.shared.html import MISSING, Html, block_header, language_header, varying_levels, wrap
from calibbook.shared.statistics import ALPHA
from calibbook.shared.words import in_caption, listed, percent, signed

MARKS = {
    True: '<span role="img" aria-label="significantly better than the reference">▲</span>',
    False: '<span role="img" aria-label="significantly worse than the reference">▼</span>',
}


def mixture_table(scores: Scores, differences: pd.DataFrame, reference: str, title: str) -> Html:
    """Setups down, tasks and languages across, values in percent; in small type the difference to the reference and its
    95% interval.

    Args:
        scores: of single languages and mixtures.
        differences: `mixtures.against(scores, reference)`.
    """
    rows = _rows(scores)
    known = {(*row[1:7], row.setup): row for row in differences.itertuples()}
    cells = {(*row[1:7], row.setup): _cell(row, known.get((*row[1:7], row.setup))) for row in rows.itertuples()}
    return setup_table(
        rows, cells, title, _caption(rows, scores, reference), f"{title}\n{differences.to_string(index=False)}"
    )


def setup_table(rows: pd.DataFrame, cells: dict[tuple, str], title: str, caption: str, plain: str) -> Html:
    """Models, methods and setups down, tasks and languages across.

    Args:
        rows: columns BLOCK, COLUMN and `setup`, in order; dense rows have the setup "none".
        cells: (*BLOCK, *COLUMN, setup) -> td; where one is missing nothing was measured.
    """
    columns = [
        (task, code)
        for task in dict.fromkeys(rows["task"])
        for code in languages_of(rows.loc[rows["task"] == task, "language"])
    ]
    levels = varying_levels(rows)
    bodies = []
    for block, part in rows.groupby(BLOCK, sort=False):
        names = sorted(set(part["setup"]), key=_rank)
        lines = [
            f'<th scope="row">{_label(name)}</th>'
            + "".join(cells.get((*block, *column, name), MISSING) for column in columns)
            for name in names
        ]
        bodies.append(f"<tbody><tr>{block_header(block, len(lines), levels)}{'</tr><tr>'.join(lines)}</tr></tbody>")
    return wrap(
        column_header(columns, levels) + "".join(bodies), f"<strong>{escape(title)}.</strong> {caption}", title, plain
    )


def _rows(scores: Scores) -> pd.DataFrame:
    """One row a column and setup: mean, shade; BLOCK and COLUMN come first."""
    lines = []
    for column, by_text in scores.items():
        named = {"none": ""} if "" in by_text else setups(column.language, by_text)
        lines += [(*column, setup, text, mean_and_variance(by_text[text])[0]) for setup, text in named.items()]
    rows = in_order(pd.DataFrame(lines, columns=[*BLOCK, *COLUMN, "metric", "setup", "calibration", "mean"]))
    rows["shade"] = pd.concat([shade(part, A_SCORE) for _, part in rows.groupby("task")])
    return rows


def mixed_by_name(rows: pd.DataFrame) -> list[str]:
    """`Seven languages: AR+DE+EN+ES+RU+SW+ZH.` for the setups that are named by their number."""
    named = {
        setup: text
        for setup, text in zip(rows["setup"], rows["calibration"], strict=True)
        if setup.endswith(" languages")
    }
    return [f"{setup.capitalize()}: {text.upper()}." for setup, text in named.items()]


def _cell(row, change) -> str:
    text = percent(row.mean)
    if change is not None:
        text += f" {MARKS[change.difference > 0]}" if change.p_holm <= ALPHA else ""
        interval = (
            f"{signed(100 * change.low)} to {signed(100 * change.high)}"
            if change.low < change.high
            else "the same on every item"
        )
        text += f'<br><small class="sd">{signed(100 * change.difference)} ({interval})</small>'
    style = "" if pd.isna(row.shade) else ' style="background-color: {}; color: {}"'.format(*colours(row.shade))
    return f"<td{style}>{text}</td>"


def _rank(setup: str) -> tuple:
    order = ["none", TARGET, ENGLISH, WITH_ENGLISH]
    return (order.index(setup), "") if setup in order else (len(order), setup.count("+"), setup)


def _label(setup: str) -> str:
    """A setup's own name, or that of a mixture as other tables have it."""
    return escape(setup) if " " in setup else language_header(setup)


def _caption(rows: pd.DataFrame, scores: Scores, reference: str) -> str:
    pruned = rows[rows["method"] != "dense"]
    settings = dict.fromkeys(setting(*pair) for pair in zip(pruned["sparsity"], pruned["pattern"], strict=True))
    arrays = [table for by_text in scores.values() for table in by_text.values()]
    draws = max(len(table) for table in arrays)
    sentences = [
        f"{measure(rows)}: higher (lighter) is better.",
        f"{in_caption([table.shape[1] for table in arrays])} items in a column.",
        f"{escape(listed(dict.fromkeys(rows['model'])))}, "
        + (f"pruned to {escape(listed(settings))}." if settings else "not pruned."),
        f"Mean over {draws} draws of calibration text." if draws > 1 else "One draw of calibration text.",
        *mixed_by_name(rows),
        "All calibration texts have the same number of windows, in equal shares.",
        f"In small type the difference to {reference}, in points, and its 95% interval (paired bootstrap "
        f"over items); ▲ and ▼: significant at 5% "
        "after Holm over this table.",
    ]
    return " ".join(sentences)
