"""Locks between processes; one ends with its block, or with its process however that ends."""

import fcntl
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def held(path: Path, wait: bool = True) -> Iterator[bool]:
    """Hold the lock file `path`, which is created; yields whether it is held, which without `wait` another process may prevent.

    Raises:
        OSError: the file cannot be created.
    """
    with path.open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
        except BlockingIOError:
            yield False
            return
        yield True
