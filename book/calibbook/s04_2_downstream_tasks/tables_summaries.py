"""What the task tables add up to: how the target language ranks, how many items a point takes, and the order of the
languages.
"""

import numpy as np
import pandas as pd

from calibbook.s04_2_downstream_tasks.data import Scores, target_columns
from calibbook.s04_2_downstream_tasks.paper import NUMBERS
from calibbook.s04_2_downstream_tasks.tables import task_name
from calibbook.shared.comparison import items_needed, rank_of_target
from calibbook.shared.frames import BLOCK, calibrated, languages_of, method_label, setting
from calibbook.shared.statistics import diagonal_p_value
from calibbook.shared.words import fixed, in_caption, p_value, percent
from calibprune.languages import describe


def overview(table: pd.DataFrame, chance: dict[str, float]) -> pd.DataFrame:
    """The tasks of a table: languages, items, what guessing reaches and what the dense models reach, in percent, over
    languages.
    """
    lines = []
    for task, rows in table.groupby("task", sort=False):
        dense = rows.loc[rows["method"] == "dense", "mean"]
        lines.append(
            {
                "task": task_name(task),
                "languages": ", ".join(languages_of(rows["language"])),
                "items": in_caption(rows["n"]),
                "guessing": f"{percent(chance[task])}%" if chance.get(task) else "–",
                "dense": f"{percent(dense.min())} to {percent(dense.max())}%" if len(dense) else "–",
            }
        )
    return pd.DataFrame(lines)


def target_ranks(table: pd.DataFrame) -> pd.DataFrame:
    """How often the evaluation language is the best, the second best or a comparable calibration language, beside what
    relabelling would give.

    One row a model, method and sparsity, as text, then the paper's own counts. Chance: the mean over rows with
    exchanged labels; p: of at least as many columns won (`statistics.diagonal_p_value`).
    """
    lines = rank_lines(table)
    paper = []
    for (method, sparsity, pattern), rows in NUMBERS.of("Table 2").groupby(BLOCK[1:], sort=False):
        counts = rows.set_index("metric")["value"].map(lambda count: fixed(count, 0, 0))
        names = {"model": "the paper's Table 2", "method": method_label(method), "sparsity": setting(sparsity, pattern)}
        paper.append(names | {"columns": counts["columns"], "best": counts["columns that the target language wins"]})
    return pd.DataFrame([*lines, *paper]).fillna("not known") if lines else pd.DataFrame()


def rank_lines(table: pd.DataFrame) -> list[dict[str, str]]:
    """The rows of `target_ranks` without the paper's."""
    lines = []
    for (model, method, sparsity, pattern), columns in target_columns(table):
        texts = list(columns[0][1].index)
        counts = rank_of_target(columns)
        chances = np.mean([rank_of_target((text, rows) for _, rows in columns) for text in texts], axis=0)[1:]
        words = ["best", "second", "within one standard error", "not significantly worse"]
        best = np.array([(rows["mean"] == rows["mean"].max()).to_numpy() for _, rows in columns]).T
        p = diagonal_p_value(best, np.array([texts.index(language) for language, _ in columns]))
        lines.append(
            {
                "model": model,
                "method": method_label(method),
                "sparsity": setting(sparsity, pattern),
                "columns": str(counts.columns),
            }
            | {
                word: f"{count} (chance {fixed(chance)})"
                for word, count, chance in zip(words, counts[1:], chances, strict=True)
            }
            | {"p": p_value(p)}
        )
    return lines


def items_for_a_point(scores: Scores) -> pd.DataFrame:
    """How many items would show a difference of one point between two calibrations, and what the items at hand can show
    (power 80%, 5%).

    One row a task: items at hand, the median over pairs of calibrations and languages of the items needed, paired and
    unpaired, and the difference that the median pair shows with the items at hand, in points.
    """
    needed: dict[str, list] = {}
    for column, by_text in scores.items():
        texts = list(by_text)
        for i, a in enumerate(texts):
            for b in texts[i + 1 :]:
                needed.setdefault(column.task, []).append((by_text[a].shape[1], *items_needed(by_text[a], by_text[b])))
    lines = []
    for task, found in needed.items():
        have, paired, unpaired = np.array(found).T
        lines.append(
            {
                "task": task_name(task),
                "items here": in_caption(have),
                "needed, same items": int(np.median(paired)),
                "needed, different items": int(np.median(unpaired)),
                "shown by the items here (points)": float(np.median(np.sqrt(paired / have))),
            }
        )
    return pd.DataFrame(lines)


def order_of_languages(table: pd.DataFrame) -> pd.DataFrame:
    """Languages from best to worst in each task: of the dense model, and pruned, as the mean over single calibration
    languages.
    """
    lines = []
    for model, of_model in table.groupby("model", sort=False):
        for task, rows in of_model.groupby("task", sort=False):
            for (method, sparsity, pattern), part in rows.groupby(BLOCK[1:], sort=False):
                part = part if method == "dense" else calibrated(part)
                means = part.groupby("language")["mean"].mean().sort_values(ascending=False, kind="stable")
                order = (f"{describe(code).name} {percent(value)}" for code, value in means.items())
                if len(means) > 1:
                    lines.append(
                        {
                            "task": task_name(task),
                            "model": model,
                            "method": method_label(method),
                            "sparsity": setting(sparsity, pattern) or "–",
                            "best to worst": ", ".join(order),
                        }
                    )
    return pd.DataFrame(lines, columns=["task", "model", "method", "sparsity", "best to worst"])
