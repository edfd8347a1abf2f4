"""What calibration in the target language gains over the average other calibration language, column by column."""

import math

import pandas as pd

from calibbook.s04_2_downstream_tasks.data import COLUMN, Column, Scores, over_texts
from calibbook.shared.comparison import Comparison, paired_bootstrap
from calibbook.shared.dots import MEAN
from calibbook.shared.draws import FEWEST_DRAWS
from calibbook.shared.frames import BLOCK, Block, is_mixture
from calibbook.shared.statistics import target_interval

CHANGES = [*BLOCK, *COLUMN, "metric", "value", "low", "high", "models", "n"]


def target_gains(scores: Scores) -> pd.DataFrame:
    """One row a column whose language was calibrated in, beside another one, with the columns CHANGES: points with
    their 95% interval (`paired_bootstrap`), `models` on the side that has fewer (draws of its text), `n` items.

    Under the languages of each block and task a row MEAN with the interval that the section's claim has
    (`target_interval`), if the calibration languages are the languages measured.
    """
    rows = []
    for column, by_text in scores.items():
        others = [text for text in by_text if text and not is_mixture(text) and text != column.language]
        if column.language in by_text and others:
            own, rest = by_text[column.language], over_texts(by_text, others)
            rows.append(change(column, paired_bootstrap(own, rest), min(len(own), len(rest)), own.shape[1]))
    return with_means(rows, lambda block, task: _mean_gain(scores, block, task))


def change(column: Column, found: Comparison, models: int, items: int) -> tuple:
    """A row of CHANGES."""
    return *column, 100 * found.difference, 100 * found.low, 100 * found.high, models, items


def with_means(rows: list[tuple], mean_of) -> pd.DataFrame:
    """Rows of CHANGES by block and task, below those of several languages their mean.

    mean_of: (block, task) -> (mean, low, high) in points, NaN for none.
    """
    table = pd.DataFrame(rows, columns=CHANGES)
    parts = []
    for (*block, task), mine in table.groupby([*BLOCK, "task"], sort=False):
        parts.append(mine)
        value, low, high = mean_of(Block(*block), task)
        if len(mine) > 1 and math.isfinite(value):
            last = mine.iloc[-1:].assign(language=MEAN, value=value, low=low, high=high)
            parts.append(last.assign(models=mine["models"].min(), n=mine["n"].min()))
    return pd.concat(parts, ignore_index=True) if parts else table


def of_what(rows: pd.DataFrame) -> str:
    """What the intervals of rows of CHANGES are over: draws count where there are several on both sides."""
    return "questions and draws" if (rows["models"] >= FEWEST_DRAWS).all() else "questions"


def _mean_gain(scores: Scores, block: Block, task: str) -> tuple[float, float, float]:
    mine = {
        column.language: {
            text: 100 * table.mean(dtype=float) for text, table in by_text.items() if not is_mixture(text)
        }
        for column, by_text in scores.items()
        if column.block == block and column.task == task
    }
    square = pd.DataFrame(mine)  # [calibrations, evaluations]
    if set(square.index) != set(square.columns):
        return math.nan, math.nan, math.nan
    return target_interval(square.loc[square.columns].to_numpy())[:3]
