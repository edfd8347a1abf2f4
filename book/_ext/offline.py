"""Sphinx extension: takes the launcher of live notebooks off every page.

The builder always loads `sphinx_thebe`, which writes the address of a content delivery network into each page.
The book is read from disk and launches nothing, so its script and the constants that belong to it are dropped.
"""

_CONSTANT = "THEBE_JS_URL"
_SCRIPT = "sphinx-thebe.js"


def _is_launcher(script) -> bool:
    """Whether an entry of a page's `script_files`, a name or an object, belongs to the launcher."""
    name = str(getattr(script, "filename", script) or "")
    body = getattr(script, "attributes", {}).get("body", "")
    return _SCRIPT in name or _CONSTANT in body


def _drop_launcher(app, pagename, templatename, context, doctree):
    scripts = context.get("script_files", [])
    context["script_files"] = [script for script in scripts if not _is_launcher(script)]


def setup(app):
    # After every other listener: the theme still adds scripts at the usual priority of 500.
    app.connect("html-page-context", _drop_launcher, priority=900)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
