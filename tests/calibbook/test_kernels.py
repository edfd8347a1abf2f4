"""A kernel that is forked is one like any other: it has its folder, its environment and its end."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_notebook

from calibbook.gate import read
from calibbook.kernels import FORKS
from calibbook.notebooks import execute
from calibprune.errors import NotebookError

IN_A_PROCESS = """
import sys
from pathlib import Path
from calibbook.build import _execute

if __name__ == "__main__":
    folder = Path(sys.argv[1])
    _execute({"asked": (folder / "asked.ipynb", folder / "made.ipynb", {}, 600, "", folder)})
"""
"""As the book is built: every notebook by a process of its own, all of them forked from one."""


def notebook(folder: Path, *sources: str) -> Path:
    nbformat.write(new_notebook(cells=[new_code_cell(source) for source in sources]), folder / "asked.ipynb")
    return folder / "asked.ipynb"


def printed(path: Path) -> str:
    return "".join(output.text for cell in read(path).cells for output in cell.get("outputs", []))


def build(folder: Path, **environment: str) -> subprocess.Popen:
    (folder / "build.py").write_text(IN_A_PROCESS)
    return subprocess.Popen([sys.executable, folder / "build.py", folder], env=os.environ | environment)


def test_it_has_its_folder_and_its_environment_and_prints_nothing_of_its_own(tmp_path, capfd):
    source = "import os, sys; print(os.getcwd(), os.environ['HOME'], __name__, sys.argv[0])"
    (tmp_path / "folder").mkdir()
    execute(notebook(tmp_path, source), tmp_path / "made.ipynb", {}, 600, cwd=tmp_path / "folder")
    assert printed(tmp_path / "made.ipynb").split()[:3] == [str(tmp_path / "folder"), os.environ["HOME"], "__main__"]
    assert capfd.readouterr() == ("", "")


@pytest.mark.skipif(
    not FORKS, reason="kernels are programs here: a process that has imported numpy should not be forked"
)
def test_what_every_notebook_imports_is_there_and_figures_are_those_of_a_notebook(tmp_path):
    sources = (
        "import os, sys; print([name in sys.modules for name in ('torch', 'pandas', 'calibprune.study')])",
        "from matplotlib import pyplot; _ = pyplot.plot([1, 2])",
        "print(pyplot.get_backend(), os.environ['ASKED'])",
    )
    notebook(tmp_path, *sources)
    assert build(tmp_path, ASKED="of the build").wait(timeout=300) == 0
    first, plot, last = (cell.outputs for cell in read(tmp_path / "made.ipynb").cells)
    assert first[0].text == "[True, True, False]\n"
    assert "image/png" in plot[0].data
    assert last[0].text.endswith("inline of the build\n")


def test_a_kernel_that_dies_is_one_line(tmp_path):
    with pytest.raises(NotebookError, match=r"^notebook asked\.ipynb, cell 2: DeadKernelError: ") as error:
        execute(
            notebook(tmp_path, "import os, signal", "os.kill(os.getpid(), signal.SIGKILL)"), tmp_path / "m", {}, 600
        )
    assert "\n" not in str(error.value)
    assert not (tmp_path / "m").exists()


def test_it_ends_with_the_build(tmp_path):
    notebook(tmp_path, "import os, time; open('kernel', 'w').write(str(os.getpid())); time.sleep(3600)")
    building = build(tmp_path)
    number = int(_appears(tmp_path / "kernel"))
    building.send_signal(signal.SIGKILL)
    building.wait()
    for _ in range(600):
        if not Path(f"/proc/{number}").exists() or Path(f"/proc/{number}/stat").read_text().split()[2] == "Z":
            return
        time.sleep(0.1)
    pytest.fail("the kernel goes on a minute after the build was killed")


def _appears(path: Path) -> str:
    for _ in range(600):
        if path.is_file() and path.read_text():
            return path.read_text()
        time.sleep(0.1)
    pytest.fail(f"{path} was not written in a minute")
