"""The sources by name, the cleaning of texts and the rules that all sources share."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from calibprune.corpora import (
    SOURCES,
    Kind,
    Source,
    check_languages,
    corpus,
    documents,
    fingerprint,
    names,
    packaged,
    summary,
)
from calibprune.corpora.base import digest, one_in_five
from calibprune.corpora.cleaning import has_markup, plain, sameness
from calibprune.corpora.near import families
from calibprune.errors import CorpusError, ParameterError


@pytest.mark.parametrize("source", ["no such source", "", "file", "mc4:", "chromium:x", "udhr:x", None, 5, ["udhr"]])
def test_unknown_source_names_the_known_ones(source):
    with pytest.raises(ParameterError) as caught:
        corpus(source, "en")
    assert str(caught.value) == f"unknown text source {source!r}: choose one of {', '.join(names())}"


def test_names_say_what_may_follow_the_colon():
    assert {"chromium", "udhr", "mc4", "mc4:FOLDER", "belebele", "belebele:FOLDER", "file:PATH"} <= set(names())
    assert "file" not in names()
    assert {"chromium", "udhr"} <= set(packaged())
    assert not {"mc4", "belebele", "file"} & set(packaged())


def test_unknown_language_and_split_name_the_known_ones():
    with pytest.raises(
        ParameterError, match="chromium has no text in 'xx'; it has am, ar, bg, .*, zh, en-GB, es-419, pt-PT, zh-TW$"
    ):
        corpus("chromium", "xx")
    with pytest.raises(ParameterError, match="'test': choose one of calibration, validation"):
        documents("chromium", "de", "test")
    with pytest.raises(ParameterError, match="chromium has no text in 'xx' or 'Portugese'; .* nearest are pt"):
        fingerprint("chromium", ["de", "xx", "Portugese"])


@pytest.mark.parametrize(
    ("source", "pair"),
    [("mc4", ["he", "iw"]), ("mc4", ["nb", "no"]), ("belebele", ["deu_Latn", "de"]), ("udhr", ["he", "heb"])],
)
def test_two_names_of_one_text_are_refused(source, pair):
    with pytest.raises(ParameterError, match=f"{source}: {pair[0]} and {pair[1]} are two names of one text; give one"):
        check_languages(source, ["sw", *pair])
    assert check_languages(source, ["sw", pair[1], pair[1]])  # one name, twice, is said elsewhere


def test_variants_of_a_language_have_texts_of_their_own():
    assert check_languages("chromium", ["pt", "pt-PT", "en", "en-GB"])


def test_empty_file_path():
    with pytest.raises(ParameterError, match="file:PATH"):
        corpus("file:", "en")


def test_text_that_utf_8_cannot_write_is_refused_in_every_source(monkeypatch):
    source = Source(("de",), lambda language, split: iter(["ganz", "halb \ud83d"]), lambda languages: "")
    monkeypatch.setitem(SOURCES, "other", Kind(lambda: source))
    texts = documents("other", "de")
    assert next(texts) == "ganz"
    with pytest.raises(CorpusError, match="other, de: calibration text 2: its text holds half of a surrogate pair"):
        next(texts)


def test_summary_counts_texts_and_characters(tmp_path):
    (tmp_path / "de.txt").write_text("\n\n".join(f"Text {chr(97 + i)}" for i in range(10)))
    frame = summary(f"file:{tmp_path}/{{language}}.txt")
    assert frame.to_dict("list") == {
        "language": ["de", "de"],
        "split": ["calibration", "validation"],
        "texts": [8, 2],
        "characters": [8 * 6, 2 * 6],
    }


@pytest.mark.parametrize(
    ("raw", "clean"),
    [
        ("&Open original image", "Open original image"),
        ("Open link in inco&gnito", "Open link in incognito"),
        ("打开链接(&G)", "打开链接"),
        ("打开链接（&G）…", "打开链接…"),
        ("Research & R&D && more", "Research & R&D & more"),
        ("  two\n\nlines\u00a0here ", "two lines here"),
        ("\u200fنص\u200e @x", "نص @x"),
        ("co\u2010operation soft\u00adhyphen", "co-operation softhyphen"),
        ("e\u0301", "é"),
    ],
)
def test_plain(raw, clean):
    assert plain(raw) == clean


@given(st.text())
def test_plain_text_has_no_stray_whitespace(text):
    assert plain(text) == " ".join(plain(text).split())


@pytest.mark.parametrize(
    "text",
    [
        "{COUNT, plural, =1 {one} other {#}}",
        "Hello $1",
        "Line %s",
        "a <b>bold</b> word",
        "x &lt; y",
        "{name}",
        "See https://example.org",
        "%1$s items",
        "a | b",
        "$i18n",
    ],
)
def test_markup_is_seen(text):
    assert has_markup(text)


@pytest.mark.parametrize("text", ["Save 50% of memory", "Costs 5 $", "this & that", "Use [*.] before a name?"])
def test_ordinary_text_is_not_markup(text):
    assert not has_markup(text)


def test_sameness_ignores_case_digits_punctuation_and_product():
    assert sameness("Open 3 tabs in Google Chrome…") == sameness("open 12 tabs, in Chromium")
    assert sameness("Open the tab") != sameness("Close the tab")
    assert sameness("कि") != sameness("की")  # vowel signs are no letters of their own, and tell words apart
    assert sameness("सेटिंग 1 ❤️") == sameness("सेटिंग 2!")


def test_families_join_chains_and_leave_others_apart():
    texts = [
        "this long setting is on now for you",
        "a word that nothing else has",
        "this long setting is off now for you",
        "this long setting is off now for them",
    ]
    assert families(texts) == [0, 1, 0, 0]


def test_families_of_no_words():
    assert families(["…", "!", "word"]) == [0, 1, 2]


def test_digest_keeps_parts_apart():
    assert digest("ab", "c") != digest("a", "bc")


def test_a_fifth_is_held_out():
    share = sum(one_in_five(str(i)) for i in range(10_000)) / 10_000
    assert 0.18 < share < 0.22
