"""The picture of what the target language gains: its marks, its bars and its words are numbers computed otherwise."""

from itertools import pairwise

import numpy as np
import pandas as pd
import pytest
from frames import SEVEN
from scipy.stats import norm
from task_items import item_scores

from calibbook.s04_2_downstream_tasks.claims import target_is_better
from calibbook.s04_2_downstream_tasks.data import Column, compare
from calibbook.s04_2_downstream_tasks.figures import gain_pictures
from calibbook.s04_2_downstream_tasks.gains import target_gains
from calibbook.shared.dots import MEAN, dot_figure
from calibbook.shared.narrow import on_a_phone
from calibbook.shared.palette import looks

THREE = ("de", "en", "sw")
NAMES = ["German", "English", "Swahili", "mean"]


def gain(by_text, language) -> np.ndarray:
    """What each item gains in points, mean over draws: the target language minus the mean of the other single ones."""
    singles = {text: table.astype(float).mean(axis=0) for text, table in by_text.items() if "+" not in text}
    others = [table for text, table in singles.items() if text != language]
    return 100 * (singles[language] - sum(others) / len(others))


def marks(axis, series: str) -> tuple[list[float], list[tuple[float, float]]]:
    """Where the marks of a series stand, from top to bottom, and where their bars begin and end."""
    (bars,) = [found for found in axis.containers if found.get_label() == series]
    line, _, (drawn,) = bars
    return list(line.get_xdata()), [tuple(segment[:, 0]) for segment in drawn.get_segments()]


def only_language(scores, *codes):
    return {column: by_text for column, by_text in scores.items() if column.language in codes}


def without_texts(scores, *texts):
    kept = {
        column: {text: by_text[text] for text in by_text if text not in texts} for column, by_text in scores.items()
    }
    return {column: by_text for column, by_text in kept.items() if by_text}


def test_marks_and_bars_are_the_gains_and_their_intervals():
    scores = item_scores(THREE, mixtures=("de+en",), items=300)
    (picture,) = gain_pictures(scores)
    assert [axis.get_title() for axis in picture.figure.axes] == [
        "continuation (accuracy, 300 questions)",
        "knowledge (accuracy, 300 questions)",
    ]
    for task, axis in zip(("continuation", "knowledge"), picture.figure.axes, strict=True):
        assert [label.get_text() for label in axis.get_yticklabels()] == NAMES
        for method, name in (("wanda", "Wanda"), ("sparsegpt", "SparseGPT")):
            items = [
                gain(scores[Column("gemma3-270m", method, 0.5, "unstructured", task, code, "acc")], code)
                for code in THREE
            ]
            places, bars = marks(axis, name)
            means = [one.mean() for one in items]
            np.testing.assert_allclose(places, [*means, np.mean(means)], atol=1e-4)
            for one, (low, high) in zip(items, bars, strict=False):
                error = norm.isf(0.025) * one.std(ddof=1) / np.sqrt(len(one))
                assert (low, high) == pytest.approx((one.mean() - error, one.mean() + error), abs=0.1 * error)
            said = f"German {means[0]:+.1f}".replace("-", "−")
            assert f"{name}, interval above zero" in picture.alt and said in picture.alt
    assert picture.figure.axes[-1].get_xlabel().endswith("(over questions; of the mean: over languages)")


def test_the_mean_has_the_interval_of_the_claim():
    scores = item_scores(tasks=("knowledge",), methods=("wanda",), seeds=3)
    (claim,) = target_is_better(compare(scores))
    (mean,) = target_gains(scores).query("language == @MEAN").itertuples()
    assert (mean.value, mean.low, mean.high) == pytest.approx((claim.statistic, claim.low, claim.high), abs=1e-4)
    (picture,) = gain_pictures(scores)
    places, bars = marks(picture.figure.axes[0], "Wanda")
    assert places[-1] == pytest.approx(mean.value) and bars[-1] == pytest.approx((mean.low, mean.high))
    assert f"mean +{claim.statistic:.1f} (+{claim.low:.1f} to +{claim.high:.1f})." in picture.alt
    assert "(over questions and draws; of the mean: over languages)" in picture.alt


def test_languages_whose_intervals_leave_out_zero_are_counted():
    helped = gain_pictures(item_scores(tasks=("knowledge",), methods=("wanda",), target=0.3))[0].alt
    harmed = gain_pictures(item_scores(tasks=("knowledge",), methods=("wanda",), target=-0.3))[0].alt
    assert "Wanda, interval above zero in 7 of 7 languages, below zero in 0:" in helped
    assert "Wanda, interval above zero in 0 of 7 languages, below zero in 7:" in harmed


@pytest.mark.parametrize(
    "scores",
    [
        {},
        item_scores(("de",), items=20),  # no other calibration
        item_scores(THREE, methods=("magnitude",), items=20),
        item_scores(THREE, methods=(), items=20),
        without_texts(only_language(item_scores(THREE, items=20), "de"), "de"),  # measured where nothing was calibrated
    ],
    ids=["no task", "one language", "no calibration", "dense", "no target"],
)
def test_no_picture_where_nothing_can_be_compared(scores):
    assert gain_pictures(scores) == [] and target_gains(scores).empty


def test_a_mean_stands_below_several_languages_that_are_all_calibrated_in():
    scores = item_scores(THREE, methods=("wanda",), tasks=("knowledge",), items=50)
    assert list(target_gains(only_language(scores, "de"))["language"]) == ["de"]
    assert list(target_gains(only_language(scores, "de", "en"))["language"]) == ["de", "en"]
    (picture,) = gain_pictures(only_language(scores, "de", "en"))
    assert "of the mean" not in picture.alt and not picture.figure.axes[0].get_ylim()[0] > 1.5
    mean = target_gains(scores).iloc[-1]
    assert mean["language"] == MEAN and np.isnan(mean["low"])  # three languages have too few orders for an interval


def test_one_picture_a_model_and_setting():
    settings = ((0.5, "unstructured"), (0.5, "2:4"))
    pictures = gain_pictures(item_scores(THREE, models=("a", "b"), sparsity=settings, items=20))
    titles = [picture.figure.get_suptitle().split("\n")[-1] for picture in pictures]
    assert titles == ["a, 50%", "a, 2:4", "b, 50%", "b, 2:4"]


def test_a_method_that_nobody_has_heard_of_has_a_look_of_its_own():
    (picture,) = gain_pictures(item_scores(THREE, methods=("coin_toss", "wanda"), items=20))
    (legend,) = picture.figure.legends
    assert [text.get_text() for text in legend.get_texts()] == ["Wanda", "coin_toss"]
    lines = [found[0] for found in picture.figure.axes[0].containers]
    assert len({(line.get_color(), line.get_marker()) for line in lines}) == 2


def assert_in_view(figure):
    """No word beside the paper or on a panel's, no name of a row on another."""
    width, height = figure.get_size_inches() * figure.dpi
    (legend,) = figure.legends
    labels = [axis.xaxis.label for axis in figure.axes if axis.get_xlabel()]
    for text in [figure._suptitle, *(axis.title for axis in figure.axes), *labels]:
        box = text.get_window_extent()
        assert box.x0 >= 0 and box.x1 <= width and box.y0 >= 0 and box.y1 <= height, text.get_text()
        assert not box.overlaps(legend.get_window_extent()), text.get_text()
    for axis in figure.axes:
        names = [label.get_window_extent() for label in axis.get_yticklabels()]
        assert all(above.y0 >= below.y1 - 1 for above, below in pairwise(names))


def test_a_phone_shows_panels_below_each_other_and_no_words_beside_the_paper():
    scores = item_scores(
        tasks=("continuation", "a_task_with_quite_a_long_name_of_its_own"),
        models=("meta-llama/Llama-3.1-8B-Instruct",),
        items=20,
    )
    (picture,) = gain_pictures(scores)
    figure = picture.figure
    figure.draw_without_rendering()
    assert len({round(axis.get_position().x0, 3) for axis in figure.axes}) == 2
    assert_in_view(figure)
    with on_a_phone(figure):
        figure.draw_without_rendering()
        assert figure.get_figwidth() < 5 and len({round(axis.get_position().x0, 3) for axis in figure.axes}) == 1
        assert_in_view(figure)
    assert 'class="only-dark"' in picture._repr_html_() and picture.alt.split(":")[0] in picture._repr_html_()


def test_a_mark_without_an_interval_has_no_bar():
    rows = pd.DataFrame(
        [("x", "a", 1.0, 0.5, 2.0), ("y", "a", 3.0, np.nan, np.nan)], columns=["row", "series", "value", "low", "high"]
    )
    _, (axis,) = dot_figure({"panel": rows}, looks(["a"]), {"x": "X", "y": "Y", "a": "A"}, "title", "label")
    assert marks(axis, "A") == ([1.0, 3.0], [(0.5, 2.0), (3.0, 3.0)])


def test_seven_languages_have_their_order_whatever_the_order_of_records():
    scores = item_scores(tasks=("knowledge",), items=20)
    backwards = dict(reversed(scores.items()))
    (one,), (other,) = gain_pictures(scores), gain_pictures(backwards)
    assert [label.get_text() for label in one.figure.axes[0].get_yticklabels()] == [
        label.get_text() for label in other.figure.axes[0].get_yticklabels()
    ]
    assert len(one.figure.axes[0].get_yticklabels()) == len(SEVEN) + 1
