"""What more calibration text is worth, on frames with planted effects."""

import numpy as np
import pandas as pd
import pytest
from frames import tidy

from calibbook.amount_of_text import sentences, tables
from calibbook.amount_of_text.data import OTHERS, OWN, ends, losses

AMOUNTS = (1024, 5120, 32768)


@pytest.fixture(scope="module")
def frame() -> pd.DataFrame:
    """Perplexity in the calibration language falls by a tenth with each amount, in the others it stays."""
    parts = []
    for place, tokens in enumerate(AMOUNTS):
        part = tidy(languages=("de", "en", "sw"))
        pruned = part["method"] != "dense"
        part.loc[pruned, "calibration_tokens"] = tokens
        own = pruned & (part["calibration"] == part["language"]) & (part["metric"] == "perplexity")
        part.loc[own, "value"] *= 0.9**place
        parts.append(part if place == 0 else part[pruned])
    return pd.concat(parts, ignore_index=True)


def test_losses_are_ratios_to_the_dense_model(frame):
    rows = losses(frame)
    assert len(rows) == 2 * 2 * 3 * len(AMOUNTS) * 2, "methods, texts, calibrations, amounts, own and others"
    one = rows.query("method == 'wanda' and source == 'udhr' and calibration == 'de' and calibration_tokens == 5120")
    mine = frame.query(
        "method == 'wanda' and source == 'udhr' and calibration == 'de' and calibration_tokens == 5120 "
        "and metric == 'perplexity'"
    ).set_index("language")["value"]
    times = one.set_index("among")["times"]
    assert times[OWN] == pytest.approx(mine["de"] / 30)
    assert times[OTHERS] == pytest.approx(np.sqrt(mine["en"] * mine["sw"]) / 30)
    assert one.set_index("among")["languages"].to_dict() == {OWN: 1, OTHERS: 2}


def test_amounts_are_compared_on_the_same_draws(frame):
    most = frame[(frame["calibration_tokens"] == AMOUNTS[-1]) & (frame["metric"] == "perplexity")]
    further = most.assign(seed=1, value=most["value"] * 3)  # of the largest amount alone
    pd.testing.assert_frame_equal(losses(pd.concat([frame, further], ignore_index=True)), losses(frame))


def test_the_gain_of_the_most_text_over_the_least(frame):
    rows = losses(frame).query("method == 'sparsegpt' and source == 'chromium'")
    found = ends(rows).set_index(["calibration", "among"])["fall"]
    assert found["sw", OWN] == pytest.approx(100 * (1 - 0.81)) and found["en", OTHERS] == pytest.approx(0)
    said = repr(sentences.in_short(losses(frame)))
    assert "with 1,024, 5,120 and 32,768 tokens" in said
    assert f"Wanda at 50%: with the most text instead of the least, the perplexity in {OWN} falls by 19%" in said
    assert f"in {OTHERS} falls by 0%" in said


@pytest.mark.parametrize(
    "falls, said",
    [([3, 9], "falls by 3 to 9%"), ([-2], "rises by 2%"), ([-4, 3], "changes by −3 to 4%"), ([5, 5], "falls by 5%")],
)
def test_falls_and_rises_in_words(falls, said):
    assert sentences._fall(pd.Series(falls, dtype=float)) == said


def test_one_amount_is_nothing_to_show(frame):
    rows = losses(frame[frame["calibration_tokens"].isin([0, 1024])])
    assert rows.empty and "`sweep_samples`" in repr(sentences.in_short(rows))
    assert losses(frame[frame["method"] == "dense"]).empty and losses(frame[frame["metric"] == "snr_db"]).empty


def test_every_amount_is_in_the_table_and_the_picture(frame):
    rows = losses(frame)
    shown = repr(tables.amounts_table(rows, "Title"))
    assert all(f"{amount:,}" in shown for amount in AMOUNTS) and "Swahili" in shown
    picture = tables.amounts_picture(rows)
    assert len(picture.figure.axes) == 4 and "32,768 tokens" in picture.alt
    one = tables.amounts_picture(rows[rows["calibration"] == "de"].query("method == 'wanda' and source == 'udhr'"))
    assert len(one.figure.axes) == 1
