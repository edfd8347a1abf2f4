"""The book on paper: one PDF, in which tables are whole and links lead somewhere."""

import re
from pathlib import Path

import pypdfium2
import pytest
from bs4 import BeautifulSoup
from pypdf import PdfReader

from calibbook import pdf
from calibbook.build import pages
from calibbook.checkout import ROOT
from calibprune.errors import ParameterError

PAGES = pages(ROOT / "_toc.yml")


@pytest.fixture(scope="module")
def document(book_html) -> BeautifulSoup:
    """The document of all pages, with a number at the end of every table's last row."""
    made = BeautifulSoup(pdf.one_document(book_html, PAGES, "The book"), "lxml")
    for number, table in enumerate(made.select("table")):
        table.select("tr")[-1].find_all(["td", "th"])[-1].append(f" Z{number}Z")
    return made


@pytest.fixture(scope="module")
def printed(browser, document, tmp_path_factory) -> Path:
    target = tmp_path_factory.mktemp("paper") / "book.pdf"
    pdf.print_book(browser, str(document), target)
    assert [path.name for path in target.parent.iterdir()] == [target.name]
    return target


def within(page: pypdfium2.PdfPage) -> str:
    """The text of a PDF's page that lies on the paper, without spaces."""
    return re.sub(r"\s", "", page.get_textpage().get_text_bounded(left=0, right=page.get_width()))


def test_every_table_has_its_last_column(printed, document):
    with pypdfium2.PdfDocument(printed) as pages:
        found = {int(number) for page in pages for number in re.findall(r"Z(\d+)Z", within(page))}
    tables = document.select("table")
    assert [str(tables[number].caption) for number in range(len(tables)) if number not in found] == []


def test_links_lead_to_places_in_the_pdf_or_to_the_web(printed):
    read = PdfReader(printed)
    links = [one.get_object() for page in read.pages for one in page.get("/Annots", ())]
    addresses = [str(one["/A"]["/URI"]) for one in links if "/A" in one and "/URI" in one["/A"]]
    assert [address for address in addresses if not address.startswith(("http", "mailto:"))] == []
    assert len(links) - len(addresses) >= len(PAGES)  # the contents at least
    assert len(read.outline) > 0


def test_what_is_folded_is_open_and_what_does_nothing_on_paper_is_left_out(document):
    assert document.select("details") and document.select("details:not([open])") == []
    assert document.select("button, form, main script, .only-dark, .headerlink") == []
    ids = [one["id"] for one in document.select("[id]")]
    assert len(ids) == len(set(ids))
    assert [link["href"] for link in document.select('a[href^="#"]') if link["href"][1:] not in ids] == []


def test_a_book_that_was_not_built_is_said_to_be_missing(tmp_path):
    with pytest.raises(ParameterError, match="build the book first"):
        pdf.one_document(tmp_path, PAGES, "The book")
