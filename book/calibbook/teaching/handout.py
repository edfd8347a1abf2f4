"""Notebooks to hand out: `python -m calibbook.teaching.handout FOLDER` writes the laboratory's without solutions."""

import sys
from pathlib import Path

import nbformat

from calibbook.checkout import ROOT
from calibprune.errors import ParameterError, ended_in_one_line

LABORATORY = ROOT / "notebooks" / "teaching"
SOLUTION = "-solution"
"""What the id of a cell with a solution ends in."""


def write(folder: Path) -> list[Path]:
    """Copy every notebook of the laboratory into a folder, which is made, without its cells of solutions.

    Returns:
        the copies.

    Raises:
        ParameterError: the folder is the laboratory's own, or has one of the notebooks already.
    """
    originals = sorted(LABORATORY.glob("*.ipynb"))
    copies = [folder / path.name for path in originals]
    if there := [copy for copy in copies if copy.exists()]:
        raise ParameterError(f"{there[0]} is there already; name a folder without it")
    folder.mkdir(parents=True, exist_ok=True)
    for original, copy in zip(originals, copies, strict=True):
        notebook = nbformat.read(original, as_version=4)
        notebook.cells = [cell for cell in notebook.cells if not cell.id.endswith(SOLUTION)]
        nbformat.write(notebook, copy)
    return copies


if __name__ == "__main__":
    with ended_in_one_line("calibbook.teaching.handout"):
        if len(sys.argv) != 2:
            raise ParameterError("name one folder: python -m calibbook.teaching.handout FOLDER")
        for copy in write(Path(sys.argv[1])):
            print(copy)
