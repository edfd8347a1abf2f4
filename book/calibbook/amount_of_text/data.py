"""What more calibration text is worth: the perplexity of the same model, pruned with little text and with more."""

from collections.abc import Iterator

import numpy as np
import pandas as pd

from calibbook.shared.frames import BLOCK, Block, blocks, calibrated, languages_of

DRAW = [*BLOCK, "source", "calibration"]
OWN, OTHERS = "the calibration language", "the other languages"


def losses(frame: pd.DataFrame) -> pd.DataFrame:
    """How many times the dense model's perplexity a pruned model has, calibrated with several amounts of text.

    Returns one row for each pruned model (`BLOCK`), text (`source`), calibration language, amount
    (`calibration_tokens`) and `among` (OWN or OTHERS), with `times` (of several languages or draws the geometric mean)
    and `languages` (how many). Calibrations with one amount alone are left out, and of a larger amount the draws that
    the smaller ones do not have: what is compared begins with the same windows.
    """
    rows = frame[(frame["metric"] == "perplexity") & frame["layer"].isna() & (frame["task"] == "")]
    dense = rows[rows["method"] == "dense"].set_index(["model", "source", "language"])["value"]
    single = calibrated(rows)
    if single.empty or dense.empty:
        return pd.DataFrame(columns=[*DRAW, "calibration_tokens", "among", "times", "languages"])
    of_draw = single.groupby([*DRAW, "seed"])["calibration_tokens"].transform("nunique")
    single = single[of_draw == single.groupby(DRAW)["calibration_tokens"].transform("nunique")]
    before = dense.reindex(pd.MultiIndex.from_frame(single[["model", "source", "language"]])).to_numpy()
    single = single.assign(
        log=np.log(single["value"].to_numpy() / before),
        among=np.where(single["language"] == single["calibration"], OWN, OTHERS),
    )
    found = single.groupby([*DRAW, "calibration_tokens", "among"], sort=False).agg(
        log=("log", "mean"), languages=("language", "nunique")
    )
    found = found.assign(times=np.exp(found["log"])).drop(columns="log").reset_index()
    several = found.groupby(DRAW)["calibration_tokens"].transform("nunique") > 1
    order = {code: place for place, code in enumerate(languages_of(found["calibration"]))}
    found = found[several]
    return found.sort_values(
        ["calibration", "calibration_tokens"],
        key=lambda column: column.map(order) if column.name == "calibration" else column,
        kind="stable",
    ).reset_index(drop=True)


def by_block(rows: pd.DataFrame) -> Iterator[tuple[Block, str, pd.DataFrame]]:
    """(block, source, its rows) of `losses`, in the order of the study."""
    for source, mine in rows.groupby("source", sort=False):
        for block, part in blocks(mine):
            yield block, source, part


def ends(rows: pd.DataFrame) -> pd.DataFrame:
    """What the most text gains over the least: one row a calibration language and `among`, with `least`, `most` (times
    the dense perplexity) and `fall` (percent by which the perplexity falls; negative where it rises).

    rows: those of one block and source.
    """
    ordered = rows.sort_values("calibration_tokens", kind="stable").groupby(["calibration", "among"], sort=False)[
        "times"
    ]
    found = pd.DataFrame({"least": ordered.first(), "most": ordered.last()})
    return found.assign(fall=100 * (1 - found["most"] / found["least"])).reset_index()
