"""The file system: where things are kept, locks between processes, checksums."""

import hashlib
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock, Timeout


def cache_dir() -> Path:
    """The user cache: converted models and fetched text.

    `CALIBPRUNE_CACHE` if set, else `calibprune` below `XDG_CACHE_HOME` or `~/.cache`. Not created here.
    """
    if explicit := os.environ.get("CALIBPRUNE_CACHE"):
        return Path(explicit).expanduser()
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache").expanduser() / "calibprune"


@contextmanager
def held(path: Path, wait: bool = True) -> Iterator[bool]:
    """Hold the lock file `path`, which is created; yields whether it is held, which without `wait` another process may
    prevent.

    A lock ends with its block, or with its process however that ends.

    Raises:
        OSError: the file cannot be created.
    """
    lock = FileLock(path, timeout=-1 if wait else 0)
    try:
        lock.acquire()
    except Timeout:
        yield False
        return
    try:
        yield True
    finally:
        lock.release()


def file_sha256(path: Path) -> str:
    """The SHA-256 of a file's bytes, 64 hexadecimal digits."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


_KNOWN: dict[tuple[int, ...], str] = {}
SETTLED = 2 * 10**9  # nanoseconds; file systems count time in steps, within which two changes look like one


def known_sha256(path: Path) -> str:
    """`file_sha256`, computed once a process for each state of a file: its device, inode, size, and the times at which
    its content and its inode changed.

    What is trusted: that a file whose state is the same holds the same. Of one that changed within the last two seconds
    that is not certain, and it is read again.
    """
    status = path.stat()
    state = (status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns, status.st_ctime_ns)
    if state in _KNOWN:
        return _KNOWN[state]
    began = time.time_ns()
    found = file_sha256(path)
    if began - max(status.st_mtime_ns, status.st_ctime_ns) > SETTLED:
        _KNOWN[state] = found
    return found
