"""The gate: whether an executed notebook may stand in the book, judged by what is in its cells."""

import re
from pathlib import Path

import nbformat
from papermill.execute import ERROR_MARKER_TAG

from calibprune.errors import NotebookError

INJECTED_TAG = "injected-parameters"
"""papermill's tag of the cell that it adds; the source notebook does not have that cell."""


def check(executed: Path) -> None:
    """Raises NotebookError unless every code cell of a notebook was executed and none failed.

    What papermill writes into the metadata is not asked: it says 'completed' of a cell that ran out of time.
    """
    executed = Path(executed)
    if why := fault(read(executed)):
        raise NotebookError(f"notebook {executed.name}, {why}: correct the notebook and execute it again")


def read(path: Path) -> nbformat.NotebookNode:
    """A notebook in format 4. Raises NotebookError if there is none at `path`."""
    try:
        return nbformat.read(path, as_version=4)
    except OSError as error:
        raise NotebookError(f"notebook {path} cannot be read ({error.strerror}): check its path") from error
    except Exception as error:  # nbformat raises many classes for text that is not a notebook
        reason = last_line(str(error))
        raise NotebookError(f"notebook {path} is not a notebook ({reason}): restore the file") from error


def numbered(notebook: nbformat.NotebookNode) -> list[tuple[int, nbformat.NotebookNode]]:
    """The cells with their numbers in the source notebook, from 1; what papermill adds repeats the number before it."""
    number, cells = 0, []
    for cell in notebook.cells:
        number += not {INJECTED_TAG, ERROR_MARKER_TAG} & set(cell.metadata.get("tags", []))
        cells.append((number, cell))
    return cells


def fault(notebook: nbformat.NotebookNode) -> str | None:
    """The first cell that failed or was not executed, as 'cell N: why'; None if there is none."""
    for number, cell in numbered(notebook):
        if cell.cell_type != "code":
            continue
        for output in cell.outputs:
            if output.output_type == "error":
                return f"cell {number}: {last_line(f'{output.ename}: {output.evalue}')}"
        if cell.source.strip() and cell.execution_count is None:
            return f"cell {number}: was not executed"
    for number, cell in numbered(notebook):
        if ERROR_MARKER_TAG in cell.metadata.get("tags", []):
            return f"cell {number}: papermill's mark of a failure stands here"
    return None


def last_line(text: str) -> str:
    """The last line of an error's text that is not empty, without terminal colours."""
    lines = [line.strip() for line in re.sub(r"\x1b\[[0-9;]*m", "", text).splitlines() if line.strip()]
    return lines[-1] if lines else "no message"
