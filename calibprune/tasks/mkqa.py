"""MKQA: open-domain questions without context, answered by generation, scored by token F1 and exact match (the paper's Section 4.3)."""

from collections import Counter

from .normalise import tokens


def scores(prediction: str, answers: list[str], language: str) -> dict[str, float]:
    """Token F1 and exact match (both 0 to 1) of a generated answer against the accepted ones: the best over them, each on its own.

    Both compare normalised tokens (normalise.py). An empty string among the answers stands for "no answer": an empty prediction, and only
    one, is right then. A yes-or-no question's answers are the English words "yes" and "no" in every language, as in the data set.

    Args:
        answers: at least one.
        language: one of the study's codes; the rules of a language without any (Russian, Swahili) are lower case and punctuation.
    """
    guess = tokens(prediction, language)
    accepted = [tokens(answer, language) for answer in answers]
    return {"f1": max(_overlap(guess, gold) for gold in accepted), "em": float(any(guess == gold for gold in accepted))}


def _overlap(guess: list[str], gold: list[str]) -> float:
    if not guess or not gold:
        return float(guess == gold)
    common = (Counter(guess) & Counter(gold)).total()
    return 2 * common / (len(guess) + len(gold))
