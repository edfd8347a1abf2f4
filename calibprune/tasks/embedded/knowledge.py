"""`knowledge_<lang>`: four-way questions about currencies, parts of the world and places, from the CLDR.

The subject matter is MMLU's and ARC's (Hendrycks et al. 2021; Clark et al. 2018), the form ARC's: each of the four
answers is scored as the continuation of the question. A model of 270 million parameters cannot make use of the letters
A to D.
"""

from functools import cache
from typing import NamedTuple

from calibprune.tasks.embedded.arrange import gold_positions, shuffled, with_gold
from calibprune.tasks.embedded.wording import question
from calibprune.tasks.embedded.world import NAMES, Fact, clear, facts


class Question(NamedTuple):
    """A fact and the codes of the four answers; its own is at position `gold`."""

    fact: Fact
    choices: tuple[str, ...]
    gold: int


def items(language: str) -> list[dict]:
    """The items in one language: `id`, `context`, `choices` (four), `gold` (0 to 3). A language beside the paper's
    seven has those of their questions that are `clear` in it.
    """
    result = []
    for fact, choices, gold in questions():
        if not clear(fact, language, choices):
            continue
        subject, answer = NAMES[fact.kind]
        context = question(fact.kind, subject(fact.subject, language), language)
        result.append(
            {
                "id": fact.id,
                "context": context,
                "choices": [answer(choice, language) for choice in choices],
                "gold": gold,
            }
        )
    return result


@cache
def questions() -> tuple[Question, ...]:
    """The questions, the same in each of the seven languages, the kinds mixed."""
    by_id = {fact.id: fact for fact in facts()}
    order = [by_id[name] for name in shuffled(by_id, "knowledge")]
    return tuple(
        Question(fact, tuple(with_gold(shuffled(fact.rivals, fact.id)[:3], fact.answer, at)), at)
        for fact, at in zip(order, gold_positions(len(order), "knowledge"), strict=True)
    )
