"""`python -m calibbook.pdf`: the built book as one PDF, printed by Chromium.

All pages become one document, so that links between them lead to places in it, formulas are set once, and what is wider
than a page of paper can be measured and made to fit.
"""

import os
import sys
import tempfile
from collections.abc import Mapping
from html import escape
from pathlib import Path
from posixpath import join, normpath
from urllib.parse import urlsplit

import yaml
from bs4 import BeautifulSoup, Tag

from calibbook.build import pages
from calibbook.checkout import ROOT
from calibbook.chromium import started
from calibprune.errors import ParameterError, ended_in_one_line

NOT_ON_PAPER = (
    "script, style, noscript, button, form, .study-chooser, .headerlink, .only-dark, details.hide, .prev-next-footer, "
    ".toctree-wrapper"
)
"""What does something, or is shown in the dark, or is code that is folded away."""

STYLE = """
@page {size: A4; margin: 14mm 12mm}
@page across {size: A4 landscape; margin: 12mm 14mm}
html, body {font-size: 9pt; background: white; height: auto; overflow: visible}
.chapter {break-before: page}
.across {page: across}
h1, h2, h3, h4, caption, summary {break-after: avoid}
img {max-width: 100% !important; min-width: 0 !important; height: auto; max-height: 24cm; object-fit: contain}
.contents li {margin: 0.2em 0}
.bd-article, .bd-article :is(p, li) {max-width: none !important}
details > summary {list-style: none; font-weight: 600}
* {animation: none !important; transition: none !important}
"""

FIT = """() => {
    const upright = 186, across = 269, pixels = 96 / 25.4;  // millimetres between the margins of STYLE
    const turned = 0.75;  // what would have to shrink further is printed across
    for (const box of document.querySelectorAll('table, pre, div.math, svg')) {
        if (box.parentElement.closest('table')) continue;
        const width = Math.max(box.scrollWidth || 0, box.getBoundingClientRect().width) / pixels;
        if (width <= upright) continue;
        let room = upright;
        if (width * turned > upright) {
            (box.closest('.study-table-scroll') || box).classList.add('across');
            room = across;
        }
        box.style.zoom = Math.min(1, room / width);
    }
}"""
"""Makes what is too wide for the paper smaller, or prints it on a page of its own across."""

NUMBER = '<div style="width: 100%; text-align: center; font-size: 7pt"><span class="pageNumber"></span></div>'


def one_document(html: Path, names: list[str], title: str) -> str:
    """All pages of a built book in one, with absolute addresses of pictures and styles; what is folded is open.

    Args:
        html: folder of the built book.
        names: its pages in reading order, without suffix.
        title: of the book.

    Raises:
        ParameterError: a page is not there.
    """
    articles, contents, styles = {}, [], []
    for name in names:
        path = html / f"{name}.html"
        if not path.is_file():
            raise ParameterError(f"{path}: no such page; build the book first, with `make book`")
        page = BeautifulSoup(path.read_text(encoding="utf-8"), "lxml")
        styles = [(path.parent / urlsplit(one["href"]).path).resolve() for one in page.select("link[rel=stylesheet]")]
        article = page.select_one("article.bd-article")
        _for_paper(article, path, name, set(names), html)
        heading = article.find("h1")
        contents.append(f'<li><a href="#{_place(name)}">{escape(heading.get_text().strip())}</a></li>')
        articles[_place(name)] = article
    _lead_to_what_is_there(articles)
    chapters = [f'<section class="chapter" id="{place}">{article}</section>' for place, article in articles.items()]
    sheets = "".join(f'<link rel="stylesheet" href="{path.as_uri()}">' for path in styles)
    return (
        f'<!DOCTYPE html><html lang="en" data-theme="light" data-mode="light"><head><meta charset="utf-8">'
        f"<title>{escape(title)}</title>{sheets}<style>{STYLE}</style></head>"
        f'<body><h1>{escape(title)}</h1><ol class="contents">{"".join(contents)}</ol>{"".join(chapters)}</body></html>'
    )


def _for_paper(article: Tag, path: Path, name: str, names: set[str], html: Path) -> None:
    """Changes a page's text in place."""
    for one in article.select(NOT_ON_PAPER):
        one.decompose()
    for one in article.select("details"):
        one["open"] = ""
    for one in article.select("[id]"):
        one["id"] = _place(name, one["id"])
    for picture in article.select("img"):
        picture["src"] = (path.parent / picture["src"]).resolve().as_uri()
        del picture["loading"]
    for link in article.select("a[href]"):
        target = urlsplit(link["href"])
        if target.scheme:
            continue
        page = normpath(join(Path(name).parent.as_posix(), target.path)).removesuffix(".html") if target.path else name
        if page in names:
            link["href"] = "#" + _place(page, target.fragment)
        else:  # a file beside the pages, which the PDF has not got
            link.unwrap()


def _lead_to_what_is_there(articles: Mapping[str, Tag]) -> None:
    """Changes links to what a page's scripts find, such as a language of the chooser, into links to the page."""
    there = {*articles, *(one["id"] for article in articles.values() for one in article.select("[id]"))}
    for article in articles.values():
        for link in article.select('a[href^="#"]'):
            if link["href"][1:] not in there:
                link["href"] = link["href"].partition("--")[0]


def _place(page: str, anchor: str = "") -> str:
    """The id of a page, or of a place on it, in the document of all."""
    return "--".join(filter(None, [page.replace("/", "-"), anchor]))


def print_book(browser, document: str, target: Path) -> None:
    """Prints a document of all pages into `target`, which is there only when it is whole.

    Args:
        browser: a Chromium as Playwright has it.
        document: as `one_document` makes it.
    """
    target.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=".printing-", dir=target.parent) as aside:
        source = Path(aside) / "book.html"
        source.write_text(document, encoding="utf-8")
        page = browser.new_page(viewport={"width": 703, "height": 1000})  # as wide as the paper between its margins
        page.set_default_timeout(600_000)  # a busy machine may be that slow
        page.emulate_media(media="print", color_scheme="light")
        page.goto(source.as_uri(), wait_until="load")
        page.evaluate("() => document.fonts.ready.then(() => true)")
        page.evaluate(FIT)
        page.pdf(
            path=Path(aside) / "book.pdf",
            prefer_css_page_size=True,
            print_background=True,
            display_header_footer=True,
            header_template="<span></span>",
            footer_template=NUMBER,
            outline=True,
            tagged=True,
        )
        page.close()
        os.replace(Path(aside) / "book.pdf", target)


def main() -> None:
    """Prints the book that `make book` built, and the path of the PDF."""
    html, target = ROOT / "_build" / "html", ROOT / "_build" / "calibprune.pdf"
    title = yaml.safe_load((ROOT / "_config.yml").read_text(encoding="utf-8"))["title"]
    with started() as browser:
        print_book(browser, one_document(html, pages(ROOT / "_toc.yml"), title), target)
    print(target)


if __name__ == "__main__":
    with ended_in_one_line("calibbook", "the same command begins anew"):
        main()
    sys.exit()
