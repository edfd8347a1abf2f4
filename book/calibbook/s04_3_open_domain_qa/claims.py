"""What pruning does to knowledge that a model is asked for without context (paper, Section 4.3): its losses, and the
paper's own beside them.
"""

import math

import numpy as np
import pandas as pd

from calibbook.s04_2_downstream_tasks.claims_order import languages_differ, latin_is_stronger
from calibbook.s04_2_downstream_tasks.data import COLUMN, Column, Scores, enough_resamples, over_texts
from calibbook.s04_2_downstream_tasks.effects import over_languages
from calibbook.s04_2_downstream_tasks.paper import NUMBERS
from calibbook.s04_2_downstream_tasks.tables import task_name
from calibbook.shared.claims import Claim, claims_frame, names
from calibbook.shared.comparison import holm, paired_bootstrap
from calibbook.shared.frames import BLOCK, METHODS, calibrated, is_mixture, setting
from calibbook.shared.languages import code_label
from calibbook.shared.statistics import ALPHA
from calibbook.shared.verdicts import judged
from calibbook.shared.words import fixed, listed, percent

KNOWLEDGE_IS_LOST = "pruning substantially reduces knowledge in every language"
SUBSTANTIAL = 0.1


def knowledge_is_lost(scores: Scores) -> list[Claim]:
    """The dense model against its pruned copies, averaged over their single calibration languages, on the same items.

    The statistic is the share of the dense score that is lost, in percent, with Student's interval over languages.
    Held: lower in every language, significantly (Holm over languages). Not held: in some language the loss is certainly
    less than a tenth (by the interval, and by the rule of three where no item changes). Else undecided.
    """
    found = []
    tasks = dict.fromkeys((column.block, column.task) for column in scores if column.method != "dense")
    for block, task in tasks:
        pairs = {
            column.language: sides
            for column in scores
            if column[:5] == (*block, task) and (sides := _pruned_and_dense(scores, column))
        }
        where = names(block, metric=task_name(task))
        means = {code: float(dense.mean()) for code, (_, dense) in pairs.items()}
        if not any(means.values()):
            found.append(Claim(KNOWLEDGE_IS_LOST, **where, what="the dense model answers nothing"))
            continue
        compared = {code: paired_bootstrap(*sides, enough_resamples(len(pairs))) for code, sides in pairs.items()}
        p = dict(zip(compared, holm([comparison.p for comparison in compared.values()]), strict=True))
        unclear = [
            code for code, comparison in compared.items() if not (p[code] <= ALPHA and comparison.difference < 0)
        ]
        kept = [
            code
            for code, comparison in compared.items()
            if max(-comparison.low, 3 / pairs[code][1].shape[1]) < SUBSTANTIAL * means[code]
        ]
        lost = {
            (task, code): -comparison.difference / means[code] for code, comparison in compared.items() if means[code]
        }
        mean, low, high, _, n = over_languages(lost)
        notes = [
            f"not certain in {listed(unclear)}" if unclear else "",
            f"kept in {listed(kept)}" if kept else "",
        ]
        found.append(
            Claim(
                KNOWLEDGE_IS_LOST,
                **where,
                what=f"{fixed(mean, 0, 0)}% of the dense score lost",
                statistic=mean,
                low=low,
                high=high,
                unit="%",
                p=max(p.values()),
                n=n,
                **judged(not unclear, bool(kept), languages=n, note="; ".join(filter(None, notes))),
            )
        )
    return found


def _pruned_and_dense(scores: Scores, column: Column) -> tuple[np.ndarray, np.ndarray] | None:
    """Two arrays [seeds, items] of one column: its mean over single calibration languages, and the dense model's; None
    without the latter.
    """
    dense = scores.get(column.of(column.block.dense))
    if not dense:
        return None
    return over_texts(scores[column], [text for text in scores[column] if not is_mixture(text)]), dense[""]


def section_4_3(table: pd.DataFrame, scores: Scores) -> pd.DataFrame:
    """Every claim of the section, one row a Claim. `table` is `data.compare(scores)`."""
    return claims_frame(knowledge_is_lost(scores) + languages_differ(table, scores) + latin_is_stronger(table, scores))


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
