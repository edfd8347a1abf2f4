"""Which weights and which tokenizer stand behind a model's name, as a text that changes when they do."""

import hashlib
import os
import re
from os import PathLike
from pathlib import Path

from calibprune.files import FileState, known_sha256
from calibprune.models.blobs import GIT_SHA1, SHA256, git_sha1
from calibprune.models.loading import locate
from calibprune.models.packaged import PACKAGED
from calibprune.models.soundness import listed

BESIDE = ("*.json", "*.model", "*.txt", "*.jinja", "*.tiktoken", "additional_chat_templates/*.jinja")
"""What is read beside the weights: configuration, tokenizer, chat templates, generation settings."""
WEIGHTS = ("*.safetensors",)


def fingerprint(name: str | PathLike) -> str:
    """What decides a model's numbers: the packaged file's checksum, the hub's commit, or a hash of the local files,
    which are the weights, the configuration, the tokenizer, its chat templates and the generation settings.

    It is found anew at each call, since files may change while a program runs; that is cheap, because a file is hashed
    once for each state of it (`files.known_sha256`).

    What is trusted: of a packaged checkpoint, that its copy in the cache is the one that `locate` verifies before each
    use. Of the hub's cache, that a blob whose file was not touched since its link was made holds what its name, a
    checksum, says; of small files, which an editor may have written through the link, that is looked up.

    Raises:
        ModelError: as `calibprune.load`.
    """
    if name in PACKAGED:
        return f"gguf-sha256:{PACKAGED[name].sha256}"
    found = locate(name)
    folder, weights = (found.parent, [found]) if found.is_file() else (found, _weights(found))
    files = sorted({*weights, *_matching(folder, BESIDE)})
    digest = hashlib.sha256()
    if commit := _hub_commit(folder, files):
        for file in files:  # a link that was set to another blob, or taken away, is seen by the blob's name
            digest.update(f"{file.relative_to(folder)}:{file.readlink().name};".encode())
        return f"hub-commit:{commit}:{digest.hexdigest()[:16]}" + (f":{found.name}" if found.is_file() else "")
    for file in files:
        digest.update(f"{file.relative_to(folder)}:{known_sha256(file)};".encode())
    return f"files-sha256:{digest.hexdigest()}"


def _weights(folder: Path) -> list[Path]:
    """The files with a folder's weights, also those in folders below it that its index names."""
    named = [folder / name for name in listed(folder)]
    return [*_matching(folder, WEIGHTS), *(file for file in named if file.is_file())]


def _matching(folder: Path, patterns: tuple[str, ...]) -> list[Path]:
    return [file for pattern in patterns for file in folder.glob(pattern) if file.is_file()]


def _hub_commit(folder: Path, files: list[Path]) -> str | None:
    """The commit whose snapshot in the hub's cache the folder is (`models--ORG--NAME/snapshots/COMMIT`, every file a
    link to a blob of that model); None where it is something else, or was changed.
    """
    real = folder.resolve()
    repository = real.parent.parent
    if real.parent.name != "snapshots" or not repository.name.startswith("models--"):
        return None
    if not re.fullmatch(GIT_SHA1, real.name):
        return None
    here = [real / file.relative_to(folder) for file in files]
    return real.name if all(_is_the_hubs(file, repository / "blobs") for file in here) else None


def _is_the_hubs(file: Path, blobs: Path) -> bool:
    """Whether a file of a snapshot is a link to a blob that holds what was downloaded.

    The hub names small files by git's checksum and large ones by SHA-256, and links a blob after writing it.
    """
    if not file.is_symlink():
        return False
    blob = Path(os.path.normpath(file.parent / file.readlink()))
    if blob.parent != blobs:
        return False
    if re.fullmatch(GIT_SHA1, blob.name):
        return git_sha1(blob.read_bytes()) == blob.name
    state = FileState.of(blob)
    if max(state.modified, state.changed) <= file.lstat().st_ctime_ns:
        return True
    return bool(re.fullmatch(SHA256, blob.name)) and known_sha256(blob) == blob.name
