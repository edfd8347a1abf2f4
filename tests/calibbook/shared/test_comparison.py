"""Comparing calibrations by item scores: coverage and error rates on simulated draws whose truth is known, and the
procedures by hand.
"""

import math
import warnings

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import kstest, norm
from statsmodels.stats.multitest import multipletests

from calibbook.shared.comparison import best_calibrations, holm, items_needed, paired_bootstrap, rank_of_target
from calibprune.errors import ParameterError

RESAMPLES = 999


def ability(stream, seeds: int, items: int, shift: float, spread: float) -> np.ndarray:
    """What one calibration can do, [seeds, items]: items differ, draws differ by `spread`, and so do answers; compare
    it with a difficulty.
    """
    tilt = stream.normal(0, 0.3, items)
    return tilt + shift + stream.normal(0, spread, (seeds, 1)) + stream.normal(0, 0.5, (seeds, items))


def pair(
    number: int, seeds: int, items: int, shift: float, spread: float, graded: bool = False
) -> tuple[np.ndarray, np.ndarray]:
    """Two calibrations on the same items, the first better by `shift` on a latent scale; scores 0 or 1, or between
    them.
    """
    stream = np.random.default_rng(number)
    difficulty = stream.normal(0, 1.5, items)
    latent = [ability(stream, seeds, items, better, spread) - difficulty for better in (shift, 0.0)]
    return tuple(1 / (1 + np.exp(-x)) if graded else (x > 0).astype(float) for x in latent)


def true_difference(shift: float, spread: float) -> float:
    """What `pair` differs by over all items and draws: its latent scale is normal."""
    return norm.cdf(shift / math.sqrt(1.5**2 + 0.3**2 + spread**2 + 0.5**2)) - 0.5


@pytest.mark.parametrize(
    ("seeds", "items", "spread"),
    [(1, 50, 0.0), (1, 200, 0.0), (2, 100, 0.2), (3, 100, 0.0), (3, 200, 0.1), (3, 100, 0.6), (5, 100, 0.2)],
)
def test_intervals_cover_the_truth_as_often_as_they_say(seeds, items, spread):
    truth = true_difference(0.2, spread)
    found = [paired_bootstrap(*pair(number, seeds, items, 0.2, spread), RESAMPLES, number) for number in range(400)]
    assert 0.92 <= np.mean([one.low <= truth <= one.high for one in found]) <= 0.98


@pytest.mark.parametrize(("seeds", "spread"), [(1, 0.0), (3, 0.1)])
def test_p_values_are_uniform_where_there_is_no_difference(seeds, spread):
    """Graded scores: of 0/1 scores some pairs are equal to the last item, and their p-values pile up at 1."""
    p = [
        paired_bootstrap(*pair(number, seeds, 200, 0.0, spread, graded=True), RESAMPLES, number).p
        for number in range(400)
    ]
    assert kstest(p, "uniform").pvalue > 0.01
    right_or_wrong = [
        paired_bootstrap(*pair(number, seeds, 200, 0.0, spread), RESAMPLES, number).p for number in range(400)
    ]
    assert 0.02 <= np.mean(np.array(right_or_wrong) <= 0.05) <= 0.08


def test_p_agrees_with_mcnemar():
    """60 against 40 discordant items of 500: the normal approximation of McNemar's test gives z = 2, p = 0.0455."""
    a, b = np.zeros((2, 1, 500))
    a[0, :60], b[0, 60:100] = 1, 1
    found = paired_bootstrap(a, b, 20_000)
    assert found.difference == pytest.approx(0.04)
    assert found.p == pytest.approx(2 * norm.sf(2), abs=0.01)
    half = 1.96 * math.sqrt((0.2 - 0.04**2) / 500)
    assert (found.low, found.high) == (pytest.approx(0.04 - half, abs=0.002), pytest.approx(0.04 + half, abs=0.002))


@given(st.integers(0, 2**32 - 1), st.integers(1, 3), st.integers(1, 3), st.integers(2, 40), st.integers(39, 400))
def test_p_and_interval_say_the_same(number, seeds_a, seeds_b, items, resamples):
    stream = np.random.default_rng(number)
    a, b = stream.random((seeds_a, items)).round(1) + 0.2 * stream.random(), stream.random((seeds_b, items)).round(1)
    found = paired_bootstrap(a, b, resamples)
    assert found == paired_bootstrap(a, b, resamples)
    assert found.difference == pytest.approx(a.mean() - b.mean())
    assert (found.p <= 0.05) == (not found.low <= 0 <= found.high)
    assert 0 < found.p <= 1


def test_swapping_sides_mirrors_the_result():
    a, b = pair(1, 3, 200, 0.3, 0.1)
    forth, back = paired_bootstrap(a, b), paired_bootstrap(b, a)
    assert (back.difference, back.low, back.high) == (
        pytest.approx(-forth.difference),
        pytest.approx(-forth.high, abs=0.01),
        pytest.approx(-forth.low, abs=0.01),
    )


def test_pairing_helps_and_the_spread_of_draws_does_not():
    a, b = pair(2, 3, 300, 0.2, 0.0)
    shuffled = np.random.default_rng(0).permutation(b, axis=1)
    width = [found.high - found.low for found in (paired_bootstrap(a, b), paired_bootstrap(a, shuffled))]
    assert width[0] < 0.7 * width[1]
    apart = b + np.array([[-0.2], [0.0], [0.2]])
    draws = paired_bootstrap(a, apart)
    assert draws.difference == pytest.approx(a.mean() - b.mean()) and draws.high - draws.low > 3 * width[0]


def test_nothing_varies():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        same = paired_bootstrap(np.ones((3, 5)), np.ones((1, 5)))
        apart = paired_bootstrap(np.ones((1, 5)), np.zeros((1, 5)), 99)
    assert (same.difference, same.low, same.high, same.p) == (0, 0, 0, 1)
    assert (apart.difference, apart.low, apart.high, apart.p) == (1, 1, 1, 2 / 100)


def test_holm_by_hand():
    """Sorted 0.005, 0.01, 0.03, 0.04 times 4, 3, 2, 1 is 0.02, 0.03, 0.06, 0.04; the last may not fall below the one
    before.
    """
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    table = holm([[0.01, math.nan, 0.04], [0.03, 0.005, math.nan]])
    assert table == pytest.approx(np.array([[0.03, math.nan, 0.06], [0.06, 0.02, math.nan]]), nan_ok=True)
    assert holm([0.6, 0.7]) == pytest.approx([1, 1]) and holm([]).size == 0 and np.isnan(holm([math.nan])).all()


@given(st.lists(st.floats(0, 1), min_size=1, max_size=12), st.floats(0.001, 0.5))
def test_holm_rejects_what_its_steps_reject(p, alpha):
    rejected = set()
    for step, place in enumerate(np.argsort(p, kind="stable")):
        if p[place] * (len(p) - step) > alpha:
            break
        rejected.add(int(place))
    assert set(np.flatnonzero(holm(p) <= alpha).tolist()) == rejected


def test_holm_is_that_of_statsmodels():
    for p in ([0.01, 0.04, 0.03, 0.005], [0.5, 0.6, 0.01, 0.01], np.random.default_rng(0).random(30) ** 3):
        assert holm(p).tolist() == multipletests(p, method="holm")[1].tolist()


def test_items_needed_by_hand():
    """One item in five discordant, even: variance 0.2, (1.9600 + 0.8416)² · 0.2 / 0.01² = 15,698 items, but for a
    correction of n / (n - 1).
    """
    a, b = np.zeros((2, 1, 100_000))
    a[0, :10_000], b[0, 10_000:20_000] = 1, 1
    paired, unpaired = items_needed(a, b)
    assert paired == pytest.approx(15_698, rel=1e-4)
    assert unpaired == pytest.approx((1.95996 + 0.84162) ** 2 * 2 * 0.09 / 1e-4, rel=1e-4)
    assert items_needed(a, b, points=0.02).paired == pytest.approx(paired / 4, rel=1e-3)
    assert items_needed(a, b, power=0.9) > items_needed(a, b) and items_needed(a, b, alpha=0.01) > items_needed(a, b)
    assert items_needed(a, a).paired == math.ceil((1.959964 + 0.841621) ** 2 * 0.99 / 0.01)


def test_that_many_items_have_that_power():
    """Discordant with probability 0.15 against 0.05: a difference of 10 points."""
    stream = np.random.default_rng(0)

    def draw(items):
        kind = stream.choice(4, p=[0.15, 0.05, 0.4, 0.4], size=items)
        return np.isin(kind, (0, 2))[None], np.isin(kind, (1, 2))[None]

    items = items_needed(*draw(20_000), points=0.1).paired
    assert 0.75 <= np.mean([paired_bootstrap(*draw(items), RESAMPLES).p <= 0.05 for _ in range(400)]) <= 0.87


def column(number: int, qualities: dict[str, float], seeds=1, items=100) -> dict[str, np.ndarray]:
    stream = np.random.default_rng(number)
    difficulty = stream.normal(0, 1.5, items)
    return {
        name: (ability(stream, seeds, items, quality, 0.05) > difficulty).astype(float)
        for name, quality in qualities.items()
    }


def test_best_calibrations_row_by_row():
    scores = column(0, {"de": 0.0, "en": 2.0, "sw": -2.0, "zh": 1.95}, seeds=3, items=300)
    rows = best_calibrations(scores)
    assert rows.index.tolist() == ["de", "en", "sw", "zh"] and rows.index.name == "calibration"
    leader = rows["mean"].idxmax()
    assert rows.index[rows["best"]].tolist() == ["en", "zh"] and leader in ("en", "zh")
    for name, row in rows.iterrows():
        assert row["mean"] == pytest.approx(scores[name].mean()) and row["low"] < row["mean"] < row["high"]
        assert row["sd"] == pytest.approx(scores[name].mean(axis=1).std(ddof=1))
        assert row["stderr"] == pytest.approx(scores[name].mean(axis=0).std(ddof=1) / math.sqrt(300))
        assert row["difference"] == pytest.approx(row["mean"] - rows.loc[leader, "mean"])
        assert row["within_one_stderr"] == (row["mean"] >= rows.loc[leader, "mean"] - rows.loc[leader, "stderr"])
    other = rows.drop(index=leader)
    assert other["p_holm"].to_numpy() == pytest.approx(holm(other["p"]))
    assert math.isnan(rows.loc[leader, "p"]) and not other["p"].isna().any()
    assert ((other["difference_high"] < 0) == (other["p"] <= 0.05)).all()
    assert best_calibrations(scores).equals(rows)


def test_the_truly_best_keeps_its_mark():
    """Seven equal calibrations: each is truly best, and each is to be marked 95 times in 100, whichever happens to
    lead.
    """
    columns = [best_calibrations(column(number, dict.fromkeys("abcdefg", 0.0)), 299, number) for number in range(300)]
    assert np.mean([rows["best"] for rows in columns]) >= 0.95
    # without Holm's correction it would lose it more often
    assert np.mean([rows["p"] <= 0.05 for rows in columns]) > 0.05


def test_one_calibration_wins_nothing():
    rows = best_calibrations({"de": np.eye(4)[:1]})
    assert not rows["best"].any() and rows["sd"].isna().all() and rows.loc["de", "mean"] == 0.25


def test_rank_of_target():
    def rows(means, best, near):
        return pd.DataFrame({"mean": means, "best": best, "within_one_stderr": near}, index=["de", "en", "zh"])

    columns = [
        ("de", rows([0.6, 0.5, 0.4], [True, True, False], [True, False, False])),
        ("en", rows([0.6, 0.5, 0.4], [True, True, False], [True, False, False])),
        ("zh", rows([0.6, 0.5, 0.4], [True, True, False], [True, False, False])),
        ("en", rows([0.6, 0.6, 0.4], [True, True, False], [True, True, False])),
    ]
    ranks = rank_of_target(columns)
    assert ranks == (4, 2, 1, 2, 3)
    assert (ranks.columns, ranks.best, ranks.second, ranks.within_one_stderr, ranks.not_worse) == ranks
    assert rank_of_target([]) == (0, 0, 0, 0, 0)
    with pytest.raises(ParameterError, match="no calibration in 'sw' among de, en, zh"):
        rank_of_target([("sw", columns[0][1])])


GOOD = np.array([[0.0, 1.0, 1.0]])


@pytest.mark.parametrize(
    ("bad", "said"),
    [
        (np.ones((1, 4)), "4 items, others of 3"),
        (np.array([[0.0, math.nan, 1.0]]), "not all finite"),
        (np.array([[0.0, math.inf, 1.0]]), "not all finite"),
        (np.ones(3), r"shape \[3\]"),
        (np.ones((0, 3)), r"shape \[0, 3\]"),
        ([[0.0, 1.0], [1.0]], "not numbers"),
        ([["right", "wrong", "right"]], "not numbers"),
    ],
)
def test_bad_scores_are_one_line(bad, said):
    for call in (
        lambda: paired_bootstrap(GOOD, bad),
        lambda: items_needed(GOOD, bad),
        lambda: best_calibrations({"de": GOOD, "en": bad}),
    ):
        with pytest.raises(ParameterError, match=said) as caught:
            call()
        assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("call", "said"),
    [
        (lambda: paired_bootstrap(GOOD[:, :1], GOOD[:, :1]), "one item"),
        (lambda: paired_bootstrap(GOOD, GOOD, resamples=38), "at least 39, not 38"),
        (lambda: best_calibrations({}), "no scores"),
        (lambda: holm([0.1, 1.5]), "between 0 and 1, not 1.5"),
        (lambda: items_needed(GOOD, 100 * GOOD), "scores from 0 to 100"),
        (lambda: items_needed(GOOD, GOOD, points=1), "points must be between 0 and 1, not 1"),
        (lambda: items_needed(GOOD, GOOD, power=0.0), "power must be"),
    ],
)
def test_other_bad_input_is_one_line(call, said):
    with pytest.raises(ParameterError, match=said) as caught:
        call()
    assert "\n" not in str(caught.value)
