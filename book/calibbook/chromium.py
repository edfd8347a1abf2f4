"""The browser that prints the book and that tests read it with: a Chromium of the system, which is not downloaded."""

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager

from calibprune.errors import CalibpruneError

NAMES = ("chromium", "chromium-browser", "google-chrome")
MISSING = "no Chromium: install the Debian package `chromium`, or set CHROMIUM to a browser's path"


@contextmanager
def started() -> Iterator:
    """A Chromium without a window, as Playwright has it. Raises CalibpruneError without a browser or Playwright."""
    try:
        from playwright.sync_api import sync_playwright
    except ImportError:
        raise CalibpruneError("Playwright is not installed: `make pdf` and `make test` install it") from None

    executable = os.environ.get("CHROMIUM") or next(filter(None, map(shutil.which, NAMES)), None)
    if executable is None:
        raise CalibpruneError(MISSING)
    with sync_playwright() as playwright:
        # A sandbox needs user namespaces, which root in a container does not have.
        options = ["--no-sandbox"] if os.geteuid() == 0 else []
        browser = playwright.chromium.launch(executable_path=executable, args=options)
        yield browser
        browser.close()
