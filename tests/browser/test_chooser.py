"""The chooser of the page "I have a language", by mouse and keyboard, and the page without scripts."""

import json

import pytest

PAGE = "executed/i_have_a_language"
ANSWER = ".study-chooser .chooser-said"


@pytest.fixture
def page(visiting):
    with visiting(width=390, height=844) as visit:
        yield visit.open(PAGE)
        assert visit.broken == [] and visit.external == []


def held(page) -> dict:
    return json.loads(page.locator(".study-chooser script").text_content())


def chosen(page) -> str:
    names = ("model", "language", "measure", "how")
    return ".".join(page.locator(f".study-chooser select[name={name}]").input_value() for name in names)


def test_a_choice_shows_its_answer(page):
    data, language = held(page), page.locator("select[name=language]")
    assert page.locator(ANSWER).inner_text() == data["answers"][chosen(page)]["said"]
    language.select_option(index=1)
    answer = data["answers"][chosen(page)]
    assert page.locator(ANSWER).inner_text() == answer["said"]
    assert page.locator(".study-chooser tbody tr").count() == len(answer["rows"])
    asked = [
        page.locator(f"select[name={name}] option:checked").inner_text() for name in ("language", "measure", "how")
    ]
    note = page.locator(".study-chooser .chooser-note").inner_text()
    assert note == f"{', '.join(asked)}: {data['notes'][answer['note']]}"
    assert page.locator(".study-chooser pre").text_content() == data["choices"][answer["take"]][1]


def test_the_keyboard_chooses(page):
    before = chosen(page)
    page.locator("select[name=language]").focus()
    page.keyboard.press("ArrowDown")
    assert chosen(page) != before
    assert page.locator(ANSWER).inner_text() == held(page)["answers"][chosen(page)]["said"]


def test_whatever_is_selected_was_measured(page):
    """Each list offers only what was measured for what is selected before it."""
    data = held(page)
    for name in ("language", "measure", "how"):
        select = page.locator(f".study-chooser select[name={name}]")
        values = "all => all.filter(option => !option.disabled).map(option => option.value)"
        for value in select.locator("option").evaluate_all(values):
            if value != "another":
                select.select_option(value)
                assert page.locator(ANSWER).inner_text() == data["answers"][chosen(page)]["said"]


def test_what_was_not_chosen_comes_back_where_it_can(page):
    before, language = chosen(page), page.locator("select[name=language]")
    own = language.input_value()
    for value in language.locator("option[data-anchor]").evaluate_all("all => all.map(option => option.value)"):
        language.select_option(value)  # which may leave other methods alone to choose from
    language.select_option(own)
    assert chosen(page) == before


def test_an_address_chooses_a_language(page):
    last = page.locator("select[name=language] option[data-anchor]").last
    anchor, value = last.get_attribute("data-anchor"), last.get_attribute("value")
    page.evaluate("id => { location.hash = id }", anchor)
    page.wait_for_function(f"document.querySelector('select[name=language]').value === '{value}'")
    assert page.locator(ANSWER).inner_text() == held(page)["answers"][chosen(page)]["said"]


@pytest.mark.parametrize("width", [390, 1280])
def test_a_link_to_a_language_leads_to_the_chooser_with_that_language(browser, book_html, width):
    """From another page: the browser goes to the table of that name by itself, and the answer is above it."""
    context = browser.new_context(viewport={"width": width, "height": 844}, offline=True)
    page = context.new_page()
    page.goto(f"{(book_html / 'executed' / 'first_page').as_uri()}.html")
    link = page.locator("main a[href*='i_have_a_language.html#']").last
    anchor = link.get_attribute("href").partition("#")[2]
    link.click()
    page.wait_for_url(f"**#{anchor}")
    page.wait_for_load_state("load")
    page.wait_for_timeout(500)
    assert page.locator("select[name=language] option:checked").get_attribute("data-anchor") == anchor
    assert 0 <= page.locator(".study-chooser form").first.bounding_box()["y"] < 844
    context.close()


def test_another_language_leads_to_the_worked_example(page):
    page.locator("select[name=language]").select_option("another")
    assert not page.locator(".study-chooser .chooser-result").is_visible()
    page.locator(".study-chooser .chooser-another a").click()
    assert page.locator("section#a-language-that-is-not-here").count() == 1
    assert page.url.endswith("#a-language-that-is-not-here")


def test_without_scripts_the_tables_are_there(browser, book_html):
    context = browser.new_context(java_script_enabled=False, offline=True)
    page = context.new_page()
    page.goto(f"{(book_html / PAGE).as_uri()}.html")
    assert not page.locator(".study-chooser form").is_visible()
    table = page.locator("details:has(table.study-table)").first
    assert not table.locator("table").is_visible()
    table.locator("summary").click()
    assert table.locator("table").is_visible()
    last = page.locator("select[name=language] option[data-anchor]").last.get_attribute("data-anchor")
    linked = page.locator(f"details#{last} table.study-table")
    assert linked.count() == 1 and not linked.is_visible()
    page.goto(f"{(book_html / PAGE).as_uri()}.html#{last}")
    assert linked.is_visible()
    bar = page.locator(".bd-header-article").evaluate("e => getComputedStyle(e).backgroundColor")
    assert bar == "rgb(255, 255, 255)"  # the theme's own is see-through without scripts
    context.close()
