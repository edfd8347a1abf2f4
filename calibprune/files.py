"""The file system: what a path stands for, what is written whole or not at all, locks between processes, checksums."""

import errno
import hashlib
import os
import secrets
import shutil
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple, TextIO

from filelock import FileLock, LeaseSettingsMismatch, SoftFileLease, Timeout

from calibprune.errors import CalibpruneError, ParameterError, quoted

if TYPE_CHECKING:
    import pyarrow


def expanded(path: str | Path, error: type[CalibpruneError] = ParameterError) -> Path:
    """A path with the home folder that `~` or `~user` at its beginning stands for; without such a user that is a name
    like any other, if something has it.

    Raises:
        error: there is no such user, home folder or name, or a path that nothing can have: too long, with a zero byte,
        or with half of a surrogate pair.
    """
    given = os.fspath(path)
    if "\0" in given:
        raise error(f"{quoted(given)} holds a zero byte, which no path has; correct it")
    try:
        os.fsencode(given)
    except UnicodeEncodeError:
        raise error(f"{quoted(given)} holds half of a character, which no path has; correct it") from None
    found = os.path.expanduser(given)
    home = found.partition("/")[0]
    if found.startswith("~") and not os.path.lexists(home):
        raise error(f"{given}: the home folder that {home} stands for is not known here; write the path in full")
    try:
        os.lstat(found)
    except OSError as failure:
        if failure.errno == errno.ENAMETOOLONG:
            raise error(f"{given}: {failure.strerror}; correct it") from None
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


PUBLISHED = "book/results/published"
"""The results that come with the book, as a study's `shelves` names them. A checkout may be without them."""


def results_folder(path: str | Path) -> Path:
    """Where the results are that a study's `store` or `shelves` names, whichever folder a command or a notebook is
    started in.

    A relative path is taken from the top of the checkout of this repository that the current folder is in, and outside
    of a checkout from the current folder.

    Raises:
        ParameterError: as `expanded`, or the current folder was taken away.
    """
    given = expanded(path)
    try:
        here = Path.cwd()
    except FileNotFoundError:
        raise ParameterError(f"{given}: the current folder is not there any more; change to another") from None
    checkouts = (folder for folder in (here, *here.parents) if _is_checkout(folder))
    return next(checkouts, here) / given


def _is_checkout(folder: Path) -> bool:
    return all((folder / name).is_dir() for name in ("calibprune", "notebooks", "params"))


SCRATCH = ".calibprune."
"""How the names begin of what is being written."""
LONGEST_NAME = 64
"""Characters of the longest path of a file below the folder that it is written to, and some more."""


def check_names_fit(folder: Path) -> None:
    """Raises OSError where the files that a folder is to hold, which may not be there yet, would have paths longer than
    the system takes.
    """
    with suppress(FileNotFoundError, NotADirectoryError):
        (folder / ("x" * LONGEST_NAME)).lstat()


@contextmanager
def whole_folder(folder: Path, scratch: str = SCRATCH) -> Iterator[Path]:
    """A scratch folder to write into; its content is found at `folder` when the block ends, and nowhere if it fails.

    A new `folder` appears in one step. One that is there must be empty. It stays, with its owner and its rights, and
    what was written is moved into it, so that it may be a mount point, a link, or the current folder. All files have
    the rights that the umask leaves, whatever the library gave them that wrote them.

    Of several programs that write to one folder, the first to end has it to itself.

    Args:
        scratch: how the name of the scratch folder begins; it stands beside the new folder, or in the one that is
            there.

    Raises:
        OSError: something cannot be written; FileExistsError where another program was first.
    """
    filled = folder.is_dir()
    aside = (folder if filled else folder.parent) / f"{scratch}{secrets.token_hex(4)}"
    aside.mkdir(parents=True)  # what was there a moment ago, another program may have made and taken away
    try:
        yield aside
        follow_umask(aside)
        put_in_place(aside, folder, filled)
    finally:
        shutil.rmtree(aside, ignore_errors=True)


def put_in_place(aside: Path, folder: Path, filled: bool) -> None:
    """Let `folder` hold what `aside` on the same file system holds, as `whole_folder` does.

    Args:
        filled: whether the folder is there and empty, and stays; else it is new.

    Raises:
        OSError: as `whole_folder`.
    """
    try:
        _fill(folder, aside) if filled else os.replace(aside, folder)
    except OSError as error:
        if error.errno == errno.ENOTEMPTY:  # what `os.replace` says of a folder that holds something
            raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), str(folder)) from None
        raise


def sync(path: Path) -> None:
    """Wait until a file's content, or a folder's names, are on the disk.

    Raises:
        OSError: they cannot be written.
    """
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _fill(folder: Path, aside: Path) -> None:
    """Move everything from `aside` into `folder`, or nothing; what is there is not overwritten."""
    claim = folder / f"{SCRATCH}moving"
    claim.mkdir()  # fails where another program has it
    moved: list[Path] = []
    try:
        entries = sorted(aside.iterdir())
        for target in (folder / entry.name for entry in entries):
            if os.path.lexists(target):
                raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), str(target))
        for entry in entries:
            moved.append(folder / entry.name)
            os.replace(entry, moved[-1])
    except BaseException:
        for entry in moved:
            shutil.rmtree(entry, ignore_errors=True) if entry.is_dir() else entry.unlink(missing_ok=True)
        raise
    finally:
        claim.rmdir()


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


LEASE = 120.0
"""Seconds without a sign of life after which the lock of a process on another machine is taken to be left behind."""
NO_FLOCK = {errno.ENOSYS, errno.ENOLCK, errno.EOPNOTSUPP, errno.ENOTSUP}
"""What a file system answers that has no flock."""


@contextmanager
def held(path: Path, wait: bool = True) -> Iterator[bool]:
    """Hold the lock file `path`, which is created; yields whether it is held, which without `wait` another process may
    prevent.

    A lock ends with its block, or with its process however that ends, which on another machine may be noticed only
    after `LEASE` seconds.

    It is two locks in one. flock is exact and ends at once with its process, but a file system that several machines
    share may have none, or grant it once on each machine. So there is a lease beside it: a file that one process alone
    can create, and that it touches for as long as it lives.

    Raises:
        OSError: a file cannot be created, or another version of this package holds the lock.
    """
    timeout = -1 if wait else 0
    # without filelock's own substitute for flock, which would wait for ever for a process that died on another machine
    flock = FileLock(path, timeout, fallback_to_soft=False)
    lease = SoftFileLease(path.with_name(f"{path.name}.lease"), timeout=timeout, lease_duration=LEASE)
    with ExitStack() as locks:
        try:
            _flock_if_there_is_one(flock, locks)
            locks.enter_context(lease)
        except Timeout:
            mine = False
        except LeaseSettingsMismatch:
            raise OSError(errno.EBUSY, "another version of this package uses it", str(path)) from None
        else:
            mine = True
        yield mine


def _flock_if_there_is_one(flock: FileLock, locks: ExitStack) -> None:
    try:
        locks.enter_context(flock)
    except OSError as error:
        if error.errno not in NO_FLOCK:  # Timeout is an OSError without a number
            raise


def file_sha256(path: Path) -> str:
    """The SHA-256 of a file's bytes, 64 hexadecimal digits."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def nbytes_of_text(column: "pyarrow.Array | pyarrow.ChunkedArray") -> int:
    """Bytes of an Arrow column once each of its texts is written out. A file that holds a long text once and names it
    many times is small, and so is the column as a dictionary.
    """
    import pyarrow
    from pyarrow import compute, types

    if isinstance(column, pyarrow.ChunkedArray):
        return sum(map(nbytes_of_text, column.chunks))
    kinds = (types.is_string, types.is_large_string, types.is_binary, types.is_large_binary)
    if not types.is_dictionary(column.type) or not any(kind(column.type.value_type) for kind in kinds):
        return column.nbytes
    lengths = compute.cast(compute.binary_length(column.dictionary), pyarrow.int64())
    return compute.sum(compute.take(lengths, column.indices)).as_py() or 0


SETTLED = 2 * 10**9
"""Nanoseconds; file systems count time in steps, the coarsest of two seconds, within which two changes look like one.
"""


class FileState(NamedTuple):
    """What changes when a file does: its device, inode and size, and the times at which its content and its inode
    changed, in nanoseconds.
    """

    device: int
    inode: int
    size: int
    modified: int
    changed: int

    @classmethod
    def of(cls, path: Path) -> "FileState":
        """Raises OSError where there is no such file."""
        status = path.stat()
        return cls(status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns, status.st_ctime_ns)

    def settled(self) -> bool:
        """Whether a change from now on would give the file another state. That is not certain of one that changed
        within the last two seconds: of such a file the content has to be read again.
        """
        return time.time_ns() - max(self.modified, self.changed) > SETTLED


_KNOWN: dict[FileState, str] = {}


def known_sha256(path: Path) -> str:
    """`file_sha256`, computed once a process for each state of the file.

    What is trusted: that a file of the same state, once it has settled, holds the same.
    """
    state = FileState.of(path)
    if state in _KNOWN:
        return _KNOWN[state]
    settled = state.settled()  # asked before the file is read
    found = file_sha256(path)
    if settled:
        _KNOWN[state] = found
    return found
