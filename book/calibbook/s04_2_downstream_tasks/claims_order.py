"""Evaluation languages against each other: in which the dense model does best, and whether pruning changes their order
(paper, Sections 4.2 and 4.3).

Languages have items of their own, so that means are compared as independent ones: on parallel items that is on the safe
side. Tests and intervals count one item more that scores 0 and one that scores 1, without which few items look more
certain than they are (Agresti and Caffo, 2000).
"""

import math
from collections.abc import Callable
from itertools import combinations
from typing import NamedTuple

import numpy as np
import pandas as pd
from scipy.stats import norm

from calibbook.s04_2_downstream_tasks.data import Scores, mean_and_variance, over_texts
from calibbook.s04_2_downstream_tasks.effects import languages_in, tasks_in_words
from calibbook.s04_2_downstream_tasks.tables import task_name
from calibbook.shared.claims import Claim, detectable, directed, names
from calibbook.shared.comparison import holm
from calibbook.shared.frames import Block, is_mixture
from calibbook.shared.languages import SHARED, left_out
from calibbook.shared.registered import wording
from calibbook.shared.statistics import ALPHA, normal_interval
from calibbook.shared.verdicts import decided, judged
from calibbook.shared.words import fixed
from calibprune.languages import NOT_KNOWN

ENGLISH_IS_STRONGEST = wording("4.2-english-strongest")
LANGUAGES_DIFFER = wording("4.3-languages-differ")
LATIN_IS_STRONGER = wording("4.3-latin-stronger")
LATIN_BEFORE_RUSSIAN = wording("4.2-latin-before-russian")
RUSSIAN_BEFORE_HARDEST = wording("4.2-russian-before-hardest")
ORDER_CHANGES = wording("4.2-order-changes")
BOTH_SIDES = {(True, False), (False, True)}


class Level(NamedTuple):
    """The mean of one language in one task; the same and its variance with the two items that are added."""

    mean: float
    adjusted: float
    variance: float


Levels = dict[str, dict[str, Level]]
"""task -> language -> Level."""


def levels(scores: Scores) -> dict[Block, Levels]:
    """The Levels of every block; of pruned models the mean over their single calibration languages."""
    found: dict[Block, Levels] = {}
    for column, by_text in scores.items():
        texts = [text for text in by_text if not is_mixture(text)]
        table = over_texts(by_text, texts)
        more = np.concatenate([table, np.broadcast_to([0.0, 1.0], (len(table), 2))], axis=1)
        found.setdefault(column.block, {}).setdefault(column.task, {})[column.language] = Level(
            float(table.mean()), *mean_and_variance(more)
        )
    return found


def z(one: Level, other: Level) -> float:
    """The difference of two independent means over its standard error."""
    return (one.adjusted - other.adjusted) / math.sqrt(one.variance + other.variance)


def dense_levels(scores: Scores) -> dict[Block, Levels]:
    return {block: found for block, found in levels(scores).items() if block.method == "dense"}


def languages_differ(table: pd.DataFrame, scores: Scores) -> list[Claim]:
    """Whether any two languages of a task differ (two-sided, Holm over all pairs and tasks). The statistic is the
    widest gap, in points.
    """
    claims = []
    for block, found in dense_levels(scores).items():
        where = names(block, metric=tasks_in_words(table))
        pairs = [(task, a, b) for task, values in found.items() for a, b in combinations(values, 2)]
        if not pairs:
            claims.append(Claim(LANGUAGES_DIFFER, **where, what="one language"))
            continue
        p = holm([2 * norm.sf(abs(z(found[task][a], found[task][b]))) for task, a, b in pairs])
        gap, task, best, worst = max(
            (found[t][a].mean - found[t][b].mean, t, a, b) for t, *pair in pairs for a, b in (pair, pair[::-1])
        )
        centre = found[task][best].adjusted - found[task][worst].adjusted
        low, high = normal_interval(centre, math.sqrt(found[task][best].variance + found[task][worst].variance))
        claims.append(
            Claim(
                LANGUAGES_DIFFER,
                **where,
                what=f"{fixed(100 * gap)} points between {best} and {worst} in {task_name(task)}",
                statistic=100 * gap,
                low=100 * low,
                high=100 * high,
                p=float(p.min()),
                n=languages_in((task, code) for task, values in found.items() for code in values),
                **judged(p.min() <= ALPHA, note=f"{int((p <= ALPHA).sum())} of {len(pairs)} pairs differ"),
            )
        )
    return claims


def english_is_strongest(table: pd.DataFrame, scores: Scores) -> list[Claim]:
    """English against every other language, task by task (Holm over all). Held: highest in every task, and
    significantly above all others in one. Not held: significantly below another language somewhere."""
    claims = []
    for block, found in dense_levels(scores).items():
        where = names(block, metric=tasks_in_words(table))
        pairs = [(task, code) for task, values in found.items() if "en" in values for code in values if code != "en"]
        if not pairs:
            claims.append(Claim(ENGLISH_IS_STRONGEST, **where, what="English was not run beside another language"))
            continue
        gaps = pd.Series({pair: z(found[pair[0]]["en"], found[pair[0]][pair[1]]) for pair in pairs})
        clear = pd.Series(holm(2 * norm.sf(gaps.abs())) <= ALPHA, gaps.index)
        first = (gaps >= 0).groupby(level=0).all()
        alone = (clear & (gaps > 0)).groupby(level=0).all()
        beaten = [f"{task_name(task)} {code}" for task, code in gaps.index[clear & (gaps < 0)]]
        claims.append(
            Claim(
                ENGLISH_IS_STRONGEST,
                **where,
                what=f"highest in {int(first.sum())}, significantly in {int(alone.sum())} of {len(first)} tasks",
                statistic=100 * float(first.mean()),
                n=1 + languages_in(pairs),
                seen=detectable(
                    (math.sqrt(found[t]["en"].variance + found[t][code].variance) for t, code in pairs), len(pairs)
                ),
                **judged(
                    bool(first.all() and alone.any()),
                    bool(beaten),
                    because={"not held": f"below {', '.join(beaten)}"},
                ),
            )
        )
    return claims


def latin_is_stronger(table: pd.DataFrame, scores: Scores) -> list[Claim]:
    """Languages of the Latin script against all others whose script is known; the note names those where it is not, and
    says what the difference is without English, which may be most of it.
    """
    script = SHARED["script"]

    def latin(code: str) -> bool:
        return script(code) == "Latin"

    def other(code: str) -> bool:
        return script(code) not in ("Latin", NOT_KNOWN)

    def noted(found: Levels) -> str:
        codes = [code for values in found.values() for code in values]
        gaps = [
            np.mean([level.mean for code, level in values.items() if latin(code) and code != "en"])
            - np.mean([level.mean for code, level in values.items() if other(code)])
            for values in found.values()
            if "en" in values and {(latin(code), other(code)) for code in values if code != "en"} >= BOTH_SIDES
        ]
        without = f"without English {directed(100 * float(np.mean(gaps)), 'points higher')}" if gaps else ""
        return "; ".join(filter(None, (left_out(codes, "script"), without)))

    none = "languages of one script, or none with two"
    return _ahead(table, scores, LATIN_IS_STRONGER, latin, other, none, noted)


def russian_between(table: pd.DataFrame, scores: Scores) -> list[Claim]:
    """Languages of the Latin script against Russian, and Russian against Arabic and Chinese."""
    script, none = SHARED["script"], "languages of one of both sides"
    return [
        *_ahead(
            table, scores, LATIN_BEFORE_RUSSIAN, lambda code: script(code) == "Latin", lambda code: code == "ru", none
        ),
        *_ahead(
            table, scores, RUSSIAN_BEFORE_HARDEST, lambda code: code == "ru", lambda code: code in ("ar", "zh"), none
        ),
    ]


def _ahead(
    table: pd.DataFrame,
    scores: Scores,
    claim: str,
    first: Callable[[str], bool],
    second: Callable[[str], bool],
    none: str,
    noted: Callable[[Levels], str] = lambda _: "",
) -> list[Claim]:
    """The dense model's mean over some languages minus that over others, averaged over tasks, in points; normal
    interval over items. It speaks of these languages, not of their kind at large. `none`: what is said where a side is
    empty.
    """
    claims = []
    for block, found in dense_levels(scores).items():
        where = names(block, metric=tasks_in_words(table))
        note = noted(found)
        gaps, centres, variances, used = [], [], [], set()
        for task, values in found.items():
            sides = [{code: value for code, value in values.items() if of(code)} for of in (first, second)]
            if all(sides):
                means, adjusted, variance = np.array([np.mean(list(side.values()), axis=0) for side in sides]).T
                gaps.append(means[0] - means[1])
                centres.append(adjusted[0] - adjusted[1])
                variances.append(sum(v / len(side) for v, side in zip(variance, sides, strict=True)))
                used |= {(task, code) for side in sides for code in side}
        if not gaps:
            claims.append(Claim(claim, **where, what=none, note=note))
            continue
        gap, centre, error = np.mean(gaps), np.mean(centres), math.sqrt(sum(variances)) / len(gaps)
        low, high = normal_interval(centre, error)
        claims.append(
            Claim(
                claim,
                **where,
                what=directed(100 * float(gap), "points higher"),
                unit="points higher",
                statistic=100 * float(gap),
                low=100 * float(low),
                high=100 * float(high),
                p=float(2 * norm.sf(abs(centre) / error)),
                n=languages_in(used),
                **decided(low, high, note=note),
            )
        )
    return claims


def order_changes(table: pd.DataFrame, scores: Scores) -> list[Claim]:
    """How many pairs of languages, task by task, change places when a model is pruned, as the mean over its calibration
    languages.

    A change is significant where both orders are, one-sided (Holm over all pairs). Held: any is; else undecided, since
    pairs that keep their places may be too close to tell.
    """
    every, claims = levels(scores), []
    for block, found in every.items():
        where = names(block, metric=tasks_in_words(table))
        dense = every.get(block.dense, {})
        pairs = [(task, a, b) for task, values in found.items() if task in dense for a, b in combinations(values, 2)]
        if block.method == "dense" or not dense:
            continue
        if not pairs:
            claims.append(Claim(ORDER_CHANGES, **where, what="one language"))
            continue
        before, after = (np.array([z(side[task][a], side[task][b]) for task, a, b in pairs]) for side in (dense, found))
        p = holm(np.where(before * after < 0, norm.sf(np.minimum(abs(before), abs(after))), 1.0))
        moved, clear = int((before * after < 0).sum()), int((p <= ALPHA).sum())
        task, a, b = pairs[int(p.argmin())]
        variances = [found[task][a].variance + found[task][b].variance for task, a, b in pairs]
        n = languages_in((task, code) for task, values in found.items() for code in values)
        clearest = f"clearest: {a} and {b} in {task_name(task)}"
        claims.append(
            Claim(
                ORDER_CHANGES,
                **where,
                what=f"{moved} of {len(pairs)} pairs, {clear} significantly",
                statistic=100 * moved / len(pairs),
                p=float(p.min()),
                n=n,
                seen=detectable(map(math.sqrt, variances), len(pairs)),
                **judged(clear > 0, because={"held": clearest}),
            )
        )
    return claims
