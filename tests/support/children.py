"""Calls in processes of their own that a test may harm: kill them, take their disk or their memory away.

They are forked, so that what takes seconds to import is there at once. The calling process should have one thread.
"""

import ctypes
import os
import resource
import signal
import sys
import tempfile
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from multiprocessing import get_context
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import NamedTuple

import psutil
import pytest
import torch

from calibprune.errors import ended_in_one_line

FORK = get_context("fork")
PATIENCE = 300  # seconds
ROOM = 2**30
"""Bytes of addresses that a process whose memory is limited may take beside those that it has."""
NEW_MOUNTS, NEW_USERS = 0x00020000, 0x10000000  # of unshare(2)
READ_ONLY, REMOUNT, BIND, RECURSIVE, PRIVATE = 1, 32, 4096, 16384, 1 << 18  # of mount(2)
LIBC = ctypes.CDLL(None, use_errno=True)


class Ended(NamedTuple):
    """How a process ended: its exit status, negative for a signal, and what it wrote to either stream."""

    status: int
    said: str

    def assert_one_line(self, *words: str) -> None:
        """That it ended as a program does for what a user can cause, with these words in its line."""
        assert self.status == 1, self
        line = self.said.strip()
        assert line.startswith("calibprune: ") and "\n" not in line and "Traceback" not in line, self.said
        for word in words:
            assert word in line, self.said


def begin(call: Callable, *arguments, said: Path | None = None) -> BaseProcess:
    """Start a call that ends as the command line does: what a user can cause is one line and status 1."""

    def program() -> None:
        if said:
            with said.open("wb") as file:
                os.dup2(file.fileno(), 1)
                os.dup2(file.fileno(), 2)
            # the streams that pytest put in their place
            sys.stdout = os.fdopen(1, "w", buffering=1, closefd=False)
            sys.stderr = os.fdopen(2, "w", buffering=1, closefd=False)
        torch.set_num_threads(1)
        try:
            with ended_in_one_line("calibprune"):
                call(*arguments)
        except Exception:
            traceback.print_exc()
            sys.stderr.flush()
            os._exit(70)

    process = FORK.Process(target=program)
    process.start()
    return process


def in_a_child(call: Callable, *arguments) -> Ended:
    """Make a call in a process of its own, and wait for it."""
    with tempfile.TemporaryDirectory() as folder:
        said = Path(folder) / "said"
        process = begin(call, *arguments, said=said)
        process.join(PATIENCE)
        if process.exitcode is None:
            process.kill()
            process.join()
        return Ended(process.exitcode, said.read_text(encoding="utf-8", errors="replace"))


def processor_seconds(call: Callable, *arguments) -> float:
    """What a call takes of a processor in a process of its own."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    process = begin(call, *arguments)
    process.join(PATIENCE)
    assert process.exitcode == 0
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def killed_after(seconds: float, call: Callable, *arguments) -> bool:
    """Make a call in a process that kill -9 ends once it has used so many seconds of a processor, however busy the
    machine is. Returns whether it was killed, and not done before.
    """
    process = begin(call, *arguments)
    try:
        status = psutil.Process(process.pid)
        while process.exitcode is None:
            if sum(status.cpu_times()[:2]) >= seconds:
                process.kill()
                break
            process.join(0.002)
    except psutil.NoSuchProcess:
        pass
    process.join(PATIENCE)
    assert process.exitcode in (0, -signal.SIGKILL), process.exitcode
    return process.exitcode != 0


@contextmanager
def with_less_memory(more: int) -> Iterator[None]:
    """Let this process have so many bytes of addresses more than it has, and no others."""
    limits = resource.getrlimit(resource.RLIMIT_AS)
    resource.setrlimit(resource.RLIMIT_AS, (psutil.Process().memory_info().vms + more, limits[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_AS, limits)


def refused(call: Callable, *words: str | Path) -> None:
    """That a call in a process of its own, which has little memory, ends in one line with these words."""

    def in_child() -> None:
        with with_less_memory(ROOM):
            call()

    in_a_child(in_child).assert_one_line(*map(str, words))


def need_mounts() -> None:
    """Skip the test where this machine lets nobody have mounts of his own."""
    if in_a_child(_own_mounts).status:
        pytest.skip("this machine lets a process have no mounts of its own (unshare), as some containers do not")


def mount_disk(folder: Path, size: int, again: bool = False) -> None:
    """Let this process alone, and those that it starts, see a new disk of so many bytes at `folder`; or give the disk
    that is there another size. It is gone with the process.
    """
    if not again:
        _own_mounts()
    _mount("tmpfs", folder, "tmpfs", REMOUNT if again else 0, f"size={size}")


def mount_read_only(folder: Path) -> None:
    """Let this process alone see what is in `folder` as a disk that cannot be written, whoever it is run by."""
    _own_mounts()
    _mount(str(folder), folder, "", BIND)
    _mount(str(folder), folder, "", BIND | REMOUNT | READ_ONLY)


def _own_mounts() -> None:
    user, group = os.getuid(), os.getgid()
    _called("unshare", NEW_MOUNTS if user == 0 else NEW_MOUNTS | NEW_USERS)
    if user:
        Path("/proc/self/setgroups").write_text("deny")
        Path("/proc/self/uid_map").write_text(f"{user} {user} 1")
        Path("/proc/self/gid_map").write_text(f"{group} {group} 1")
    _mount("none", Path("/"), "", RECURSIVE | PRIVATE)


def _mount(source: str, folder: Path, kind: str, flags: int, options: str = "") -> None:
    _called("mount", source.encode(), os.fsencode(folder), kind.encode(), ctypes.c_ulong(flags), options.encode())


def _called(name: str, *arguments) -> None:
    if getattr(LIBC, name)(*arguments):
        code = ctypes.get_errno()
        raise OSError(code, f"{name}: {os.strerror(code)}")
