"""Perplexity of models calibrated in several languages against those calibrated in the target alone (paper, Section
4.4).
"""

from operator import attrgetter

import numpy as np
import pandas as pd

from calibbook.s04_2_downstream_tasks.data import COLUMN
from calibbook.s04_4_multiple_languages.data import TARGET, setups
from calibbook.s04_4_multiple_languages.tables import mixed_by_name, place, setup_table
from calibbook.shared.frames import BLOCK, METRICS, in_order, shade, summarize
from calibbook.shared.html import Cell, Html
from calibbook.shared.statistics import normal_interval
from calibbook.shared.words import fixed, signed

CHANGES = [*BLOCK, "language", "setup", "calibration", "mean", "log_ratio", "low", "high", "draws", "draw_error"]


def perplexity_changes(frame: pd.DataFrame, source: str, reference: str = TARGET) -> pd.DataFrame:
    """The logarithm of each setup's perplexity over that of one of them, with the columns CHANGES; columns without it
    have no rows.

    `draws` of the setup's calibration text, and `draw_error`, the standard error of `log_ratio` by them, NaN with one.
    The interval is the normal one of the standard errors and of the spread over draws. All models read the same text,
    which the standard errors do not allow for: the intervals are too wide, never too narrow.
    """
    summary = summarize(frame, "perplexity", source)
    lines = []
    for (*block, language), rows in summary[summary["calibration"] != ""].groupby([*BLOCK, "language"], sort=False):
        by_text = rows.set_index("calibration")
        named = setups(language, list(by_text.index))
        base = named.get(reference)
        variance = (by_text["stderr"] ** 2 + (by_text["sd"] ** 2 / by_text["draws"]).fillna(0)) / by_text["mean"] ** 2
        for setup, text in named.items():
            if base and text != base:
                ratio = np.log(by_text.loc[text, "mean"] / by_text.loc[base, "mean"])
                interval = normal_interval(ratio, np.sqrt(variance[text] + variance[base]))
                row = by_text.loc[text]
                of_draws = row["sd"] / np.sqrt(row["draws"]) / row["mean"]
                lines.append(
                    (*block, language, setup, text, row["mean"], ratio, *interval, int(row["draws"]), of_draws)
                )
    return pd.DataFrame(lines, columns=CHANGES)


def perplexity_table(frame: pd.DataFrame, source: str, title: str) -> Html:
    """Setups down, languages across: perplexity, and in small type its change against the target alone with the 95%
    interval.
    """
    summary = summarize(frame, "perplexity", source)
    lines = []
    for (*block, language), rows in summary.groupby([*BLOCK, "language"], sort=False):
        texts = list(rows["calibration"])
        named = {"none": ""} if texts == [""] else setups(language, texts)
        means = rows.set_index("calibration")["mean"]
        lines += [(*block, "perplexity", language, setup, text, means[text]) for setup, text in named.items()]
    rows = in_order(pd.DataFrame(lines, columns=[*BLOCK, *COLUMN, "setup", "calibration", "mean"]))
    rows["shade"] = shade(rows, METRICS["perplexity"])
    changes = perplexity_changes(frame, source)
    key = attrgetter(*BLOCK, "language", "setup")
    known = {key(row): row for row in changes.itertuples()}
    cells = {place(row): _cell(row, known.get(key(row))) for row in rows.itertuples()}
    sentences = [
        f"Perplexity on “{source}”: lower (darker) is better.",
        *mixed_by_name(rows),
        f"In small type the change against {TARGET} and its 95% interval, which is too wide rather than "
        f"too narrow: all models read the same text.",
    ]
    return setup_table(rows, cells, title, " ".join(sentences))


def _cell(row, change) -> Cell:
    value = Cell(fixed(row.mean), row.shade)
    if change is None:
        return value
    middle, low, high = (signed(100 * np.expm1(part)) for part in (change.log_ratio, change.low, change.high))
    known = np.isfinite([change.low, change.high]).all()  # a single window has no standard error
    return value._replace(below=f"{middle}%{f' ({low} to {high})' if known else ''}")
