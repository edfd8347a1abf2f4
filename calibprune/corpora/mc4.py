"""mC4 as the hub data set allenai/c4 has it, streamed; or a local folder laid out like it."""

import socket
import urllib.request
from collections.abc import Iterator
from functools import cache
from hashlib import sha256
from pathlib import Path
from urllib.parse import urlsplit

from calibprune.corpora.base import Source, digest
from calibprune.errors import CorpusError
from calibprune.languages import LANGUAGES

REPOSITORY = "allenai/c4"
REVISION = "1588ec454efa1a09f29cd18ddd04fe05fc8653a2"
DOCUMENTS = 10_000  # read of a language and split, from its first shards on; windows are drawn from these
# The data set's configurations "ar", "de", …, and for English "en-multi": the English part of mC4. A local
# folder may have the English C4 (configuration "en") in its place.
PATTERNS = {
    "calibration": ("multilingual/c4-{language}.*.json.gz", "{language}/c4-train.*.json.gz"),
    "validation": ("multilingual/c4-{language}-validation.*.json.gz", "{language}/c4-validation.*.json.gz"),
}


def source(folder: str = "") -> Source:
    """The data set on the hub, or with `folder` a local copy of any part of it."""

    def documents(language: str, split: str) -> Iterator[str]:
        return stream(folder, language, split)

    def fingerprint(languages: tuple[str, ...]) -> str:
        if not folder:
            return digest("mc4", REPOSITORY, REVISION, str(DOCUMENTS), *languages)
        files = [path for language in languages for split in PATTERNS for path in _present(folder, language, split)]
        return _local_fingerprint(tuple((str(path), path.stat().st_size, path.stat().st_mtime_ns) for path in files))

    return Source(tuple(LANGUAGES), documents, fingerprint)


def stream(folder: str, language: str, split: str, limit: int = DOCUMENTS) -> Iterator[str]:
    """The first `limit` documents of a language and split, one after the other, without storing them.

    Raises:
        CorpusError: the hub cannot be reached, the folder lacks the files, or a file is damaged.
    """
    if folder:
        data_files = [path.relative_to(folder).as_posix() for path in _files(folder, language, split)]
    else:
        _check_network()
        data_files = [PATTERNS[split][0].format(language=language)]
    where = f"mc4 ({folder or REPOSITORY}, {language}, {split})"
    from datasets import load_dataset  # slow to import, and needed for this source alone

    try:
        rows = load_dataset(
            folder or REPOSITORY,
            data_files={split: data_files},
            split=split,
            streaming=True,
            revision=None if folder else REVISION,
        )
        for row in rows.take(limit):
            if text := row["text"].strip():
                yield text
    except Exception as failure:  # whatever the network, the hub or a damaged file makes the library raise
        reason = " ".join(str(failure).split())[:200] or type(failure).__name__
        raise CorpusError(
            f"{where}: cannot be read ({type(failure).__name__}: {reason}): check the network and the files"
        ) from failure


def _files(folder: str, language: str, split: str) -> list[Path]:
    if found := _present(folder, language, split):
        return found
    wanted = PATTERNS[split][0].format(language=language)
    raise CorpusError(f"mc4: {folder} has no {wanted}: download the {split} files of {language}")


def _present(folder: str, language: str, split: str) -> list[Path]:
    if not Path(folder).is_dir():
        raise CorpusError(f"mc4: there is no folder {folder}: give one with multilingual/c4-{language}.*.json.gz")
    found = (sorted(Path(folder).glob(pattern.format(language=language))) for pattern in PATTERNS[split])
    return next(filter(None, found), [])


def _check_network() -> None:
    """Says at once that the hub is out of reach, where the library would try for half a minute."""
    from huggingface_hub.constants import ENDPOINT

    if urllib.request.getproxies():
        return
    address = urlsplit(ENDPOINT)
    try:
        socket.create_connection((address.hostname, address.port or 443), timeout=10).close()
    except OSError:
        raise CorpusError(
            f"mc4: {address.hostname} cannot be reached: check the network, or give a local copy as mc4:FOLDER"
        ) from None


@cache
def _local_fingerprint(files: tuple[tuple[str, int, int], ...]) -> str:
    """Names, sizes and first mebibytes: shards may be hundreds of gigabytes together."""
    parts = []
    for path, size, _ in files:
        with open(path, "rb") as file:
            parts += [Path(path).name, str(size), sha256(file.read(1 << 20)).hexdigest()]
    return digest("mc4", str(DOCUMENTS), *parts)
