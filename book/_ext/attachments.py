"""Sphinx extension: what a page holds inside itself becomes files of the book.

A notebook shows a figure or offers a table with everything in its address (`data:image/webp;base64,…`), so that it
works alone. In the book each becomes a file beside the pages: these stay small, and a picture is fetched when it is
scrolled to, into a place as large as itself.
"""

import base64
import hashlib
import io
import re
from pathlib import Path

from PIL import Image

FOLDER = "_attached"
SUFFIX = {"image/webp": "webp", "image/png": "png", "image/svg+xml": "svg", "text/csv": "csv", "text/html": "html"}
INSIDE = re.compile(r'(?P<name>src|srcset|href)="data:(?P<kind>[a-z]+/[a-z+]+);base64,(?P<data>[A-Za-z0-9+/=]+)"')


def as_files(body: str, folder: Path, address) -> str:
    """A page with its attachments written into `folder`, named by their content; `address` gives a file's address."""

    def write(found: re.Match) -> str:
        suffix = SUFFIX.get(found["kind"])
        if suffix is None:
            return found[0]
        data = base64.b64decode(found["data"])
        name = f"{hashlib.sha256(data).hexdigest()[:16]}.{suffix}"
        folder.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(data)
        about = "" if found["name"] == "href" else _size(data, suffix)
        if found["name"] == "src":
            about += ' loading="lazy" decoding="async"'
        return f'{found["name"]}="{address(name)}"{about}'

    return INSIDE.sub(write, body)


def _size(data: bytes, suffix: str) -> str:
    """Width and height as attributes, so that the page does not move when the picture comes; not of SVG, which may
    have none.
    """
    if suffix not in ("webp", "png"):
        return ""
    with Image.open(io.BytesIO(data)) as image:
        width, height = image.size
    return f' width="{width}" height="{height}"'


def _take_out(app, pagename, templatename, context, doctree):
    if "body" in context and app.builder.format == "html":
        pathto = context["pathto"]
        context["body"] = as_files(
            context["body"], Path(app.outdir) / FOLDER, lambda name: pathto(f"{FOLDER}/{name}", True)
        )


def setup(app):
    app.connect("html-page-context", _take_out)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
