"""The built book and a headless Chromium that can reach nothing but the disk."""

import os
from contextlib import contextmanager
from pathlib import Path

import pytest

from calibbook.chromium import started
from calibprune.errors import CalibpruneError


@pytest.fixture(scope="session")
def book_html(request) -> Path:
    """The folder of built pages: CALIBPRUNE_BOOK if set, else the smoke book."""
    if built := os.environ.get("CALIBPRUNE_BOOK"):
        folder = Path(built).resolve()
        assert (folder / "index.html").is_file(), f"CALIBPRUNE_BOOK={built} holds no book: run `make book`"
        return folder
    return request.getfixturevalue("smoke_book") / "_build" / "html"


@pytest.fixture(scope="session")
def browser():
    """Chromium from CHROMIUM or from the PATH. Without one tests are skipped, but fail where CI is set."""
    try:
        with started() as found:
            yield found
    except CalibpruneError as reason:
        pytest.fail(str(reason)) if os.environ.get("CI") else pytest.skip(str(reason))


class Visit:
    """Opens pages of the book and keeps everything that went wrong on the way.

    `external`: addresses asked for that are not files of the book. `broken`: files that did not load, and errors of the
    page or on its console.
    """

    def __init__(self, context, folder: Path):
        self.folder, self.external, self.broken = folder, [], []
        self.page = context.new_page()
        self.page.set_default_timeout(120_000)  # a busy machine may be that slow
        self.page.on("request", self._request)
        self.page.on("requestfailed", lambda request: self.broken.append(f"failed: {request.url}"))
        self.page.on("console", lambda message: self._console(message))
        self.page.on("pageerror", lambda error: self.broken.append(f"page: {error}"))

    def _request(self, request):
        if not request.url.startswith((self.folder.as_uri(), "data:", "blob:")):
            self.external.append(request.url)

    def _console(self, message):
        if message.type == "error":
            self.broken.append(f"console: {message.text}")

    def open(self, name: str, query: str = "", then: str | None = None):
        """Opens `name`.html, which may lead to `then`.html."""
        self.page.goto(f"{(self.folder / name).as_uri()}.html{query}", wait_until="load")
        if then:
            self.page.wait_for_url(f"**/{then}.html")
            self.page.wait_for_load_state("load")
        return self.page


@pytest.fixture(scope="session")
def visiting(browser, book_html):
    """Opens a `Visit` in a window of a given size, without a network."""

    @contextmanager
    def visit(width: int = 1280, height: int = 900):
        context = browser.new_context(viewport={"width": width, "height": height}, offline=True)
        yield Visit(context, book_html)
        context.close()

    return visit
