"""The script that sorts and filters the ledger, in a browser, on a page that holds nothing else."""

import pytest
from ledger_entries import ENTRIES

from calibbook.checkout import ROOT
from calibbook.ledger.tables import of_the_paper


@pytest.fixture(scope="module")
def page(browser, tmp_path_factory):
    folder = tmp_path_factory.mktemp("page")
    script = (ROOT / "book" / "_static" / "sortable.js").as_uri()
    html = f'<!doctype html><meta charset="utf-8"><script src="{script}"></script>{of_the_paper(ENTRIES).html}'
    (folder / "ledger.html").write_text(html, encoding="utf-8")
    tab = browser.new_page()
    yield tab, (folder / "ledger.html").as_uri()
    tab.close()


@pytest.fixture
def ledger(page):
    tab, address = page
    tab.goto(address)
    return tab


def claims(ledger) -> list[str]:
    """The sections of the rows that are shown, in their order."""
    rows = ledger.locator("tbody tr:visible td[data-label=section]")
    return rows.all_inner_texts()


def test_a_head_sorts_and_turns_the_order(ledger):
    assert claims(ledger) == ["4.1", "4.2", "4.6", "6"]
    ledger.get_by_role("button", name="section").click()
    ledger.get_by_role("button", name="section").click()
    assert claims(ledger) == ["6", "4.6", "4.2", "4.1"]
    assert ledger.locator("th[aria-sort=descending]").inner_text() == "section"


def test_numbers_are_sorted_as_numbers_and_what_has_none_comes_last(ledger):
    ledger.get_by_role("button", name="p, corrected").click()
    assert claims(ledger)[:2] == ["4.1", "4.6"]
    ledger.get_by_role("button", name="claim").click()
    assert claims(ledger)[0] == "4.6"  # begins with a bracket
    assert ledger.locator("th[aria-sort]").count() == 1


def test_rows_are_filtered_by_verdict_section_and_words(ledger):
    ledger.get_by_label("verdict").select_option("held")
    assert claims(ledger) == ["4.1", "4.6"]
    assert ledger.get_by_role("status").inner_text() == "2 of 4 rows"
    ledger.get_by_label("section").select_option("4.6")
    assert claims(ledger) == ["4.6"]
    ledger.get_by_label("verdict").select_option("all")
    ledger.get_by_label("section").select_option("all")
    ledger.get_by_label("Words").fill("CONJUNCTION")
    assert claims(ledger) == ["6"]


def test_without_scripts_the_table_is_whole_and_offers_nothing_that_would_not_work(page):
    tab, address = page
    context = tab.context.browser.new_context(java_script_enabled=False)
    still = context.new_page()
    still.goto(address)
    assert still.locator("tbody tr").count() == 4
    assert still.locator("button, input, select").count() == 0
    still.locator("summary").first.click()
    assert still.locator("li").first.is_visible()
    context.close()
