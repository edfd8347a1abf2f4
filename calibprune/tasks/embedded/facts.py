"""`facts_<lang>`: the facts of `knowledge_<lang>` closed-book: the answer is generated and compared by token F1, as in
MKQA (Longpre et al. 2021).

A base model does not know from the question alone what kind of answer is wanted. Three answered examples of the same
kind, always the same ones, stand before each question; they are not asked themselves.
"""

from calibprune.tasks.embedded.arrange import shuffled
from calibprune.tasks.embedded.cldr import currency_forms
from calibprune.tasks.embedded.wording import answered, question
from calibprune.tasks.embedded.world import NAMES, Fact, clear, facts

EXAMPLES = {
    "currency": ("GB", "JP", "IN"),
    "region": ("NG", "SE", "BR"),
    "place": ("Europe/Paris", "Asia/Tokyo", "Africa/Nairobi"),
}


def items(language: str) -> list[dict]:
    """The items in one language: `id`, `context`, `answers` (accepted ones, the CLDR's own name first), `language`.
    A language beside the paper's seven has those of them that are `clear` in it.
    """
    by_id = {fact.id: fact for fact in facts() if clear(fact, language)}
    examples = {kind: [by_id.pop(f"{kind}/{subject}") for subject in subjects] for kind, subjects in EXAMPLES.items()}
    result = []
    for name in shuffled(by_id, "facts"):
        fact = by_id[name]
        subject, _ = NAMES[fact.kind]
        shown = [_example(example, language) for example in examples[fact.kind]]
        context = "\n\n".join([*shown, question(fact.kind, subject(fact.subject, language), language)])
        result.append({"id": fact.id, "context": context, "answers": _answers(fact, language), "language": language})
    return result


def _example(fact: Fact, language: str) -> str:
    subject, answer = NAMES[fact.kind]
    return answered(fact.kind, subject(fact.subject, language), answer(fact.answer, language), language)


def _answers(fact: Fact, language: str) -> list[str]:
    if fact.kind == "currency":
        return currency_forms(fact.answer, language)
    _, answer = NAMES[fact.kind]
    return [answer(fact.answer, language)]
