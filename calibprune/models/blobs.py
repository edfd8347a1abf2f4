"""The files of the hub's cache, each of which is named by a checksum of what it holds."""

import hashlib
import re
from pathlib import Path

from calibprune.errors import ModelError
from calibprune.files import SETTLED, FileState, file_sha256

GIT_SHA1, SHA256 = r"[0-9a-f]{40}", r"[0-9a-f]{64}"


def check_downloaded(name: str, snapshot: Path, since: int) -> None:
    """Compare what was downloaded with its names, once; the hub's client looks at its size alone.

    Args:
        name: the model's, for the error.
        snapshot: the folder, with links to blobs.
        since: when the download began, in nanoseconds; older blobs were compared when they came.

    Raises:
        ModelError: a file is not what the hub has; it is deleted, so that it is fetched again.
    """
    for link in sorted(snapshot.rglob("*")):
        if not link.is_symlink() or not link.is_file():
            continue
        blob = link.resolve()
        if FileState.of(blob).modified < since - SETTLED or _is_whole(blob):
            continue
        link.unlink()
        blob.unlink()
        raise ModelError(
            f"model {name}: {link.name} has another checksum than the hub says, and was deleted; run it again to fetch "
            f"it again"
        )


def git_sha1(content: bytes) -> str:
    """Git's checksum of a file of that content."""
    return hashlib.sha1(b"blob %d\0" % len(content) + content, usedforsecurity=False).hexdigest()


def _is_whole(blob: Path) -> bool:
    """Whether a blob holds what its name says, as far as that is a checksum; of small files it is git's, or on some
    mirrors SHA-1 itself.
    """
    if re.fullmatch(SHA256, blob.name):
        return file_sha256(blob) == blob.name
    if re.fullmatch(GIT_SHA1, blob.name):
        content = blob.read_bytes()
        return blob.name in (git_sha1(content), hashlib.sha1(content, usedforsecurity=False).hexdigest())
    return True
