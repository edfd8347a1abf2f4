"""The diagonal that three metrics share: counted, and beyond chance."""

import numpy as np
import pandas as pd
import pytest
from drawing import draw
from frames import SEVEN, tidy, with_value
from scipy.stats import binom

from calibbook.s05_analysis.claims import agreeing, by_chance, pairs, section_5
from calibbook.s05_analysis.data import named
from calibbook.s05_analysis.figures import CHANCE, MEASURED, agreement_picture
from calibbook.s05_analysis.tables import agreement, as_data, best_by_metric, where
from calibbook.shared.frames import METRICS
from calibbook.shared.statistics import ALPHA


def test_a_diagonal_of_three_metrics_is_shared():
    found = section_5(tidy())
    assert len(found) == 4 and set(found["verdict"]) == {"held"}
    row = found.iloc[0]
    assert row["what"].startswith("7 of 7 columns, by chance ") and row["note"] == "the language itself in 7"
    assert row["statistic"] == 100 and row["p"] < 0.001


def test_metrics_that_name_different_languages_share_nothing():
    frame = tidy(sources=("chromium",), methods=("wanda",))
    for place, language in enumerate(SEVEN):
        other = SEVEN[(place + 1) % 7]
        frame = with_value(frame, 99.0, metric="snr_db", calibration=other, language=language)
    (row,) = section_5(frame).to_dict("records")
    assert row["verdict"] == "not held" and row["what"].startswith("0 of 7") and row["p"] == 1
    (one,) = named(frame)
    counts = {tuple(pair[:2]): pair[2] for pair in pairs(one)}
    assert counts["perplexity", "pruning_error"] == 7 and counts["perplexity", "snr_db"] == 0
    table = best_by_metric(one)
    assert set(table["all agree"]) == {"no"} and table[METRICS["snr_db"].label].tolist()[0] == "DE"
    assert agreement([one])["agree"].tolist() == ["0 of 7", "7 of 7", "0 of 7"]
    assert where(one) == "gemma3-270m, Wanda 50%, on chromium"


def test_one_language_that_is_best_everywhere_is_one_coincidence():
    """That two metrics agree on it has a chance of one in seven, however many languages are measured."""
    best = np.zeros((2, 7, 7), dtype=bool)
    best[:, 3] = True
    p, expected = by_chance(best)
    assert p == pytest.approx(1 / 7, abs=0.02) and expected == pytest.approx(1, abs=0.1)
    assert agreeing(best).all()


def test_metrics_without_a_relation_are_found_to_agree_no_more_often_than_the_level():
    stream = np.random.default_rng(0)

    def unrelated():
        winners = stream.integers(0, 7, (3, 7))
        return by_chance(np.arange(7)[None, :, None] == winners[:, None, :])[0]

    wrong = sum(unrelated() <= ALPHA for _ in range(150))
    assert wrong <= binom.isf(0.001, 150, ALPHA)


def test_marks_are_what_was_measured_and_what_chance_gives():
    found = list(named(tidy()))
    picture = agreement_picture(found)
    draw(picture)
    assert [axis.get_title() for axis in picture.figure.axes] == [where(one) for one in found]
    for axis, one in zip(picture.figure.axes, found, strict=True):
        handles = dict(zip(*reversed(axis.get_legend_handles_labels()), strict=True))
        marks = {name: handle.lines[0].get_xdata() for name, handle in handles.items()}
        assert list(marks[MEASURED]) == [hits for _, _, hits, _, _ in pairs(one)]
        assert marks[CHANCE] == pytest.approx([expected for _, _, _, expected, _ in pairs(one)])
    assert "7 of 7, by chance 1.0" in picture.alt


def test_the_data_of_the_page_are_the_rows_of_its_tables():
    found = list(named(tidy()))
    data = as_data(found)
    assert len(data) == sum(len(one.languages) for one in found)
    for one in found:
        mine = data[(data[list(one.names)] == pd.Series(one.names)).all(axis=1)]
        best = best_by_metric(one)
        assert mine[list(best)].to_numpy().tolist() == best.to_numpy().tolist()


def test_what_cannot_be_compared_is_left_out():
    frame = tidy(languages=("de", "sw"))
    assert section_5(frame[frame["metric"] != "perplexity"]).empty
    assert section_5(frame[frame["metric"] == "perplexity"]).empty
    assert section_5(tidy(languages=("de",))).empty
    assert section_5(tidy(methods=("magnitude",))).empty
    two = section_5(frame[frame["metric"] != "snr_db"])
    assert set(two["verdict"]) == {"undecided"} and "SNR" not in two["metric"].iloc[0]
    assert agreement([]).empty and as_data([]).empty
