"""How much a reader has to fetch: the whole book, and each page of it."""

import json
import re
from pathlib import Path
from urllib.parse import urlparse

import pytest
import unused
from bs4 import BeautifulSoup
from fontTools.ttLib import TTFont

from calibbook import build as book
from calibbook.checkout import ROOT

PAGES = book.pages(ROOT / "_toc.yml")
SITE, PAGE = 30e6, 1e6
"""Bytes of the whole book, and of a page with its styles, their fonts and its scripts, without pictures and before any
compression.
"""
SLOW = 1.6e6 / 8
"""Bytes a second of a slow line, on which the first page is painted within two, half a second of it for the answers."""


def test_the_book_is_small(book_html):
    sizes = {path: path.stat().st_size for path in book_html.rglob("*") if path.is_file()}
    largest = sorted(sizes.items(), key=lambda item: -item[1])[:10]
    assert sum(sizes.values()) < SITE, largest


def test_the_first_page_is_painted_soon_on_a_slow_line(book_html):
    path = book_html / f"{PAGES[0]}.html"
    page = BeautifulSoup(path.read_text(encoding="utf-8"), "html.parser")
    waited_for = [one["href"] for one in page.select("link[rel=stylesheet]")]
    files = {path, *((path.parent / urlparse(address).path).resolve() for address in waited_for)}
    assert sum(file.stat().st_size for file in files) < 1.5 * SLOW


def fonts_of(style: Path) -> set[Path]:
    """The files that a style sheet takes fonts from; browsers ask for those that a page uses."""
    named = re.findall(r'url\("?([^"()]+\.woff)"?\)', style.read_text(encoding="utf-8"))
    return {(style.parent / name).resolve() for name in named}


def test_the_styles_name_fonts(book_html):
    found = set().union(*(fonts_of(path) for path in book_html.rglob("*.css")))
    assert {path.name for path in found} >= {"formulas.woff"}
    assert all(path.is_file() for path in found)


@pytest.mark.parametrize("name", PAGES)
def test_a_page_is_small_and_waits_for_no_script(book_html, name):
    path = book_html / f"{name}.html"
    page = BeautifulSoup(path.read_text(encoding="utf-8"), "html.parser")
    scripts = page.select("script[src]")
    addresses = [one["src"] for one in scripts] + [one["href"] for one in page.select("link[rel=stylesheet]")]
    files = {(path.parent / urlparse(address).path).resolve() for address in addresses}
    fonts = {font for file in files if file.suffix == ".css" for font in fonts_of(file)}
    assert sum(file.stat().st_size for file in {path, *files, *fonts}) < PAGE
    assert [one["src"] for one in scripts if not one.has_attr("defer")] == []
    for picture in page.select("main img"):
        assert picture["loading"] == "lazy" and int(picture["width"]) > 0 and int(picture["height"]) > 0


def test_a_notebook_for_download_has_its_parameters_and_no_outputs(book_html):
    found = sorted((book_html / "_sources").rglob("*.ipynb"))
    assert {f"{path.relative_to(book_html / '_sources').with_suffix('')}" for path in found} == {
        name for name in PAGES if name.startswith("executed/")
    }
    for path in found:
        cells = json.loads(path.read_text(encoding="utf-8"))["cells"]
        assert not any(cell.get("outputs") or cell.get("execution_count") for cell in cells), path
    results = json.loads((book_html / "_sources/executed/04_1_pruning_results.ipynb").read_text(encoding="utf-8"))
    assert any("injected-parameters" in cell["metadata"].get("tags", ()) for cell in results["cells"])


def test_what_no_page_loads_is_not_there(book_html):
    assert [path for path in book_html.rglob("*.map")] == []
    assert not (book_html / "_static" / "scripts" / "fontawesome.js").exists()


def test_every_sign_of_a_style_sheet_is_in_a_font(book_html):
    signs = [unused.signs_in(path.read_text(encoding="utf-8")) for path in book_html.rglob("*.css")]
    fonts = [TTFont(path).getBestCmap() for path in (book_html / "_static" / "vendor").rglob("*.woff")]
    assert fonts and set().union(*signs) <= set().union(*fonts)
