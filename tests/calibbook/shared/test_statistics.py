"""Intervals and tests over languages, beside what they are by hand and by simulation."""

import itertools
import warnings
from math import comb, factorial

import numpy as np
import pytest

from calibbook.shared.statistics import (
    diagonal_p_value,
    least_p_value,
    least_relabelling_p_value,
    least_sign_flip_p_value,
    mean_interval,
    normal_interval,
    pair_interval,
    relabelling_p_value,
    share_interval,
    sign_flip_p_value,
    student_interval,
    target_advantage,
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
    assert low < 3 < high and (low, high) == mean_interval(np.arange(7.0))
    assert high - 3 == pytest.approx(1.96 * 2 / np.sqrt(7), rel=0.1)


def test_an_interval_of_what_is_not_known_is_not_known():
    with warnings.catch_warnings(action="error"):
        assert np.isnan(mean_interval(np.array([np.nan, 1.0, 2.0]))).all()
        assert mean_interval(np.full(4, 0.3)) == pytest.approx((0.3, 0.3))
    assert normal_interval(1.0, 2.0) == pytest.approx((1 - 2 * 1.959964, 1 + 2 * 1.959964))


@pytest.mark.parametrize(("value", "p"), [(1.25, 0.0), (0.0, 1.0), (-0.1, 0.0)])
def test_values_without_spread_have_an_interval_without_width(value, p):
    with warnings.catch_warnings(action="error"):
        assert student_interval(np.full(5, value)) == (pytest.approx(value), value, value, p)
        found = student_interval(100 * np.array([0.3, 0.1 + 0.2, 0.3]))  # the same but for rounding
    assert found[:3] == pytest.approx((30, 30, 30)) and found[3] == 0


def test_diagonal_p_values_count_the_orders_of_the_rows():
    stream = np.random.default_rng(0)
    for rows, columns in ((1, 2), (2, 1), (3, 5), (5, 12)):
        best, target = stream.random((rows, columns)) < 0.4, stream.integers(rows, size=columns)
        won = [sum(best[order[target[c]], c] for c in range(columns)) for order in itertools.permutations(range(rows))]
        assert diagonal_p_value(best, target) == np.mean([hits >= won[0] for hits in won])


def test_the_least_p_values_are_those_of_a_perfect_result():
    for n in (2, 3, 5):
        assert sign_flip_p_value(np.arange(1.0, n + 1)) == least_sign_flip_p_value(n)
        assert relabelling_p_value(np.eye(n)) == least_relabelling_p_value(n)
        assert diagonal_p_value(np.eye(n, dtype=bool), np.arange(n)) == pytest.approx(least_p_value(n, n))


def test_signs_are_flipped_exactly():
    assert sign_flip_p_value([1.0, 2.0, 3.0]) == 1 / 8
    assert sign_flip_p_value([-1.0, 2.0, 3.0]) == 2 / 8
    assert sign_flip_p_value([0.0, 0.0]) == 1.0
    assert sign_flip_p_value([0.1, 0.2, -0.3]) == 5 / 8  # a sum of 0, but for rounding, is no less than its opposite
    assert np.isnan(sign_flip_p_value([])) and np.isnan(sign_flip_p_value([1.0, np.nan]))
    assert sign_flip_p_value(np.ones(20)) == pytest.approx(1 / 20_000)


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
    mean, low, high = pair_interval((values[:, None] + values) / 2)
    reach = 2.3646242 * values.std(ddof=1) / np.sqrt(8)
    assert mean == pytest.approx(values.mean())
    assert (low, high) == (pytest.approx(mean - reach), pytest.approx(mean + reach))
    assert pair_interval(np.full((4, 4), 0.5)) == (0.5, 0.5, 0.5)
    assert pair_interval(np.full((2, 2), 0.5))[0] == 0.5 and np.isnan(pair_interval(np.full((3, 3), 0.5))[1])


def test_jackknife_intervals_cover_the_truth_about_as_often_as_they_say():
    random = np.random.default_rng(0)
    hits = 0
    for _ in range(400):
        languages, noise = random.normal(size=7), random.normal(scale=0.5, size=(7, 7))
        _, low, high = pair_interval(languages[:, None] + languages + noise + noise.T)
        hits += low <= 0 <= high
    assert 0.92 <= hits / 400 <= 0.99
