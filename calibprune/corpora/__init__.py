"""Text by language and split: `chromium`, `udhr`, `mc4`, `mc4:FOLDER`, `belebele`, `belebele:FOLDER` and `file:PATH`.

A source is named by a string. Every source has the splits "calibration" and "validation", which never share a
text, and in parallel sources never a translation of one either.
"""

from collections.abc import Iterator

import pandas as pd

from calibprune.corpora import belebele, chromium, files, mc4, udhr
from calibprune.corpora.base import SPLITS, Source
from calibprune.corpora.udhr import fetch_udhr
from calibprune.errors import ParameterError, one_of

KNOWN = ("chromium", "udhr", "mc4", "mc4:FOLDER", "belebele", "belebele:FOLDER", "file:PATH")


def find_source(source: str) -> Source:
    """The source of that name.

    Raises:
        ParameterError: there is none.
        CorpusError: it is `file:` and no file fits the path.
    """
    kind, colon, where = source.partition(":")
    if kind == "file" and colon:
        return files.source(where)
    if kind == "mc4" and (where or not colon):
        return mc4.source(where)
    if kind == "belebele" and (where or not colon):
        return belebele.source(where)
    if source == "chromium":
        return chromium.source()
    if source == "udhr":
        return udhr.source()
    raise ParameterError(one_of("text source", source, KNOWN))


def documents(source: str, language: str, split: str = "calibration") -> Iterator[str]:
    """The texts of a source, one after the other, in their fixed order; mC4 is read only as far as asked.

    Raises:
        ParameterError: unknown source, language or split.
        CorpusError: the text cannot be found, fetched or read.
    """
    found = find_source(source)
    if language not in found.languages:
        raise ParameterError(one_of(f"language of {source}", language, found.languages))
    if split not in SPLITS:
        raise ParameterError(one_of("split", split, SPLITS))
    return iter(found.documents(language, split))


def corpus(source: str, language: str, split: str = "calibration") -> list[str]:
    """The texts of a source as a list; of mC4 the first 10,000 documents. Errors as in `documents`."""
    return list(documents(source, language, split))


def fingerprint(source: str, languages: list[str] | None = None) -> str:
    """A hash of what the text is, for the record's configuration: other text, another fingerprint.

    Args:
        languages: those that matter; by default all that the source has.

    Raises: as `documents`.
    """
    found = find_source(source)
    for language in languages or ():
        if language not in found.languages:
            raise ParameterError(one_of(f"language of {source}", language, found.languages))
    return found.fingerprint(tuple(languages or found.languages))


def summary(source: str) -> pd.DataFrame:
    """How much text there is: one row per language and split, with `language, split, texts, characters`."""
    rows = []
    for language in find_source(source).languages:
        for split in SPLITS:
            texts = corpus(source, language, split)
            rows.append((language, split, len(texts), sum(map(len, texts))))
    return pd.DataFrame(rows, columns=["language", "split", "texts", "characters"])


__all__ = [
    "KNOWN",
    "SPLITS",
    "Source",
    "corpus",
    "documents",
    "fetch_udhr",
    "find_source",
    "fingerprint",
    "summary",
]
