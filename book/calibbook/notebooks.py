"""One notebook: executed by papermill with the parameters of a study."""

import ast
import hashlib
import json
import os
import tempfile
from contextlib import contextmanager
from pathlib import Path

import nbformat
import papermill
from nbclient.exceptions import CellTimeoutError

from calibbook.checkout import PACKAGES
from calibbook.gate import INJECTED_TAG, fault, last_line, numbered, read
from calibbook.kernels import KernelManager
from calibprune.errors import NotebookError, ParameterError, one_of

OFF_THE_PAGE = "remove-cell"
"""The book's builder leaves out a cell with this tag; the notebook that a page offers for download has it."""


def execute(
    notebook: Path, output: Path, parameters: dict, timeout: int, inputs: str = "", cwd: Path | None = None
) -> bool:
    """Executes a notebook with other parameters and writes the executed copy, which then passes the gate.

    The copy carries a hash of the notebook, the parameters, `inputs` and this package's source. If the copy that
    is at `output` has the same hash and passes the gate, nothing is executed. A failure leaves `output` as it was.

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
    read(notebook)
    _refuse_unknown(notebook, parameters)
    if unchanged(notebook, output, parameters, inputs):
        return False
    try:
        output.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=".executing-", dir=output.parent) as aside:
            partial = Path(aside) / notebook.name
            _run(notebook, partial, parameters, timeout, cwd)
            _stamp(partial, _fingerprint(notebook, parameters, inputs))
            os.replace(partial, output)
    except OSError as error:
        raise NotebookError(f"notebook {notebook.name} was not written ({error}): make room or allow it") from error
    return True


def unchanged(notebook: Path, output: Path, parameters: dict, inputs: str = "") -> bool:
    """Whether `output` is what `execute` would make of the same notebook, parameters and inputs, and passes the
    gate.
    """
    if not output.is_file():
        return False
    try:
        found = read(output)
        fingerprint = _fingerprint(notebook, parameters, inputs)
    except (NotebookError, OSError):
        return False
    return found.metadata.get("calibprune", {}).get("fingerprint") == fingerprint and fault(found) is None


def own_study(notebook: Path) -> str:
    """The parameter file of the study that a notebook is about whatever book it stands in, as its metadata name it
    (`{"calibprune": {"study": "params/atlas.yaml"}}`, relative to the checkout); empty for a notebook that is about the
    book's own study.

    Raises:
        NotebookError: as `execute`.
    """
    return read(notebook).metadata.get("calibprune", {}).get("study", "")


def reads_others(notebook: Path) -> bool:
    """Whether a notebook reads more of the store than its study's cells, as its metadata say
    (`{"calibprune": {"reads": "other studies"}}`): it is out of date when anything in the store changes.

    Raises:
        NotebookError: as `execute`.
    """
    return "reads" in read(notebook).metadata.get("calibprune", {})


def _refuse_unknown(notebook: Path, parameters: dict) -> None:
    try:
        known = _assigned(read(notebook))
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
    code = (
        path for package in PACKAGES for path in sorted(package.rglob("*")) if path.suffix in (".py", ".csv", ".yaml")
    )
    for source in [notebook, *code]:
        digest.update(hashlib.sha256(source.read_bytes()).digest())
    digest.update(json.dumps([parameters, inputs], sort_keys=True, default=str).encode())
    return digest.hexdigest()


def _run(notebook: Path, partial: Path, parameters: dict, timeout: int, cwd: Path | None) -> None:
    """Executes into `partial`; raises NotebookError with the number of the cell that failed."""
    try:
        with _own_kernel():
            papermill.execute_notebook(
                notebook,
                partial,
                parameters,
                kernel_name="python3",
                kernel_manager_class=KernelManager,
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
        reason = last_line(f"{error.ename}: {error.evalue}")
        raise NotebookError(_failure(notebook, partial, reason)) from error
    except OSError:
        raise
    except Exception as error:  # no kernel, a kernel that died, a parameter that cannot be written as Python
        reason = f"{type(error).__name__}: {last_line(str(error))}"
        raise NotebookError(_failure(notebook, partial, reason)) from error
    if why := fault(read(partial)):
        raise NotebookError(f"notebook {notebook.name}, {why}: correct the notebook")


def _failure(notebook: Path, partial: Path, reason: str) -> str:
    # A kernel that dies leaves a cell without an error, so the place is that of the last cell that was begun.
    cells = numbered(read(partial)) if partial.is_file() else []
    begun = [number for number, cell in cells if cell.metadata.get("papermill", {}).get("start_time")]
    where = f"cell {begun[-1]}" if begun else "before its first cell"
    return f"notebook {notebook.name}, {where}: {reason}"


def _stamp(path: Path, fingerprint: str) -> None:
    """Replaces papermill's metadata (paths and times) by the hash of what the copy was made from, and keeps both cells
    of parameters off the page: at its end a page shows those that it uses, each with its meaning.
    """
    found = read(path)
    found.metadata.pop("papermill", None)
    for cell in found.cells:
        cell.metadata.pop("papermill", None)
        tags = cell.metadata.get("tags", [])
        if {"parameters", INJECTED_TAG} & set(tags):
            cell.metadata["tags"] = [*tags, OFF_THE_PAGE]
    found.metadata["calibprune"] = {"fingerprint": fingerprint}
    nbformat.write(found, path)


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
