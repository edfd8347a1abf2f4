"""Claims about tasks: verdicts on item scores whose truth is known, and none that fails where little was run."""

from functools import cache

import numpy as np
import pytest
import task_items
from frames import SEVEN, tidy
from scipy.stats import ttest_1samp
from task_items import DENSE, item_scores, verdicts

from calibbook.s04_2_downstream_tasks import claims as task_claims
from calibbook.s04_2_downstream_tasks import claims_factors as task_factors
from calibbook.s04_2_downstream_tasks import claims_order as language_order
from calibbook.s04_2_downstream_tasks.claims import section_4_2
from calibbook.s04_2_downstream_tasks.data import compare
from calibbook.s04_2_downstream_tasks.effects import over_languages
from calibbook.s04_3_open_domain_qa.claims import section_4_3
from calibbook.s04_4_multiple_languages.claims import beyond_4_4, section_4_4
from calibbook.s04_4_multiple_languages.data import TARGET, against
from calibbook.shared.claim_tables import NOTHING, readable, verdict_sentence
from calibbook.shared.claims import directed
from calibbook.shared.draws import ONE_DRAW
from calibbook.shared.languages import NO_TARGET, SHARED

PAIRS = tuple("+".join(sorted(("en", code))) for code in SEVEN if code != "en")
MANY = ("ar+de+en+es+ru", "+".join(SEVEN))


def section(claims, scores):
    """The frame of a section's claims on these scores."""
    return claims(compare(scores), scores)


@cache
def of_4_2(**settings):
    given = {"tasks": ("knowledge",), "items": 300, "methods": ("wanda",), "seeds": 3, **settings}
    given["effects"] = dict(given.get("effects", ()))
    return section(section_4_2, item_scores(**given))


@pytest.mark.parametrize(
    ("target", "expected"),
    [
        (
            0.2,
            {
                task_claims.TARGET_NOT_RELIABLE: "not held",
                task_claims.TARGET_IS_REASONABLE: "held",
                task_claims.TARGET_IS_BETTER: "held",
            },
        ),
        (
            -0.2,
            {
                task_claims.TARGET_NOT_RELIABLE: "held",
                task_claims.TARGET_IS_REASONABLE: "not held",  # in none of seven columns
                task_claims.TARGET_IS_BETTER: "not held",
            },
        ),
    ],
)
def test_the_target_language(target, expected):
    found = of_4_2(target=target)
    assert {claim: verdicts(found, claim) for claim in expected} == {
        claim: {verdict} for claim, verdict in expected.items()
    }
    assert verdicts(found, task_claims.LANGUAGE_MATTERS) == {"held"}


def test_one_language_that_is_best_everywhere_is_no_reason_for_the_target():
    found = of_4_2(target=0.0, effects=(("es", 0.2),))
    assert verdicts(found, task_claims.TARGET_NOT_RELIABLE) == {"held"}
    assert "held" not in verdicts(found, task_claims.TARGET_IS_REASONABLE)
    assert set(found.loc[found["claim"] == task_claims.TARGET_NOT_RELIABLE, "p"]) == {1.0}


def test_without_a_difference_nothing_is_found():
    found = of_4_2(target=0.0, methods=("wanda", "sparsegpt"))
    for claim in (
        task_claims.LANGUAGE_MATTERS,
        task_claims.TARGET_NOT_RELIABLE,
        task_factors.SPREAD,
        task_factors.SPARSEGPT_KEEPS_MORE,
    ):
        assert verdicts(found, claim) == {"undecided"}, claim


@pytest.mark.parametrize(("gain", "outlier", "chinese"), [(-0.12, "held", "held"), (0.12, "not held", "not held")])
def test_an_outlier_and_chinese(gain, outlier, chinese):
    found = of_4_2(target=0.05, effects=(("sw", gain), ("zh", gain)))
    assert verdicts(found, task_factors.NO_BENEFIT_FROM_OUTLIER) == {outlier}
    assert verdicts(found, task_factors.CHINESE_COSTS) == {chinese}
    row = found[found["claim"] == task_factors.NO_BENEFIT_FROM_OUTLIER].iloc[0]
    assert row["n"] == 6 and np.sign(row["statistic"]) == np.sign(gain) and "by chance 1.7" in row["note"]


@pytest.mark.parametrize(("gain", "verdict"), [(0.15, "not held"), (-0.15, "held")])
def test_similar_languages_are_compared_with_strangers(monkeypatch, gain, verdict):
    family = SHARED["family"]

    def related(column, calibration, *settings, plain=task_items.share):
        alike = column.method != "dense" and calibration != column.language
        return plain(column, calibration, *settings) + gain * (alike and family(calibration) == family(column.language))

    monkeypatch.setattr(task_items, "share", related)
    scores = item_scores(tasks=("knowledge",), methods=("wanda",), items=300, target=0.0)
    (claim,) = task_factors.similar_language(compare(scores), "family")
    assert (claim.verdict, claim.n) == (verdict, 7) and claim.statistic == pytest.approx(100 * gain, abs=5)


def test_languages_that_serve_everybody_do_not_pass_for_relatives():
    """The four Indo-European ones, to the last answer: they are each other's relatives, and no better for that."""
    found = of_4_2(target=0.0, effects=tuple((code, 0.15) for code in ("de", "en", "es", "ru")))
    row = found[found["claim"] == task_factors.NO_BENEFIT_FROM_SIMILAR["family"]].iloc[0]
    assert row["verdict"] != "not held" and abs(row["statistic"]) < 5


def test_methods():
    found = of_4_2(methods=("wanda", "sparsegpt"), effects=(("sparsegpt", 0.15),))
    assert verdicts(found, task_factors.NO_METHOD_BEST) == {"not held"} and verdicts(
        found, task_factors.SPARSEGPT_KEEPS_MORE
    ) == {"held"}
    mixed = item_scores(SEVEN[:4], tasks=("knowledge",), items=200, effects={"sparsegpt": 0.2})
    other = item_scores(SEVEN[:4], tasks=("continuation",), items=200, effects={"wanda": 0.2})
    assert verdicts(section(section_4_2, mixed | other), task_factors.NO_METHOD_BEST) == {"held"}


def test_the_language_matters_more_to_one_method():
    for seeds, verdict in ((1, "undecided"), (3, "held")):
        flat, steep = (
            item_scores(tasks=("knowledge",), methods=(name,), target=gain, items=100, seeds=seeds)
            for name, gain in (("wanda", 0.0), ("sparsegpt", 0.3))
        )
        claim = task_factors.spread_by_method(compare(flat | steep), flat | steep)[0]
        assert (claim.verdict, claim.n) == (verdict, 7)
    assert claim.statistic > 25 and claim.unit == "points²"


def test_one_draw_tells_no_language_from_its_text():
    found = of_4_2(target=0.0, effects=(("sw", -0.2),), seeds=1)
    for claim in (
        task_claims.LANGUAGE_MATTERS,
        task_claims.TARGET_NOT_RELIABLE,
        task_factors.NO_BENEFIT_FROM_OUTLIER,
        task_factors.OUTLIER_IS_LAST,
    ):
        assert verdicts(found, claim) == {"undecided"}, claim
        assert ONE_DRAW in rows_of(found, claim)["note"].iloc[0], claim


def test_the_outlier_is_last():
    found = of_4_2(target=0.05, effects=(("sw", -0.12), ("zh", -0.12)))
    assert verdicts(found, task_factors.OUTLIER_IS_LAST) == {"held"}
    found = of_4_2(target=0.05, effects=(("sw", 0.12), ("zh", 0.12)))
    assert verdicts(found, task_factors.OUTLIER_IS_LAST) == {"not held"}


def test_models():
    found = of_4_2(models=("a", "b"), methods=("wanda",), effects=(("b", -0.12),))
    row = found[found["claim"] == task_factors.MODEL_MATTERS].iloc[0]
    assert (row["verdict"], row["model"]) == ("held", "a and b") and row["statistic"] == pytest.approx(-12, abs=3)
    assert of_4_2()[lambda rows: rows["claim"] == task_factors.MODEL_MATTERS]["what"].tolist() == ["one model"]


def test_english_is_strongest_and_the_order_changes(monkeypatch):
    assert verdicts(of_4_2(), language_order.ENGLISH_IS_STRONGEST) == {"held"}
    scores = item_scores(tasks=("knowledge",), methods=("wanda",), items=300)
    monkeypatch.setitem(DENSE, "en", 0.3)
    monkeypatch.setitem(DENSE, "sw", 0.95)
    turned = item_scores(tasks=("knowledge",), methods=("wanda",), items=300)
    dense = {column: value for column, value in turned.items() if column.method == "dense"}
    assert verdicts(section(section_4_2, turned), language_order.ENGLISH_IS_STRONGEST) == {"not held"}
    changed = section(section_4_2, scores | dense)
    assert verdicts(changed, language_order.ORDER_CHANGES) == {"held"}
    assert verdicts(section(section_4_2, scores), language_order.ORDER_CHANGES) <= {"not held", "undecided"}


@pytest.mark.parametrize("languages", [("de",), ("de", "sw"), ("en", "zh")])
@pytest.mark.parametrize("methods", [("wanda",), ("magnitude",), ("magnitude", "sparsegpt"), ("wanda", "sparsegpt")])
def test_a_small_study_decides_nothing_and_fails_nowhere(languages, methods):
    mixtures = ("+".join(languages),) if len(languages) > 1 else ()
    scores = item_scores(languages=languages, tasks=("facts",), methods=methods, mixtures=mixtures, items=8)
    single = {
        column: {text: value for text, value in by_text.items() if "+" not in text}
        for column, by_text in scores.items()
    }
    frame = tidy(languages=languages, methods=methods, mixtures=mixtures)
    found = [
        section(section_4_2, single),
        section(section_4_3, single),
        section_4_4(scores, against(scores, TARGET)),
    ]
    assert set(beyond_4_4(frame)["verdict"]) <= {"undecided"}
    for claims in found:
        assert set(claims["verdict"]) <= {"undecided", "not held"}  # with eight items a language may keep all it had
        assert len(readable(claims)) == len(claims)
    assert set(found[0]["verdict"]) | set(found[2]["verdict"]) <= {"undecided"}


def test_no_scores_and_no_mixtures_are_nothing_to_test():
    empty = section_4_4(item_scores(languages=("de", "en"), items=8), against({}, TARGET))
    assert empty.empty and beyond_4_4(tidy(languages=("de", "en"))).empty and verdict_sentence(empty) == NOTHING
    assert section(section_4_2, {}).empty and section(section_4_3, {}).empty


def test_several_sparsities_are_tested_apart():
    scores = item_scores(
        languages=("de", "en", "es", "sw", "zh"),
        tasks=("knowledge",),
        sparsity=((0.5, "unstructured"), (0.5, "2:4")),
        items=50,
    )
    found = section(section_4_2, scores)
    assert set(found.loc[found["claim"] == task_claims.TARGET_IS_BETTER, "sparsity"]) == {"50%", "2:4"}
    assert "sparsity" in readable(found[found["claim"] == task_claims.TARGET_IS_BETTER])


def test_an_effect_over_languages_is_averaged_over_tasks_first():
    values = {
        (task, code): 0.01 * i + (0.02 if task == "a" else 0.0) for i, code in enumerate(SEVEN) for task in ("a", "b")
    }
    mean, low, high, p, n = over_languages(values)
    expected = np.arange(7.0) + 1
    test = ttest_1samp(expected, 0)
    assert (mean, p, n) == (pytest.approx(expected.mean()), pytest.approx(test.pvalue), 7)
    assert (low, high) == pytest.approx(tuple(test.confidence_interval()))
    assert over_languages({("a", "de"): 0.01})[0] == 1.0 and np.isnan(over_languages({("a", "de"): 0.01})[1])
    assert over_languages({}) == pytest.approx((np.nan, np.nan, np.nan, np.nan, 0), nan_ok=True)


def rows_of(found, claim):
    return found[found["claim"] == claim]


def test_languages_whose_family_or_script_is_not_known_take_no_part_and_are_named():
    settings = {"tasks": ("knowledge",), "items": 300, "methods": ("wanda",)}
    known = section(section_4_2, item_scores(languages=("ar", "de", "es", "ru", "zh"), **settings))
    more = section(section_4_2, item_scores(languages=("ar", "de", "es", "ru", "zh", "yo", "pt-PT"), **settings))
    for relation in ("family", "script"):
        claim = task_factors.NO_BENEFIT_FROM_SIMILAR[relation]
        (before,), (after,) = (rows_of(found, claim).itertuples() for found in (known, more))
        assert (
            after.note.startswith(f"left out, {relation} not known: ") and "YO" in after.note and "pt-PT" in after.note
        )
        assert (after.n, after.statistic) == (
            before.n,
            pytest.approx(before.statistic),
        ) and "not known" not in before.note


def test_the_latin_script_is_compared_with_scripts_that_are_known():
    settings = {"tasks": ("knowledge",), "items": 300, "methods": ("wanda",)}
    for more in ((), ("yo", "zho_Hans")):
        scores = item_scores(languages=("de", "ru", *more), **settings)
        (claim,) = language_order.latin_is_stronger(compare(scores), scores)
        assert claim.n == 2 and ("script not known: YO and zho_Hans" in claim.note) == bool(more)
        assert "without English" not in claim.note
    scores = item_scores(languages=("de", "en", "ru"), **settings)
    (claim,) = language_order.latin_is_stronger(compare(scores), scores)
    means = {one.language: by_text[""].mean() for one, by_text in scores.items() if one.block.method == "dense"}
    gap = 100 * (means["de"] - means["ru"])
    assert claim.note == f"without English {directed(gap, 'points higher')}"


def test_without_a_common_language_claims_about_the_target_are_undecided_and_say_why():
    scores = item_scores(languages=("de", "sw", "ru"), tasks=("knowledge",), items=100, methods=("wanda",))
    scores = {
        column: {text: found for text, found in by_text.items() if text != "ru"}
        for column, by_text in scores.items()
        if column.language == "ru"
    }
    found = section(section_4_2, scores)
    claims = (task_claims.TARGET_NOT_RELIABLE, task_claims.TARGET_IS_REASONABLE, task_claims.TARGET_IS_BETTER)
    for claim in claims:
        (row,) = rows_of(found, claim).itertuples()
        assert (row.verdict, row.what) == ("undecided", NO_TARGET)
    (row,) = rows_of(found, task_claims.LANGUAGE_MATTERS).itertuples()
    assert "of 1 columns" in row.what
