"""The notebooks of the laboratory, executed in this process: each exercise as it stands, and then with its solution."""

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
    """What became of a notebook: `names`, its variables; `untouched` and `solved`, by the id of an exercise what its
    check said.
    """

    def __init__(self, notebook: Path) -> None:
        self.names: dict[str, Any] = {}
        self.untouched: dict[str, Any] = {}
        self.solved: dict[str, Any] = {}
        answers = solutions(notebook)
        with mock.patch.object(IPython.display, "display", lambda *things: [repr(thing) for thing in things]):
            for cell in cells_of(notebook):
                if cell["cell_type"] == "code":
                    said = self._run("".join(cell["source"]))
                    if cell["id"] in answers:
                        self.untouched[cell["id"]], self.solved[cell["id"]] = said, self._run(answers[cell["id"]])

    def _run(self, code: str) -> Any:
        statements = ast.parse(code)
        last = statements.body.pop() if isinstance(statements.body[-1], ast.Expr) else None
        exec(compile(statements, "notebook", "exec"), self.names)
        return eval(compile(ast.Expression(last.value), "notebook", "eval"), self.names) if last else None
