"""What a notebook shows, in this process: its code is executed as it stands, and what it displays is written down."""

import contextlib
import io
import json
from pathlib import Path
from unittest import mock

import IPython.display

from calibbook.checkout import ROOT
from calibbook.shared import claim_tables

NOTEBOOKS = sorted((ROOT / "notebooks").glob("*.ipynb"))


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
        contextlib.redirect_stdout(written),
        contextlib.redirect_stderr(written),
    ):
        for cell in json.loads(notebook.read_text(encoding="utf-8"))["cells"]:
            if cell["cell_type"] == "code":
                exec(compile("".join(cell["source"]), notebook.name, "exec"), names)
            if "parameters" in cell["metadata"].get("tags", ()):
                names |= parameters
    return "\n".join(shown)
