"""What a choice of calibration can go by, and what it is judged by: scores on halves of the questions.

A choice that is judged by the questions it was made by looks better than it is. So the questions of every task are
dealt into two halves, and what is learnt on one is judged on the other.
"""

from typing import NamedTuple

import numpy as np
import pandas as pd
from scipy.stats import rankdata

from calibbook.s04_1_pruning_results.data import gains, squares
from calibbook.s04_2_downstream_tasks.data import Scores
from calibbook.s04_2_downstream_tasks.effects import runs_of
from calibbook.s04_2_downstream_tasks.tables import task_name
from calibbook.shared.claims import names
from calibbook.shared.frames import Block, measured, sources
from calibbook.shared.statistics import NORMAL, UNKNOWN
from calibbook.shared.words import listed

FEWEST_CALIBRATIONS = 5
"""With fewer, a rank correlation has next to no degrees of freedom."""


class Halves(NamedTuple):
    """Scores of one model, method and setting.

    Attributes:
        block: which.
        tasks: in words.
        calibrations, languages: single calibration languages, and evaluation languages.
        scores: points [half, calibrations, languages], mean over tasks and draws.
    """

    block: Block
    tasks: str
    calibrations: list[str]
    languages: list[str]
    scores: np.ndarray

    def names(self, **more: str) -> dict[str, str]:
        """The fields of a Claim that say what it was tested on."""
        return names(self.block, metric=self.tasks, **more)


def halves_of(scores: Scores) -> list[Halves]:
    """Every model, method and setting with two single calibration languages or more, in order."""
    found = []
    for block in dict.fromkeys(column.block for column in scores):
        mine = {column: by_text for column, by_text in scores.items() if column.block == block}
        sides = [runs_of({column: every_other(mine[column], half) for column in mine}, block) for half in (0, 1)]
        calibrations, columns, _ = sides[0]
        if len(calibrations) < 2 or not columns:
            continue
        languages = list(dict.fromkeys(language for _, language in columns))
        means = np.array(
            [
                [
                    runs.mean(axis=1)[:, [place for place, (_, code) in enumerate(columns) if code == language]].mean(1)
                    for language in languages
                ]
                for _, _, runs in sides
            ]
        ).transpose(0, 2, 1)
        tasks = listed(dict.fromkeys(task_name(task) for task, _ in columns))
        found.append(Halves(block, tasks, calibrations, languages, means))
    return found


def every_other(by_text, half: int) -> dict[str, np.ndarray]:
    """Scores [seeds, items] of one column on every other item, from the first or from the second."""
    return {text: scores[:, half::2] for text, scores in by_text.items()}


def by_perplexity(frame: pd.DataFrame, one: Halves, source: str) -> np.ndarray | None:
    """Minus the logarithm of the perplexity on a text, [calibrations, languages] as in `one`; None where it was not
    measured for all of them.
    """
    if "perplexity" not in measured(frame[frame["source"] == source], pruned=True):
        return None
    for where, means, _ in squares(frame, "perplexity", source, every=True):
        if names(one.block).items() <= where.items():
            if not {*one.calibrations} <= {*means.index} or not {*one.languages} <= {*means.columns}:
                return None
            return gains(means, "perplexity").loc[one.calibrations, one.languages].to_numpy()
    return None


def texts_with_perplexity(frame: pd.DataFrame) -> list[str]:
    """The evaluation texts on which pruned models' perplexity was measured."""
    return [source for source in sources(frame) if "perplexity" in measured(frame[frame["source"] == source], True)]


def correlations(guide: np.ndarray, scores: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Spearman's rank correlation over calibrations, [languages] each: of a guide on one half with scores on the other,
    mean of both ways; and of the scores on one half with those on the other.

    What is the same for all calibrations has no order: its correlation is zero.

    Args:
        guide: [half, calibrations, languages], more is better.
        scores: of the same shape.
    """
    guided = (rank_correlation(guide[0], scores[1]) + rank_correlation(guide[1], scores[0])) / 2
    return guided, rank_correlation(scores[0], scores[1])


def rank_correlation(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """Spearman's correlation of every column of [calibrations, languages] with its like; zero where one never varies.

    The ranks are scipy's; its spearmanr takes all columns with all others, and finds a p value for each.
    """
    a, b = (ranks - ranks.mean(axis=0) for ranks in (rankdata(first, axis=0), rankdata(second, axis=0)))
    size = np.sqrt((a**2).sum(axis=0) * (b**2).sum(axis=0))
    return np.divide((a * b).sum(axis=0), size, out=np.zeros(len(size)), where=size > 0)


def rank_interval(correlation: float, calibrations: int) -> tuple[float, float]:
    """95% interval of Spearman's correlation: normal on Fisher's scale with the variance of Bonett and Wright (2000).
    NaN ends for fewer than FEWEST_CALIBRATIONS, or an order without exception.
    """
    if calibrations < FEWEST_CALIBRATIONS or not abs(correlation) < 1:
        return UNKNOWN
    reach = NORMAL * np.sqrt((1 + correlation**2 / 2) / (calibrations - 3))
    return tuple(map(float, np.tanh(np.arctanh(correlation) + np.array([-reach, reach]))))


def chosen(guide: np.ndarray) -> np.ndarray:
    """The calibration that a guide [calibrations] is highest for, as weights that add up to one: shared by ties."""
    best = guide == guide.max()
    return best / best.sum()
