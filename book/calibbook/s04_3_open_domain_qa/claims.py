"""What pruning does to knowledge that a model is asked for without context (paper, Section 4.3): its losses, and the
paper's own beside them.
"""

import math
from collections.abc import Mapping

import numpy as np
import pandas as pd

from calibbook.s04_2_downstream_tasks.claims_order import languages_differ, latin_is_stronger
from calibbook.s04_2_downstream_tasks.data import COLUMN, Scores
from calibbook.s04_2_downstream_tasks.paper import NUMBERS
from calibbook.s04_2_downstream_tasks.tables import task_name
from calibbook.shared.claims import Claim, claims_frame, names
from calibbook.shared.comparison import paired_bootstrap
from calibbook.shared.draws import FEWEST_DRAWS
from calibbook.shared.frames import BLOCK, METHODS, Block, calibrated, is_mixture, setting
from calibbook.shared.languages import code_label
from calibbook.shared.registered import wording
from calibbook.shared.statistics import crossed_interval
from calibbook.shared.verdicts import Expected, decided
from calibbook.shared.words import fixed, percent

KNOWLEDGE_IS_LOST = wording("4.3-knowledge-lost")
LOST_IN_ENGLISH = wording("4.3-lost-in-english")
SUBSTANTIAL = 0.1


def knowledge_is_lost(scores: Scores) -> list[Claim]:
    """What the pruned models lose of the dense model's score, over calibrations and languages, in points.

    Held: a loss. Not held: less than a tenth of the dense model's mean score. The interval counts calibrations and
    languages (`statistics.crossed_interval`), since languages share the pruned models.
    """
    found = []
    for block, task in dict.fromkeys((column.block, column.task) for column in scores if column.method != "dense"):
        where = names(block, metric=task_name(task))
        lost, dense = losses_of(scores, block, task)
        if not dense.size or not dense.any():
            found.append(Claim(KNOWLEDGE_IS_LOST, **where, what="the dense model answers nothing"))
            continue
        mean, low, high, p = crossed_interval(lost)
        expected = Expected(lambda low, _: low > 0, lambda _, high, dense=dense: high < SUBSTANTIAL * dense.mean())
        found.append(
            Claim(
                KNOWLEDGE_IS_LOST,
                **where,
                what=f"{fixed(mean)} points, {fixed(100 * mean / dense.mean(), 0, 0)}% of the dense score lost",
                statistic=mean,
                low=low,
                high=high,
                p=p,
                unit="points",
                n=len(dense),
                **decided(low, high, expected, languages=min(lost.shape)),
            )
        )
    return found


def lost_in_english(scores: Scores) -> list[Claim]:
    """The dense model against its pruned copies in English, on the same items; the copies by calibration language and
    draw are what varies beside the items.
    """
    found = []
    for column, by_text in scores.items():
        texts = [text for text in by_text if text and not is_mixture(text)]
        dense = scores.get(column.of(column.block.dense))
        if column.method == "dense" or column.language != "en" or not texts or not dense:
            continue
        pruned = every_model(by_text)
        where = names(column.block, metric=task_name(column.task))
        if len(pruned) < FEWEST_DRAWS:
            found.append(Claim(LOST_IN_ENGLISH, **where, what="one pruned model", n=1))
            continue
        lost = paired_bootstrap(dense[""], pruned)
        found.append(
            Claim(
                LOST_IN_ENGLISH,
                **where,
                what=f"{fixed(100 * lost.difference)} points lost",
                statistic=100 * lost.difference,
                low=100 * lost.low,
                high=100 * lost.high,
                p=lost.p,
                unit="points",
                n=1,
                **decided(lost.low, lost.high),
            )
        )
    return found


def every_model(by_text: Mapping[str, np.ndarray]) -> np.ndarray:
    """Scores [pruned models, items] of one column: those by single calibration languages and draws, or the one that
    needs no text.
    """
    return np.concatenate([table for text, table in by_text.items() if not is_mixture(text)])


def losses_of(scores: Scores, block: Block, task: str) -> tuple[np.ndarray, np.ndarray]:
    """(dense minus pruned in points [calibrations, languages], the dense model's scores [languages])."""
    lost, dense = [], []
    for column, by_text in scores.items():
        before = scores.get(column.of(block.dense))
        if column.block == block and column.task == task and before:
            texts = [text for text in by_text if not is_mixture(text)]
            dense.append(100 * before[""].mean())
            lost.append([dense[-1] - 100 * by_text[text].mean() for text in texts])
    return np.array(lost, dtype=float).T, np.array(dense, dtype=float)


def section_4_3(table: pd.DataFrame, scores: Scores) -> pd.DataFrame:
    """Every claim of the section, one row a Claim. `table` is `data.compare(scores)`."""
    return claims_frame(
        knowledge_is_lost(scores)
        + lost_in_english(scores)
        + languages_differ(table, scores)
        + latin_is_stronger(table, scores)
    )


def kept(table: pd.DataFrame) -> pd.DataFrame:
    """What is left of the dense score, ours and then the paper's: `38.3 to 19.1 (50%)`, as the mean over single
    calibration languages.
    """
    paper = NUMBERS.of("Table 3").rename(columns={"value": "mean"})
    lines = []
    for rows, who in ((table, "here"), (paper, "the paper")):
        dense = rows[rows["method"] == "dense"].set_index(["model", *COLUMN])["mean"]
        pruned = rows[rows["calibration"].eq("") | rows.index.isin(calibrated(rows).index)]
        for (model, method, sparsity, pattern, task), part in pruned[pruned["method"] != "dense"].groupby(
            [*BLOCK, "task"], sort=False
        ):
            line = {"measured": who, "model": model, "task": task_name(task), "method": METHODS.get(method, method)}
            line["sparsity"] = setting(sparsity, pattern)
            for code, value in part.groupby("language", sort=False)["mean"].mean().items():
                line[code_label(code)] = _fall(dense.get((model, task, code), math.nan), value)
            lines.append(line)
    return pd.DataFrame(lines).fillna("–")


def _fall(before: float, after: float) -> str:
    share = f" ({fixed(100 * after / before, 0, 0)}%)" if before > 0 else ""
    return f"{percent(before)} to {percent(after)}{share}"
