"""Setups against the target alone, language by language and as a mean over languages, with the intervals of the
section's claims.
"""

import numpy as np
import pandas as pd

from calibbook.s04_2_downstream_tasks.data import COLUMN, Scores
from calibbook.s04_2_downstream_tasks.effects import draws_of, effect
from calibbook.s04_4_multiple_languages.data import ENGLISH
from calibbook.s04_4_multiple_languages.tables_perplexity import perplexity_changes
from calibbook.shared.dots import MEAN
from calibbook.shared.draws import FEWEST_DRAWS
from calibbook.shared.frames import BLOCK, Block, is_mixture
from calibbook.shared.statistics import shared_interval, student_interval
from calibbook.shared.verdicts import GAIN

POINTS = [*BLOCK, "series", "setup", "calibration", "language", "value", "low", "high", "counted"]
"""`language` is MEAN in the row of the mean over languages, which alone has `low` and `high`."""
UNKNOWN = (float("nan"),) * 4


def inside(rows: pd.DataFrame) -> pd.Series:
    """bool, [rows]: of mixtures that contain the language they are measured in, unless that is English."""
    pairs = zip(rows["language"], rows["calibration"], strict=True)
    found = [code != "en" and is_mixture(text) and code in text.split("+") for code, text in pairs]
    return pd.Series(found, index=rows.index, dtype=bool)


def is_shared(rows: pd.DataFrame) -> bool:
    """Whether all languages of one setup are measured on the same model."""
    return rows["calibration"].nunique() == 1


def perplexity_gain(rows: pd.DataFrame) -> tuple[float, float, float, float]:
    """The mean over languages of the negative `log_ratio` of `perplexity_changes`, its 95% interval and p value.
    Student's interval; where all languages share one model that was drawn several times, its draws count as well.
    """
    gains, draws = -rows["log_ratio"].to_numpy(), int(rows["draws"].min())
    if is_shared(rows) and draws >= FEWEST_DRAWS:
        # one text after the other rises and falls in all languages, at worst as if they were one
        return shared_interval(gains, float(rows["draw_error"].mean()) ** 2, draws - 1)
    return student_interval(gains)


def counted(rows: pd.DataFrame) -> pd.Series:
    """bool, [rows]: of English alone every language, of mixtures those that the claims count."""
    return inside(rows) | (rows["setup"] == ENGLISH)


def perplexity_points(frame: pd.DataFrame) -> pd.DataFrame:
    """Perplexity over that of the target alone, with the columns POINTS; a series a text."""
    parts = []
    texts = dict.fromkeys(frame.loc[frame["metric"] == "perplexity", "source"])
    for source in filter(None, texts):
        changes = perplexity_changes(frame, source)
        for _, rows in changes.groupby([*BLOCK, "setup"], sort=False):
            gain, low, high, _ = perplexity_gain(rows[counted(rows)]) if counted(rows).any() else UNKNOWN
            values = np.exp(rows["log_ratio"])
            parts.append(_points(rows, values, source, (np.exp(-gain), np.exp(-high), np.exp(-low))))
    return _together(parts)


def task_points(differences: pd.DataFrame, scores: Scores) -> pd.DataFrame:
    """Differences to the target alone (`data.against`) in points, means over tasks, with the columns POINTS; a single
    series.
    """
    parts = []
    for (*block, _), rows in differences.groupby([*BLOCK, "setup"], sort=False):
        mine = rows[counted(rows)]
        gains = dict(zip(mine[COLUMN].itertuples(index=False, name=None), mine["difference"], strict=True))
        draws = draws_of(scores, Block(*block)) if is_shared(mine) else None
        claim = effect("", {}, gains, GAIN, draws=draws)
        means = dict.fromkeys([*BLOCK, "setup", "calibration"], "first") | {"difference": "mean"}
        by_language = rows.groupby("language", sort=False, as_index=False).agg(means)
        found = claim.statistic, claim.low, claim.high
        parts.append(_points(by_language, 100 * by_language["difference"], "tasks", found))
    return _together(parts)


def _points(rows: pd.DataFrame, values: pd.Series, series: str, mean: tuple[float, float, float]) -> pd.DataFrame:
    """One setup of one block: the languages with their values, below them the mean over those that are counted."""
    columns = [*BLOCK, "language", "setup", "calibration"]
    languages = rows[columns].assign(value=values, low=np.nan, high=np.nan, counted=counted(rows))
    value, low, high = mean
    last = languages.iloc[-1:].assign(language=MEAN, value=value, low=low, high=high, counted=True)
    return pd.concat([languages, last], ignore_index=True).assign(series=series)


def _together(parts: list[pd.DataFrame]) -> pd.DataFrame:
    """All parts with the columns POINTS; none where all that could be compared is English alone."""
    found = pd.concat(parts, ignore_index=True) if parts else pd.DataFrame(columns=POINTS)
    return found[POINTS] if found["calibration"].map(is_mixture).any() else found.iloc[:0]
