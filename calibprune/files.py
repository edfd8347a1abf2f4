"""The file system: what a path stands for, what is written whole or not at all, locks between processes, checksums."""

import hashlib
import os
import secrets
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TextIO

from filelock import FileLock, Timeout

from calibprune.errors import CalibpruneError, ParameterError


def expanded(path: str | Path, error: type[CalibpruneError] = ParameterError) -> Path:
    """A path with the home folder that `~` or `~user` at its beginning stands for; without such a user that is a name
    like any other, if something has it.

    Raises:
        error: there is no such user, home folder or name, or a zero byte, which no path has.
    """
    given = os.fspath(path)
    if "\0" in given:
        raise error(f"{given!r} holds a zero byte, which no path has; correct it")
    found = os.path.expanduser(given)
    home = found.partition("/")[0]
    if found.startswith("~") and not os.path.lexists(home):
        raise error(f"{given}: the home folder that {home} stands for is not known here; write the path in full")
    return Path(found)


def cache_dir() -> Path:
    """The user cache: converted models and fetched text.

    `CALIBPRUNE_CACHE` if set, else `calibprune` below `XDG_CACHE_HOME` or `~/.cache`. Not created here.

    Raises:
        ParameterError: there is no home folder.
    """
    if explicit := os.environ.get("CALIBPRUNE_CACHE"):
        return expanded(explicit)
    return expanded(os.environ.get("XDG_CACHE_HOME") or "~/.cache") / "calibprune"


def results_folder(path: str | Path) -> Path:
    """Where the results are that a study's `store` names, whichever folder a command or a notebook is started in.

    A relative path is taken from the top of the checkout of this repository that the current folder is in, and outside
    of a checkout from the current folder.

    Raises:
        ParameterError: as `expanded`.
    """
    given, here = expanded(path), Path.cwd()
    checkouts = (folder for folder in (here, *here.parents) if _is_checkout(folder))
    return next(checkouts, here) / given


def _is_checkout(folder: Path) -> bool:
    return all((folder / name).is_dir() for name in ("calibprune", "notebooks", "params"))


@contextmanager
def whole_folder(folder: Path, scratch: str = ".calibprune.") -> Iterator[Path]:
    """A scratch folder to write into; its content is found at `folder` when the block ends, and nowhere if it fails.

    A new `folder` appears in one step. One that is there must be empty. It stays, with its owner and its rights, and
    what was written is moved into it, so that it may be a mount point, a link, or the current folder. All files have
    the rights that the umask leaves, whatever the library gave them that wrote them.

    Args:
        scratch: how the name of the scratch folder begins; it stands beside the new folder, or in the one that is
            there.

    Raises:
        OSError: something cannot be written.
    """
    filled = folder.is_dir()
    aside = (folder if filled else folder.parent) / f"{scratch}{secrets.token_hex(4)}"
    aside.mkdir()
    moved = []
    try:
        yield aside
        follow_umask(aside)
        if filled:
            for entry in sorted(aside.iterdir()):
                os.replace(entry, folder / entry.name)
                moved.append(folder / entry.name)
            aside.rmdir()
        else:
            os.replace(aside, folder)
    except BaseException:
        for entry in (aside, *moved):
            shutil.rmtree(entry, ignore_errors=True) if entry.is_dir() else entry.unlink(missing_ok=True)
        raise


def follow_umask(folder: Path) -> None:
    """Give everything in a new folder the rights that the umask leaves, as the folder itself has them.

    Libraries that write beside a file and rename (safetensors, for one) make it for its owner alone.
    """
    rights = folder.stat().st_mode & 0o777
    for path in folder.rglob("*"):
        mode = path.stat().st_mode
        wanted = mode & ~0o777 | rights & (0o777 if path.is_dir() else 0o666)
        if mode != wanted:
            with suppress(OSError):  # a file system that keeps no rights
                path.chmod(wanted)


@contextmanager
def whole_file(path: Path) -> Iterator[TextIO]:
    """A UTF-8 text file to write into, which is at `path` when the block ends, and nowhere if it fails.

    Raises:
        OSError: it cannot be written.
    """
    aside = path.with_name(f".calibprune.{secrets.token_hex(4)}")
    try:
        with aside.open("x", encoding="utf-8") as file:
            yield file
        os.replace(aside, path)
    except BaseException:
        aside.unlink(missing_ok=True)
        raise


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
