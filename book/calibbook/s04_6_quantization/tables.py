"""The paper's Tables 14 and 15: which rows belong to which, the paper's own Table 15, and what the two have in
common.
"""

from collections.abc import Mapping
from operator import attrgetter

import pandas as pd

from calibbook.s04_2_downstream_tasks.data import A_SCORE, COLUMN, Scores, compare
from calibbook.s04_2_downstream_tasks.paper import NUMBERS
from calibbook.s04_2_downstream_tasks.tables import task_columns
from calibbook.s04_2_downstream_tasks.tables_summaries import order_of_languages, rank_lines
from calibbook.s04_6_quantization.memory import size
from calibbook.shared.frames import BLOCK, ROW, calibrated, in_order, is_quantized, shade
from calibbook.shared.html import Cell, Html, block_rows, heat_table
from calibbook.shared.paper import LABELS
from calibbook.shared.words import listed, percent, signed, table_name
from calibprune.schemes import Grid

TABLES = {"4-bit": ("4.6-1", "Table 14"), "8-bit": ("4.6-2", "Table 15")}
ON_TEXT = {"4-bit": "4.6-4", "8-bit": "4.6-5"}
"""The paper's table of each width of the weights."""
PAPER = f"the paper: {LABELS['llama3-8b']}"
PAPER_GROUP = 128
PAPER_TASKS = ("arc_easy", "arc_challenge", "belebele", "mmlu", "hellaswag")


def asked(bits: list[int], group_size: int) -> str:
    """What a study quantizes, in a sentence or two; how to ask for it where it does not."""
    if not bits:
        return (
            "**This run quantized nothing**: only the paper's numbers stand here. Ask for it by naming widths "
            "in `bits`, such as `bits: [4, 8]`."
        )
    sizes = listed(size(Grid.of(width, group_size).bits_per_weight()) for width in bits)
    other = "" if group_size == PAPER_GROUP else f" The paper takes groups of {PAPER_GROUP}."
    return (
        f"Weights were rounded to {listed(bits)} bits. {group_size} consecutive inputs of a row share a "
        f"scale of 16 bits, which makes {sizes} bits a "
        f"weight.{other}"
    )


def widths(frame: pd.DataFrame) -> list[str]:
    """The patterns ("4-bit") of the quantized models of a frame, few bits first."""
    return _few_first(pattern for pattern in frame["pattern"].unique() if is_quantized(pattern))


def _few_first(patterns) -> list[str]:
    return sorted(set(patterns), key=lambda pattern: int(pattern.removesuffix("-bit")))


def of_width(frame: pd.DataFrame, width: str | None = None) -> pd.DataFrame:
    """The rows of the dense models and of those quantized to one width, or to any."""
    quantized = frame["pattern"].map(is_quantized).astype(bool)
    return frame[
        (frame["method"] == "dense") | (quantized if width is None else quantized & (frame["pattern"] == width))
    ]


def scores_of_width(scores: Scores, width: str) -> Scores:
    """The same of `Scores`."""
    return {column: by_text for column, by_text in scores.items() if column.pattern in ("dense", width)}


def compare_widths(scores: Scores) -> dict[str, pd.DataFrame]:
    """width -> `data.compare` of it and the dense models: each is one table, with a correction of its own; few
    bits first.
    """
    return {
        width: compare(scores_of_width(scores, width))
        for width in _few_first(column.pattern for column in scores if is_quantized(column.pattern))
    }


def title(width: str) -> str:
    """`Table 4.6-1 (the paper's Table 14), 4 bits`; `3 bits`, which the paper does not have."""
    bits = f"{width.removesuffix('-bit')} bits"
    return table_name(*TABLES[width], bits) if width in TABLES else bits


def title_on_text(width: str, source: str) -> str:
    """`Table 4.6-4 (beyond the paper), 4 bits, on udhr`: perplexity and SNR, which the paper does not have."""
    about = f"{width.removesuffix('-bit')} bits, on {source}"
    return table_name(ON_TEXT[width], about=about) if width in ON_TEXT else about


def paper_rows() -> pd.DataFrame:
    """The paper's Table 15 as rows of `data.compare`, without what takes answers to single questions: no calibration is
    known to be best.
    """
    rows = NUMBERS.of("Table 15").rename(columns={"value": "mean"})
    rows = in_order(rows.assign(model=PAPER, unbeaten=False, within_one_stderr=False)).sort_values(
        "task", key=lambda tasks: tasks.map(PAPER_TASKS.index), kind="stable", ignore_index=True
    )
    rows["shade"] = pd.concat([shade(part, A_SCORE) for _, part in rows.groupby("task")])
    return rows


def paper_table() -> Html:
    """The paper's Table 15, in the form of `task_table`."""
    table = paper_rows()
    key, column = attrgetter(*ROW), attrgetter(*COLUMN)
    cells = {(key(row), column(row)): Cell(percent(row.mean), row.shade) for row in table.itertuples()}
    corner, rows = block_rows(table)
    note = (
        "Accuracy in percent of Llama-3 8B, dense and quantized to 8 bits in groups of 128: higher "
        "(lighter) is better. "
        "Shades run from the lowest to the highest value of a column. The paper gives no intervals."
    )
    return heat_table(rows, task_columns(table), cells, corner, "Table 4.6-3 (the paper's own Table 15)", note)


def costs(tables: Mapping[str, pd.DataFrame]) -> pd.DataFrame:
    """What rounding costs, and what the calibration language makes of it: means over the columns of a table, ours and
    the paper's, as text.

    `tables` are those of `compare_widths`. The last column is the mean over columns of the best calibration less the
    worst.
    """
    lines = []
    for width in _few_first([*tables, *TABLES]):
        for table in _with_paper(tables.get(width), width):
            dense = table[table["method"] == "dense"].set_index(["model", *COLUMN])["mean"]
            for block, rows in calibrated(table).groupby(BLOCK, sort=False):
                columns = rows.groupby(["model", *COLUMN])["mean"]
                before = dense.reindex(columns.mean().index)
                lines.append(
                    {"bits": width, "model": block[0], "columns": str(len(before)), "dense, %": percent(before.mean())}
                    | {
                        "quantized, %": percent(columns.mean().mean()),
                        "change, points": signed(100 * (columns.mean() - before).mean()),
                    }
                    | {"best less worst calibration, points": percent((columns.max() - columns.min()).mean())}
                )
        if width == "4-bit":
            lines.append({"bits": width, "model": PAPER})
    return pd.DataFrame(lines).fillna("not known")


def ranks(tables: Mapping[str, pd.DataFrame]) -> pd.DataFrame:
    """How often the evaluation language is the best calibration language (`tables_summaries.target_ranks`), ours and in
    the paper's Table 15.
    """
    lines = []
    for width in _few_first([*tables, *TABLES]):
        for table in _with_paper(tables.get(width), width):
            for line in rank_lines(table):
                unknown = ("within one standard error", "not significantly worse") if line["model"] == PAPER else ()
                lines.append({key: value for key, value in line.items() if key not in unknown} | {"bits": width})
        if width == "4-bit":
            lines.append({"model": PAPER, "bits": width})
    words = ["columns", "best", "second", "within one standard error", "not significantly worse", "p"]
    return pd.DataFrame(lines).reindex(columns=["bits", "model", *words]).astype(object).fillna("not known")


def order(tables: Mapping[str, pd.DataFrame]) -> pd.DataFrame:
    """`tables_summaries.order_of_languages` of the dense models and of all widths."""
    every = pd.concat(tables.values(), ignore_index=True) if tables else compare({})
    return order_of_languages(every).rename(columns={"sparsity": "bits"})


def _with_paper(table: pd.DataFrame | None, width: str) -> list[pd.DataFrame]:
    ours = [] if table is None or table.empty else [table]
    return [*ours, paper_rows()] if TABLES.get(width, ("", ""))[1] == "Table 15" else ours
