"""One notebook: executed by papermill, and judged by what is in its cells."""

import ast
import hashlib
import json
import os
import re
import tempfile
from contextlib import contextmanager
from pathlib import Path

import nbformat
import papermill
from nbclient.exceptions import CellTimeoutError
from papermill.execute import ERROR_MARKER_TAG

from calibprune.errors import NotebookError, ParameterError, one_of

INJECTED_TAG = "injected-parameters"
"""papermill's tag of the cell that it adds; the source notebook does not have that cell."""


def execute(
    notebook: Path, output: Path, parameters: dict, timeout: int, *, inputs: str = "", cwd: Path | None = None
) -> bool:
    """Executes a notebook with other parameters and writes the executed copy, which then passes `check`.

    The copy carries a hash of the notebook, the parameters, `inputs` and this package's source. If the copy that
    is at `output` has the same hash and passes `check`, nothing is executed. A failure leaves `output` as it was.

    Args:
        notebook: source, with one cell tagged `parameters`.
        output: where the executed copy goes; its folder is created.
        parameters: values of names that the `parameters` cell assigns.
        timeout: seconds that one cell may take.
        inputs: anything that changes when the results do which the notebook reads.
        cwd: the notebook's working folder; by default the current one.

    Returns:
        Whether the notebook was executed.

    Raises:
        ParameterError: a name that the `parameters` cell does not assign.
        NotebookError: the notebook cannot be read or written, failed, timed out or did not reach its last cell.
    """
    notebook, output = Path(notebook), Path(output)
    _read(notebook)
    _refuse_unknown(notebook, parameters)
    fingerprint = _fingerprint(notebook, parameters, inputs)
    if _is_current(output, fingerprint):
        return False
    try:
        output.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=".executing-", dir=output.parent) as aside:
            partial = Path(aside) / notebook.name
            _run(notebook, partial, parameters, timeout, cwd)
            _stamp(partial, fingerprint)
            os.replace(partial, output)
    except OSError as error:
        raise NotebookError(f"notebook {notebook.name} was not written ({error}): make room or allow it") from error
    return True


def check(executed: Path) -> None:
    """Raises NotebookError unless every code cell of a notebook was executed and none failed.

    What papermill writes into the metadata is not asked: it says 'completed' of a cell that ran out of time.
    """
    executed = Path(executed)
    if fault := _fault(_read(executed)):
        raise NotebookError(f"notebook {executed.name}, {fault}: correct the notebook and execute it again")


def _read(path: Path) -> nbformat.NotebookNode:
    try:
        return nbformat.read(path, as_version=4)
    except OSError as error:
        raise NotebookError(f"notebook {path} cannot be read ({error.strerror}): check its path") from error
    except Exception as error:  # nbformat raises many classes for text that is not a notebook
        reason = _last_line(str(error))
        raise NotebookError(f"notebook {path} is not a notebook ({reason}): restore the file") from error


def _refuse_unknown(notebook: Path, parameters: dict) -> None:
    try:
        known = _assigned(_read(notebook))
    except SyntaxError as error:
        what = f"notebook {notebook.name}: its 'parameters' cell is not Python"
        raise NotebookError(f"{what} ({error}): correct it") from error
    for name in parameters:
        if not known:
            raise ParameterError(f"notebook {notebook.name} has no cell tagged 'parameters' for {name!r}: add one")
        if name not in known:
            raise ParameterError(f"notebook {notebook.name}: {one_of('parameter', name, known)}")


def _assigned(notebook: nbformat.NotebookNode) -> list[str]:
    """The names that the `parameters` cell assigns; papermill's own list is a guess from the text of the lines."""
    tagged = [cell for cell in notebook.cells if "parameters" in cell.metadata.get("tags", [])]
    statements = ast.parse(tagged[0].source).body if tagged else []
    targets = [getattr(line, "targets", [getattr(line, "target", None)]) for line in statements]
    return [target.id for group in targets for target in group if isinstance(target, ast.Name)]


def _fingerprint(notebook: Path, parameters: dict, inputs: str) -> str:
    digest = hashlib.sha256()
    package = Path(__file__).parent
    for source in [notebook, *sorted(package.rglob("*.py"))]:
        digest.update(hashlib.sha256(source.read_bytes()).digest())
    digest.update(json.dumps([parameters, inputs], sort_keys=True, default=str).encode())
    return digest.hexdigest()


def _is_current(output: Path, fingerprint: str) -> bool:
    if not output.is_file():
        return False
    try:
        found = _read(output)
    except NotebookError:
        return False
    return found.metadata.get("calibprune", {}).get("fingerprint") == fingerprint and _fault(found) is None


def _run(notebook: Path, partial: Path, parameters: dict, timeout: int, cwd: Path | None) -> None:
    """Executes into `partial`; raises NotebookError with the number of the cell that failed."""
    try:
        with _own_kernel():
            papermill.execute_notebook(
                notebook,
                partial,
                parameters,
                kernel_name="python3",
                language="python",
                progress_bar=False,
                execution_timeout=timeout,
                cwd=cwd,
                extra_arguments=["--IPKernelApp.log_level=CRITICAL"],  # else it reports its own start and end
            )
    except CellTimeoutError as error:
        reason = f"took longer than {timeout} s: allow it more time"
        raise NotebookError(_failure(notebook, partial, reason)) from error
    except papermill.PapermillExecutionError as error:
        reason = _last_line(f"{error.ename}: {error.evalue}")
        raise NotebookError(_failure(notebook, partial, reason)) from error
    except OSError:
        raise
    except Exception as error:  # no kernel, a kernel that died, a parameter that cannot be written as Python
        reason = f"{type(error).__name__}: {_last_line(str(error))}"
        raise NotebookError(_failure(notebook, partial, reason)) from error
    if fault := _fault(_read(partial)):
        raise NotebookError(f"notebook {notebook.name}, {fault}: correct the notebook")


def _failure(notebook: Path, partial: Path, reason: str) -> str:
    # A kernel that dies leaves a cell without an error, so the place is that of the last cell that was begun.
    cells = _numbered(_read(partial)) if partial.is_file() else []
    begun = [number for number, cell in cells if cell.metadata.get("papermill", {}).get("start_time")]
    where = f"cell {begun[-1]}" if begun else "before its first cell"
    return f"notebook {notebook.name}, {where}: {reason}"


def _stamp(path: Path, fingerprint: str) -> None:
    """Replaces papermill's metadata (paths and times) by the hash of what the copy was made from."""
    found = _read(path)
    found.metadata.pop("papermill", None)
    for cell in found.cells:
        cell.metadata.pop("papermill", None)
    found.metadata["calibprune"] = {"fingerprint": fingerprint}
    nbformat.write(found, path)


def _numbered(notebook: nbformat.NotebookNode) -> list[tuple[int, nbformat.NotebookNode]]:
    """The cells with their numbers in the source notebook, from 1; what papermill adds repeats the number before it."""
    number, cells = 0, []
    for cell in notebook.cells:
        number += not {INJECTED_TAG, ERROR_MARKER_TAG} & set(cell.metadata.get("tags", []))
        cells.append((number, cell))
    return cells


def _fault(notebook: nbformat.NotebookNode) -> str | None:
    """The first cell that failed or was not executed, as 'cell N: why'; None if there is none."""
    for number, cell in _numbered(notebook):
        if cell.cell_type != "code":
            continue
        for output in cell.outputs:
            if output.output_type == "error":
                return f"cell {number}: {_last_line(f'{output.ename}: {output.evalue}')}"
        if cell.source.strip() and cell.execution_count is None:
            return f"cell {number}: was not executed"
    for number, cell in _numbered(notebook):
        if ERROR_MARKER_TAG in cell.metadata.get("tags", []):
            return f"cell {number}: papermill's mark of a failure stands here"
    return None


def _last_line(text: str) -> str:
    lines = [line.strip() for line in re.sub(r"\x1b\[[0-9;]*m", "", text).splitlines() if line.strip()]
    return lines[-1] if lines else "no message"


@contextmanager
def _own_kernel():
    """Makes the kernel this interpreter's own, even where the user's folder holds another named python3."""
    name = "JUPYTER_PREFER_ENV_PATH"
    before = os.environ.get(name)
    os.environ[name] = "1"
    try:
        yield
    finally:
        os.environ.pop(name) if before is None else os.environ.update({name: before})
