"""Sphinx extension: what a search engine shows below a page's title is the page's own first paragraph."""

import re
from html import escape, unescape

LONGEST = 300
"""Characters; search engines show fewer, and cut at a word themselves."""
PARAGRAPH = re.compile(r"<p(?: (?P<attributes>[^>]*))?>(?P<inside>.*?)</p>", re.DOTALL)


def first_paragraph(body: str) -> str:
    """The text of the first paragraph of a page that has any, titles of boxes left out; empty without one."""
    for found in PARAGRAPH.finditer(body):
        text = " ".join(unescape(re.sub(r"<[^>]*>", "", found["inside"])).split())
        if text and "admonition-title" not in (found["attributes"] or ""):
            return text
    return ""


def shortened(text: str) -> str:
    """A text of at most `LONGEST` characters, cut between two words."""
    return text if len(text) <= LONGEST else f"{text[: LONGEST - 1].rpartition(' ')[0]}…"


def _describe(app, pagename, templatename, context, doctree):
    if text := shortened(first_paragraph(context.get("body") or "")):
        context["metatags"] = f'{context.get("metatags", "")}\n<meta name="description" content="{escape(text)}" />'


def setup(app):
    app.connect("html-page-context", _describe)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
