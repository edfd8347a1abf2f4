"""Locks between processes, also where the file system has no flock, or one that excludes nobody."""

import errno
import fcntl
import os
import signal
import socket
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from cells import cell
from children import PATIENCE, begin
from filelock import SoftFileLease

from calibprune import files
from calibprune.errors import StoreError
from calibprune.files import held
from calibprune.study.store import Store


def failing(number: int) -> Callable:
    def flock(*_):
        raise OSError(number, os.strerror(number))

    return flock


FLOCKS = {
    "flock": fcntl.flock,
    "no flock": failing(errno.ENOSYS),
    "no locks on this server": failing(errno.ENOLCK),
    "not supported": failing(errno.EOPNOTSUPP),
    "flock excludes nobody": lambda *_: None,
}


@pytest.fixture(params=FLOCKS)
def flock(request, monkeypatch):
    """What the file system makes of flock, for this process and for those that it forks."""
    monkeypatch.setattr(fcntl, "flock", FLOCKS[request.param])


def hold(path: Path, machine: str = "", until: Path | None = None, said: Path | None = None) -> None:
    """Hold a lock until a file appears, or for ever, saying so in `<path>.begun`, and in `said` that it ends."""
    if machine:
        socket.gethostname = lambda: machine
    with held(path) as mine:
        assert mine
        path.with_suffix(".begun").touch()
        while until is None or not until.exists():
            time.sleep(0.01)
        if said:
            said.touch()


def begun(path: Path, *arguments):
    """A process that holds the lock."""
    process = begin(hold, path, *arguments)
    deadline = time.monotonic() + PATIENCE
    while not path.with_suffix(".begun").exists():
        assert process.exitcode is None and time.monotonic() < deadline
        time.sleep(0.01)
    return process


def free(path: Path) -> bool:
    with held(path, wait=False) as mine:
        return mine


def test_one_holds_it(flock, tmp_path):
    path = tmp_path / "lock"
    with held(path) as mine:
        assert mine and not free(path)
    assert free(path)
    assert [entry.name for entry in tmp_path.iterdir() if entry.name != "lock"] == [], "something is left of it"


def test_who_waits_gets_it_once_it_is_given_back(flock, tmp_path):
    path, go, said = tmp_path / "lock", tmp_path / "go", tmp_path / "said"
    process = begun(path, "", go, said)
    assert not free(path)
    go.touch()
    with held(path) as mine:
        assert mine and said.exists()
    process.join(PATIENCE)


def test_a_process_that_is_killed_holds_nothing(flock, tmp_path):
    process = begun(tmp_path / "lock")
    assert not free(tmp_path / "lock")
    os.kill(process.pid, signal.SIGKILL)
    process.join(PATIENCE)
    assert free(tmp_path / "lock")


def test_a_machine_that_is_lost_holds_nothing_after_a_while(monkeypatch, tmp_path):
    monkeypatch.setattr(fcntl, "flock", FLOCKS["flock excludes nobody"])
    monkeypatch.setattr(files, "LEASE", 0.5)
    process = begun(tmp_path / "lock", "another-machine")
    os.kill(process.pid, signal.SIGKILL)
    process.join(PATIENCE)
    assert not free(tmp_path / "lock")
    with held(tmp_path / "lock") as mine:
        assert mine


def test_a_machine_that_lives_keeps_it(monkeypatch, tmp_path):
    """However long, and whoever waits."""
    monkeypatch.setattr(fcntl, "flock", FLOCKS["flock excludes nobody"])
    monkeypatch.setattr(files, "LEASE", 0.5)
    path, go, said = tmp_path / "lock", tmp_path / "go", tmp_path / "said"
    process = begun(path, "another-machine", go, said)
    waiting = begin(_tell_when_held, path, said, tmp_path / "order")
    waiting.join(4 * files.LEASE)
    go.touch()
    waiting.join(PATIENCE)
    process.join(PATIENCE)
    assert (tmp_path / "order").read_text() == "after it was given back"


def _tell_when_held(path: Path, said: Path, order: Path) -> None:
    with held(path):
        order.write_text("after it was given back" if said.exists() else "before")


def test_what_else_is_wrong_with_a_lock_is_one_line(monkeypatch, tmp_path):
    store = Store(tmp_path / "results")
    monkeypatch.setattr(fcntl, "flock", failing(errno.EIO))
    with (
        pytest.raises(StoreError, match=r"results: cannot be written \(Input/output error\)"),
        store.claim(cell(), True),
    ):
        pass
    monkeypatch.undo()
    with (
        SoftFileLease(store.root / "claims" / f"{cell().id}.lease", lease_duration=files.LEASE / 2),
        pytest.raises(StoreError, match=r"results: cannot be written \(another version of this package uses it\)"),
        store.claim(cell(), False),
    ):
        pass


def test_who_lost_a_claim_meanwhile_finds_what_another_computed(tmp_path):
    """As a process does that was stopped, and could not be seen to live."""
    store = Store(tmp_path / "results")
    with store.written(cell()) as mine:
        (mine / "who").write_text("late")
        with store.written(cell()) as other:
            (other / "who").write_text("first")
    assert (store.folder(cell()) / "who").read_text() == "first"
    assert [entry.name for entry in store.folder(cell()).parent.iterdir()] == [cell().id]
