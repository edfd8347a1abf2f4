"""The paper's own scores, as far as its text has them: Table 3 but for one row, Table 15, and what Sections 4.2 and 4.4
state.

Its Tables 2, 4 and 7 to 9 are pictures, and Table 14 is garbled in its text. Every number that is not here is not
known. Values are fractions, as in the records.
"""

from functools import cache
from pathlib import Path

import pandas as pd

from calibbook.s04_1_pruning_results.paper import LLAMA3_8B
from calibprune.languages import LANGUAGES

AYA23_8B = ("aya23-8b", "CohereForAI/aya-23-8B")
PAPER_LANGUAGES = ("ar", "de", "en", "es", "ru", "zh")  # of Table 3; it has no Swahili
SEVEN = "ar+de+en+es+ru+sw+zh"
KEY = ["model", "method", "calibration", "task", "language"]

TARGET_BEST = {"wanda": (8, 25), "sparsegpt": (18, 25)}
"""Columns of Table 2 in which the target language does best, and columns counted, by method (paper, Section 4.2)."""


def table_3() -> pd.DataFrame:
    """Token F1 on MKQA of Llama-3 8B and Aya-23 8B, dense and pruned to 50% (paper, Table 3).

    One row a number: model, method, calibration ("" for dense), task, language, metric, value, section. The row of
    Aya-23 8B pruned by SparseGPT with Chinese calibration is missing in the paper's text and so here.
    """
    return _long("paper_table_3.csv", ["model", "method", "calibration"]).assign(
        task="mkqa", metric="f1", section="Table 3"
    )


def table_15() -> pd.DataFrame:
    """Accuracy of Llama-3 8B, dense and rounded to 8 bits by GPTQ in groups of 128 (paper, Table 15); columns as
    `table_3`.

    Its ARC is the hard set, in English the easy one as well.
    """
    return _long("paper_table_15.csv", ["model", "method", "calibration", "task"]).assign(
        metric="acc", section="Table 15"
    )


def _long(name: str, row: list[str]) -> pd.DataFrame:
    """A file of percentages with languages across as one row a number, in fractions; what the paper lacks has no
    row.
    """
    wide = pd.read_csv(
        Path(__file__).with_name(name), keep_default_na=False, na_values={code: [""] for code in LANGUAGES}
    )
    long = wide.melt(row, var_name="language", value_name="value").dropna(subset="value", ignore_index=True)
    return long.assign(value=long["value"] / 100)


def quoted() -> pd.DataFrame:
    """Accuracies that the running text of Sections 4.2 and 4.4 states; columns as `table_3`."""
    llama, aya = LLAMA3_8B[0], AYA23_8B[0]
    rows = [
        (llama, "wanda", "es", "belebele", "en", 58.5, "4.2"),
        (llama, "wanda", "en", "belebele", "en", 65.0, "4.2"),
        (llama, "sparsegpt", "zh", "belebele", "en", 50.0, "4.2"),
        (llama, "sparsegpt", "en", "belebele", "en", 71.4, "4.2"),
        (llama, "wanda", SEVEN, "arc_challenge", "zh", 28.3, "4.4"),
        (llama, "sparsegpt", SEVEN, "arc_challenge", "zh", 30.0, "4.4"),
        (aya, "wanda", SEVEN, "arc_challenge", "zh", 32.0, "4.4"),
        (aya, "sparsegpt", SEVEN, "arc_challenge", "zh", 30.9, "4.4"),
        (llama, "wanda", "zh", "arc_challenge", "zh", 27.0, "4.4"),
        (llama, "sparsegpt", "zh", "arc_challenge", "zh", 30.1, "4.4"),
        (aya, "wanda", "zh", "arc_challenge", "zh", 30.8, "4.4"),
        (aya, "sparsegpt", "zh", "arc_challenge", "zh", 31.7, "4.4"),
    ]
    frame = pd.DataFrame(rows, columns=[*KEY, "value", "section"])
    return frame.assign(metric="acc", value=frame["value"] / 100)


def paper_score(
    model: str, method: str, sparsity: float, pattern: str, calibration: str, task: str, language: str, metric: str
) -> float | None:
    """The paper's number for one cell of a table of tasks, None where it is not known. It pruned to 50% without a
    pattern; Table 15 is of 8 bits.
    """
    names = {alias: group[0] for group in (LLAMA3_8B, AYA23_8B) for alias in group}
    if pattern != "dense" and (sparsity, pattern) not in ((0.0, "8-bit"), (0.5, "unstructured")):
        return None
    return _known().get((names.get(model), method, calibration, task, language, metric))


@cache
def _known() -> dict[tuple, float]:
    every = pd.concat([table_3(), table_15(), quoted()], ignore_index=True)
    return dict(zip(every[[*KEY, "metric"]].itertuples(index=False, name=None), every["value"], strict=True))
