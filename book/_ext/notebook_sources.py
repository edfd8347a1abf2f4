"""Sphinx extension: a notebook that is offered for download holds its source and its parameters, and no outputs.

What it shows is on its page already; with all outputs the notebooks were as large as the rest of the book.
"""

import json
from pathlib import Path

FOLDER = "_sources"


def without_outputs(notebook: dict) -> dict:
    """A notebook as it was before it was executed, but with the parameters that it was executed with."""
    cells = []
    for cell in notebook["cells"]:
        metadata = {name: value for name, value in cell["metadata"].items() if name != "papermill"}
        cells.append(cell | {"metadata": metadata})
        if cell["cell_type"] == "code":
            cells[-1] |= {"outputs": [], "execution_count": None}
    metadata = {name: value for name, value in notebook["metadata"].items() if name in ("kernelspec", "language_info")}
    return notebook | {"cells": cells, "metadata": metadata}


def _strip(app, exception):
    if exception is None and app.builder.format == "html":
        for path in sorted((Path(app.outdir) / FOLDER).rglob("*.ipynb")):
            notebook = without_outputs(json.loads(path.read_text(encoding="utf-8")))
            path.write_text(json.dumps(notebook, ensure_ascii=False, indent=1) + "\n", encoding="utf-8")


def setup(app):
    app.connect("build-finished", _strip)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
