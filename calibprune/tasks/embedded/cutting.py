"""Cuts a text in two near a given place, inside a sentence, in languages with and without spaces."""

import re
from collections import Counter
from collections.abc import Callable, Iterable

# The end of a sentence or clause, after which the second half would begin with a capital and give itself away.
_END = ".!?:;؟؛。！？：；…।።"
_AT_SPACE = re.compile(rf"(?<=[^\s{_END}]) (?=\w)")
_IN_CHINESE = re.compile(r"(?<=[\u4e00-\u9fff,，、])(?=[\u4e00-\u9fff])")


def cut(
    text: str, language: str, bond: Callable[[str], float], share: float = 0.5, near: float = 0.2
) -> tuple[str, str] | None:
    """(beginning, ending), to be joined by `wording.joint(language)`; None where the text has no place to cut.

    The place is the space nearest to that share of the text, but none that follows the end of a sentence or clause.
    Chinese does not separate words: there it is, among the places near enough, the one where two characters, or a comma
    and a character, have the least to do with each other, so that words stay whole. No ending starts with a space or a
    mark, and in Chinese none with a Latin letter.

    Args:
        bond: how closely two Chinese characters belong together, see `bonds`.
        share: 0 to 1, how much of the text the beginning is to have.
        near: how far from there a Chinese text may be cut, as a share of its length.
    """
    spots = [match.start() for match in (_IN_CHINESE if language == "zh" else _AT_SPACE).finditer(text)]
    if language == "zh":
        spots = [at for at in spots if abs(at / len(text) - share) <= near]
    if not spots:
        return None
    spot = min(
        spots,
        key=lambda at: (bond(text[at - 1 : at + 1]) if language == "zh" else 0.0, abs(at - share * len(text)), at),
    )
    return text[:spot], text[spot:].lstrip()


def ends_sentence(text: str) -> bool:
    """Whether the text ends with a full stop, a question mark or an exclamation mark."""
    return text.rstrip("\"'”»)）").endswith(tuple(".!?؟。！？।።"))


def bonds(texts: Iterable[str]) -> Callable[[str], float]:
    """How often two neighbouring characters stand together in the texts, squared, over how often each occurs: 0 to 1,
    high inside words.
    """
    alone, together = Counter(), Counter()
    for text in texts:
        alone.update(text)
        together.update(text[k : k + 2] for k in range(len(text) - 1))
    return lambda pair: together[pair] ** 2 / (alone[pair[0]] * alone[pair[1]]) if together[pair] else 0.0
