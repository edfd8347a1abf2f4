"""What every source of text offers, and the hashes that name text."""

from collections.abc import Callable, Collection, Iterable
from hashlib import sha256
from typing import NamedTuple

SPLITS = ("calibration", "validation")


class Source(NamedTuple):
    """One source of text.

    `documents(language, split)` yields the texts in a fixed order. `fingerprint(languages)` names the
    text by a hash that changes when the text does. `languages` are those that the source has and lists; `further()`
    gives the codes of others, found when one of them is asked for. `one_for_all` is true where any language has the
    same text, so that several of them cannot be compared; then `languages` is empty. `own_name(language)` is what the
    source itself calls a language: codes of one name have one text.
    """

    languages: tuple[str, ...]
    documents: Callable[[str, str], Iterable[str]]
    fingerprint: Callable[[tuple[str, ...]], str]
    one_for_all: bool = False
    further: Callable[[], Collection[str]] = tuple
    own_name: Callable[[str], str] = str


def digest(*parts: str) -> str:
    """Hexadecimal SHA-256 of the parts; ("ab", "c") and ("a", "bc") differ."""
    state = sha256()
    for part in parts:
        data = part.encode("utf-8", "surrogatepass")
        state.update(len(data).to_bytes(8, "big") + data)
    return state.hexdigest()


def one_in_five(name: str) -> bool:
    """True for about a fifth of all names, always the same ones: those whose text is for validation."""
    return int(digest("split", name)[:8], 16) % 5 == 0
