"""From parameters to the rendered book: notebooks are executed, judged, and bound with the pages.

papermill's own metadata says 'completed' after a timeout, and the book's builder renders a failed or never-executed
notebook without a warning. So neither is asked: `check` looks at the cells themselves.
"""

import json
import multiprocessing
import os
import re
import shutil
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import FIRST_COMPLETED, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from importlib.metadata import version
from multiprocessing.connection import Connection
from multiprocessing.connection import wait as wait_for_pipe
from pathlib import Path
from typing import Any

import yaml

from calibbook.checkout import ROOT
from calibbook.gate import check, last_line
from calibbook.kernels import PRELOADED, make_ready
from calibbook.notebooks import execute, own_study, reads_others, unchanged
from calibprune.errors import CalibpruneError, NotebookError, ParameterError
from calibprune.files import held, results_folder

LOG_TAIL = 20
"""Lines of the builder's log that are shown when it fails."""

UNPARAMETERIZED = "teaching/"
"""Below it in notebooks/ stand those that take no parameters: the laboratory is the same in every book."""

AT_ONCE = 2
"""Notebooks that are executed side by side. Each is mostly the work of one thread, and may hold a gigabyte."""

NO_RESULTS = ("derived", "claims")
"""Folders of a store that change while pages are made: tables that they derive from the results, and locks."""

BOUND = "html.json"
"""Beside the HTML: from what it was made, and what is in it."""

COLOUR = re.compile(r"\x1b\[[0-9;]*m")


def build(
    params: Path | Mapping[str, Any],
    *,
    root: Path = ROOT,
    overrides: dict | None = None,
    timeout: int = 3600,
    inputs: str = "",
    studies: Mapping[str, Mapping[str, Any]] | None = None,
) -> Path:
    """Executes and checks the notebooks that the table of contents names, and builds the HTML.

    The results should be in the store already, so that the notebooks only read them. Notebooks whose source,
    parameters and results are unchanged are not executed again. The HTML is built aside and put at
    `root`/_build/html only when it is whole.

    A notebook with a study of its own (`notebooks.own_study`) is executed with that study's parameters, whatever study
    the book is of; only the store is the book's. Those of the laboratory, below `UNPARAMETERIZED`, are executed as they
    are.

    Args:
        params: YAML file with a flat mapping of study parameters, or that mapping.
        root: holds book/, notebooks/, _config.yml and _toc.yml. Relative paths among the parameters are those of the
            current folder, which is the notebooks' working folder too.
        overrides: parameters that replace those of the file.
        timeout: seconds that one notebook cell may take.
        inputs: what the notebooks read, as `Study.fingerprint` names it; by default whatever is in the store.
        studies: parameters for notebooks with a study of their own, by the name of its file without suffix; by default
            what is in the file.

    Returns:
        `root`/_build/html/index.html.

    Raises:
        ParameterError: `params` is no such file, `root` holds no book, or a notebook lacks a parameter.
        NotebookError: a notebook or the book's builder failed.
    """
    from calibprune.study.parameter_files import read_parameters  # see `_parameters`

    root = Path(root).resolve()
    parameters = (dict(params) if isinstance(params, Mapping) else read_parameters(params)) | (overrides or {})
    check_ready(root)
    with held(root / "_build" / ".lock"):  # of two that build at once the second finds its work done
        return _build(root, parameters, timeout, inputs, studies or {})


def check_ready(root: Path = ROOT) -> None:
    """What can be known before a study is computed whose book is to be built.

    Raises:
        ParameterError: `root` holds no book, its `_build` cannot be written, or the book's builder is not installed.
    """
    pages(root / "_toc.yml")
    program()
    try:
        (root / "_build").mkdir(exist_ok=True)
        (root / "_build" / ".lock").touch()
    except OSError as error:
        raise ParameterError(
            f"{root / '_build'}: the book cannot be written there ({error.strerror}); allow it, or use another checkout"
        ) from None


def _build(root: Path, parameters: dict, timeout: int, inputs: str, studies: Mapping[str, Mapping[str, Any]]) -> Path:
    names = [page for page in pages(root / "_toc.yml") if page.startswith("executed/")]
    executed = {root / "book" / f"{name}.ipynb": f"{name.removeprefix('executed/')}.ipynb" for name in names}
    # by a process that was killed; the builder would take it for a page
    for left in (root / "book" / "executed").rglob(".executing-*"):
        shutil.rmtree(left, ignore_errors=True)
    store = results_fingerprint(results_folder(str(parameters.get("store", "results"))))
    published = results_fingerprint(root / "book" / "results")  # published runs and benchmarks
    calls = {}
    for path, name in executed.items():
        own, alone = own_study(notebook := root / "notebooks" / name), name.startswith(UNPARAMETERIZED)
        given = {} if alone else _parameters(root / own, parameters, studies) if own else parameters
        reads = store if own or alone or reads_others(notebook) else inputs or store
        calls[name] = (notebook, path, given, timeout, reads + published, Path.cwd())
    _execute({name: call for name, call in calls.items() if not _is_unchanged(*call)})
    for path in executed:
        check(path)
    return _render(root)


def _parameters(own: Path, parameters: dict, studies: Mapping[str, Mapping[str, Any]]) -> dict:
    """Those of a notebook's own study, with the store and the shelves of the book."""
    # here, since the processes that execute notebooks import this module, and none of them needs a reader of YAML 1.2
    from calibprune.study.parameter_files import read_parameters

    found = studies[own.stem] if own.stem in studies else read_parameters(own)
    return dict(found) | {name: parameters[name] for name in ("store", "shelves") if name in parameters}


def _is_unchanged(notebook: Path, path: Path, parameters: dict, _timeout: int, inputs: str, _here: Path) -> bool:
    if same := unchanged(notebook, path, parameters, inputs):
        print(f"notebook {path.name} unchanged", file=sys.stderr)
    return same


def _execute(calls: dict[str, tuple]) -> None:
    """`calls`: name of a notebook -> arguments of `execute`."""
    if calls:
        print(f"notebooks {', '.join(calls)}, {AT_ONCE} at a time", file=sys.stderr)
    for name in each_in_a_process(execute, calls, AT_ONCE, first=make_ready):
        print(f"notebook {name} executed", file=sys.stderr)


def each_in_a_process(
    function: Callable, calls: dict[str, tuple], at_once: int, first: Callable[[], None] | None = None
) -> Iterator[str]:
    """Calls `function` with each tuple of arguments, and yields the name of a call when it has returned.

    Each has a process of its own, since papermill changes the working folder of the process it runs in. The first call
    that fails ends the others.

    Args:
        function: can be found by its module and name.
        calls: name -> arguments, which can be pickled.
        at_once: processes at a time.
        first: called by each process before anything else, while it has one thread.

    Raises:
        CalibpruneError: what a call raises, other exceptions as one line of NotebookError; or a process was killed.
    """
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload([__name__, *PRELOADED])  # imported once, where the processes are forked
    end, ends_all = context.Pipe(duplex=False)
    waiting, running = list(calls.items()), {}
    pool = ProcessPoolExecutor(at_once, context, initializer=_begin, initargs=(end, first), max_tasks_per_child=1)
    try:
        while waiting or running:
            while waiting and len(running) < at_once:
                name, arguments = waiting.pop(0)
                running[pool.submit(_call, name, function, arguments)] = name
            for call in wait(running, return_when=FIRST_COMPLETED).done:
                call.result()
                yield running.pop(call)
    except BrokenProcessPool:
        names = " or ".join(running.values())
        raise CalibpruneError(f"{names}: the process was killed, perhaps for want of memory; run again") from None
    finally:
        ends_all.close()
        pool.shutdown()


def _call(name: str, function: Callable, arguments: tuple) -> None:
    try:
        function(*arguments)
    except CalibpruneError:
        raise
    except Exception as error:  # a class that cannot be rebuilt in the other process would look like a killed one
        raise NotebookError(f"notebook {name}: {type(error).__name__}: {last_line(str(error))}") from None


def _begin(end: Connection, first: Callable[[], None] | None) -> None:
    """Calls `first`, and ends this process when the other end of a pipe is closed: by the process that has it, or
    because that was killed.

    A pool has no way of its own to end processes that are at work.
    """

    def watch() -> None:
        wait_for_pipe([end])
        os._exit(1)

    if first:
        first()
    threading.Thread(target=watch, daemon=True).start()


def pages(toc: Path) -> list[str]:
    """Every page that a table of contents names, in reading order and without suffix; the root comes first.

    Raises ParameterError if the file is not there.
    """
    if not toc.is_file():
        raise ParameterError(f"no table of contents at {toc}: build the book in a checkout of the repository")
    contents = yaml.safe_load(toc.read_text(encoding="utf-8"))

    def below(entry: dict) -> list[str]:
        own = [entry[key] for key in ("root", "file") if key in entry]
        inner = [child for key in ("parts", "chapters", "sections") for child in entry.get(key, [])]
        return own + [page for child in inner for page in below(child)]

    return below(contents)


def results_fingerprint(store: Path) -> str:
    """Name, size and time of change of every file below a store but for `NO_RESULTS`, as text: it changes when any
    result does.
    """
    paths = [path for path in sorted(store.rglob("*")) if path.is_file()]
    names = [path.relative_to(store) for path in paths]
    files = [(name, (store / name).stat()) for name in names if name.parts[0] not in NO_RESULTS]
    return "\n".join(f"{name} {about.st_size} {about.st_mtime_ns}" for name, about in files)


def program() -> Path:
    """The book's builder. Raises ParameterError where it is not installed."""
    found = Path(sys.executable).with_name("jupyter-book")
    if not found.is_file():
        raise ParameterError(f"the book's builder is missing at {found}: install the book's requirements")
    return found


def _render(root: Path) -> Path:
    """Runs the book's builder with warnings as errors, unless the HTML that is there was made from the same sources and
    is as it was made; returns the first page.
    """
    target, made_from = root / "_build", _sources(root)
    page = target / "html" / "index.html"
    if page.is_file() and _bound(target) == [made_from, results_fingerprint(target / "html")]:
        print("the book is unchanged", file=sys.stderr)
        return page
    print("building the book", file=sys.stderr)
    for left in target.glob(".building-*"):  # by a process that was killed
        shutil.rmtree(left, ignore_errors=True)
    log = target / "book.log"
    with tempfile.TemporaryDirectory(prefix=".building-", dir=target) as aside:
        command = [program(), "build", root / "book", "--config", root / "_config.yml"]
        command += ["--toc", root / "_toc.yml", "--path-output", aside, "--all", "-W", "--keep-going", "-n"]
        with log.open("w", encoding="utf-8") as stream:
            ended = subprocess.run(command, check=False, cwd=root, stdout=stream, stderr=subprocess.STDOUT)
        if ended.returncode:
            lines = COLOUR.sub("", log.read_text(encoding="utf-8", errors="replace")).splitlines()
            print(*lines[-LOG_TAIL:], sep="\n", file=sys.stderr)
            fault = _first_fault(lines, ended.returncode)
            raise NotebookError(f"the book was not built: {fault}; the whole log is {log}")
        shutil.rmtree(target / "html", ignore_errors=True)
        (Path(aside) / "_build" / "html").rename(target / "html")
    (target / BOUND).write_text(json.dumps([made_from, results_fingerprint(target / "html")]), encoding="utf-8")
    return page


def _bound(target: Path) -> list | None:
    try:
        return json.loads((target / BOUND).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None


def _sources(root: Path) -> str:
    """What the builder reads, as text: every file of the book with size and time of change, and the builder's version;
    but not what Python compiles and what pip writes when it installs.
    """
    settings = [(root / name).read_text(encoding="utf-8") for name in ("_config.yml", "_toc.yml")]
    lines = results_fingerprint(root / "book").splitlines()
    files = [line for line in lines if not any(written in line for written in ("__pycache__", ".egg-info/"))]
    return "\n".join([version("jupyter-book"), version("sphinx"), *settings, *files])


def _first_fault(lines: list[str], status: int) -> str:
    faults = [line.strip() for line in lines if re.search("WARNING|ERROR|[Ee]rror:", line)]
    return faults[0] if faults else f"exit status {status}"
