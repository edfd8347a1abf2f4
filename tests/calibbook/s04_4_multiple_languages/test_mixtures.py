"""Several calibration languages against one: the rows, the tables and the verdicts."""

from functools import cache

import numpy as np
import pytest
from frames import SEVEN, tidy, with_value
from hypothesis import given
from hypothesis import strategies as st
from task_items import item_scores, lines_of, parsed, verdicts

from calibbook.s04_2_downstream_tasks.data import Column
from calibbook.s04_4_multiple_languages import claims as mixture_claims
from calibbook.s04_4_multiple_languages.claims import pooled, section_4_4
from calibbook.s04_4_multiple_languages.data import ENGLISH, TARGET, against, number_of_languages, setups
from calibbook.s04_4_multiple_languages.tables import mixture_table
from calibbook.s04_4_multiple_languages.tables_perplexity import perplexity_changes, perplexity_table
from calibbook.shared.comparison import holm
from calibbook.shared.draws import ONE_DRAW

PAIRS = tuple("+".join(sorted(("en", code))) for code in SEVEN if code != "en")
MANY = ("ar+de+en+es+ru", "+".join(SEVEN))
THREE = ("de", "en", "sw")
MIXED = ("de+en", "en+sw", "de+en+sw")


def test_setups_of_a_target():
    texts = [*SEVEN, "ar+en", "de+en", *MANY]
    assert list(setups("ar", texts).items()) == [
        ("target alone", "ar"),
        ("English alone", "en"),
        ("English + target", "ar+en"),
        ("five languages", MANY[0]),
        ("seven languages", MANY[1]),
    ]
    assert "English + target" not in setups("zh", texts) and "English + target" not in setups("en", texts)
    assert setups("de", ["de", "sw", "de+sw"]) == {"target alone": "de", "two languages": "de+sw"}
    assert setups("de", ["de", "de+sw", "de+ru", "ru+sw"]) == {"target alone": "de", "de+sw": "de+sw", "de+ru": "de+ru"}
    assert setups("de", []) == {}


@given(
    st.sampled_from(SEVEN),
    st.sets(st.lists(st.sampled_from(SEVEN), min_size=1, max_size=7, unique=True).map("+".join), max_size=9),
)
def test_setups_name_given_calibrations_once(target, texts):
    found = setups(target, texts)
    assert set(found.values()) <= texts
    if any(target in text.split("+") for text in texts):
        assert all(set(text.split("+")) & {target, "en"} or text.count("+") > 1 for text in found.values())


def test_a_target_that_no_calibration_has_is_compared_with_every_mixture():
    assert setups("vi", ["fr", "pt", "fr+pt", "en+fr"]) == {"fr+pt": "fr+pt", "en+fr": "en+fr"}
    assert number_of_languages("+".join("abcdefg")) == "seven languages"
    assert number_of_languages("+".join("abcdefgh")) == "8 languages"


def test_differences_to_the_target_alone():
    mixed = item_scores(THREE, mixtures=MIXED, items=200)
    rows = against(mixed, TARGET)
    assert set(rows.loc[rows["language"] == "de", "setup"]) == {"English alone", "English + target", "three languages"}
    assert set(rows.loc[rows["language"] == "en", "setup"]) == {"three languages"}
    row = rows.query(
        "method == 'wanda' and task == 'knowledge' and language == 'sw' and setup == 'English + target'"
    ).iloc[0]
    column = mixed[Column("gemma3-270m", "wanda", 0.5, "unstructured", "knowledge", "sw", "acc")]
    assert row["difference"] == pytest.approx(column["en+sw"].mean() - column["sw"].mean(), abs=1e-6)
    assert row["low"] < row["difference"] < row["high"]
    np.testing.assert_array_equal(rows["p_holm"], holm(rows["p"]))
    assert set(against(mixed, ENGLISH)["setup"]) == {"target alone", "English + target", "three languages"}
    assert against(item_scores(("de", "sw"), items=20), ENGLISH).empty


def test_table_4_shows_every_setup_with_its_difference():
    mixed = item_scores(languages=THREE, mixtures=MIXED, tasks=("knowledge",), items=200, target=0.35)
    rows = against(mixed, TARGET)
    soup = parsed(mixture_table(mixed, rows, TARGET, "Table 4"))
    lines = lines_of(soup)
    assert [key for key in lines if key[0] == "Wanda"] == [
        ("Wanda", name) for name in (TARGET, ENGLISH, "English + target", "three languages")
    ]
    row = rows.query("method == 'wanda' and language == 'sw' and setup == 'English alone'").iloc[0]
    td = lines[("Wanda", ENGLISH)][2]
    assert td.small.text.startswith(f"{100 * row['difference']:+.1f}".replace("-", "−")) and "▼" in td.text
    assert lines[("Wanda", "English + target")][1].text == "–" and not lines[("Wanda", TARGET)][0].select("small")
    assert "Three languages: DE+EN+SW." in soup.caption.text and "target alone" in soup.caption.text


def test_calibrations_that_answer_alike_are_said_to():
    one = np.eye(1, 12)
    same = {
        Column("a", "wanda", 0.5, "unstructured", "facts", code, "f1"): {"de": one, "sw": one, "de+sw": one}
        for code in ("de", "sw")
    }
    shown = lines_of(parsed(mixture_table(same, against(same, TARGET), TARGET, "Table 4")))[("Wanda", "two languages")]
    assert [td.small.text for td in shown] == ["0.0 (the same on every item)"] * 2


def test_perplexity_of_mixtures_against_the_target_alone():
    frame = tidy(languages=THREE, mixtures=MIXED)
    rows = perplexity_changes(frame, "chromium")
    means = frame.query(
        "metric == 'perplexity' and source == 'chromium' and method == 'wanda' and language == 'sw'"
    ).set_index("calibration")["value"]
    row = rows.query("method == 'wanda' and language == 'sw' and setup == 'English + target'").iloc[0]
    assert row["log_ratio"] == pytest.approx(np.log(means["en+sw"] / means["sw"]))
    assert (row["high"] - row["log_ratio"]) == pytest.approx(1.96 * np.sqrt(2) * 0.01, rel=1e-3)
    lines = lines_of(parsed(perplexity_table(frame, "chromium", "Table 4, perplexity")))
    td = lines[("Wanda", "English + target")][2]
    assert td.text.startswith(f"{means['en+sw']:.1f}") and f"{100 * np.expm1(row['log_ratio']):+.1f}%" in td.small.text


@given(st.lists(st.integers(1, 40), min_size=1, max_size=5), st.integers(1, 3))
def test_pooled_columns_weigh_equally(sizes, seeds):
    stream = np.random.default_rng(0)
    columns = [stream.random((seeds, size)) for size in sizes]
    np.testing.assert_allclose(
        pooled(columns).mean(axis=1), np.mean([column.mean(axis=1) for column in columns], axis=0)
    )


@cache
def of_4_4(**settings):
    given = {"tasks": ("knowledge",), "items": 200, "methods": ("wanda",), "mixtures": (*PAIRS, *MANY), "seeds": 3}
    given |= settings
    given["effects"] = dict(given.get("effects", ()))
    scores = item_scores(**given)
    return section_4_4(scores, against(scores, TARGET))


def test_mixtures_that_help_and_mixtures_that_do_not():
    better = of_4_4(target=-0.4)  # half as bad where the target is one language of several
    assert verdicts(better, mixture_claims.MIXTURES_HELP) == {"held"} and verdicts(
        better, mixture_claims.SOMETIMES_BETTER
    ) == {"held"}
    worse = of_4_4(target=0.3)
    assert verdicts(worse, mixture_claims.MIXTURES_HELP) == {"not held"} and verdicts(
        worse, mixture_claims.SOMETIMES_BETTER
    ) == {"undecided"}
    words = set(worse.loc[worse["claim"] == mixture_claims.MIXTURES_HELP, "metric"])
    assert words == {f"{setup}, tasks" for setup in ("English + target", "five languages", "seven languages")}


def test_english_suffers_where_it_has_a_share_only():
    assert verdicts(of_4_4(target=0.3), mixture_claims.ENGLISH_SUFFERS) == {"held"}
    assert verdicts(of_4_4(target=-0.4), mixture_claims.ENGLISH_SUFFERS) == {"not held"}
    assert of_4_4(target=0.3).query("claim == @mixture_claims.ENGLISH_SUFFERS")["metric"].unique().tolist() == [
        "five languages, tasks in English",
        "seven languages, tasks in English",
    ]


def test_pairs_and_combinations():
    elsewhere = of_4_4(target=0.0, effects=(("en+es", 0.25),))
    assert verdicts(elsewhere, mixture_claims.PAIR_WITHOUT_TARGET) == {"held"}
    assert verdicts(elsewhere, mixture_claims.NO_COMBINATION_BEST) == {"undecided"}
    own = of_4_4(target=0.6, effects=tuple((text, -0.2) for text in MANY))
    assert verdicts(own, mixture_claims.PAIR_WITHOUT_TARGET) == {"undecided"}
    assert verdicts(own, mixture_claims.NO_COMBINATION_BEST) == {"held"}


def test_perplexity_changes_in_percent():
    found = mixture_claims.beyond_4_4(tidy(mixtures=(*PAIRS, *MANY), methods=("wanda",), gain=0.3))
    row = found[found["metric"] == "seven languages, perplexity on udhr"].iloc[0]
    assert row["verdict"] == "undecided" and row["note"] == ONE_DRAW  # one mixture, and so one model for all
    assert (
        row["statistic"] == pytest.approx(100 * np.expm1(0.15), abs=5)
        and row["what"].endswith("%")
        and row["low"] < row["statistic"] < row["high"]
    )
    frame = with_value(
        tidy(languages=("de", "sw"), mixtures=("de+sw",)), 10.0, metric="perplexity", calibration="de+sw"
    )
    few = mixture_claims.beyond_4_4(frame)
    assert set(few["verdict"]) == {"undecided"} and (few["statistic"] < -50).all()
