"""The book on paper: one PDF, in which tables are whole and links lead somewhere."""

import re

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
def printed(browser, document, tmp_path_factory) -> PdfReader:
    target = tmp_path_factory.mktemp("paper") / "book.pdf"
    pdf.print_book(browser, str(document), target)
    assert [path.name for path in target.parent.iterdir()] == [target.name]
    return PdfReader(target)


def within(page) -> str:
    """The text of a PDF's page that begins within the paper, without spaces."""
    said = []

    def visit(text, matrix, line, _font, _size):
        x = line[4] * matrix[0] + line[5] * matrix[2] + matrix[4]
        if 0 <= x <= float(page.mediabox.width):
            said.append(text)

    page.extract_text(visitor_text=visit)
    return re.sub(r"\s", "", "".join(said))


def test_every_table_has_its_last_column(printed, document):
    found = {int(number) for page in printed.pages for number in re.findall(r"Z(\d+)Z", within(page))}
    tables = document.select("table")
    assert [str(tables[number].caption) for number in range(len(tables)) if number not in found] == []


def test_links_lead_to_places_in_the_pdf_or_to_the_web(printed):
    links = [one.get_object() for page in printed.pages for one in page.get("/Annots", ())]
    addresses = [str(one["/A"]["/URI"]) for one in links if "/A" in one and "/URI" in one["/A"]]
    assert [address for address in addresses if not address.startswith(("http", "mailto:"))] == []
    assert len(links) - len(addresses) >= len(PAGES)  # the contents at least
    assert len(printed.outline) > 0


def test_what_is_folded_is_open_and_what_does_nothing_on_paper_is_left_out(document):
    assert document.select("details") and document.select("details:not([open])") == []
    assert document.select("button, form, main script, .only-dark, .headerlink") == []
    ids = [one["id"] for one in document.select("[id]")]
    assert len(ids) == len(set(ids))
    assert [link["href"] for link in document.select('a[href^="#"]') if link["href"][1:] not in ids] == []


def test_a_book_that_was_not_built_is_said_to_be_missing(tmp_path):
    with pytest.raises(ParameterError, match="build the book first"):
        pdf.one_document(tmp_path, PAGES, "The book")
