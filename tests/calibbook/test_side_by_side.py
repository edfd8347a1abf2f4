"""Calls in processes of their own: all are made, and what goes wrong in one is raised here."""

import json
import os
import time

import pytest

from calibbook.side_by_side import each
from calibprune.errors import CalibpruneError


def test_every_call_is_made_and_named_when_it_has_returned(tmp_path):
    calls = {name: (tmp_path / name,) for name in "abc"}
    assert sorted(each(os.mkdir, calls, 2)) == ["a", "b", "c"]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a", "b", "c"]


def test_calls_are_made_side_by_side():
    assert next(each(time.sleep, {"long": (3600,), "short": (0,)}, 2)) == "short"


def test_what_a_call_raises_is_raised_and_ends_the_others():
    with pytest.raises(TypeError):
        list(each(time.sleep, {"long": (3600,), "wrong": ("x",)}, 2))


def test_calls_beyond_the_limit_wait(tmp_path):
    calls = {"made": (tmp_path / "a",), "fails": (tmp_path / "none" / "b",), "waits": (tmp_path / "c",)}
    with pytest.raises(FileNotFoundError):
        list(each(os.mkdir, calls, 1))
    assert [path.name for path in tmp_path.iterdir()] == ["a"]


def test_a_process_that_is_killed_is_named():
    with pytest.raises(CalibpruneError, match="notebook"):
        list(each(os._exit, {"notebook": (1,)}, 1))


def test_nothing_to_do():
    assert list(each(json.loads, {}, 2)) == []
