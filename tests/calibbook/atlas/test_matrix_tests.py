"""Tests on matrices of pairs: against plain loops, on planted effects, and their level where there is none."""

from itertools import permutations

import numpy as np
import pytest
from atlas_frames import ALL, planted

from calibbook.atlas.additive import donor_rank, givers_and_takers, parts
from calibbook.atlas.matrix_tests import coefficients, mantel, regression
from calibbook.atlas.relatedness import BRANCH, FAMILY, SCRIPT, same

SOME = ["da", "de", "en", "es", "fr", "hi", "ru", "uk"]


def related(languages) -> dict[str, np.ndarray]:
    return {BRANCH: same(languages, "branch"), FAMILY: same(languages, "family"), SCRIPT: same(languages, "script")}


def plain_parts(values: np.ndarray) -> np.ndarray:
    """The rest of a least-squares fit with a dummy for every row and column, pair by pair."""
    n = len(values)
    pairs = [(i, j) for i in range(n) for j in range(n) if i != j]
    design = np.array([[1, *(i == k for k in range(n)), *(j == k for k in range(n))] for i, j in pairs], dtype=float)
    y = np.array([values[pair] for pair in pairs])
    rest = np.full((n, n), np.nan)
    for pair, left in zip(pairs, y - design @ np.linalg.lstsq(design, y, rcond=None)[0], strict=True):
        rest[pair] = left
    return rest


@pytest.mark.parametrize("n", [3, 5, 9])
def test_parts_are_those_of_least_squares_without_the_diagonal(n):
    values = np.random.default_rng(n).standard_normal((n, n))
    found = parts(values)
    np.testing.assert_allclose(found.rest, plain_parts(values), atol=1e-12)
    off = ~np.eye(n, dtype=bool)
    again = found.mean + found.donors[:, None] + found.recipients + found.rest
    np.testing.assert_allclose(again[off], values[off])
    assert abs(found.donors.sum()) < 1e-12 and abs(found.recipients.sum()) < 1e-12
    values[np.eye(n, dtype=bool)] = 1e6
    np.testing.assert_allclose(parts(values).donors, found.donors)


def test_mantel_is_the_share_of_all_orders():
    random = np.random.default_rng(0)
    response, predictor = random.standard_normal((2, 5, 5))
    predictor += predictor.T
    off = ~np.eye(5, dtype=bool)
    y, x = plain_parts(response), plain_parts(predictor)
    found = [np.corrcoef(y[off], x[np.ix_(order, order)][off])[0, 1] for order in permutations(range(5))]
    r, p = mantel(response, predictor)
    assert r == pytest.approx(found[0])
    assert p == pytest.approx(np.mean(np.abs(found) >= abs(found[0]) - 1e-12))


def test_mantel_holds_its_level_where_there_are_only_donors_and_recipients():
    """Own effects of languages, however large and however related to the branch, are not found between pairs."""
    donors = {code: 0.8 for code in ("de", "en", "da")}
    hits = [
        mantel(planted(SOME, donors=donors, recipients=donors, seed=seed).to_numpy(), same(SOME, "branch"))[1] <= 0.05
        for seed in range(200)
    ]
    assert np.mean(hits) <= 0.05 + 3 * np.sqrt(0.05 * 0.95 / len(hits))
    assert any(hits)


def test_a_partial_test_holds_its_level_beside_a_strong_predictor():
    """Branch matters and script does not, though the two are correlated."""
    hits = [
        regression(planted(SOME, branch=1.0, seed=seed).to_numpy(), related(SOME)).loc[SCRIPT, "p"] <= 0.05
        for seed in range(60)
    ]
    assert np.mean(hits) <= 0.05 + 3 * np.sqrt(0.05 * 0.95 / len(hits))


def test_planted_effects_are_found_with_their_size():
    increase = planted(branch=0.6, script=0.2, donors={"en": -0.5}, noise=0.2)
    found = regression(increase.to_numpy(), related(ALL))
    assert found.loc[BRANCH, "p"] < 0.001 and found.loc[SCRIPT, "p"] < 0.001
    assert found.loc[FAMILY, "p"] > 0.05
    for name, truth in ((BRANCH, -0.6), (SCRIPT, -0.2), (FAMILY, 0.0)):
        assert found.loc[name, "low"] < truth < found.loc[name, "high"]
        assert found.loc[name, "coefficient"] == pytest.approx(truth, abs=0.08)


def test_jackknife_intervals_cover_at_least_as_often_as_they_say():
    inside = []
    for seed in range(60):
        found = regression(planted(SOME, branch=0.5, seed=seed).to_numpy(), {BRANCH: same(SOME, "branch")})
        inside.append(found.loc[BRANCH, "low"] < -0.5 < found.loc[BRANCH, "high"])
    assert np.mean(inside) >= 0.95 - 3 * np.sqrt(0.05 * 0.95 / len(inside))


def test_what_cannot_be_told_apart_has_no_coefficient():
    twice = same(SOME, "branch")
    found = regression(planted(SOME).to_numpy(), {"one": twice, "other": twice, "nothing": np.ones((8, 8))})
    assert found["coefficient"].isna().all() and found["p"].isna().all()
    assert np.isnan(mantel(planted(SOME).to_numpy(), np.ones((8, 8)))).all()
    assert coefficients(planted(SOME, branch=0.5, noise=0).to_numpy(), {"one": twice})["one"] == pytest.approx(-0.5)


def test_donors_and_recipients_are_those_planted():
    increase = planted(donors={"en": -0.5, "th": 0.7}, recipients={"ml": 1.0}, own=1.0)
    found = givers_and_takers(increase)
    assert found["donor"].idxmin() == "en" and found["donor"].idxmax() == "th"
    assert found["recipient"].idxmax() == "ml"
    assert found.loc["en", "donor_low"] < -0.5 < found.loc["en", "donor_high"]
    assert donor_rank(increase, "en") == (1, 1, 1)
    rank, low, high = donor_rank(planted(), "en")
    assert 1 <= low <= rank <= high <= 49 and high - low > 5
