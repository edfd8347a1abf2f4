"""The claims of the paper's Section 4.2, each tested on the records; those about the target language are here, the
others in claims_factors and claims_order.
"""

import numpy as np
import pandas as pd

from calibbook.s04_1_pruning_results.claims import TARGET_IS_BETTER
from calibbook.s04_2_downstream_tasks import claims_factors
from calibbook.s04_2_downstream_tasks.claims_order import english_is_strongest, order_changes
from calibbook.s04_2_downstream_tasks.data import Scores, target_columns
from calibbook.s04_2_downstream_tasks.effects import columns_in_words, effect, languages_in, tasks_in_words
from calibbook.s04_2_downstream_tasks.tables import task_name
from calibbook.shared.claims import Claim, claims_frame, counted, names
from calibbook.shared.languages import NO_TARGET
from calibbook.shared.statistics import ALPHA, diagonal_p_value, least_p_value, share_interval
from calibbook.shared.verdicts import GAIN, judged
from calibbook.shared.words import fixed, percent

LANGUAGE_MATTERS = "the calibration language changes what is left in a task"
TARGET_NOT_RELIABLE = "the target language is not reliably the best to calibrate in"
TARGET_IS_REASONABLE = "the target language is nevertheless best, second best or comparable"


def language_matters(table: pd.DataFrame) -> list[Claim]:
    """In how many columns the worst calibration is significantly worse than the best, after Holm over the table. Held:
    in any; else undecided.
    """
    claims = []
    for block, columns in target_columns(table, every=True):
        gaps = [(rows["mean"].max() - rows["mean"].min(), rows) for _, rows in columns]
        clear = [(gap, rows) for gap, rows in gaps if not rows["best"].all()]
        rows = max(clear or gaps, key=lambda pair: pair[0])[1]
        worst, best = (
            f"{pick} {percent(rows.loc[pick, 'mean'])}" for pick in (rows["mean"].idxmin(), rows["mean"].idxmax())
        )
        note = f"widest in {task_name(rows['task'].iloc[0])} {rows['language'].iloc[0]}: {worst}, {best}"
        claims.append(
            Claim(
                LANGUAGE_MATTERS,
                **names(block, metric=tasks_in_words(table)),
                what=columns_in_words(len(clear), len(columns)),
                **counted(len(clear), len(columns)),
                p=float(min(rows["p_holm"].min() for _, rows in gaps)),
                n=languages_in(targets(columns)),
                **judged(bool(clear), note=note),
            )
        )
    return claims


def target_not_reliable(table: pd.DataFrame) -> list[Claim]:
    """How often the target language does best, and how often it is significantly worse than another (Holm over the
    table).

    Held: worse in any column. Not held: worse in none, and best in most, beyond doubt: by the interval of the share,
    and by relabelling the rows.
    """
    claims = []
    for block, columns in target_columns(table):
        best, target = matrix(columns, lambda rows: rows["mean"] == rows["mean"].max())
        hits = int(best[target, np.arange(len(target))].sum())
        worse = sum(not rows.loc[language, "best"] for language, rows in columns)
        p = diagonal_p_value(best, target)
        wins = p <= ALPHA and share_interval(hits, len(columns))[0] > 0.5
        claims.append(
            Claim(
                TARGET_NOT_RELIABLE,
                **names(block, metric=tasks_in_words(table)),
                what=f"{columns_in_words(hits, len(columns))} won, significantly behind in {worse}",
                **counted(hits, len(columns)),
                p=p,
                n=languages_in(targets(columns)),
                **judged(worse > 0, wins and not worse, because={"undecided": "no column tells it from the best"}),
            )
        )
    return claims


def target_is_reasonable(table: pd.DataFrame) -> list[Claim]:
    """How often the target language is best, second best, or within one standard error of the best.

    Held: in most columns, and more often than relabelled rows would be (permutation test). Not held: not in most. Else
    undecided.
    """
    claims = []
    for block, columns in target_columns(table):
        fine, target = matrix(
            columns, lambda rows: (rows["mean"].rank(ascending=False, method="min") <= 2) | rows["within_one_stderr"]
        )
        hits = int(fine[target, np.arange(len(target))].sum())
        p = diagonal_p_value(fine, target)
        verdict = judged(
            2 * hits > len(columns),
            2 * hits <= len(columns),
            p=p,
            least_p=least_p_value(fine.shape[0], len(set(target))),
            because={"undecided": "other languages do as well"},
        )
        by_chance = fine.mean(axis=0).sum()
        claims.append(
            Claim(
                TARGET_IS_REASONABLE,
                **names(block, metric=tasks_in_words(table)),
                what=f"{columns_in_words(hits, len(columns))}, by chance {fixed(by_chance)}",
                **counted(hits, len(columns)),
                p=p,
                n=languages_in(targets(columns)),
                **verdict,
            )
        )
    return claims


def target_is_better(table: pd.DataFrame) -> list[Claim]:
    """What calibration in the target language gains over the mean of the other single languages, in points, over
    languages.
    """
    claims = []
    for block, columns in target_columns(table):
        gains = {
            column: rows.loc[column[1], "mean"] - rows["mean"].drop(column[1]).mean()
            for column, (_, rows) in zip(targets(columns), columns, strict=True)
        }
        claims.append(effect(TARGET_IS_BETTER, names(block, metric=tasks_in_words(table)), gains, GAIN))
    return claims


def without_target(table: pd.DataFrame) -> list[Claim]:
    """The claims about the target language where no evaluation language was calibrated in: undecided, and why."""
    having = {block for block, _ in target_columns(table)}
    return [
        Claim(claim, **names(block, metric=tasks_in_words(table)), what=NO_TARGET)
        for claim in (TARGET_NOT_RELIABLE, TARGET_IS_REASONABLE, TARGET_IS_BETTER)
        for block, _ in target_columns(table, every=True)
        if block not in having
    ]


def targets(columns) -> list[tuple[str, str]]:
    """(task, language) of the pairs that `target_columns` gives."""
    return [(rows["task"].iloc[0], language) for language, rows in columns]


def matrix(columns, wanted) -> tuple[np.ndarray, np.ndarray]:
    """(bool [calibrations, columns], int [columns]: the calibration that is the column's own language)."""
    texts = list(columns[0][1].index)
    return np.array([wanted(rows).to_numpy() for _, rows in columns]).T, np.array(
        [texts.index(language) for language, _ in columns]
    )


def section_4_2(table: pd.DataFrame, scores: Scores) -> pd.DataFrame:
    """Every claim of the section, one row a Claim; none without scores. `table` is `data.compare(scores)`."""
    if table.empty:
        return claims_frame([])
    claims = (
        language_matters(table) + target_not_reliable(table) + target_is_reasonable(table) + target_is_better(table)
    )
    claims += without_target(table)
    claims += english_is_strongest(table, scores) + order_changes(table, scores) + claims_factors.claims(table, scores)
    return claims_frame(claims)
