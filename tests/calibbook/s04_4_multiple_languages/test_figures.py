"""The picture of mixtures against the target alone: its numbers are computed otherwise, and those of the claims."""

import numpy as np
import pytest
from drawing import draw
from frames import SEVEN, tidy, with_value
from task_items import item_scores

from calibbook.s04_4_multiple_languages.claims import beyond_4_4, mixtures_help
from calibbook.s04_4_multiple_languages.data import TARGET, against
from calibbook.s04_4_multiple_languages.figures import mixture_pictures
from calibbook.s04_4_multiple_languages.over_languages import perplexity_points, task_points

PAIRS = tuple("+".join(sorted(("en", code))) for code in SEVEN if code != "en")
MANY = ("ar+de+en+es+ru", "+".join(SEVEN))
SETUPS = ["English + target", "five languages", "seven languages", "English alone"]
NO_TASKS = (against({}, TARGET), {})


def marks(axis, series: str) -> tuple[list[float], list[tuple[float, float]]]:
    (bars,) = [found for found in axis.containers if found.get_label() == series]
    line, _, (drawn,) = bars
    return list(line.get_xdata()), [tuple(segment[:, 0]) for segment in drawn.get_segments()]


def spread(**settings):
    """A frame whose ratios to the target alone differ between languages."""
    frame = tidy(mixtures=(*PAIRS, *MANY), **settings)
    for place, code in enumerate(SEVEN):
        mine = (frame["language"] == code) & (frame["calibration"] != code) & (frame["metric"] == "perplexity")
        frame.loc[mine, "value"] *= 1 + 0.05 * place
    return frame


def ratios(frame, method, source, setup) -> dict[str, float]:
    """Target language -> perplexity over that of the target alone, mean over draws."""
    rows = frame.query("metric == 'perplexity' and method == @method and source == @source")
    means = rows.groupby(["calibration", "language"])["value"].mean()
    texts = {"five languages": MANY[0], "seven languages": MANY[1], "English alone": "en"}
    text = {code: texts.get(setup, "+".join(sorted(("en", code)))) for code in SEVEN}
    return {
        code: means[text[code], code] / means[code, code]
        for code in SEVEN
        if text[code] != code and text[code] != "en+en"
    }


def in_the_mean(setup, code) -> bool:
    return code != "en" and (setup != "five languages" or code in MANY[0].split("+"))


def test_means_over_languages_and_their_intervals_are_those_of_the_claims():
    frame = spread()
    (picture,) = mixture_pictures(frame, *NO_TASKS)
    assert [axis.get_title() for axis in picture.figure.axes] == ["Wanda", "SparseGPT"]
    claims = beyond_4_4(frame).set_index(["method", "metric"])
    for axis, method in zip(picture.figure.axes, ("wanda", "sparsegpt"), strict=True):
        assert [label.get_text() for label in axis.get_yticklabels()] == SETUPS and axis.get_xscale() == "log"
        for source in ("chromium", "udhr"):
            places, bars = marks(axis, source)
            for setup, place, (low, high) in zip(SETUPS, places, bars, strict=True):
                logs = [
                    np.log(value)
                    for code, value in ratios(frame, method, source, setup).items()
                    if in_the_mean(setup, code)
                ]
                assert place == pytest.approx(np.exp(np.mean(logs)))
                if setup != "English alone":
                    claim = claims.loc[method, f"{setup}, perplexity on {source}"]
                    ends = tuple(1 + np.array([claim["statistic"], claim["low"], claim["high"]]) / 100)
                    assert (place, low, high) == pytest.approx(ends)
                assert low < place < high
                said = f"{setup} {100 * (place - 1):+.1f}% (".replace("-", "−")
                assert said in picture.alt


def test_languages_stand_beside_the_mean_hollow_where_it_leaves_them_out():
    frame = spread(methods=("wanda",), sources=("chromium",))
    (picture,) = mixture_pictures(frame, *NO_TASKS)
    (axis,) = picture.figure.axes
    drawn = [line for line in axis.lines if line.get_markersize() == 3.5]
    found = {
        hollow: sorted(
            x for line in drawn for x in line.get_xdata() if (line.get_markerfacecolor() == "#ffffff") == hollow
        )
        for hollow in (False, True)
    }
    for hollow, places in found.items():
        expected = [
            value
            for setup in SETUPS
            for code, value in ratios(frame, "wanda", "chromium", setup).items()
            if in_the_mean(setup, code) != hollow
        ]
        assert places == pytest.approx(sorted(expected))
    five = ratios(frame, "wanda", "chromium", "five languages")
    assert (
        f"not in the mean English {100 * five['en'] - 100:+.1f}%, Swahili {100 * five['sw'] - 100:+.1f}%" in picture.alt
    )
    assert "as the mean of 4 languages" in picture.alt


def test_draws_of_a_model_that_serves_all_languages_count_where_there_are_several():
    narrow, wide = (spread(methods=("wanda",), seeds=(0, 1, 2)) for _ in range(2))
    for seed, factor in enumerate((0.7, 1.0, 1.3)):
        picked = (wide["calibration"] == "en") & (wide["seed"] == seed) & (wide["metric"] == "perplexity")
        wide.loc[picked, "value"] *= factor
    reach = [
        np.ptp(
            np.log(
                perplexity_points(frame).query("language == '' and setup == 'English alone'")[["low", "high"]].iloc[0]
            )
        )
        for frame in (narrow, wide)
    ]
    assert reach[1] > 2 * reach[0]


def test_of_tasks_where_no_perplexity_was_measured():
    scores = item_scores(mixtures=(*PAIRS, *MANY), methods=("wanda",), items=60, seeds=2)
    differences = against(scores, TARGET)
    frame = tidy(methods=("wanda",)).query("metric != 'perplexity'")
    (picture,) = mixture_pictures(frame, differences, scores)
    (axis,) = picture.figure.axes
    places, bars = marks(axis, "tasks")
    (block,) = {column.block for column in scores if column.method == "wanda"}
    claims = {claim.metric: claim for claim in mixtures_help(block, differences, scores)}
    for setup, place, ends in zip(SETUPS[:3], places, bars, strict=False):
        claim = claims[f"{setup}, tasks"]
        assert (place, *ends) == pytest.approx((claim.statistic, claim.low, claim.high))
        assert f"{setup} {claim.statistic:+.1f} (".replace("-", "−") in picture.alt
    english = differences.query("setup == 'English alone'").groupby("language")["difference"].mean()
    assert places[3] == pytest.approx(100 * english.mean()) and len(english) == 6
    assert axis.get_xscale() == "linear" and "points gained over the target alone, mean over tasks" in picture.alt


def test_where_values_lie_close_there_are_still_labels_below_the_axis():
    frame = tidy(methods=("wanda",), mixtures=PAIRS, gain=0.02)
    (picture,) = mixture_pictures(frame, *NO_TASKS)
    axis = picture.figure.axes[0]
    picture.figure.draw_without_rendering()
    low, high = axis.get_xlim()
    shown = [label.get_text() for label in axis.get_xticklabels() if low <= label.get_position()[0] <= high]
    assert len(shown) >= 2 and "0%" in shown


def test_perplexity_that_is_infinite_or_doubled_can_be_drawn():
    frame = with_value(spread(methods=("wanda",)), np.inf, calibration=MANY[1], language="sw", metric="perplexity")
    (picture,) = mixture_pictures(frame, *NO_TASKS)
    assert "seven languages" in picture.alt
    draw(picture)


@pytest.mark.parametrize(
    "frame",
    [
        tidy(),  # no mixture
        tidy(("de",)),
        tidy(methods=("magnitude",)),
        tidy(methods=()),
        tidy().iloc[:0],
        tidy(mixtures=("de+en",)).query("calibration == 'de+en' or method == 'dense'"),  # nothing to compare with
    ],
    ids=["no mixture", "one language", "no calibration", "dense", "empty", "no target"],
)
def test_no_picture_of_nothing(frame):
    assert mixture_pictures(frame, *NO_TASKS) == [] and perplexity_points(frame).empty
    assert task_points(*NO_TASKS).empty


@pytest.mark.parametrize(
    "options",
    [
        {"languages": ("de", "sw"), "mixtures": ("de+sw",)},
        {"languages": ("de", "sw"), "mixtures": ("de+sw",), "methods": ("coin_toss",), "sources": ("udhr",)},
        {"languages": ("de", "ru", "sw"), "mixtures": ("de+sw", "de+ru"), "seeds": (0, 1)},
        {"mixtures": MANY, "models": ("a", "b"), "sparsity": ((0.5, "unstructured"), (0.5, "2:4"))},
    ],
)
def test_every_kind_of_study_can_be_drawn(options):
    pictures = mixture_pictures(tidy(**options), *NO_TASKS)
    assert len(pictures) == len(options.get("models", "a")) * len(options.get("sparsity", "a"))
    for picture in pictures:
        assert picture.alt.startswith("Dot plot of perplexity")
        draw(picture)


def test_a_mixture_whose_languages_were_not_measured_has_marks_and_no_mean():
    frame = tidy(("en", "sw"), methods=("wanda",), mixtures=("de+en+ru",), sources=("chromium",))
    (picture,) = mixture_pictures(frame, *NO_TASKS)
    axis = picture.figure.axes[0]
    means = axis.containers[0][0].get_xdata()
    assert np.isnan(means[0]) and np.isfinite(means[1]) and "three languages, not in the mean English" in picture.alt
    assert [label.get_text() for label in axis.get_yticklabels()] == ["three languages", "English alone"]
    scores = item_scores(("en", "sw"), methods=("wanda",), mixtures=("de+en+ru",), items=20)
    (of_tasks,) = mixture_pictures(frame.iloc[:0], against(scores, TARGET), scores)
    assert "three languages, not in the mean English" in of_tasks.alt and "English alone" in of_tasks.alt
