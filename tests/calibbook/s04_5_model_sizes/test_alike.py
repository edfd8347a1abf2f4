"""How alike two models are: against plain computations, and simulated at the study's own sizes, seven calibrations and
three draws. Without anything in common each test is wrong in at most 2.5% of cases on either side, and an interval
leaves out the true value no more often, within the error of the simulation.
"""

import math

import numpy as np
import pytest
from scipy.stats import binom, spearmanr

from calibbook.s04_5_model_sizes.alike import beyond_draws, pattern_alike, ranking_alike, winners_alike
from calibbook.shared.statistics import ALPHA

LANGUAGES, DRAWS = 7, 3
EYE = np.eye(LANGUAGES)
SHARED = {
    "nothing": {},
    "one calibration is good or bad everywhere, in one model": {"own": 3.0},
    "half of the pattern": {"pattern": 1.0},
    "most of the pattern": {"pattern": 2.0},
    "good and bad calibrations": {"rows": 1.0},
    "the diagonal": {"diagonal": 2.0},
    "all of it": {"pattern": 0.7, "rows": 1.0, "diagonal": 3.0},
}


def at_most(share: float, repetitions: int) -> int:
    return int(binom.isf(0.001, repetitions, share))


def two(stream, pattern=0.0, rows=0.0, diagonal=0.0, own=1.0) -> list[np.ndarray]:
    """The squares of two models, each with noise of 1 a cell, and with hard and easy evaluations in common."""
    cells, calibrations, hard = (stream.normal(size=shape) for shape in ((LANGUAGES,) * 2, (LANGUAGES, 1), LANGUAGES))
    common = pattern * cells + rows * calibrations + diagonal * EYE + 5 * hard
    return [common + stream.normal(size=common.shape) + own * stream.normal(size=(LANGUAGES, 1)) for _ in range(2)]


def centred(square):
    return square - square.mean(axis=0) - square.mean(axis=1, keepdims=True) + square.mean()


def test_values_are_those_of_plain_computations():
    one, other = two(np.random.default_rng(0), pattern=1.0, rows=1.0)
    expected = spearmanr(centred(one).ravel(), centred(other).ravel()).statistic
    assert pattern_alike(one, other)[0] == pytest.approx(expected)
    columns = [spearmanr(one[:, j], other[:, j]).statistic for j in range(LANGUAGES)]
    assert ranking_alike(one, other)[0] == pytest.approx(np.mean(columns))
    same = one.argmax(axis=0) == other.argmax(axis=0)
    assert winners_alike(one, other).share == same.mean()
    assert winners_alike(one, other).chance == pytest.approx(1 / LANGUAGES)


def test_what_belongs_to_rows_and_columns_is_no_pattern():
    one, other = two(np.random.default_rng(1), pattern=1.0)
    stream = np.random.default_rng(2)
    moved = 3 * other + 9 * stream.normal(size=(LANGUAGES, 1)) + 9 * stream.normal(size=LANGUAGES)
    assert pattern_alike(one, moved) == pytest.approx(pattern_alike(one, other))
    assert ranking_alike(one, 3 * other + 9 * stream.normal(size=LANGUAGES)) == pytest.approx(ranking_alike(one, other))
    additive = stream.normal(size=(LANGUAGES, 1)) + stream.normal(size=LANGUAGES)
    assert math.isnan(pattern_alike(one, additive)[0]) and math.isnan(pattern_alike(additive, additive)[3])


def test_a_calibration_that_wins_everywhere_is_one_coincidence():
    one, other = (np.random.default_rng(seed).normal(size=(LANGUAGES, LANGUAGES)) for seed in (3, 4))
    one[2], other[2] = 10 + np.arange(7), 20 - np.arange(7)
    found = winners_alike(one, other)
    assert found.share == 1 and found.p == pytest.approx(1 / LANGUAGES)
    assert found.low == pytest.approx(ALPHA / 2) and found.high == 1
    assert np.isnan(winners_alike(np.zeros((7, 7)), one)).all()
    tied = winners_alike(np.array([[1, 0], [1, 0], [0, 1]]), np.array([[1, 0], [0, 0], [0, 1]]))
    assert tied.share == 0.75 and tied.chance == pytest.approx(1 / 3)


def test_chance_is_counted_over_all_orders_and_too_few_calibrations_show_nothing():
    square = np.random.default_rng(5).normal(size=(4, 4))
    value, *_, p = pattern_alike(square, square + 0.01 * np.random.default_rng(6).normal(size=(4, 4)))
    assert value > 0.9 and p == pytest.approx(2 / 24)
    value, low, high, p = pattern_alike(square[:2], square[:2])
    assert value == pytest.approx(1) and math.isnan(low) and math.isnan(high) and p == 1


@pytest.mark.parametrize("shared", SHARED)
@pytest.mark.parametrize("test", [pattern_alike, ranking_alike])
def test_correlations_have_their_level(test, shared):
    """Power: half of the pattern (a correlation of about a half) is found by interval and relabelling in 55% of cases,
    most of it (0.8) always.
    """
    stream, repetitions = np.random.default_rng(7), 200
    found = np.array([test(*two(stream, **SHARED[shared])) for _ in range(repetitions)])
    truth = found[:, 0].mean()
    assert (found[:, 1] > truth).sum() <= at_most(ALPHA / 2, repetitions)
    assert (found[:, 2] < truth).sum() <= at_most(ALPHA / 2, repetitions)
    held = (found[:, 1] > 0) & (found[:, 3] <= ALPHA)
    if abs(truth) < 0.05:
        assert held.sum() <= at_most(ALPHA / 2, repetitions)
        assert (found[:, 3] <= ALPHA).sum() <= at_most(ALPHA, repetitions)
    if shared == "most of the pattern":
        assert held.mean() > (0.9 if test is pattern_alike else 0.5)


@pytest.mark.parametrize("shared", SHARED)
def test_shares_of_winners_have_their_level(shared):
    """Clopper and Pearson's interval with a trial for each column misses in up to 10% on one side."""
    stream, repetitions = np.random.default_rng(8), 200
    found = [winners_alike(*two(stream, **SHARED[shared])) for _ in range(repetitions)]
    truth = np.mean([one.share for one in found])
    assert sum(one.low > truth for one in found) <= at_most(ALPHA / 2, repetitions)
    assert sum(one.high < truth for one in found) <= at_most(ALPHA / 2, repetitions)
    if shared in ("nothing", "one calibration is good or bad everywhere, in one model"):
        assert sum(one.p <= ALPHA for one in found) <= at_most(ALPHA, repetitions)


def drawn(stream, differ=0.0, signal=1.0, noise=(1.0, 1.0), scale=1.0, parts=1, items=0.0):
    """Runs of two models of the same pattern, but for what differs, one `scale` times the other. `items`: noise of
    questions, the same in all draws of a model.
    """
    common = signal * (stream.normal(size=(LANGUAGES, LANGUAGES)) + EYE)
    for size, each in zip((1.0, scale), noise, strict=True):
        pattern = common + differ * stream.normal(size=common.shape)
        asked = items * stream.normal(size=(parts, 1, LANGUAGES, LANGUAGES))
        cells = each * stream.normal(size=(1, DRAWS, LANGUAGES, LANGUAGES))
        own = stream.normal(size=(1, DRAWS, LANGUAGES, 1))
        yield size * (pattern + asked + cells + own) + 2 * stream.normal(size=LANGUAGES)


@pytest.mark.parametrize(
    "same",
    [
        {},
        {"scale": 3.0},
        {"noise": (0.5, 1.5)},
        {"signal": 0.3},
        {"signal": 0.0},
        {"parts": 2, "items": 1.0},
    ],
    ids=str,
)
def test_the_same_pattern_with_other_noise_is_no_difference(same):
    """Where draws of one model have nothing in common, as with a signal of 0, there is nearly always no answer."""
    stream, repetitions = np.random.default_rng(9), 120
    found = np.array([beyond_draws(*drawn(stream, **same)) for _ in range(repetitions)])
    assert (found[:, 1] > 0).sum() <= at_most(ALPHA / 2, repetitions)
    assert (found[:, 2] < 0).sum() <= at_most(ALPHA / 2, repetitions)
    if same.get("signal") == 0.0:
        assert np.isnan(found[:, 1]).mean() > 0.8


def test_a_pattern_that_differs_is_found_and_questions_do_not_pass_for_it():
    """As much pattern of their own as in common is found in nine of ten cases with half the noise."""
    stream = np.random.default_rng(10)
    found = np.array([beyond_draws(*drawn(stream, differ=1.0, noise=(0.5, 0.5))) for _ in range(50)])
    assert (found[:, 1] > 0).sum() > 37
    whole = np.array([beyond_draws(*drawn(stream, items=1.0, noise=(0.5, 0.5))) for _ in range(50)])
    halves = np.array([beyond_draws(*drawn(stream, items=1.0, noise=(0.5, 0.5), parts=2)) for _ in range(50)])
    assert (whole[:, 1] > 0).sum() > 25 > 5 > (halves[:, 1] > 0).sum()


def test_one_draw_says_nothing_of_draws():
    one, other = drawn(np.random.default_rng(11))
    assert np.isnan(beyond_draws(one[:, :1], other)).all() and np.isnan(beyond_draws(one, other[:, :1])).all()
    assert np.isfinite(beyond_draws(one, other)).all()
