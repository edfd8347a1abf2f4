"""Turns interface messages and paragraphs into plain running text, and says when two texts are the same."""

import re
import unicodedata

# Marks for layout, of which a reader sees nothing: writing direction, zero-width space, soft hyphen, byte order.
_INVISIBLE = re.compile("[\u200b\u200e\u200f\u202a-\u202e\u2066-\u2069\u00ad\ufeff]")
_HYPHENS = re.compile("[\u2010\u2011]")
_ACCELERATOR_IN_BRACKETS = re.compile(r"\s*[(（]&\w[)）]")
# "&Open", "inco&gnito", "&&"; but not "R&D" or "this & that".
_ACCELERATOR = re.compile(r"&(?=&)|(?<![A-Z0-9&])&(?=\w)")
# Text with a slot in it or that is no text: ICU patterns, $1, %s, {name}, <b>, &lt;, addresses.
_MARKUP = re.compile(r"[<>{}|\\\ufffd]|\$\w|%[\w(@]|&#?\w+;|\[\[|\]\]|\w://")
_PRODUCTS = re.compile(r"google|chromium|chrome(?:\s*os|book)?")
_VARIATION_SELECTORS = range(0xFE00, 0xFE10)


class _Letters(dict):
    """For `str.translate`: letters, with the vowel signs and accents that belong to them, stay; all else goes."""

    def __missing__(self, point: int) -> int | None:
        letter = chr(point).isalpha() or (
            unicodedata.category(chr(point)) in ("Mn", "Mc") and point not in _VARIATION_SELECTORS
        )
        self[point] = point if letter else None
        return self[point]


_LETTERS = _Letters()


def has_markup(text: str) -> bool:
    """Whether a message has placeholders, plural or select patterns, markup or addresses in it."""
    return _MARKUP.search(text) is not None


def plain(text: str) -> str:
    """NFC text on one line, without invisible layout marks, typographic hyphen variants and keyboard accelerators."""
    text = _HYPHENS.sub("-", _INVISIBLE.sub("", unicodedata.normalize("NFC", text)))
    text = _ACCELERATOR.sub("", _ACCELERATOR_IN_BRACKETS.sub("", text))
    return " ".join(text.split())


def sameness(text: str) -> str:
    """The letters of a text alone: equal for texts that differ in case, digits, punctuation or product name only."""
    folded = _PRODUCTS.sub("", unicodedata.normalize("NFKC", text).casefold())
    return folded.translate(_LETTERS)
