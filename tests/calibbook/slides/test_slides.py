"""The slides: what they say of any study, that their numbers are those of the records, and that nothing is fetched."""

import re
from dataclasses import replace
from html import unescape

import pytest
from frames import SEVEN, tidy
from ledger_entries import ENTRIES

from calibbook.first_page.findings import findings
from calibbook.first_page.sentences import five
from calibbook.first_page.tables import answer_table
from calibbook.ledger.summary import section_table
from calibbook.shared.html import marked
from calibbook.slides import content
from calibbook.slides.content import slides
from calibbook.slides.deck import Slide, deck, offered

OUTSIDE = re.compile(r"(?:src|href|action)=\"(?!data:|#)|url\(|@import|<link|https?://|\bfetch\(|XMLHttpRequest")
TITLES = ["In which language should I calibrate?", "Vote first", "The method in one picture", "Exercises"]


@pytest.fixture(scope="module")
def found():
    mixtures = (*("+".join(sorted(["en", code])) for code in SEVEN if code != "en"), "+".join(SEVEN))
    return findings(tidy(mixtures=mixtures, sources=("chromium",)), {}, 128)


def body(made: list[Slide], title: str) -> str:
    return next(slide.body for slide in made if slide.title == title)


def test_a_deck_of_ten_or_so_slides_that_fetches_nothing(found):
    made = slides(found, ENTRIES)
    assert 9 < len(made) < 15 and set(TITLES) < {slide.title for slide in made}
    html = deck("Slides", made)
    assert html.count("<section>") == html.count("</section>") == len(made)
    assert html.count("<h1>") == 1 and html.count("<h2>") == len(made) - 1
    assert not OUTSIDE.search(html)
    assert OUTSIDE.search('<img src="picture.png">') and OUTSIDE.search('<a href="https://example.org">')
    assert all(re.search(r'alt="[^"]{40,}"', image) for image in re.findall(r"<img[^>]*>", html))
    assert "@page" in html and html.count("<img") == 2


def test_what_the_slides_say_is_what_the_pages_say(found):
    made = slides(found, ENTRIES)
    said = "".join(slide.body for slide in made)
    assert all(marked(sentence) in said for sentence in five(found))
    assert answer_table(found).html in "".join(slide.body for slide in made)
    assert section_table(ENTRIES).html in "".join(slide.body for slide in made)


def test_claims_that_are_undecided_in_every_test_are_listed():
    said = content._undecided(ENTRIES)
    assert "test: 2; undecided in every test: 0." in said
    only = [ENTRIES[0].__class__(ENTRIES[0].claim, "", ENTRIES[0].tests.iloc[[2]], ENTRIES[0].paper)]
    assert "test: 1; undecided in every test: 1." in content._undecided(only) and ENTRIES[0].claim.claim in unescape(
        content._undecided(only)
    )
    assert "none of the paper's claims" in unescape(content._undecided([ENTRIES[1]]))


def test_every_exercise_of_the_laboratory_is_named():
    said = unescape(content._exercises(content.LABORATORY))
    assert all(f"{notebook}{number}: " in said for notebook in "ABCDE" for number in (1, 4))


def test_a_study_without_text_has_its_slides_too(found):
    made = slides(replace(found, rows=found.rows.iloc[:0]), [])
    assert "Nothing to show" in body(made, "The answer")
    assert "hold no perplexity" in body(made, TITLES[0])


def test_a_page_offers_the_deck_and_says_what_is_in_it():
    made = [Slide("One & all", "<p>1</p>"), Slide("Two", "")]
    shown = offered(deck("Slides", made), made)
    assert "data:text/html;base64," in shown.html and "One &amp; all" in shown.html
    assert "One & all" in repr(shown)
