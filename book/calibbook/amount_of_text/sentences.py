"""What the amounts of text show, in sentences computed from the records."""

import numpy as np
import pandas as pd

from calibbook.amount_of_text.data import OTHERS, OWN, by_block, ends
from calibbook.shared.frames import method_label, setting
from calibbook.shared.html import Html, box
from calibbook.shared.words import listed, number
from calibprune.languages import describe

NOTHING = (
    "This page needs perplexities of models that were calibrated with several amounts of text: the parameters "
    "`sweep_samples` and `sweep_languages`."
)


def in_short(rows: pd.DataFrame) -> Html:
    """The box that the page opens with."""
    if rows.empty:
        return box("Nothing to show", [NOTHING])
    primary = rows["source"].iloc[0]
    mine = rows[rows["source"] == primary]
    amounts = sorted(mine["calibration_tokens"].unique())
    codes = list(dict.fromkeys(mine["calibration"]))
    sentences = [
        f"Models were calibrated in {listed(describe(code).name for code in codes)} with "
        f"{listed(f'{amount:,}' for amount in amounts)} tokens; perplexities are on {primary}."
    ]
    sentences += [_finding(block, part) for block, _, part in by_block(mine)]
    sentences.append(
        f"These are {len(codes)} calibration languages, with the same draw at every amount: the smaller texts are the "
        f"beginnings of the larger ones. "
        f"Nothing is tested here: the ranges say how far the languages agree."
        if len(codes) > 1
        else "This is one calibration language, so nothing is tested here."
    )
    return box("In short", sentences)


def _finding(block, rows: pd.DataFrame) -> str:
    found = ends(rows).set_index("among")
    said = [
        f"in {among} {_fall(part['fall'])}, to {_range(part['most'], number)} times the dense model's"
        for among in (OWN, OTHERS)
        if among in found.index and len(part := found.loc[[among]])
    ]
    name = f"{method_label(block.method)} at {setting(block.sparsity, block.pattern)}"
    models = f"{block.model}, " if block.model else ""
    return f"{models}{name}: with the most text instead of the least, the perplexity {'; and '.join(said)}."


def _fall(falls: pd.Series) -> str:
    """`falls by 3 to 9%`, `rises by 2%`, `changes by −3 to 4%`."""
    if (falls >= 0).all():
        return f"falls by {_range(falls, _whole)}%"
    if (falls <= 0).all():
        return f"rises by {_range(-falls, _whole)}%"
    return f"changes by {_range(-falls, _whole)}%"


def _whole(value: float) -> str:
    return f"{value:.0f}".replace("-", "−").replace("−0", "0")


def _range(values: pd.Series, written) -> str:
    low, high = written(float(np.min(values))), written(float(np.max(values)))
    return low if low == high else f"{low} to {high}"
