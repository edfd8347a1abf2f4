"""No failed, timed-out or never-executed notebook gets into the book."""

import base64
import json
import os
import signal
import subprocess
import sys
import time

import nbformat
import pytest
from bs4 import BeautifulSoup
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_output

from calibbook import __main__ as program
from calibbook import build as book
from calibbook.checkout import ROOT
from calibbook.gate import check
from calibbook.notebooks import execute
from calibprune import __version__
from calibprune.errors import NotebookError, ParameterError
from calibprune.files import results_folder

PIXEL = base64.b64decode("iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAQAAAC1HAwCAAAAC0lEQVR42mNk+A8AAQUBAScY42YAAAAASUVORK5CYII=")
PAGE = "# First page\n\n{{cite}}`{}`\n\n```{{bibliography}}\n```\n"


def write(path, *cells, parameters="value = 1"):
    """A notebook of a heading (cell 1), a `parameters` cell (2) and the given sources (3 onwards)."""
    head = [new_markdown_cell("# Title"), new_code_cell(parameters, metadata={"tags": ["parameters"]})]
    nbformat.write(new_notebook(cells=head + [new_code_cell(cell) for cell in cells]), path)
    return path


def executed(path, *outputs, count=1, source="1 + 1", tags=()):
    """A notebook of one code cell as an executor would leave it."""
    cell = new_code_cell(source, execution_count=count, outputs=list(outputs), metadata={"tags": list(tags)})
    nbformat.write(new_notebook(cells=[new_markdown_cell("# Title"), cell]), path)
    return path


def failed(name, value):
    return new_output("error", ename=name, evalue=value)


def assert_one_line(error, *words):
    text = str(error.value)
    assert "\n" not in text
    for word in words:
        assert word in text, text


def test_an_executed_notebook_passes(tmp_path):
    check(executed(tmp_path / "good.ipynb", new_output("stream", text="2")))


def test_an_empty_code_cell_needs_no_execution(tmp_path):
    check(executed(tmp_path / "good.ipynb", count=None, source=" \n"))


@pytest.mark.parametrize(
    "name, cell, words",
    [
        ("error", {"outputs": [failed("ValueError", "first\nlast")]}, ["cell 2", "last"]),
        ("interrupted", {"outputs": [failed("KeyboardInterrupt", "")]}, ["KeyboardInterrupt"]),
        ("stopped", {"outputs": [failed("SystemExit", "0")]}, ["SystemExit"]),
        ("never", {"count": None}, ["cell 2", "not executed"]),
        ("banner", {"tags": ["papermill-error-cell-tag"]}, ["mark of a failure"]),
    ],
)
def test_a_bad_notebook_is_refused_by_name(tmp_path, name, cell, words):
    cell = dict(cell)
    path = executed(tmp_path / f"{name}.ipynb", *cell.pop("outputs", []), **cell)
    with pytest.raises(NotebookError) as error:
        check(path)
    assert_one_line(error, f"{name}.ipynb", *words)


@pytest.mark.parametrize("text", [None, "", "not json", '{"cells": 3}'])
def test_what_is_no_notebook_is_refused(tmp_path, text):
    path = tmp_path / "odd.ipynb"
    if text is not None:
        path.write_text(text)
    with pytest.raises(NotebookError) as error:
        check(path)
    assert_one_line(error, "odd.ipynb")


def test_execute_passes_parameters_and_working_folder(tmp_path):
    source = write(tmp_path / "n.ipynb", "import os\nprint(value, os.getcwd())")
    folder = tmp_path / "elsewhere"
    folder.mkdir()
    output = tmp_path / "out" / "n.ipynb"
    assert execute(source, output, {"value": [1, "zwei"]}, 60, cwd=folder)
    check(output)
    cells = nbformat.read(output, as_version=4).cells
    assert cells[-1].outputs[0].text == f"[1, 'zwei'] {folder}\n"
    assert str(tmp_path) not in json.dumps(nbformat.read(output, as_version=4).metadata)
    assert [path.name for path in output.parent.iterdir()] == ["n.ipynb"]


def test_no_cell_of_parameters_is_on_the_page(tmp_path):
    source = write(tmp_path / "n.ipynb", "print(value)")
    execute(source, tmp_path / "out.ipynb", {"value": 2}, 60)
    cells = nbformat.read(tmp_path / "out.ipynb", as_version=4).cells
    hidden = [cell.source for cell in cells if "remove-cell" in cell.metadata.get("tags", [])]
    assert hidden[0] == "value = 1" and "value = 2" in hidden[1] and len(hidden) == 2


def test_what_a_page_holds_inside_itself_becomes_a_file_of_the_book(small_book):
    data = base64.b64encode(b"a,b\n1,2\n").decode()
    picture = base64.b64encode(PIXEL).decode()
    html = (
        f'<a href=\\"data:text/csv;base64,{data}\\">table</a><img alt=\\"a pixel of the test\\" '
        f'src=\\"data:image/png;base64,{picture}\\">'
    )
    write(small_book / "notebooks" / "n.ipynb", f'value\nfrom IPython.display import HTML\nHTML("{html}")')
    folder = book.build(small_book / "params.yaml", root=small_book).parent
    page = BeautifulSoup((folder / "executed" / "n.html").read_text(), "html.parser")
    link, image = page.find("a", string="table"), page.find("img", alt="a pixel of the test")
    assert (folder / "executed" / link["href"]).read_bytes() == b"a,b\n1,2\n"
    assert (folder / "executed" / image["src"]).read_bytes() == PIXEL and image["loading"] == "lazy"
    assert not page.select(".cell_output [src^=data], .cell_output [href^=data]")


def test_execute_runs_again_only_when_something_changed(tmp_path):
    source, output = write(tmp_path / "n.ipynb", "print(value)"), tmp_path / "out.ipynb"
    assert execute(source, output, {"value": 1}, 60, inputs="a")
    before = output.stat().st_mtime_ns
    assert not execute(source, output, {"value": 1}, 60, inputs="a")
    assert output.stat().st_mtime_ns == before
    assert execute(source, output, {"value": 1}, 60, inputs="b")
    assert execute(source, output, {"value": 2}, 60, inputs="b")
    write(source, "print(value + 1)")
    assert execute(source, output, {"value": 2}, 60, inputs="b")
    output.write_text(output.read_text()[:-40])
    assert execute(source, output, {"value": 2}, 60, inputs="b")
    check(output)


@pytest.mark.parametrize(
    "cells, timeout, words",
    [
        (["1", "raise ValueError('first\\nthe last line')"], 60, ["cell 4", "the last line"]),
        (["import sys; sys.exit(0)", "1"], 60, ["cell 3", "SystemExit"]),
        (["import time; time.sleep(60)"], 2, ["cell 3", "longer than 2 s"]),
        (["import os; os._exit(1)", "1"], 60, ["cell 3", "died"]),
    ],
    ids=["error", "exit", "timeout", "death"],
)
def test_a_failure_names_the_cell_and_leaves_the_output_as_it_was(tmp_path, cells, timeout, words):
    source, output = write(tmp_path / "failing.ipynb", *cells), tmp_path / "out" / "failing.ipynb"
    output.parent.mkdir()
    output.write_text("what was there before")
    with pytest.raises(NotebookError) as error:
        execute(source, output, {"value": 3}, timeout)
    assert_one_line(error, "failing.ipynb", *words)
    assert output.read_text() == "what was there before"
    assert [path.name for path in output.parent.iterdir()] == ["failing.ipynb"]


def test_an_unknown_parameter_is_refused_before_anything_runs(tmp_path):
    source = write(tmp_path / "n.ipynb", parameters="value = 1\nother = {\n    'a': 1,\n}")
    output = tmp_path / "out.ipynb"
    with pytest.raises(ParameterError) as error:
        execute(source, output, {"valeu": 1}, 60)
    assert_one_line(error, "n.ipynb", "valeu", "value, other")
    assert not output.exists()


def test_a_notebook_without_parameters_cell_is_refused(tmp_path):
    source = executed(tmp_path / "n.ipynb", count=None)
    with pytest.raises(ParameterError) as error:
        execute(source, tmp_path / "out.ipynb", {"value": 1}, 60)
    assert_one_line(error, "n.ipynb", "parameters")


def test_a_parameters_cell_that_is_not_python_is_refused(tmp_path):
    with pytest.raises(NotebookError) as error:
        execute(write(tmp_path / "n.ipynb", parameters="value = ["), tmp_path / "out.ipynb", {"value": 1}, 60)
    assert_one_line(error, "n.ipynb", "not Python")


def test_an_output_folder_that_cannot_be_made_is_one_line(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(NotebookError) as error:
        execute(write(tmp_path / "n.ipynb"), tmp_path / "file" / "out.ipynb", {}, 60)
    assert_one_line(error, "n.ipynb", "file")


@pytest.fixture
def small_book(tmp_path, monkeypatch):
    """A book of one page and one notebook, with this repository's settings, beside results of its own."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "notebooks").mkdir()
    (tmp_path / "book").mkdir()
    (tmp_path / "book" / "_ext").symlink_to(ROOT / "book" / "_ext")
    (tmp_path / "book" / "intro.md").write_text(PAGE.format("someone"))
    (tmp_path / "book" / "references.bib").write_text(
        "@book{someone, title={T}, author={A, B}, year={2000}, publisher={P}}"
    )
    (tmp_path / "_config.yml").write_text((ROOT / "_config.yml").read_text())
    (tmp_path / "_toc.yml").write_text("format: jb-book\nroot: intro\nchapters:\n  - file: executed/n\n")
    (tmp_path / "params.yaml").write_text("value: 5\n")
    write(tmp_path / "notebooks" / "n.ipynb", "print(value)")
    return tmp_path


def test_a_notebook_of_the_laboratory_is_executed_as_it_is(small_book):
    (small_book / "notebooks" / "teaching").mkdir()
    notebook = new_notebook(cells=[new_markdown_cell("# A lesson"), new_code_cell("print(40 + 2)")])
    nbformat.write(notebook, small_book / "notebooks" / "teaching" / "lesson.ipynb")
    with (small_book / "_toc.yml").open("a") as contents:
        contents.write("  - file: executed/teaching/lesson\n")
    folder = book.build(small_book / "params.yaml", root=small_book).parent
    assert "42" in (folder / "executed" / "teaching" / "lesson.html").read_text()


def test_build_returns_the_first_page_and_a_second_build_executes_nothing(small_book, capsys):
    first = book.build(small_book / "params.yaml", root=small_book)
    said = capsys.readouterr()
    assert first == small_book / "_build" / "html" / "index.html" and first.is_file()
    assert "n.ipynb executed" in said.err
    page = (small_book / "_build" / "html" / "executed" / "n.html").read_text()
    assert "5\n" in page and "THEBE_JS_URL" not in page
    (small_book / "_build" / "html" / "stale.html").write_text("")
    book.build(small_book / "params.yaml", root=small_book)
    said = capsys.readouterr().err
    assert "n.ipynb unchanged" in said and "building the book" in said
    assert not (first.parent / "stale.html").exists()


def test_the_builder_runs_again_only_when_what_it_reads_or_what_it_made_has_changed(small_book, capsys):
    def built() -> bool:
        book.build(small_book / "params.yaml", root=small_book)
        said = capsys.readouterr().err
        assert ("building the book" in said) != ("the book is unchanged" in said)
        return "building the book" in said

    assert built() and not built()
    (small_book / "book" / "__pycache__").mkdir()
    (small_book / "book" / "__pycache__" / "n.pyc").write_text("")
    (small_book / "book" / "some.egg-info").mkdir()
    (small_book / "book" / "some.egg-info" / "SOURCES.txt").write_text("")
    assert not built()
    (small_book / "book" / "intro.md").write_text(PAGE.format("someone").replace("First", "Another"))
    assert built() and not built()
    (small_book / "_build" / "html" / "executed" / "n.html").unlink()
    assert built() and not built()
    (small_book / "_build" / book.BOUND).write_text("[1, ")
    assert built() and not built()
    settings = small_book / "_config.yml"
    settings.write_text(settings.read_text() + "# a word more\n")
    assert built()


def test_a_notebook_with_a_study_of_its_own_has_its_parameters_in_every_book(small_book, capsys, monkeypatch):
    monkeypatch.setattr(book, "_render", lambda root: root)
    source = write(small_book / "notebooks" / "n.ipynb", "print(value, store)", parameters="value = 1\nstore = ''")
    notebook = nbformat.read(source, as_version=4)
    notebook.metadata["calibprune"] = {"study": "own.yaml"}
    nbformat.write(notebook, source)
    (small_book / "own.yaml").write_text("value: 7\nstore: elsewhere\n")
    (small_book / "results").mkdir()
    (small_book / "params.yaml").write_text("value: 5\nother: 6\nstore: results\n")

    def built() -> str:
        book.build(small_book / "params.yaml", root=small_book, inputs="of the book's study, which stays the same")
        cells = nbformat.read(small_book / "book" / "executed" / "n.ipynb", as_version=4).cells
        return cells[-1].outputs[0].text

    assert built() == "7 results\n"
    capsys.readouterr()
    built()
    assert "n.ipynb unchanged" in capsys.readouterr().err
    (small_book / "results" / "a record of its own study").write_text("")
    built()
    assert "n.ipynb executed" in capsys.readouterr().err
    (small_book / "own.yaml").unlink()
    with pytest.raises(ParameterError, match="own.yaml: cannot be read"):
        book.build(small_book / "params.yaml", root=small_book)


def test_a_notebook_that_reads_other_studies_is_out_of_date_with_any_record(small_book, capsys, no_pages):
    source = small_book / "notebooks" / "n.ipynb"
    write(source, "print(value)", parameters="value = 1\nstore = ''")
    notebook = nbformat.read(source, as_version=4)
    notebook.metadata["calibprune"] = {"reads": "other studies"}
    nbformat.write(notebook, source)
    (small_book / "results").mkdir()
    (small_book / "params.yaml").write_text("value: 5\nstore: results\n")

    def said() -> str:
        book.build(small_book / "params.yaml", root=small_book, inputs="of the book's study, which stays the same")
        return capsys.readouterr().err

    assert "n.ipynb executed" in said() and "n.ipynb unchanged" in said()
    (small_book / "results" / "a record of another study").write_text("")
    assert "n.ipynb executed" in said()


def test_build_stops_at_a_failing_notebook_and_keeps_the_last_good_book(small_book):
    first = book.build(small_book / "params.yaml", root=small_book)
    write(small_book / "notebooks" / "n.ipynb", "1 / 0")
    with pytest.raises(NotebookError) as error:
        book.build(small_book / "params.yaml", root=small_book)
    assert_one_line(error, "n.ipynb", "cell 3", "ZeroDivisionError")
    assert first.is_file()


def test_build_treats_a_warning_of_the_builder_as_an_error(small_book):
    (small_book / "book" / "intro.md").write_text(PAGE.format("nobody"))
    with pytest.raises(NotebookError) as error:
        book.build(small_book / "params.yaml", root=small_book)
    assert_one_line(error, "nobody", "book.log")
    assert not (small_book / "_build" / "html").exists()
    assert sorted(path.name for path in (small_book / "_build").iterdir()) == [".lock", "book.log"]


def test_of_two_builds_at_once_one_is_killed_and_the_other_ends_well(small_book):
    write(small_book / "notebooks" / "n.ipynb", "import time\ntime.sleep(3)\nprint(value)")
    call = [
        sys.executable,
        "-c",
        "import sys; from pathlib import Path; from calibbook.build import build; root = Path(sys.argv[1]); "
        "build(root / 'params.yaml', root=root)",
        str(small_book),
    ]
    first = subprocess.Popen(call, stderr=subprocess.PIPE, text=True)
    assert "n.ipynb" in first.stderr.readline()  # it holds the lock and has begun the notebook
    second = subprocess.Popen(call, stderr=subprocess.PIPE, text=True)
    time.sleep(1)
    first.send_signal(signal.SIGKILL)
    first.communicate()
    said = second.communicate(timeout=300)[1]
    assert second.returncode == 0, said
    assert "n.ipynb executed" in said
    assert "5\n" in (small_book / "_build" / "html" / "executed" / "n.html").read_text()
    assert not list((small_book / "_build").glob(".building-*"))


@pytest.fixture
def no_pages(monkeypatch):
    """Notebooks are executed, and no pages built."""
    monkeypatch.setattr(book, "_render", lambda root: root)


def shown(small_book) -> list[str]:
    cells = nbformat.read(small_book / "book" / "executed" / "n.ipynb", as_version=4).cells
    return cells[-1].outputs[0].text.splitlines()


def test_a_relative_store_is_the_same_folder_for_notebooks_and_commands(small_book, no_pages, monkeypatch):
    elsewhere = small_book / "elsewhere"
    elsewhere.mkdir()
    monkeypatch.chdir(elsewhere)
    code = (
        "import os\nfrom calibprune.files import results_folder\nprint(os.getcwd(), results_folder(value), sep='\\n')"
    )
    write(small_book / "notebooks" / "n.ipynb", code)
    (small_book / "params.yaml").write_text("value: results\n")
    book.build(small_book / "params.yaml", root=small_book)
    assert shown(small_book) == [str(elsewhere), str(results_folder("results"))]
    assert results_folder("results") == elsewhere / "results"


def test_threads_of_a_notebook_soon_sleep(small_book, no_pages, monkeypatch):
    for name in ("OMP_WAIT_POLICY", "GOMP_SPINCOUNT", "KMP_BLOCKTIME"):
        monkeypatch.delenv(name, raising=False)
    code = "import calibbook.shared.words, os\nprint(int(os.environ['GOMP_SPINCOUNT']) < 300_000)"
    write(small_book / "notebooks" / "n.ipynb", code)
    book.build(small_book / "params.yaml", root=small_book)
    assert shown(small_book) == ["True"]


def test_executed_notebooks_have_the_rights_that_the_umask_leaves(small_book, no_pages):
    before = os.umask(0o027)
    try:
        execute(small_book / "notebooks" / "n.ipynb", small_book / "out" / "n.ipynb", {}, 60)
    finally:
        os.umask(before)
    assert (small_book / "out" / "n.ipynb").stat().st_mode & 0o777 == 0o640


def test_what_the_book_lacks_is_said_before_the_study_is_computed(small_book, monkeypatch, capsys):
    class Computed:
        def run(self):
            raise AssertionError("the study was computed first")

    monkeypatch.setattr(program.Study, "from_yaml", lambda path: Computed())
    monkeypatch.setattr(sys, "argv", ["calibbook", "params.yaml"])
    monkeypatch.setattr(sys, "executable", str(small_book / "python"))
    with pytest.raises(ParameterError) as error:
        program.main()
    assert_one_line(error, "jupyter-book", "install")
    monkeypatch.undo()
    (small_book / "_build").write_text("no folder")
    with pytest.raises(ParameterError) as error:
        book.check_ready(small_book)
    assert_one_line(error, "_build", "cannot be written")


def test_the_version(monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", ["calibbook", "--version"])
    with pytest.raises(SystemExit) as ended:
        program.main()
    assert (ended.value.code, capsys.readouterr().out) == (0, f"calibprune {__version__}\n")


def test_build_without_its_builder_says_so(small_book, monkeypatch):
    monkeypatch.setattr(sys, "executable", str(small_book / "python"))
    monkeypatch.setattr(book, "_execute", lambda *args: None)
    monkeypatch.setattr(book, "check", lambda path: None)
    with pytest.raises(ParameterError) as error:
        book.build(small_book / "params.yaml", root=small_book)
    assert_one_line(error, "jupyter-book", "install")


def test_a_parameter_file_that_is_none_is_refused(tmp_path):
    with pytest.raises(ParameterError) as error:
        book.build(tmp_path / "p.yaml", root=tmp_path)
    assert_one_line(error, "p.yaml", "cannot be read")


def test_pages_come_in_reading_order(tmp_path):
    toc = tmp_path / "_toc.yml"
    toc.write_text(
        "format: jb-book\nroot: a\nparts:\n"
        "- chapters:\n  - file: b\n    sections:\n    - file: c\n- chapters:\n  - file: d\n"
    )
    assert book.pages(toc) == ["a", "b", "c", "d"]
    with pytest.raises(ParameterError) as error:
        book.pages(tmp_path / "none.yml")
    assert_one_line(error, "none.yml")


def test_every_page_of_the_book_has_a_source():
    for page in book.pages(ROOT / "_toc.yml"):
        name = page.removeprefix("executed/")
        assert (
            ROOT / ("book" if name == page else "notebooks") / f"{name}{'.md' if name == page else '.ipynb'}"
        ).is_file()


def test_results_fingerprint_sees_a_changed_file(tmp_path):
    assert book.results_fingerprint(tmp_path / "none") == ""
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "cell.json").write_text("{}")
    before = book.results_fingerprint(tmp_path)
    assert before == book.results_fingerprint(tmp_path)
    (tmp_path / "derived").mkdir()
    (tmp_path / "derived" / "table.json").touch()
    assert before == book.results_fingerprint(tmp_path), "what a page derives does not ask for the page again"
    (tmp_path / "a" / "cell.json").write_text("{ }")
    assert book.results_fingerprint(tmp_path) != before
