"""What a notebook shows: read from executed cells, or from its code, executed in this process as it stands."""

import contextlib
import io
import json
import re
from pathlib import Path
from unittest import mock

import IPython.display

from calibbook.checkout import ROOT
from calibbook.shared import claim_tables, rerun
from calibbook.shared.figure import Picture

PICTURE = re.compile(r"base64,[A-Za-z0-9+/=]+")
"""The bytes of a picture, as they are written into a page."""
NOTEBOOKS = sorted((ROOT / "notebooks").glob("*.ipynb"))


def said(cells: list) -> str:
    """The texts, tables and alternative texts that executed code cells show; of pictures the bytes are left out, in
    which any few letters occur by chance.
    """
    shown = (output.get("data", output.get("text", "")) for cell in cells for output in cell.get("outputs", ()))
    return PICTURE.sub("", "\n".join(map(str, shown)))


def shown_by(notebook: Path, parameters: dict) -> str:
    """The texts, tables and alternative texts that a notebook displays with these parameters; of figures no image is
    made.
    """
    shown: list[str] = []

    def display(*things) -> None:
        shown.extend(str(getattr(thing, "data", thing)) for thing in things)

    names: dict = {}
    written = io.StringIO()
    with (
        mock.patch.object(IPython.display, "display", display),
        mock.patch.object(claim_tables, "display", display),
        mock.patch.object(rerun, "display", display),
        mock.patch.object(Picture, "_repr_html_", Picture.__repr__),  # those that a reader unfolds
        contextlib.redirect_stdout(written),
        contextlib.redirect_stderr(written),
    ):
        for cell in json.loads(notebook.read_text(encoding="utf-8"))["cells"]:
            if cell["cell_type"] == "code":
                exec(compile("".join(cell["source"]), notebook.name, "exec"), names)
            if "parameters" in cell["metadata"].get("tags", ()):
                names |= parameters
    return "\n".join(shown)
