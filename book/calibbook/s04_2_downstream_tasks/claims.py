"""The claims of the paper's Section 4.2, each tested on the records; those about the target language are here, the
others in claims_factors and claims_order.
"""

import numpy as np
import pandas as pd

from calibbook.s04_2_downstream_tasks import claims_factors
from calibbook.s04_2_downstream_tasks.claims_factors import squares
from calibbook.s04_2_downstream_tasks.claims_order import english_is_strongest, order_changes, russian_between
from calibbook.s04_2_downstream_tasks.data import Scores, target_columns
from calibbook.s04_2_downstream_tasks.effects import columns_in_words, languages_in, runs_of, table_of, tasks_in_words
from calibbook.s04_2_downstream_tasks.tables import task_name
from calibbook.shared.claims import Claim, claims_frame, counted, detectable, names, targeted
from calibbook.shared.draws import FEWEST_DRAWS, ONE_DRAW, language_p_value
from calibbook.shared.frames import BLOCK, calibrated
from calibbook.shared.languages import NO_TARGET
from calibbook.shared.registered import wording
from calibbook.shared.statistics import ALPHA, NORMAL, diagonal_p_value, least_p_value, share_interval
from calibbook.shared.verdicts import judged
from calibbook.shared.words import fixed, percent, signed

LANGUAGE_MATTERS = wording("4.2-language-matters")
TARGET_NOT_RELIABLE = wording("4.2-target-not-reliable")
TARGET_IS_REASONABLE = wording("4.2-target-reasonable")
TARGET_IS_BETTER = wording("4.2-target-better")


def language_matters(table: pd.DataFrame, scores: Scores) -> list[Claim]:
    """Whether models calibrated in one language are more alike than those calibrated in different ones, in all columns
    at once (`draws.language_p_value`); else undecided, and so with one draw of each language.

    The statistic is the share of columns in which some calibration is significantly worse than the best, after Holm
    over the table.
    """
    claims = []
    for block, columns in target_columns(table, every=True):
        _, _, runs = runs_of(scores, block)
        p = language_p_value(runs)
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
                **(counted(len(clear), len(columns)) | {"seen": seen_in(table, block)}),
                p=p,
                n=languages_in(targets(columns)),
                **judged(p <= ALPHA, note=note if p == p else f"{note}; {ONE_DRAW}"),
            )
        )
    return claims


def seen_in(table: pd.DataFrame, block: tuple) -> str:
    """The difference between two calibrations that a column would show, in points, after Holm over the table."""
    rows = calibrated(table)
    mine = rows[(rows[BLOCK] == list(block)).all(axis=1)]
    errors = (mine["difference_high"] - mine["difference_low"]) / 2 / NORMAL
    return detectable(errors, max(int(rows["p"].notna().sum()), 1))


def target_not_reliable(table: pd.DataFrame) -> list[Claim]:
    """How often the target language does best, and how often it is significantly worse than another (Holm over the
    table).

    Held: worse in any column, beyond items and draws. Not held: worse in none, and best in most, beyond doubt: by the
    interval of the share, and by relabelling the rows.
    """
    claims = []
    for block, columns in target_columns(table):
        best, target = matrix(columns, lambda rows: rows["mean"] == rows["mean"].max())
        hits = int(best[target, np.arange(len(target))].sum())
        worse = sum(not rows.loc[language, "best"] for language, rows in columns)
        p = diagonal_p_value(best, target)
        wins = p <= ALPHA and share_interval(hits, len(columns))[0] > 0.5
        one_draw = any((rows["draws"] < FEWEST_DRAWS).any() for _, rows in columns)
        claims.append(
            Claim(
                TARGET_NOT_RELIABLE,
                **names(block, metric=tasks_in_words(table)),
                what=f"{columns_in_words(hits, len(columns))} won, significantly behind in {worse}",
                **counted(hits, len(columns)),
                p=p,
                n=languages_in(targets(columns)),
                **judged(
                    worse > 0 and not one_draw,
                    wins and not worse,
                    because={"undecided": ONE_DRAW if one_draw else "no column tells it from the best"},
                ),
            )
        )
    return claims


def target_is_reasonable(table: pd.DataFrame) -> list[Claim]:
    """How often the target language is best, second best, or within one standard error of the best.

    Held: in most columns, and more often than relabelled rows would be (permutation test). Not held: certainly not in
    most (by the interval of the share). Else undecided.
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
            share_interval(hits, len(columns))[1] < 0.5,
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


def target_is_better(table: pd.DataFrame, claim: str = TARGET_IS_BETTER) -> list[Claim]:
    """What calibration in the target language gains over the others, in points, mean over tasks, in the languages that
    are on both sides; what a calibration is good for everywhere is taken out (`statistics.target_interval`).
    """
    claims = []
    for block, means in squares(table):
        gains = table_of(means)
        own = [code for code in gains.columns if code in gains.index]
        if not own:
            continue
        found = targeted(gains.loc[own, own].to_numpy(), float, lambda points: f"{signed(points)} points")
        claims.append(Claim(claim, **names(block, metric=tasks_in_words(table)), **found))
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
        language_matters(table, scores)
        + target_not_reliable(table)
        + target_is_reasonable(table)
        + target_is_better(table)
    )
    claims += without_target(table)
    claims += english_is_strongest(table, scores) + russian_between(table, scores) + order_changes(table, scores)
    claims += claims_factors.claims(table, scores)
    return claims_frame(claims)
