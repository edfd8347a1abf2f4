"""Calls in processes of their own: all are made, and what goes wrong in one is raised here."""

import json
import os
import subprocess
import sys
import time

import pytest

from calibbook.build import each_in_a_process as each
from calibprune.errors import CalibpruneError, NotebookError


def test_every_call_is_made_and_named_when_it_has_returned(tmp_path):
    calls = {name: (tmp_path / name,) for name in "abc"}
    assert sorted(each(os.mkdir, calls, 2)) == ["a", "b", "c"]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a", "b", "c"]


def test_calls_are_made_side_by_side():
    assert next(each(time.sleep, {"long": (3600,), "short": (0,)}, 2)) == "short"


def test_what_a_call_raises_is_raised_and_ends_the_others():
    with pytest.raises(NotebookError, match="^notebook wrong: TypeError: "):
        list(each(time.sleep, {"long": (3600,), "wrong": ("x",)}, 2))


def test_calls_beyond_the_limit_wait(tmp_path):
    calls = {"made": (tmp_path / "a",), "fails": (tmp_path / "none" / "b",), "waits": (tmp_path / "c",)}
    with pytest.raises(NotebookError, match="^notebook fails: FileNotFoundError: "):
        list(each(os.mkdir, calls, 1))
    assert [path.name for path in tmp_path.iterdir()] == ["a"]


def test_a_process_that_is_killed_is_named():
    with pytest.raises(CalibpruneError, match="^notebook: the process was killed") as error:
        list(each(os._exit, {"notebook": (1,), "waits": (1,)}, 1))
    assert "\n" not in str(error.value)


def test_an_exception_that_cannot_be_rebuilt_is_no_killed_process():
    with pytest.raises(NotebookError, match="^notebook page: UnicodeDecodeError: "):
        list(each(str, {"page": (b"\xff", "utf-8")}, 1))


def test_calls_end_where_the_process_that_waits_for_them_is_killed():
    code = (
        "import subprocess, sys, time; from calibbook.build import each_in_a_process as each; "
        "print(next(each(time.sleep, {'long': (3600,), 'short': (0,)}, 2)), flush=True); time.sleep(3600)"
    )
    waiting = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True)
    assert waiting.stdout.readline() == "short\n"
    waiting.kill()
    assert waiting.communicate(timeout=300)[0] == ""  # every process that holds the pipe has ended


def test_nothing_to_do():
    assert list(each(json.loads, {}, 2)) == []
