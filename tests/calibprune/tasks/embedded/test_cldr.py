"""Facts from the CLDR: names in seven languages, and guards against distractors that are also right."""

from collections import Counter

import pytest

from calibprune.corpora.cleaning import sameness
from calibprune.languages import PAPER_LANGUAGES
from calibprune.tasks.embedded import cldr, facts, knowledge
from calibprune.tasks.embedded.regions import CONTINENT, STATES, SUBREGION, SUBREGIONS
from calibprune.tasks.embedded.world import ALSO_TAKEN, NAMES, TWO_CONTINENTS, Fact
from calibprune.tasks.embedded.world import facts as all_facts


def by_id() -> dict[str, Fact]:
    return {fact.id: fact for fact in all_facts()}


@pytest.mark.parametrize(
    "name, code, expected",
    [
        (
            cldr.territory,
            "DE",
            {"en": "Germany", "de": "Deutschland", "ru": "Германия", "sw": "Ujerumani", "zh": "德国"},
        ),
        (cldr.currency, "EUR", {"ar": "يورو", "es": "euro", "sw": "Yuro", "zh": "欧元"}),
        (
            cldr.place,
            "Europe/Vienna",
            {"de": "Wien", "en": "Vienna", "es": "Viena", "ru": "Вена", "sw": "Vienna", "zh": "维也纳"},
        ),
        (cldr.place, "Asia/Kolkata", {"de": "Kalkutta", "zh": "加尔各答"}),  # kept under its older name
        (cldr.place, "Atlantic/Reykjavik", {"de": "Reykjavík"}),  # without soft hyphens
    ],
)
def test_names(name, code, expected):
    assert {language: name(code, language) for language in expected} == expected


def test_currency_forms():
    assert cldr.currency_forms("USD", "en") == ["US Dollar", "US dollar", "US dollars"]
    assert cldr.currency_forms("RUB", "ru")[0] == "российский рубль"
    assert "российских рублей" in cldr.currency_forms("RUB", "ru")
    assert cldr.currency_forms("CNY", "zh") == ["人民币"]


def test_states_belong_to_one_part_of_one_continent():
    assert len(STATES) == 193 == sum(len(states.split()) for _, states in SUBREGIONS.values())
    assert set(CONTINENT.values()) == {"002", "009", "019", "142", "150"}
    assert {SUBREGION[state] for state in ("DE", "KE", "JP", "BR")} == {"155", "014", "030", "005"}
    assert all(cldr.territory(code, language) for code in (*STATES, *SUBREGIONS) for language in PAPER_LANGUAGES)


def test_every_kind_has_many_facts():
    kinds = Counter(fact.kind for fact in all_facts())
    assert min(kinds.values()) > 150
    assert len(by_id()) == len(all_facts())


def test_known_facts():
    found = by_id()
    assert found["currency/JP"].answer == "JPY"
    assert found["region/KE"].answer == "014"
    assert found["place/Europe/Berlin"].answer == "DE"


def test_no_rival_is_right_as_well():
    for fact in all_facts():
        assert len(fact.rivals) >= 3
        assert fact.answer not in fact.rivals
        if fact.kind == "currency":
            assert len(cldr.currencies_in_use(fact.subject)) == 1
            assert cldr.currencies_ever(fact.subject).isdisjoint(fact.rivals)
            assert "USD" not in fact.rivals
            assert ALSO_TAKEN.get(fact.subject) not in fact.rivals
        if fact.kind == "region":
            continent = CONTINENT[fact.subject]
            assert all(SUBREGIONS[rival][0] != continent for rival in fact.rivals)


def test_left_out():
    found = by_id()
    # several currencies, or a new one
    assert not {"currency/PA", "currency/HT", "currency/LS", "currency/BG"} & set(found)
    assert not {f"region/{state}" for state in TWO_CONTINENTS} & set(found)
    named_alike = {
        "Asia/Singapore",
        "Africa/Tunis",
        "Africa/Algiers",
        "America/Mexico_City",
        "Europe/Luxembourg",
        "Asia/Kuwait",
        "Africa/Bissau",
    }
    disputed = {"Asia/Jerusalem", "Europe/Simferopol", "Asia/Famagusta", "America/La_Paz"}
    assert not {f"place/{zone}" for zone in named_alike | disputed} & set(found)
    assert max(Counter(fact.answer for fact in all_facts() if fact.kind == "place").values()) <= 5


@pytest.mark.parametrize(
    "subject, rival",
    [("currency/CG", "CDF"), ("currency/GN", "PGK"), ("place/Africa/Niamey", "NG"), ("place/Africa/Juba", "SD")],
)
def test_states_of_similar_names_are_no_rivals(subject, rival):
    """The Congolese franc is a trap for the other Congo, not a test of knowledge."""
    assert rival not in by_id()[subject].rivals


def test_towns_of_canada_and_the_united_states_are_not_told_apart():
    """There is a Creston in either, and many more such pairs."""
    for fact in all_facts():
        if fact.kind == "place" and fact.answer in ("CA", "US"):
            assert {"CA", "US"}.isdisjoint(fact.rivals)


def test_no_place_is_named_like_its_state():
    for fact in all_facts():
        if fact.kind == "place":
            place, state = NAMES["place"]
            for language in PAPER_LANGUAGES:
                a, b = sameness(place(fact.subject, language)), sameness(state(fact.answer, language))
                assert a not in b and b not in a, (fact.id, language)


def test_questions_mix_the_kinds():
    kinds = Counter(question.fact.kind for question in knowledge.questions()[:120])
    assert min(kinds.values()) >= 25


def test_examples_are_not_asked():
    shown = {f"{kind}/{subject}" for kind, subjects in facts.EXAMPLES.items() for subject in subjects}
    asked = {item["id"] for item in facts.items("de")}
    assert not shown & asked
    assert asked | shown == set(by_id())


def test_a_question_of_facts():
    item = next(item for item in facts.items("de") if item["id"] == "currency/CZ")
    *examples, question = item["context"].split("\n\n")
    assert question == "Land: Tschechien\nWährung:"
    assert examples[1] == "Land: Japan\nWährung: Japanischer Yen"
    assert item["answers"][0] == "Tschechische Krone" and "Tschechische Kronen" in item["answers"]
    chinese = next(item for item in facts.items("zh") if item["id"] == "currency/CZ")
    assert chinese["context"].endswith("国家：捷克\n货币：") and chinese["answers"] == ["捷克克朗"]
