"""The paper's Table 4: several calibration languages beside one, each value with its difference to calibration in the
target language alone.
"""

from collections.abc import Mapping
from operator import attrgetter

import pandas as pd

from calibbook.s04_2_downstream_tasks.data import A_SCORE, COLUMN, Scores, mean_and_variance
from calibbook.s04_2_downstream_tasks.tables import measure, task_columns
from calibbook.s04_4_multiple_languages.data import ENGLISH, TARGET, WITH_ENGLISH, setups
from calibbook.shared.draws import mean_over_draws
from calibbook.shared.frames import BLOCK, in_order, is_mixture, setting, shade
from calibbook.shared.html import Cell, Html, Label, Mark, block_rows, calibration_label, heat_table
from calibbook.shared.languages import code_label
from calibbook.shared.statistics import ALPHA
from calibbook.shared.words import in_caption, listed, percent, signed

BETTER = Mark("▲", "significantly better than the reference")
WORSE = Mark("▼", "significantly worse than the reference")


def mixture_table(scores: Scores, differences: pd.DataFrame, reference: str, title: str) -> Html:
    """Setups down, tasks and languages across, values in percent; in small type the difference to the reference and its
    95% interval.

    Args:
        scores: of single languages and mixtures.
        differences: `data.against(scores, reference)`.
    """
    rows = _rows(scores)
    known = {place(row): row for row in differences.itertuples()}
    cells = {place(row): _cell(row, known.get(place(row))) for row in rows.itertuples()}
    return setup_table(rows, cells, title, _caption(rows, scores, reference))


def setup_table(rows: pd.DataFrame, cells: Mapping[tuple, Cell], title: str, note: str) -> Html:
    """Models, methods and setups down, tasks and languages across.

    Args:
        rows: columns BLOCK, COLUMN and `setup`, in order; dense rows have the setup "none".
        cells: `place` of a row -> what stands there; where one is missing nothing was measured.
    """
    corner, down = block_rows(rows, "setup", _label, _rank)
    return heat_table(down, task_columns(rows), cells, corner, title, note)


def place(row) -> tuple[tuple, tuple]:
    """Row and column of the table in which a row with BLOCK, COLUMN and `setup` stands."""
    return attrgetter(*BLOCK, "setup")(row), attrgetter(*COLUMN)(row)


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
    return [f"{setup.capitalize()}: {'+'.join(map(code_label, text.split('+')))}." for setup, text in named.items()]


def _cell(row, change) -> Cell:
    value = Cell(percent(row.mean), row.shade)
    if change is None:
        return value
    interval = f"{signed(100 * change.low)} to {signed(100 * change.high)}"
    interval = interval if change.low < change.high else "the same on every item"
    mark = BETTER if change.difference > 0 else WORSE
    return value._replace(
        mark=mark if change.p_holm <= ALPHA else None, below=f"{signed(100 * change.difference)} ({interval})"
    )


def _rank(setup: str) -> tuple:
    order = ["none", TARGET, ENGLISH, WITH_ENGLISH]
    return (order.index(setup), "") if setup in order else (len(order), setup.count("+"), setup)


def _label(setup: str) -> Label:
    """A setup's own name, or that of a mixture as other tables have it."""
    return calibration_label(setup) if is_mixture(setup) and " " not in setup else setup


def _caption(rows: pd.DataFrame, scores: Scores, reference: str) -> str:
    pruned = rows[rows["method"] != "dense"]
    settings = dict.fromkeys(setting(*pair) for pair in zip(pruned["sparsity"], pruned["pattern"], strict=True))
    arrays = [table for by_text in scores.values() for table in by_text.values()]
    draws = {text: len(table) for by_text in scores.values() for text, table in by_text.items() if text}
    sentences = [
        f"{measure(rows)}: higher (lighter) is better.",
        f"{in_caption([table.shape[1] for table in arrays])} items in a column.",
        f"{listed(dict.fromkeys(rows['model']))}, " + (f"pruned to {listed(settings)}." if settings else "not pruned."),
        f"{mean_over_draws(draws)}." if draws else "",
        *mixed_by_name(rows),
        "All calibration texts have the same number of windows, in equal shares.",
        f"In small type the difference to {reference}, in points, and its 95% interval (paired bootstrap "
        f"over items); ▲ and ▼: significant at 5% "
        "after Holm over this table.",
    ]
    return " ".join(filter(None, sentences))
