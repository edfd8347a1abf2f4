"""An archive that is read like a folder: a zip or tar file is unpacked once into the user cache, under its checksum.

An archive may come from a stranger. Files alone are unpacked; a name that leaves the folder, a link or a device refuses
the whole archive, and sizes are compared with the free disk before they are believed.
"""

import logging
import lzma
import shutil
import tarfile
import zipfile
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path, PurePosixPath
from typing import BinaryIO, NamedTuple

from calibprune.errors import StoreError, quoted
from calibprune.files import cache_dir, held, known_sha256, whole_folder

DAMAGE = ".damage.txt"
"""Holds, in the folder of an archive that was cut short or damaged, what could not be read."""
FREE = 0.9
"""The share of the free disk that an archive may fill."""
MOST_FILES = 1_000_000
CHUNK = 2**20  # bytes
LONGEST_NAME = 2**16  # bytes of a tar file's member that holds a name or attributes, which is read whole

UNREADABLE = (tarfile.TarError, zipfile.BadZipFile, zlib.error, lzma.LZMAError, EOFError, NotImplementedError)
"""What the libraries raise for an archive that is damaged, or packed in a way that they do not know."""

log = logging.getLogger(__name__)


class _Header(tarfile.TarInfo):
    """A header of a tar file. One that claims a name or attributes that are longer than any is not believed."""

    @classmethod
    def frombuf(cls, *arguments):
        found = super().frombuf(*arguments)
        if not found.isreg() and found.size > LONGEST_NAME:
            raise tarfile.ReadError(f"a header claims {found.size:,} bytes")
        return found


class _Member(NamedTuple):
    name: str
    size: int
    open: Callable[[], BinaryIO]


def unpacked(archive: Path, name: str) -> Path:
    """The folder, in the user cache, with what an archive holds: the one in which `cells/` is.

    What can be read of an archive that was cut short or damaged is there; that it was is said in a line each time.

    Args:
        name: what errors call the archive.

    Raises:
        StoreError: it is no zip or tar file, holds no cells, or holds what is refused; the cache cannot be written.
        OSError: the archive cannot be read.
    """
    target = cache_dir() / "shelves" / known_sha256(archive)[:32]
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        with held(target.parent / f"{target.name}.lock"):  # of two processes the second finds it unpacked
            if not target.is_dir():
                with whole_folder(target) as scratch:
                    _unpack(archive, name, scratch)
    except OSError as error:
        raise StoreError(
            f"shelf {name}: cannot be unpacked to {target} ({error.strerror or error}); make room or allow it, or give "
            f"the unpacked folder"
        ) from None
    if (target / DAMAGE).is_file():
        log.warning("shelf %s: %s; copy it again", name, (target / DAMAGE).read_text(encoding="utf-8"))
    below = [target, *sorted(path for path in target.iterdir() if path.is_dir())]
    root = next((folder for folder in below if (folder / "cells").is_dir()), None)
    if root is None:
        raise StoreError(
            f"shelf {name}: the archive holds no folder cells/; name the archive of a shelf, or leave it out"
        )
    return root


def _unpack(archive: Path, name: str, folder: Path) -> None:
    most, filled, number, problem = shutil.disk_usage(folder).free * FREE, 0, 0, ""
    members = _members(archive, name)
    while True:
        try:
            member = next(members, None)
        except UNREADABLE as error:
            problem = problem or f"cut short or damaged after {number} files ({_reason(error)})"
            break
        if member is None:
            break
        number, filled = number + 1, filled + member.size
        if filled > most or number > MOST_FILES:
            raise StoreError(
                f"shelf {name}: claims to hold {filled:,} bytes in {number:,} files, for which there is no room; "
                f"refused"
            )
        target = folder / _safe(member.name, name)
        target.parent.mkdir(parents=True, exist_ok=True)
        if target.exists():
            raise StoreError(f"shelf {name}: holds {quoted(member.name)} twice; refused")
        try:
            with member.open() as source, target.open("xb") as file:
                _copy(source, file, member)
        except UNREADABLE as error:
            target.unlink(missing_ok=True)
            problem = problem or f"{member.name} is damaged or cut short ({_reason(error)})"
    if problem:
        (folder / DAMAGE).write_text(problem, encoding="utf-8")


def _members(archive: Path, name: str) -> Iterator[_Member]:
    """The files of an archive in their order, each of which is to be read before the next is asked for. Raises
    StoreError for what is no archive, or holds other things than files and folders.
    """
    if zipfile.is_zipfile(archive):
        with zipfile.ZipFile(archive) as packed:
            for info in packed.infolist():
                kind = info.external_attr >> 28  # of the mode that a Unix program keeps: 4 a folder, 8 a file, else 0
                if kind not in (0, 4, 8) or info.flag_bits & 1:
                    raise _refused(name, info.filename, "a link, a device or an encrypted file")
                if not info.is_dir():
                    yield _Member(info.filename, info.file_size, lambda info=info: packed.open(info))
        return
    try:
        opened = tarfile.open(archive, tarinfo=_Header)  # noqa: SIM115 - closed below
    except UNREADABLE:
        raise StoreError(
            f"shelf {name}: is no zip or tar file, or was cut short; copy it again, or leave it out"
        ) from None
    with opened as packed:
        for info in packed:
            if info.isfile() and not info.issparse():
                yield _Member(info.name, info.size, lambda info=info: packed.extractfile(info))
            elif not info.isdir():
                raise _refused(name, info.name, "a link or a device")


def _safe(member: str, name: str) -> PurePosixPath:
    """A member's path below the archive. Raises StoreError where it leaves the folder that it is unpacked to."""
    path = PurePosixPath(member)
    if path.is_absolute() or ".." in path.parts or "\\" in member or "\0" in member or not path.parts:
        raise _refused(name, member, "a path that leaves the folder")
    return path


def _copy(source: BinaryIO, file: BinaryIO, member: _Member) -> None:
    """Raises EOFError for fewer bytes than the archive says."""
    left = member.size
    while left:
        data = source.read(min(CHUNK, left))
        if not data:
            raise EOFError("it ends early")
        file.write(data)
        left -= len(data)
    source.read(1)  # at its end the checksum of a zip's member is compared


def _refused(name: str, member: str, what: str) -> StoreError:
    return StoreError(f"shelf {name}: holds {quoted(member)}, {what}; refused, and nothing of it was unpacked")


def _reason(error: Exception) -> str:
    return " ".join(str(error).split())[:120] or type(error).__name__
