"""The rendered book, as a reader without a network sees it."""

import re
from pathlib import Path
from urllib.parse import unquote, urlparse

import pytest
import yaml
from axe_playwright_python.sync_playwright import Axe

from calibbook import build as book
from calibbook.checkout import ROOT
from calibbook.shared.figure import LARGE
from calibbook.shared.narrow import WIDTH

PAGES = book.pages(ROOT / "_toc.yml")
RESULTS = "executed/04_1_pruning_results"
TITLE = yaml.safe_load((ROOT / "_config.yml").read_text(encoding="utf-8"))["title"]

BEYOND_REACH = """all => all.filter(e => {
    const wide = box => box.getBoundingClientRect().right > window.innerWidth + 1;
    if (!e.getClientRects().length || !wide(e)) return false;
    for (let box = e; box && box.tagName !== 'MAIN'; box = box.parentElement)
        if (['auto', 'scroll'].includes(getComputedStyle(box).overflowX) && !wide(box)) return false;
    return true;
}).map(e => e.outerHTML.slice(0, 200))"""


@pytest.fixture(scope="module", params=PAGES)
def desktop(request, visiting):
    """One page of the book, opened at 1280 pixels."""
    with visiting() as visit:
        visit.open(request.param)
        yield visit


@pytest.fixture(scope="module", params=PAGES)
def phone(request, visiting):
    """One page of the book, opened at 390 pixels, the width of a common phone."""
    with visiting(width=390, height=844) as visit:
        visit.open(request.param)
        yield visit


@pytest.fixture(scope="module")
def results(visiting):
    """The page of Section 4.1, opened at 1280 pixels."""
    with visiting() as visit:
        yield visit.open(RESULTS)


def test_page_loads_from_disk_alone(desktop):
    assert desktop.external == []
    assert desktop.broken == []


def test_page_has_a_title_and_a_heading(desktop):
    assert TITLE in desktop.page.title()
    assert desktop.page.locator("main h1").first.inner_text().strip("# \n")
    assert desktop.page.locator("html").get_attribute("lang") == "en"


def test_pages_are_described_by_their_own_words(book_html):
    """But for redirections, and what has no text of its own."""
    described = {}
    for name in PAGES:
        page = (book_html / f"{name}.html").read_text(encoding="utf-8")
        (described[name],) = re.findall(r'<meta name="description" content="([^"]{20,})"', page)
    assert len(set(described.values())) == len(described)


def test_page_has_an_icon(desktop):
    address = desktop.page.locator("link[rel*=icon]").first.evaluate("link => link.href")
    assert Path(unquote(urlparse(address).path)).is_file()


def test_page_names_no_resource_of_another_host(desktop):
    resources = desktop.page.eval_on_selector_all(
        "script[src], link[rel=stylesheet], link[rel=preload], img[src]",
        "all => all.map(e => e.src || e.href)",
    )
    assert resources
    assert [url for url in resources if not url.startswith(("file:", "data:"))] == []
    assert "THEBE_JS_URL" not in desktop.page.content()


def test_every_picture_is_shown_and_described(desktop):
    pictures = desktop.page.eval_on_selector_all(
        "main img",
        """all => Promise.all(all.map(async e => {
            e.loading = 'eager';  // those further down, and those of the other mode
            await e.decode().catch(() => {});
            return {alt: e.alt, width: e.naturalWidth, src: e.src.slice(0, 80)};
        }))""",
    )
    for picture in pictures:
        assert picture["width"] > 0, picture
        # The builder describes a picture by its file name where the author says nothing.
        assert picture["alt"].strip() and not picture["alt"].endswith((".png", ".svg", ".jpg")), picture


def test_no_page_holds_its_pictures_and_data_inside_itself(desktop):
    held = "all => all.map(e => (e.src || e.href).slice(0, 20)).filter(address => address.startsWith('data:'))"
    assert desktop.page.eval_on_selector_all("main img, main a", held) == []


def test_no_verdict_is_out_of_view_on_a_phone(phone):
    verdicts = phone.page.locator("thead th", has_text=re.compile(r"^\s*verdict\s*$"))
    tables = phone.page.locator("main table.study-table", has=verdicts)
    with_cards = phone.page.locator("main table.study-table.cards", has=verdicts)
    assert tables.count() == with_cards.count()  # every table of verdicts has cards
    out = """all => all.filter(e => e.getClientRects().length && e.getBoundingClientRect().right > window.innerWidth)
        .map(e => e.closest('table').innerText.slice(0, 80))"""
    assert phone.page.eval_on_selector_all("main table.cards td:first-of-type", out) == []


def test_no_cell_of_parameters_is_shown_and_the_page_says_how_to_rerun_it(results):
    assert results.locator("main .cell.tag_parameters, main .cell.tag_injected-parameters").count() == 0
    box = results.locator("main .admonition", has_text="Rerun it")
    command = box.locator("pre").inner_text()
    assert command.startswith(".venv/bin/papermill notebooks/04_1_pruning_results.ipynb")
    assert box.locator("button.copybtn").count() == 1
    for link in box.locator("a[download]").evaluate_all("all => all.map(e => e.href)"):
        assert Path(unquote(urlparse(link).path)).is_file(), link
    opened = results.locator("main details", has_text="Parameters of this run")
    assert opened.get_attribute("open") is None
    opened.locator("summary").click()
    assert opened.locator("tbody th").first.is_visible()


THREE_OF_A_KIND = """() => {
    const seen = {};
    for (const e of document.querySelectorAll('body *')) {
        e.removeAttribute('data-judged');
        const says = [...e.childNodes].some(node => node.nodeType === Node.TEXT_NODE && node.data.trim());
        if (!says || !e.checkVisibility()) continue;
        const {color, fontSize, fontWeight} = getComputedStyle(e);
        const kind = [color, fontSize, fontWeight];
        for (let box = e; box; box = box.parentElement) {
            const {backgroundColor, backgroundImage, opacity} = getComputedStyle(box);
            kind.push([backgroundColor, backgroundImage, opacity]);
        }
        seen[kind] = (seen[kind] ?? 0) + 1;
        if (seen[kind] <= 3) e.setAttribute('data-judged', '');
    }
}"""
"""Marks three texts of every colour, size and weight on the same backgrounds: their contrast is that of all. (Three,
since axe does not judge a text that lies partly under another.) To judge thousands of cells and of words of code one by
one would take most of axe's time.
"""


def serious(page, mode: str) -> list[str]:
    """What axe-core finds on a page that keeps some readers out, or nearly. In the dark only colours are others."""
    page.add_style_tag(content="* {transition: none !important}")  # half-way between two modes colours are neither's
    page.emulate_media(color_scheme=mode)
    page.locator(f"html[data-theme={mode}]").wait_for(state="attached")
    page.evaluate(THREE_OF_A_KIND)
    judged = [({"include": [["[data-judged]"]]}, {"runOnly": ["color-contrast"]})]
    if mode == "light":
        judged.append((None, {"rules": {"color-contrast": {"enabled": False}}}))
    return [
        f"{one['id']}: {one['help']}: {node['html'][:200]}"
        for context, rules in judged
        for one in Axe().run(page, context, {"resultTypes": ["violations"], **rules}).response["violations"]
        for node in one["nodes"]
        if node["impact"] in ("serious", "critical")
    ]


@pytest.mark.parametrize("mode", ["light", "dark"])
def test_nothing_keeps_a_reader_out(desktop, mode):
    assert serious(desktop.page, mode) == []


@pytest.mark.parametrize("mode", ["light", "dark"])
def test_nothing_keeps_a_reader_out_on_a_phone(phone, mode):
    assert serious(phone.page, mode) == []


IN_ORDER = """() => [...document.querySelectorAll('article :is(h2, img.only-light, .study-table)')]
    .filter(e => !e.closest('details')).map(e => e.tagName)"""


def test_a_page_of_results_shows_a_figure_first(desktop):
    """Before its tables, and in its first section; if it has any: a small study may have nothing to draw."""
    of_results = re.search(r"/(0[456]_\w+|amount_of_text|atlas)\.html$", desktop.page.url)
    kinds = desktop.page.evaluate(IN_ORDER)
    if of_results and "IMG" in kinds:
        before = kinds[: kinds.index("IMG")]
        assert before in ([], ["H2"])


def test_every_figure_has_a_dark_variant(desktop):
    kinds = desktop.page.eval_on_selector_all("main .cell_output img", "all => all.map(e => e.className)")
    light, dark = kinds[::2], kinds[1::2]
    assert set(light) <= {"only-light"} and set(dark) <= {"only-dark"} and len(light) == len(dark)


def test_every_claim_is_a_heading(desktop):
    tables = "main .study-table-scroll:has(> table.cards)"
    assert desktop.page.locator(f"main h3.study-heading + {tables[5:]}").count() == desktop.page.locator(tables).count()


@pytest.mark.parametrize("mode", ["light", "dark"])
def test_the_mode_is_the_one_that_the_system_has_chosen(visiting, mode):
    with visiting() as visit:
        visit.page.emulate_media(color_scheme=mode)
        page = visit.open(RESULTS)
        assert page.locator("html").get_attribute("data-theme") == mode
        shown = "all => all.filter(e => e.getClientRects().length).map(e => e.className)"
        classes = page.eval_on_selector_all("main img", shown)
        assert classes and {f"only-{mode}" in one for one in classes} == {True}


def test_paper_is_light_whatever_the_screen_is(visiting):
    shown = "all => all.filter(e => e.getClientRects().length).map(e => e.className)"
    with visiting() as visit:
        visit.page.emulate_media(color_scheme="dark")
        page = visit.open(RESULTS)
        page.emulate_media(media="print", color_scheme="dark")
        page.wait_for_selector("html[data-theme=light]")
        colour = page.locator(".study-table tbody th").first.evaluate("e => getComputedStyle(e).color")
        assert max(map(int, re.findall(r"\d+", colour)[:3])) < 100, colour
        assert {"only-light" in one for one in page.eval_on_selector_all("main .cell_output img", shown)} == {True}
        page.emulate_media(media="screen", color_scheme="dark")
        page.wait_for_selector("html[data-theme=dark]")


def test_formulas_are_set(desktop):
    formulas = desktop.page.locator("main .math math")
    assert formulas.count() == desktop.page.locator("main .math").count()
    if formulas.count():
        assert desktop.page.evaluate("document.fonts.ready.then(() => document.fonts.check('16px Formulas'))")
        assert formulas.evaluate_all("all => all.filter(e => !e.getAttribute('alttext'))") == []


def test_phone_never_scrolls_sideways(phone):
    assert phone.page.evaluate("document.documentElement.scrollWidth") <= 390


def test_phone_reaches_all_that_is_wider_than_itself(phone):
    wide = "main :is(h1, h2, h3, p, table, pre, img, div.math, .prev-next-area a)"
    assert phone.page.eval_on_selector_all(wide, BEYOND_REACH) == []


def test_a_figure_that_is_as_narrow_as_a_phone_fits_on_it(phone):
    shown = """all => all.filter(e => e.getClientRects().length && !e.closest('picture')).map(
        e => [e.getAttribute('width'), e.getBoundingClientRect().width, e.alt.slice(0, 60)])"""
    images = phone.page.eval_on_selector_all("main .cell_output img", shown)
    assert [image for image in images if int(image[0]) <= LARGE * WIDTH and image[1] > 390] == []


def test_on_a_phone_the_panels_of_a_figure_stand_below_each_other(visiting):
    with visiting(width=390, height=844) as visit:
        page = visit.open(RESULTS)
        taken, right, folded = page.locator("main picture img.only-light").first.evaluate("""async image => {
            image.loading = 'eager';
            await image.decode();
            const {width} = image.parentElement.querySelector('source');
            return [image.currentSrc !== image.src, image.getBoundingClientRect().right, image.naturalWidth === width];
        }""")
        assert taken and right <= 390 and folded


def test_a_table_with_more_columns_than_are_in_view_fades_until_its_last_one_is(visiting):
    with visiting(width=390, height=844) as visit:
        page = visit.open(RESULTS)
        wide = page.locator(".study-table-scroll.more").first
        wide.wait_for()
        kept = wide.evaluate("box => getComputedStyle(box).maskImage")
        assert "gradient" in kept and wide.evaluate("box => box.style.getPropertyValue('--caption')") != "0px"
        wide.evaluate("box => { window.chosen = box; box.scrollLeft = box.scrollWidth; }")
        page.wait_for_function("!window.chosen.classList.contains('more')")


def test_results_page_has_its_tables(results):
    tables = results.locator("table.study-table").all()
    captions = [text.lower() for text in results.locator("table.study-table caption").all_inner_texts()]
    assert len(captions) == len(tables) > 0
    for metric in ("perplexity", "signal-to-noise", "pruning error"):
        assert any(metric in caption for caption in captions), f"no table of {metric}: {captions}"
    for table in tables:
        assert any(text.strip() for text in table.locator("tbody td").all_text_contents())  # some are folded


def test_results_page_has_its_figures(results):
    alternatives = results.eval_on_selector_all("main img", "all => all.map(e => e.alt)")
    assert alternatives
    # A description says what the figure shows, which takes more than a label.
    assert [text for text in alternatives if len(text.split()) < 5] == []


def test_first_page_leads_into_the_book(visiting, book_html):
    with visiting() as visit:
        page = visit.open("index", then=PAGES[0])
        addresses = "all => all.map(e => e.href.split('#')[0])"
        links = page.eval_on_selector_all(".bd-sidebar-primary nav a", addresses)
        missing = [name for name in PAGES[1:] if (book_html / f"{name}.html").as_uri() not in links]
        assert missing == []
        page.locator("a.right-next").click()
        page.wait_for_url(f"**/{PAGES[1]}.html")
        assert visit.external == visit.broken == []


def test_search_finds_a_language_by_its_name_and_shows_where(visiting, results):
    name = results.locator("main abbr[title]").first.get_attribute("title")
    with visiting() as visit:
        page = visit.open("search", query=f"?q={name}")
        found = page.locator("#search-results ul.search li", has=page.locator(f"a[href^='{RESULTS}']"))
        found.locator(".search-excerpt mark", has_text=name).first.wait_for()
        assert visit.external == visit.broken == []


def test_search_finds_a_method_on_the_page_of_results_and_shows_where(visiting):
    with visiting() as visit:
        page = visit.open("search", query="?q=SparseGPT")
        found = page.locator("#search-results ul.search li", has=page.locator(f"a[href^='{RESULTS}']"))
        found.locator(".search-excerpt mark", has_text="SparseGPT").first.wait_for()
        assert visit.external == visit.broken == []


def test_search_finds_a_word(visiting):
    with visiting() as visit:
        page = visit.open("search", query="?q=calibration")
        page.locator("#search-results ul.search li").first.wait_for()
        assert visit.external == visit.broken == []
