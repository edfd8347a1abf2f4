"""The file system: where things are kept, locks between processes, checksums."""

import hashlib
import os
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
