"""What the page says before anything is chosen, from the records."""

import pandas as pd

from calibbook.i_have_a_language.data import Answer, Run
from calibbook.i_have_a_language.deciding import BETTER, verdict
from calibbook.s04_6_quantization.memory import (
    ABOUT_EQUAL,
    at_equal_memory,
    contests,
    how,
    size,
)
from calibbook.shared.claim_tables import verdict_sentence
from calibbook.shared.frames import BLOCK, method_label, setting
from calibbook.shared.html import Html, box
from calibbook.shared.words import listed

NOTHING = "**Nothing to show.** This run measured neither perplexity nor a task on models that it pruned or quantized."
UNDECIDED = (
    "Whether to quantize rather than prune this run cannot say: it has no pruned and quantized model of about equal "
    "size that were both calibrated in a language they were measured in."
)


def in_short(memory: dict[str, pd.DataFrame], found: list[Answer], atlas: Run | None = None) -> Html:
    """The box that the page opens with.

    memory: evaluation text -> rows of `memory.at_memory`, the text of Table 1 first; found: of `data.answers`; atlas:
    of `further.from_the_atlas`.
    """
    source = next(iter(memory), "")
    first = quantize_or_prune(memory[source], source) if memory else UNDECIDED
    tests = at_equal_memory(memory)
    sure = ""
    if len(tests):
        sure = (
            f"How sure is that? {verdict_sentence(tests)} They are the tests of Section 4.6 at about equal memory, "
            "which are beyond the paper; that section counts the tests of the paper's claims apart."
        )
    return box("In short", [first, sure, own_language(found), on_tasks(found), further_languages(atlas)])


def quantize_or_prune(rows: pd.DataFrame, source: str) -> str:
    """Whether to quantize rather than prune at about equal memory, by perplexity; rows of `memory.at_memory`."""
    blocks = rows.drop_duplicates(BLOCK).set_index(BLOCK)
    sizes = blocks["bits"]
    equal = [
        (pruned, quantized, int((both["quantized"] < both["pruned"]).sum()), len(both))
        for pruned, quantized, both in contests(rows)
        if 1 / ABOUT_EQUAL <= sizes[quantized] / sizes[pruned] <= ABOUT_EQUAL
    ]
    if not equal:
        return UNDECIDED
    hits, of = sum(one[2] for one in equal), sum(one[3] for one in equal)
    advice = "Quantize rather than prune" if 2 * hits > of else "Prune rather than quantize"
    if 2 * hits == of:
        advice = "Neither pruning nor quantizing is ahead"
    several = rows["model"].nunique() > 1
    against: dict[tuple, list[str]] = {}
    for pruned, quantized, won, n in equal:
        other = f"{method_label(pruned[1])} {setting(*pruned[2:])} ({size(sizes[pruned])})"
        against.setdefault(quantized, []).append(f"in {won} of {n} languages against {other}")
    compared = [
        f"{method_label(block[1])} {block[3]} ({size(sizes[block])} bits a weight){f' of {block[0]}' * several} has "
        f"the lower perplexity {listed(others)}"
        for block, others in against.items()
    ]
    textless = {
        method_label(block[1])
        for pruned, quantized, *_ in equal
        for block in (pruned, quantized)
        if not blocks["calibrated"][block]
    }
    return f"**{advice} at about the same memory.** On {source}, {'; '.join(compared)}{how(sorted(textless))}."


def own_language(found: list[Answer]) -> str:
    """How often the best calibration of a method has the language itself, where there is a choice of that."""
    ranked = [one for one in found if one.method and not one.task and len(one.ranked) > 1]
    if not ranked:
        return ""
    source = ranked[0].question.measure
    ranked = [one for one in ranked if one.question.measure == source and _was_calibrated_in(one)]
    if not ranked:
        return "No language that this run measured was calibrated in as well."
    own = sum(_has(one.ranked["calibration"].iloc[0], one.question.language) for one in ranked)
    advice = "Calibrate in the language itself, alone or in a mixture" if 2 * own > len(ranked) else "Try several texts"
    return (
        f"**{advice}:** of {len(ranked)} rankings by {source}, each of one method in one language, the best "
        f"calibration has the language itself in {own}. {_clearly_better(ranked)}"
    )


def on_tasks(found: list[Answer]) -> str:
    """How often another text is clearly better than the language itself on a task."""
    ranked = [one for one in found if one.method and one.task and one.deciding is not None]
    return f"On tasks there are {len(ranked)} such rankings. {_clearly_better(ranked)}" if ranked else ""


def _clearly_better(ranked: list[Answer]) -> str:
    """In how many rankings another text is taken in place of the language itself."""
    compared = [one for one in ranked if one.deciding is not None]
    better = sum(verdict(one) == BETTER for one in compared)
    return (
        f"Another text is clearly better than the language itself in {better} of {len(compared)}, corrected for the "
        "number of texts compared; elsewhere take the language itself."
    )


def further_languages(atlas: Run | None) -> str:
    """For how many further languages the atlas answers, and how often it says to take the language itself."""
    if atlas is None:
        return ""
    ranked = [one for one in atlas.answers if one.method and _was_calibrated_in(one)]
    own = sum(_has(one.ranked["calibration"].iloc[0], one.question.language) for one in ranked)
    taken = sum(one.taken == one.own for one in ranked)
    alone = sum(one.ranked["calibration"].iloc[0] == one.question.language for one in ranked)
    languages = len({one.question.language for one in atlas.answers})
    elsewhere = "elsewhere another text is clearly better"
    if taken == len(ranked):
        elsewhere = "that another text is better is undecided or not known"
    return (
        f"For {languages} further languages the atlas answers, with little text in each: of its {len(ranked)} "
        f"rankings, each of one method in one language on one text, the best calibration is the language itself in "
        f"{alone}, and a mixture with it in {own - alone}. The one to take is the language itself in {taken}: "
        f"{elsewhere}."
    )


def _was_calibrated_in(answer: Answer) -> bool:
    return any(_has(calibration, answer.question.language) for calibration in answer.ranked["calibration"])


def _has(calibration: str, language: str) -> bool:
    return language in calibration.split("+")
