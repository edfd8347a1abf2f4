"""`continuation_<lang>`: which of four endings does this interface message have? In the form of HellaSwag (Zellers et
al. 2019).

From the validation messages of Chromium, but none that quotes a calibration message. The distractors are the endings of
three other messages, the same ones in every language: of similar length in all of them, and like the right one with or
without a full stop at the end.

What the questions are is decided in the paper's seven languages: a further language changes nothing for them, and has
those questions that hold in it too.
"""

from functools import cache
from itertools import combinations
from typing import NamedTuple

import numpy as np

from calibprune.corpora import chromium
from calibprune.corpora.cleaning import sameness
from calibprune.corpora.near import families
from calibprune.languages import PAPER_LANGUAGES
from calibprune.tasks.embedded.arrange import gold_positions, shuffled, with_gold
from calibprune.tasks.embedded.cutting import bonds, cut, ends_sentence
from calibprune.tasks.embedded.lengths import similar
from calibprune.tasks.embedded.wording import WORDING, spaced

NEAREST = 12  # of so many messages with endings of about the same length, three are taken
LONGEST_RATIO = 2.0  # of the lengths of two endings, in any language
SHORTEST = {"zh": 5}  # characters of an ending: below it stand single words
SHORTEST_ELSEWHERE = 10


class Question(NamedTuple):
    """The ids of the message and of those whose endings are the choices; the message itself is at position `gold`."""

    message: int
    choices: tuple[int, ...]
    gold: int


def languages() -> tuple[str, ...]:
    """The languages with a row of wording in which messages can be cut: those that separate words, and Chinese."""
    return tuple(code for code in WORDING if spaced(code) or code == "zh")


def items(language: str) -> list[dict]:
    """The items in one language: `id`, `context`, `choices` (four), `gold` (0 to 3). A language beside the paper's
    seven has those questions that hold in it.
    """
    halves = _cut_in(language)
    return [
        {
            "id": str(question.message),
            "context": halves[question.message][0],
            "choices": [halves[choice][1] for choice in question.choices],
            "gold": question.gold,
        }
        for question in questions()
        if _holds(question, halves)
    ]


@cache
def questions() -> tuple[Question, ...]:
    """The questions, which are the same in each of the seven languages, in a fixed order that looks random."""
    halves = _cut_messages()
    ids, english = list(halves), chromium.messages(("en",))
    family = dict(zip(ids, families([english[i][0]["en"] for i in ids]), strict=True))
    endings = [{language: pair[1] for language, pair in halves[i].items()} for i in ids]
    ends = {i: [ends_sentence(text) for text in texts.values()] for i, texts in zip(ids, endings, strict=True)}
    apart = similar(endings)
    chosen = {}
    for row, i in enumerate(ids):
        nearest = (
            ids[column]
            for column in np.argsort(apart[row], kind="stable").tolist()
            if apart[row, column] <= np.log(LONGEST_RATIO)
        )
        # a distractor is another text in every language, which also ends, or does not end, a sentence
        fit = [j for j in nearest if family[j] != family[i] and ends[j] == ends[i] and not _alike(halves[i], halves[j])]
        chosen[i] = _three_different(shuffled(map(str, fit[:NEAREST]), f"continuation {i}"))
    order = [int(name) for name in shuffled((str(i) for i, three in chosen.items() if len(three) == 3), "continuation")]
    positions = gold_positions(len(order), "continuation")
    return tuple(Question(i, tuple(with_gold(chosen[i], i, at)), at) for i, at in zip(order, positions, strict=True))


def _holds(question: Question, halves: dict[int, tuple[str, str]]) -> bool:
    """Whether the four endings can stand side by side in a language, as they do in the seven: there, of similar length,
    all with or all without a full stop, and none within another.
    """
    if not halves.keys() >= set(question.choices):
        return False
    endings = [halves[choice][1] for choice in question.choices]
    right = len(halves[question.message][1])
    return (
        len({ends_sentence(ending) for ending in endings}) == 1
        and all(max(right, len(ending)) <= LONGEST_RATIO * min(right, len(ending)) for ending in endings)
        and not any(_contained(a, b) for a, b in combinations(endings, 2))
    )


@cache
def _cut_messages() -> dict[int, dict[str, tuple[str, str]]]:
    """Message id -> (beginning, ending) by language; only messages that can be cut in all seven languages."""
    halves = {language: _cut_in(language) for language in PAPER_LANGUAGES}
    ids = (i for i in halves["en"] if all(i in pairs for pairs in halves.values()))
    return {i: {language: pairs[i] for language, pairs in halves.items()} for i in ids}


@cache
def _cut_in(language: str) -> dict[int, tuple[str, str]]:
    """Message id -> (beginning, ending) in one language, of the validation messages that can be cut there."""
    messages = {i: (texts[language], held_out) for i, (texts, held_out) in chromium.messages((language,)).items()}
    # counts of characters, from which no text can be told; not used where spaces separate words
    bond = bonds(() if spaced(language) else (text for text, _ in messages.values()))
    quoting, found = _quoting(messages), {}
    for i, (text, held_out) in messages.items():
        pair = cut(text, language, bond) if held_out and i not in quoting else None
        if pair and len(pair[1]) >= SHORTEST.get(language, SHORTEST_ELSEWHERE):
            found[i] = pair
    return found


def _quoting(messages: dict[int, tuple[str, bool]]) -> set[int]:
    """The validation messages of which one contains a calibration message or is contained in one."""
    texts = {i: (sameness(text), held_out) for i, (text, held_out) in messages.items()}
    sides = {side: "\n".join(text for text, held_out in texts.values() if held_out == side) for side in (True, False)}
    found = {i for i, (text, held_out) in texts.items() if held_out and text in sides[False]}
    for quoted in [text for text, held_out in texts.values() if not held_out and text in sides[True]]:
        found |= {i for i, (text, held_out) in texts.items() if held_out and quoted in text}
    return found


def _alike(a: dict[str, tuple[str, str]], b: dict[str, tuple[str, str]]) -> bool:
    """Whether in some language the ending of one contains that of the other."""
    return any(_contained(a[language][1], b[language][1]) for language in PAPER_LANGUAGES)


def _three_different(candidates: list[str]) -> list[int]:
    """The first three messages whose endings differ from each other in every language."""
    halves, three = _cut_messages(), []
    for candidate in map(int, candidates):
        if len(three) < 3 and not any(_alike(halves[candidate], halves[other]) for other in three):
            three.append(candidate)
    return three


def _contained(a: str, b: str) -> bool:
    a, b = _letters(a), _letters(b)
    return a in b or b in a


@cache
def _letters(ending: str) -> str:
    return sameness(ending)
