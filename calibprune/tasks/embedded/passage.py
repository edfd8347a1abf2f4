"""`passage_<lang>`: which of four passages continues an article of the Declaration? In the four-way form of Belebele
(Bandarkar et al. 2024).

From the validation articles of the Universal Declaration of Human Rights, whose paragraphs are parallel. An article is
cut inside one of its paragraphs, and the rest of that paragraph is to be found among the rests of paragraphs of other
validation articles: the same ones in every language, of similar length in all of them. Nearly every paragraph is one
sentence; asked for the next whole one, a model of 270 million parameters guesses, because almost all of them begin
alike.
"""

from functools import cache
from typing import NamedTuple

import numpy as np

from calibprune.corpora import chromium, udhr
from calibprune.languages import PAPER_LANGUAGES
from calibprune.tasks.embedded.arrange import gold_positions, shuffled, with_gold
from calibprune.tasks.embedded.cutting import bonds, cut
from calibprune.tasks.embedded.lengths import similar
from calibprune.tasks.embedded.wording import joint

SHARES = (0.5, 0.25, 0.75)  # where the paragraphs are cut: all of them at the first place before any at the second
NEAR = 0.12  # so near to these places a Chinese paragraph is cut
SHORTEST = {"zh": 6}  # characters of either part of the paragraph
SHORTEST_ELSEWHERE = 15
NEAREST = 8  # of so many passages of about the same length, three are taken


class Place(NamedTuple):
    """A cut: the paragraph's number in the Declaration, its article, and by language the article up to the cut and the
    rest of the paragraph.
    """

    paragraph: int
    share: float
    article: int
    before: dict[str, str]
    after: dict[str, str]


class Question(NamedTuple):
    """Indices into `places()`; the right one is at position `gold` of the choices."""

    place: int
    choices: tuple[int, ...]
    gold: int


def items(language: str) -> list[dict]:
    """The items in one language: `id`, `context`, `choices` (four), `gold` (0 to 3)."""
    at = places()
    return [
        {
            "id": _name(at[question.place]),
            "context": at[question.place].before[language],
            "choices": [at[choice].after[language] for choice in question.choices],
            "gold": question.gold,
        }
        for question in questions()
    ]


@cache
def questions() -> tuple[Question, ...]:
    """The questions, the same in every language."""
    at = places()
    apart = similar([place.after for place in at])
    order = [
        int(name)
        for share in SHARES
        for name in shuffled((str(i) for i, place in enumerate(at) if place.share == share), "passage")
    ]
    result = []
    for index, position in zip(order, gold_positions(len(order), "passage"), strict=True):
        result.append(Question(index, tuple(with_gold(_distractors(index, apart[index]), index, position)), position))
    return tuple(result)


def _distractors(index: int, apart: np.ndarray) -> list[int]:
    """Three places in other articles, each in another paragraph."""
    at = places()
    nearest = {}
    for other in np.argsort(apart, kind="stable").tolist():
        if at[other].article != at[index].article:
            nearest.setdefault(at[other].paragraph, other)
    return [int(name) for name in shuffled(map(str, list(nearest.values())[:NEAREST]), _name(at[index]))[:3]]


def _name(place: Place) -> str:
    return f"{place.article}/{place.paragraph}/{place.share}"


@cache
def places() -> tuple[Place, ...]:
    """The places where a validation paragraph can be cut in every language, in the order of the text."""
    texts = udhr.articles()
    validation = set(udhr.documents("en", "validation"))
    chinese = [texts["zh"] for texts, _ in chromium.messages(("zh",)).values()] + [text for _, text in texts["zh"]]
    bond = bonds(chinese)  # counts of characters, from which no text can be told
    found = []
    for number, (article, text) in enumerate(texts["en"]):
        if text not in validation:
            continue
        earlier = [j for j in range(number) if texts["en"][j][0] == article]
        for share in sorted(SHARES):
            parts = {
                language: cut(texts[language][number][1], language, bond, share, NEAR) for language in PAPER_LANGUAGES
            }
            if all(
                pair and min(map(len, pair)) >= SHORTEST.get(language, SHORTEST_ELSEWHERE)
                for language, pair in parts.items()
            ):
                before = {
                    language: joint(language).join([*(texts[language][j][1] for j in earlier), pair[0]])
                    for language, pair in parts.items()
                }
                found.append(
                    Place(number, share, article, before, {language: pair[1] for language, pair in parts.items()})
                )
    return tuple(found)
