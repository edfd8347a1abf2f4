"""Sphinx extension: a search finds what tables say, languages by their names, and shows where on a page.

The builder's index reads the HTML of a notebook's tables without the spaces between cells, and no titles: of `SW`,
whose title is "Swahili", it would know `SW` alone. And the excerpts that it shows are fetched from the pages, which
browsers refuse to pages on a disk; here they come with the page of the search.
"""

import json
import re
from html import unescape
from pathlib import Path

from docutils import nodes

SCRIPT = Path(__file__).with_name("excerpts.js")
ABBREVIATION = re.compile(r'<abbr title="([^"]+)">([^<]+)</abbr>')
SENTENCES = re.compile(r"<(p|caption|li|h3|summary)\b[^>]*>(.*?)</\1>", re.DOTALL)
NO_TEXT = re.compile(r"<(style|script)\b.*?</\1>", re.DOTALL)
SAID = (nodes.title, nodes.paragraph)
"""Nodes whose text an excerpt is taken from."""
WORD = re.compile(r"[^\W\d_]{3,}")


class found_by_search(nodes.Invisible, nodes.TextElement):
    """Words by which a search finds a page, and which the page does not show."""


def words(html: str) -> list[str]:
    """The words of HTML, each once, and the names that its abbreviations stand for."""
    names = [unescape(name) for name, _ in ABBREVIATION.findall(html)]
    return list(dict.fromkeys(WORD.findall(" ".join([_text(html), *names]))))


def sentences(html: str) -> list[str]:
    """What is written in HTML but for the cells of its tables, and what its abbreviations stand for."""
    named = dict.fromkeys(f"{unescape(name)} ({short})" for name, short in ABBREVIATION.findall(html))
    found = [" ".join(_text(inner).split()) for _, inner in SENTENCES.findall(NO_TEXT.sub("", html))]
    return [one for one in [*found, ", ".join(named)] if one]


def _text(html: str) -> str:
    return unescape(re.sub(r"<[^<]+?>", " ", NO_TEXT.sub("", html)))


def _read(app, doctree, docname):
    """Notes what a page says, and adds the words of its tables to it."""
    raw = [node for node in doctree.findall(nodes.raw) if "html" in node.get("format", "").split()]
    html = "\n".join(node.astext() for node in raw)
    said = [" ".join(node.astext().split()) for node in doctree.findall(lambda node: isinstance(node, SAID))]
    app.calibbook_excerpts[docname] = "\n".join(dict.fromkeys([*said, *sentences(html)]))
    if html and len(doctree):
        doctree[0].append(found_by_search("", " ".join(words(html))))


def _skip(self, node):
    raise nodes.SkipNode


def _write(app, exception):
    if exception is None and app.builder.format == "html":
        out = Path(app.outdir)
        held = json.dumps(app.calibbook_excerpts, ensure_ascii=False)
        script = SCRIPT.read_text(encoding="utf-8")
        (out / "_static" / "excerpts.js").write_text(f"const EXCERPTS = {held};\n{script}", encoding="utf-8")
        page = (out / "search.html").read_text(encoding="utf-8")
        tag = '<script defer="defer" src="_static/excerpts.js"></script>'
        (out / "search.html").write_text(page.replace("</head>", f"{tag}\n</head>", 1), encoding="utf-8")


def setup(app):
    app.calibbook_excerpts = {}
    app.add_node(found_by_search, html=(_skip, None))
    app.connect("doctree-resolved", _read, priority=900)
    app.connect("build-finished", _write)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": False}
