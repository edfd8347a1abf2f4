"""Intervals and tests over languages, beside what they are by hand; how often they err is in test_soundness.py."""

import itertools
import warnings
from math import comb, factorial

import numpy as np
import pytest
from scipy.stats import ttest_1samp

from calibbook.shared.statistics import (
    crossed_interval,
    diagonal_p_value,
    jackknife_interval,
    least_p_value,
    least_relabelling_p_value,
    mean_interval,
    normal_interval,
    pair_interval,
    relabelling_p_value,
    related_advantage,
    share_interval,
    student_interval,
    target_advantage,
    target_interval,
)


@pytest.mark.parametrize("rows", [3, 5, 7])
def test_permutation_p_values_are_those_of_the_matching_problem(rows):
    """With one winner a column, all different, hits are the fixed points of a permutation."""

    def derangements(n):
        return round(factorial(n) * sum((-1) ** k / factorial(k) for k in range(n + 1)))

    for hits in {0, 1, rows - 2, rows}:
        order = np.arange(rows)
        moved = np.arange(hits, rows)
        order[moved] = np.roll(moved, 1)
        best = np.eye(rows, dtype=bool)[:, order]
        fixed = [comb(rows, k) * derangements(rows - k) for k in range(hits, rows + 1)]
        assert diagonal_p_value(best, np.arange(rows)) == pytest.approx(sum(fixed) / factorial(rows))
    assert least_p_value(rows, rows) == pytest.approx(1 / factorial(rows))


def test_sampled_permutations_agree_with_the_exact_tail():
    best = np.eye(9, dtype=bool)[:, [0, 1, 2, 4, 5, 6, 7, 8, 3]]
    exact = sum(comb(9, k) * round(factorial(9 - k) / np.e) for k in range(3, 9)) + 1
    assert diagonal_p_value(best, np.arange(9)) == pytest.approx(exact / factorial(9), rel=0.1)


def test_intervals():
    low, high = share_interval(3, 7)
    tail = sum(comb(7, k) * low**k * (1 - low) ** (7 - k) for k in range(3, 8))
    assert tail == pytest.approx(0.025) and share_interval(0, 7)[0] == 0 and high < 1
    assert np.isnan(share_interval(0, 0)).all() and np.isnan(mean_interval(np.array([1.0]))).all()
    low, high = mean_interval(np.arange(7.0))
    assert (low, high) == pytest.approx(tuple(ttest_1samp(np.arange(7.0), 0).confidence_interval()))


def test_an_interval_of_what_is_not_known_is_not_known():
    with warnings.catch_warnings(action="error"):
        assert np.isnan(mean_interval(np.array([np.nan, 1.0, 2.0]))).all()
        assert np.isnan(student_interval(np.array([np.nan, 1.0]))[1:]).all()
    assert normal_interval(1.0, 2.0) == pytest.approx((1 - 2 * 1.959964, 1 + 2 * 1.959964))


@pytest.mark.parametrize("value", [1.25, 0.0, -0.1])
def test_values_without_spread_have_no_interval(value):
    """An unknown variance is not a variance of zero."""
    with warnings.catch_warnings(action="error"):
        found = [
            student_interval(np.full(5, value)),
            student_interval(value + 100 * np.array([0.3, 0.1 + 0.2, 0.3])),  # the same but for rounding
            crossed_interval(np.full((5, 4), value)),
            pair_interval(np.full((5, 5), value)),
            (value, *jackknife_interval(value, np.full(5, value))),
            related_advantage(np.full((6, 6), value), np.equal.outer([0, 0, 1, 1, 2, 2], [0, 0, 1, 1, 2, 2])),
        ]
    assert np.isnan([one[1:] for one in found]).all() and np.isfinite([one[0] for one in found]).all()


def test_crossed_means_reach_as_far_as_both_sides_say():
    values = np.arange(7.0)[:, None] + np.zeros(5)
    mean, low, high, p = crossed_interval(values)
    reach = 2.7764451 * values[:, 0].std(ddof=1) / np.sqrt(7)  # Student's with the smaller number, less one
    assert (mean, high - mean) == (3, pytest.approx(reach)) and mean - low == pytest.approx(reach) and p < 0.05
    assert np.isnan(crossed_interval(values[:, :1])[1:]).all() and crossed_interval(values.T)[2] == pytest.approx(high)


def test_relatives_are_compared_beyond_what_each_language_does():
    kin = np.equal.outer([0, 1, 1, 1, 1, 2, 3], [0, 1, 1, 1, 1, 2, 3])
    stream = np.random.default_rng(0)
    own = 10 * stream.normal(size=(7, 1)) + stream.normal(size=7)
    noise = 0.01 * stream.normal(size=(7, 7))
    value, low, high, p = related_advantage(own + 3 * kin + noise, kin)
    assert value == pytest.approx(3, abs=0.05) and low < 3 < high and p < 1e-6
    assert abs(related_advantage(own + noise, kin)[0]) < 0.05
    assert np.isnan(related_advantage(own + noise, np.ones((7, 7), bool))).all()
    assert np.isnan(related_advantage(own[:4, :4] + noise[:4, :4], kin[1:5, 1:5])).all()


def test_an_interval_of_the_target_leaves_out_what_relabelling_rejects():
    gains = 2.0 * np.eye(6) + np.random.default_rng(3).normal(size=(6, 6))
    mean, low, high, p = target_interval(gains)
    assert mean == pytest.approx(target_advantage(gains).mean()) and low < mean < high
    for bound, sign in ((low, 1), (high, -1)):
        beyond = sign * (gains - (bound - sign * 1e-6) * np.eye(6))
        assert relabelling_p_value(beyond) <= 0.025
    assert (p <= 0.05) == (low > 0)
    assert np.isnan(target_interval(np.eye(4))[1]) and target_interval(np.eye(4))[3] == 2 / 24
    assert target_interval(np.eye(5))[1:] == (pytest.approx(1), pytest.approx(1), 2 / 120)


def test_diagonal_p_values_count_the_orders_of_the_rows():
    stream = np.random.default_rng(0)
    for rows, columns in ((1, 2), (2, 1), (3, 5), (5, 12)):
        best, target = stream.random((rows, columns)) < 0.4, stream.integers(rows, size=columns)
        won = [sum(best[order[target[c]], c] for c in range(columns)) for order in itertools.permutations(range(rows))]
        assert diagonal_p_value(best, target) == np.mean([hits >= won[0] for hits in won])


def test_the_least_p_values_are_those_of_a_perfect_result():
    for n in (2, 3, 5):
        assert target_interval(np.eye(n))[3] == least_relabelling_p_value(n)
        assert diagonal_p_value(np.eye(n, dtype=bool), np.arange(n)) == pytest.approx(least_p_value(n, n))


def test_target_advantage_ignores_what_helps_a_whole_row_or_column():
    gains = np.eye(4) * 3
    shifted = gains + np.arange(4)[:, None] + 10 * np.arange(4)
    assert target_advantage(gains) == pytest.approx([3, 3, 3, 3])
    assert target_advantage(shifted) == pytest.approx([3, 3, 3, 3])
    found = np.random.default_rng(0).normal(size=(5, 5))
    off = found[~np.eye(5, dtype=bool)]
    assert target_advantage(found).mean() == pytest.approx(np.diagonal(found).mean() - off.mean())
    assert relabelling_p_value(gains) == relabelling_p_value(shifted) == pytest.approx(1 / 24)
    assert relabelling_p_value(np.ones((3, 3))) == 1.0
    assert np.isnan(relabelling_p_value(np.ones((1, 1)))) and np.isnan(target_advantage(np.ones((1, 1)))).all()
    assert relabelling_p_value(np.eye(9)) == pytest.approx(1 / 20_001, rel=1)


def test_jackknife_over_languages():
    values = np.random.default_rng(1).normal(size=8)
    # the mean over pairs is that over languages, and so is its error
    mean, low, high, p = pair_interval((values[:, None] + values) / 2)
    reach = 2.3646242 * values.std(ddof=1) / np.sqrt(8)
    assert mean == pytest.approx(values.mean())
    assert (low, high) == (pytest.approx(mean - reach), pytest.approx(mean + reach))
    assert p == pytest.approx(ttest_1samp(values, 0).pvalue)
    assert pair_interval(np.full((2, 2), 0.5))[0] == 0.5 and np.isnan(pair_interval(np.full((3, 3), 0.5))[1])
