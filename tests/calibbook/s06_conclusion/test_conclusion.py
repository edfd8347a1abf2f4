"""The advice of the conclusion: verdicts on scores whose truth is known, the levels of its tests, and small studies."""

import numpy as np
import pytest
from drawing import draw
from frames import SEVEN, tidy, with_value
from scipy.stats import binom, spearmanr
from task_items import item_scores, verdicts

from calibbook.s04_2_downstream_tasks.effects import Draws
from calibbook.s06_conclusion import claims as advice
from calibbook.s06_conclusion.claims import english_costs, gains_by, section_6, shortfalls
from calibbook.s06_conclusion.data import Halves, by_perplexity, chosen, correlations, halves_of, rank_interval
from calibbook.s06_conclusion.figures import gain_pictures
from calibbook.s06_conclusion.tables import MEAN, as_data, choice_table, correlation_table, rules
from calibbook.shared.draws import ONE_DRAW
from calibbook.shared.statistics import ALPHA, crossed_interval
from calibbook.shared.words import fixed, signed

LANGUAGES = 7
ONE = {"tasks": ("knowledge",), "methods": ("wanda",), "sparsity": ((0.5, "unstructured"),)}
ORDERLY = {code: 0.04 * place for place, code in enumerate(SEVEN)}
"""What calibrations add to the share of right answers, in every language."""


def perplexities(order, **settings):
    """A frame whose perplexities have an order of the calibrations, the same in all languages."""
    frame = tidy(methods=("wanda",), **settings)
    for place, code in enumerate(order):
        frame = with_value(frame, 20.0 + place, metric="perplexity", calibration=code)
    return frame


def at_most(share, repetitions):
    return int(binom.isf(0.001, repetitions, share))


def test_halves_are_every_other_question_and_a_mean_over_tasks_and_draws():
    scores = item_scores(languages=("de", "en", "sw"), methods=("wanda",), seeds=2, items=11, mixtures=("de+en",))
    (one,) = halves_of(scores)
    assert (one.calibrations, one.languages) == (["de", "en", "sw"], ["de", "en", "sw"])
    columns = [column for column in scores if column.method == "wanda" and column.language == "sw"]
    wanted = 100 * np.mean([scores[column]["de"][:, 1::2].mean() for column in columns])
    assert len(columns) == 2 and one.scores[1, 0, 2] == pytest.approx(wanted)


def test_correlations_are_those_of_scipy_and_what_never_varies_has_none():
    stream = np.random.default_rng(0)
    guide, scores = stream.normal(size=(2, 7, 3)), stream.normal(size=(2, 7, 3))
    guide[:, :, 2] = 1.0
    found, ceiling = correlations(guide, scores)
    for place in range(2):
        both = [spearmanr(guide[half][:, place], scores[1 - half][:, place]).statistic for half in (0, 1)]
        assert found[place] == pytest.approx(np.mean(both))
        assert ceiling[place] == pytest.approx(spearmanr(*scores[:, :, place]).statistic)
    assert found[2] == 0
    single = correlations(guide[:, :, 2:], scores[:, :, 2:])
    assert single[0] == 0 and single[1] == pytest.approx(ceiling[2])


def test_perplexity_that_orders_backwards_is_found_out():
    scores = item_scores(**ONE, target=0.0, effects=ORDERLY, items=300, seeds=3)
    found = section_6(perplexities(SEVEN), scores)  # the best answers have the highest perplexity
    assert verdicts(found, advice.NOT_BY_PERPLEXITY) == {"held"}
    row = found[found["claim"] == advice.NOT_BY_PERPLEXITY].iloc[0]
    assert row["low"] < row["statistic"] < row["high"] and row["what"].startswith("−")
    assert verdicts(found, advice.NOT_BY_ENGLISH) != {"held"}
    assert verdicts(found, advice.PERPLEXITY_COSTS) == {"held"}
    assert verdicts(found, advice.ENGLISH_COSTS) == {"undecided"}


def test_perplexity_that_orders_as_the_answers_do_tells_no_less():
    scores = item_scores(**ONE, target=0.0, effects=ORDERLY, items=100, seeds=3)
    found = section_6(perplexities(SEVEN[::-1]), scores)
    row = found[found["claim"] == advice.NOT_BY_PERPLEXITY].iloc[0]
    assert row["statistic"] < 0 and row["verdict"] != "held"


def test_english_that_misleads_costs_the_others():
    scores = item_scores(**ONE, target=0.2, items=600, seeds=3)  # every language needs a calibration of its own
    found = section_6(perplexities(SEVEN), scores)
    assert verdicts(found, advice.ENGLISH_COSTS) == {"held"}
    cost = found[found["claim"] == advice.ENGLISH_COSTS].iloc[0]
    assert 15 < cost["statistic"] < 25 and cost["n"] == 6
    one_draw = section_6(perplexities(SEVEN), item_scores(**ONE, target=0.2))
    assert ONE_DRAW in one_draw.loc[one_draw["claim"] == advice.ENGLISH_COSTS, "note"].iloc[0]


def test_what_a_choice_costs_has_its_level():
    """Nothing but noise: of questions in each language, and of draws, whose models all languages share. A calibration
    that is twelve points ahead in every language but English, which English does not see, is missed at a cost.
    """
    stream = np.random.default_rng(4)
    block, codes = halves_of(item_scores(**ONE, items=4))[0].block, list(SEVEN)

    def found(ahead=0.0):
        draws = 1.5 * stream.normal(size=(LANGUAGES, 3, 1))
        runs = draws + stream.normal(size=(2, LANGUAGES, 3, LANGUAGES))
        runs[:, 1] += ahead * (np.array(codes) != "en")
        spread = Draws(runs.mean(axis=(0, 3)).var(axis=1, ddof=1).mean() / 3, 14)
        claim = english_costs(Halves(block, "knowledge", codes, codes, runs.mean(axis=2)), spread)
        return claim.low, claim.high

    ends = np.array([found() for _ in range(400)])
    assert (ends[:, 0] > 0).sum() <= at_most(ALPHA / 2, 400) and (ends[:, 1] < 0).sum() <= at_most(ALPHA / 2, 400)
    assert np.mean([found(12.0)[0] > 0 for _ in range(40)]) > 0.5


def test_a_choice_is_not_judged_by_the_questions_it_was_made_by():
    """Calibrations that differ by noise alone gain nothing, although the best of seven on one half looks better."""
    stream = np.random.default_rng(1)
    (one,) = halves_of(item_scores(**ONE, items=4))
    gains = [
        gains_by(one._replace(scores=scores), scores).mean()
        for scores in stream.normal(size=(400, 2, LANGUAGES, LANGUAGES))
    ]
    assert abs(np.mean(gains)) < 4 * np.std(gains) / 20
    assert chosen(np.array([1.0, 3.0, 3.0])).tolist() == [0, 0.5, 0.5]


@pytest.mark.parametrize("shared", [0.0, 0.5, 1.0])
def test_a_guide_that_tells_as_much_as_half_of_the_questions(shared):
    """At the border of the claim, with orders that the languages share or do not: wrong in at most 2.5% on either side.
    A guide that tells nothing of an order that the questions show well is found out in half of the cases or more, where
    languages have orders of their own.
    """
    stream = np.random.default_rng(round(10 * shared))

    def goodness():
        own = stream.normal(size=(LANGUAGES, LANGUAGES))
        return np.sqrt(shared) * stream.normal(size=(LANGUAGES, 1)) + np.sqrt(1 - shared) * own

    def found(related, noise):
        quality = goodness()
        guide = related * quality + np.sqrt(1 - related**2) * goodness()
        scores = quality + noise * stream.normal(size=(2, LANGUAGES, LANGUAGES))
        return crossed_interval(shortfalls(np.stack([guide, guide]), scores))

    # a half whose noise is as large as the differences correlates 1/2 with the other, and a guide with it by
    # 1 / sqrt(2) of what it correlates with the truth
    ends = np.array([found(np.sqrt(0.5), 1.0)[1:3] for _ in range(150)])
    assert (ends[:, 0] > 0).sum() <= at_most(ALPHA / 2, 150) and (ends[:, 1] < 0).sum() <= at_most(ALPHA / 2, 150)
    if not shared:
        assert sum(found(0.0, 0.3)[1] > 0 for _ in range(40)) > 20


@pytest.mark.parametrize("related", [0.0, 0.6])
def test_the_interval_of_one_rank_correlation_has_its_level(related):
    stream = np.random.default_rng(5)
    truth = 6 / np.pi * np.arcsin(related / 2)  # of normal values with this Pearson correlation
    missed = 0
    for _ in range(600):
        first, second = stream.normal(size=(2, LANGUAGES))
        value = spearmanr(first, related * first + np.sqrt(1 - related**2) * second).statistic
        low, high = rank_interval(value, LANGUAGES)
        missed += low > truth or high < truth
    assert missed <= at_most(ALPHA, 600)
    assert np.isnan(rank_interval(0.5, 4)).all() and np.isnan(rank_interval(1.0, 7)).all()


def test_tables_have_a_row_a_language_and_a_mean():
    frame, scores = perplexities(SEVEN), item_scores(**ONE, target=0.2)
    found = halves_of(scores)
    correlated, choices = correlation_table(frame, found), choice_table(frame, found)
    assert len(correlated) == len(choices) == 8 and correlated["evaluation"].tolist()[-1] == MEAN
    assert "perplexity on udhr" in correlated and "questions in the language" in choices
    assert by_perplexity(frame, found[0], "chromium").shape == (7, 7)
    gains = choices["the language itself"].tolist()
    assert all(gain.startswith("+") for gain in gains)
    without = choice_table(frame, [found[0]._replace(calibrations=["xx", *found[0].calibrations[1:]])])
    assert without["the language itself"].iloc[0] == "–"


def test_marks_of_the_picture_are_the_numbers_of_the_table():
    frame = tidy(models=("a", "b"), methods=("wanda", "sparsegpt"))
    found = halves_of(item_scores(target=0.2, tasks=("knowledge",)) | other_model(item_scores(tasks=("knowledge",))))
    pictures, table = gain_pictures(frame, found), choice_table(frame, found)
    assert len(pictures) == table["model"].nunique() == 2
    for picture, (_, mine) in zip(pictures, table.groupby("model", sort=False), strict=True):
        draw(picture)
        assert len(picture.figure.axes) == mine["method"].nunique()
        for axis, (method, rows) in zip(picture.figure.axes, mine.groupby("method", sort=False), strict=True):
            handles = dict(zip(*reversed(axis.get_legend_handles_labels()), strict=True))
            assert axis.get_title() == method and set(handles) == set(rows.columns) - {"evaluation", "model", "method"}
            for rule, handle in handles.items():
                assert [signed(value) for value in handle.lines[0].get_xdata()] == rows[rule].tolist()
                assert f"{method}, chosen by {rule}: " in picture.alt


def test_the_data_of_the_page_are_the_numbers_of_its_tables():
    frame = tidy()
    found = halves_of(item_scores(**ONE))
    data, gained, ranks = as_data(frame, found), choice_table(frame, found), correlation_table(frame, found)
    assert len(data) == sum(len(one.languages) * len(rules(frame, one)) for one in found)
    for rule, mine in data.groupby("chosen_by", sort=False):
        shown = ["–" if np.isnan(points) else signed(points) for points in mine["points_gained"]]
        assert shown == gained.loc[gained["evaluation"] != "mean", rule].tolist()
        if rule in ranks:
            shown = [
                f"{fixed(row.rank_correlation, 0, 2)} ({fixed(row.low, 0, 2)} to {fixed(row.high, 0, 2)})"
                for row in mine.itertuples()
            ]
            assert shown == ranks.loc[ranks["evaluation"] != "mean", rule].tolist()
        else:
            assert mine["rank_correlation"].isna().all()


def other_model(scores):
    return {column._replace(model="other"): by_text for column, by_text in scores.items()}


def test_the_model_is_a_column_only_where_there_are_several():
    found = halves_of(item_scores(**ONE))
    assert "model" not in choice_table(tidy(), found) and "model" not in correlation_table(tidy(), found)
    both = [found[0], found[0]._replace(block=found[0].block._replace(model="other"))]
    assert choice_table(tidy(), both)["model"].nunique() == 2


def test_small_studies_decide_nothing_and_fail_nowhere():
    assert section_6(perplexities(SEVEN), {}).empty and halves_of({}) == []
    assert correlation_table(tidy(), []).empty and choice_table(tidy(), []).empty
    for languages in (("de",), ("de", "sw"), ("de", "en", "sw")):
        frame, scores = tidy(languages=languages), item_scores(languages=languages, items=2)
        assert set(section_6(frame, scores)["verdict"]) <= {"undecided"}
        nothing = section_6(frame[frame["metric"] != "perplexity"], scores)
        assert advice.NOT_BY_PERPLEXITY not in set(nothing["claim"])
        correlation_table(frame, halves_of(scores)), choice_table(frame, halves_of(scores))
        as_data(frame, halves_of(scores))
        for picture in gain_pictures(frame, halves_of(scores)):
            draw(picture)
