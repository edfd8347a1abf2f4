"""Sphinx extension: a page loads what it uses, and is shown before its scripts have come.

The theme gives every page all icons of Font Awesome as a script of 1.5 MB, the search's index, and scripts that stop
the page until they are there. Here the few icons are drawn into the page, the index is left to the page of the search,
and scripts wait. And what a screen reader needs of a table of the text is put in: which cells its heads are over.
"""

import re
from functools import cache
from pathlib import Path

from sphinx.errors import ExtensionError

SEARCH = ("searchtools.js", "language_data.js", "searchindex.js")
CONSTANT = re.compile(r"DOCUMENTATION_OPTIONS\.\w+ = ")
"""What the theme says to scripts that have not come yet: for a switch of versions and for a search as one types, which
the book has not got."""

SIGN = "_static/favicon.svg"
"""The picture beside a page's title in a browser. Not by a setting, which would have every small book bring it."""
ICONS = "scripts/fontawesome.js"
ICON = re.compile(
    r'<(?P<tag>i|span) (?P<before>[^<>]*?)class="(?P<classes>[^"]*\bfa-[^"]*)"(?P<after>[^<>]*)>\s*</(?P=tag)>'
)
LOOKS = re.compile(r"^(fa|fas|far|fab|fa-(solid|regular|brands|lg|sm|xs|xl|fw|[0-9]+x))$")
"""Classes of an icon that do not name it."""


@cache
def icon(name: str, script: str) -> tuple[str, str]:
    """Width and outline of a solid icon, from the theme's script. Raises ExtensionError if it has none of that name."""
    found = re.findall(rf'[{{,]"?{re.escape(name)}"?:\[(\d+),\d+,\[[^\]]*\],"[0-9a-f]+","([^"]+)"\]', script)
    if not found:
        raise ExtensionError(f"the theme's {ICONS} has no icon {name}: see book/_ext/page_loads.py")
    return found[-1]  # solid ones stand after the others


def drawn(page: str, script: str) -> str:
    """A page with its icons drawn into it, as the script would have done."""

    def draw(found: re.Match) -> str:
        classes = found["classes"].split()
        name = next(one for one in classes if one.startswith("fa-") and not LOOKS.match(one)).removeprefix("fa-")
        width, outline = icon(name, script)
        rest = " ".join(f"{found['before']} {found['after']}".split())
        return (
            f'<svg class="svg-inline--fa {" ".join(classes)}" {rest} aria-hidden="true" focusable="false" '
            f'viewBox="0 0 {width} 512"><path fill="currentColor" d="{outline}"></path></svg>'
        )

    return ICON.sub(draw, page)


def lean(page: str, is_search: bool) -> str:
    """A page without what it need not load: the icons' script, hints to load others early, and the search's index."""
    page = re.sub(
        rf'\s*<script [^>]*{re.escape(ICONS)}[^>]*></script>|\s*<link rel="preload" as="script"[^>]*>', "", page
    )
    if not is_search:
        for name in SEARCH:
            page = re.sub(rf'\s*<script [^>]*src="[^"]*{re.escape(name)}[^"]*"></script>', "", page)
    # a list in ARIA has list items, which a bibliography's entries are not
    return page.replace('<div role="list" class="citation-list">', '<div class="citation-list">')


def told(page: str) -> str:
    """A page whose tables of the text say what their heads are over, and bear no numbers, which would clash with the
    paper's.
    """
    page = page.replace('<th class="head"><p></p></th>', "<td></td>")  # a corner over the names of rows
    for kind, over in (("head", "col"), ("stub", "row")):
        page = page.replace(f'<th class="{kind}', f'<th scope="{over}" class="{kind}')
    return re.sub(r'<span class="caption-number">[^<]*</span>', "", page)


def _let_scripts_wait(app, pagename, templatename, context, doctree):
    scripts = [one for one in context.get("script_files", []) if not CONSTANT.match(_body(one))]
    if pagename != "search":  # whose template has scripts of its own, which use these at once
        scripts = [_waiting(one) if getattr(one, "filename", None) else one for one in scripts]
    context["script_files"] = scripts


def _waiting(script):
    """A script that is run when the page is there; the entry itself is shared by all pages."""
    if {"async", "defer"} & set(script.attributes):
        return script
    return type(script)(script.filename, priority=script.priority, **script.attributes, defer="defer")


def _body(script) -> str:
    return getattr(script, "attributes", {}).get("body") or ""


def _rewrite(app, exception):
    if exception is None and app.builder.format == "html":
        out = Path(app.outdir)
        script = (out / "_static" / ICONS).read_text(encoding="utf-8")
        for path in sorted(out.rglob("*.html")):
            if "_static" not in path.relative_to(out).parts:
                page = told(drawn(lean(path.read_text(encoding="utf-8"), path == out / "search.html"), script))
                if (out / SIGN).is_file():
                    up = "../" * (len(path.relative_to(out).parts) - 1)
                    page = page.replace("</head>", f'<link rel="icon" href="{up}{SIGN}">\n</head>', 1)
                path.write_text(page, encoding="utf-8")


def setup(app):
    app.connect("html-page-context", _let_scripts_wait, priority=950)  # when all scripts have been added
    app.connect("build-finished", _rewrite)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
