"""The notebooks of the laboratory, executed in this process: as they stand, or with the solutions in place of the
exercises.
"""

import ast
import json
import re
from pathlib import Path
from typing import Any
from unittest import mock

import IPython.display

from calibbook.checkout import ROOT

NOTEBOOKS = sorted((ROOT / "notebooks" / "teaching").glob("*.ipynb"))
EXERCISE = re.compile(r"[a-e]\d")
SOLUTION = re.compile(r"<details>\n<summary>Solution</summary>\n\n```python\n(.*?)\n```\n.*</details>", re.DOTALL)


def cells_of(notebook: Path) -> list[dict]:
    return json.loads(notebook.read_text(encoding="utf-8"))["cells"]


def exercises(notebook: Path) -> list[str]:
    """The ids of the cells that a reader fills in."""
    return [cell["id"] for cell in cells_of(notebook) if EXERCISE.fullmatch(cell["id"])]


def solutions(notebook: Path) -> dict[str, str]:
    """Id of an exercise -> the code of its hidden solution."""
    texts = {cell["id"]: "".join(cell["source"]) for cell in cells_of(notebook)}
    return {
        name.removesuffix("-solution"): SOLUTION.fullmatch(text)[1]
        for name, text in texts.items()
        if name.endswith("-solution")
    }


class Ran:
    """What became of a notebook: `values`, the last expression of each code cell by its id; `names`, its variables."""

    def __init__(self, notebook: Path, solved: bool = False) -> None:
        self.names: dict[str, Any] = {}
        self.values: dict[str, Any] = {}
        instead = solutions(notebook) if solved else {}
        with mock.patch.object(IPython.display, "display", lambda *things: [repr(thing) for thing in things]):
            for cell in cells_of(notebook):
                if cell["cell_type"] == "code":
                    self.values[cell["id"]] = self._run(instead.get(cell["id"], "".join(cell["source"])))

    def _run(self, code: str) -> Any:
        statements = ast.parse(code)
        last = statements.body.pop() if isinstance(statements.body[-1], ast.Expr) else None
        exec(compile(statements, "notebook", "exec"), self.names)
        return eval(compile(ast.Expression(last.value), "notebook", "eval"), self.names) if last else None
