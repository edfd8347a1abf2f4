"""The paper's own scores, as far as its text has them: Table 3 but for one row, and what Sections 4.2, 4.4 and Table 15 state.

Its Tables 2, 4 and 7 to 9 are pictures. Every number that is not here is not known. Values are fractions, as in the records.
"""

from functools import cache
from pathlib import Path

import pandas as pd

from calibprune.report.paper import LLAMA3_8B

AYA23_8B = ("aya23-8b", "CohereForAI/aya-23-8B")
PAPER_LANGUAGES = ("ar", "de", "en", "es", "ru", "zh")  # of Table 3; it has no Swahili
SEVEN = "ar+de+en+es+ru+sw+zh"
KEY = ["model", "method", "calibration", "task", "language"]

TARGET_BEST = {"wanda": (8, 25), "sparsegpt": (18, 25)}
"""Columns of Table 2 in which the target language does best, and columns counted, by method (paper, Section 4.2)."""


def table_3() -> pd.DataFrame:
    """Token F1 on MKQA of Llama-3 8B and Aya-23 8B, dense and pruned to 50% (paper, Table 3).

    One row a number: model, method, calibration ("" for dense), task, language, metric, value, section. The row of Aya-23 8B pruned
    by SparseGPT with Chinese calibration is missing in the paper's text and so here.
    """
    wide = pd.read_csv(Path(__file__).with_name("paper_table_3.csv"), keep_default_na=False)
    long = wide.melt(["model", "method", "calibration"], var_name="language", value_name="value")
    return long.assign(task="mkqa", metric="f1", value=long["value"] / 100, section="Table 3")


def quoted() -> pd.DataFrame:
    """Accuracies that the running text of Sections 4.2 and 4.4 states, and the dense model's row of Table 15; columns as `table_3`."""
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
    dense = {
        "arc_easy": {"en": 75.9},
        "arc_challenge": {"ar": 31.7, "de": 36.6, "en": 48.5, "es": 37.9, "ru": 36.9, "zh": 34.8},
        "belebele": {"ar": 55.3, "de": 69.4, "en": 58.2, "es": 66.3, "ru": 62.9, "sw": 47.3, "zh": 44.8},
        "mmlu": {"ar": 27.1, "de": 38.2, "en": 58.6, "es": 43.0, "ru": 30.3, "zh": 25.9},
        "hellaswag": {"ar": 36.2, "de": 43.2, "en": 53.3, "es": 46.1, "ru": 41.7},
    }
    rows += [(llama, "dense", "", task, code, value, "Table 15") for task, values in dense.items() for code, value in values.items()]
    frame = pd.DataFrame(rows, columns=[*KEY, "value", "section"])
    return frame.assign(metric="acc", value=frame["value"] / 100)


def paper_score(model: str, method: str, sparsity: float, pattern: str, calibration: str, task: str, language: str, metric: str) -> float | None:
    """The paper's number for one cell of a table of tasks, None where it is not known. It pruned to 50% without a pattern."""
    names = {alias: group[0] for group in (LLAMA3_8B, AYA23_8B) for alias in group}
    if method != "dense" and (sparsity, pattern) != (0.5, "unstructured"):
        return None
    return _known().get((names.get(model), method, calibration, task, language, metric))


@cache
def _known() -> dict[tuple, float]:
    every = pd.concat([table_3(), quoted()], ignore_index=True)
    return dict(zip(every[[*KEY, "metric"]].itertuples(index=False, name=None), every["value"], strict=True))
