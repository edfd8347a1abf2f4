"""Does the pattern of one model hold in another? The claims of the paper's Section 4.5, each tested on the squares that
two models have in common, and one over all models.
"""

import math
from collections.abc import Callable, Iterable

import numpy as np
import pandas as pd
from scipy.stats import rankdata

from calibbook.s04_2_downstream_tasks.data import Scores
from calibbook.s04_5_model_sizes.alike import beyond_draws, pattern_alike, ranking_alike, winners_alike
from calibbook.s04_5_model_sizes.data import Squares, pairs, short, squares
from calibbook.shared.claims import Claim, Interval, claims_frame, names, over_languages
from calibbook.shared.draws import FEWEST_DRAWS, ONE_DRAW
from calibbook.shared.frames import Block, is_mixture
from calibbook.shared.registered import wording
from calibbook.shared.statistics import ALPHA, ROUNDING, least_relabelling_p_value, row_orders
from calibbook.shared.verdicts import judged
from calibbook.shared.words import fixed, listed, number

PATTERN_ALIKE = wording("4.5-pattern-alike")
RANKING_ALIKE = wording("4.5-ranking-alike")
WINNERS_ALIKE = wording("4.5-winners-alike")
SIZES_DIFFER = wording("4.5-sizes-differ")
DENSE_PREDICTS_PRUNED = wording("4.5-dense-predicts-pruned")
FEWEST_MODELS = 4
"""Models of which the orders are enough for a p value of 5%: one of 24."""
LEVEL, BY_CHANCE = "the calibrations of a model draw level", "relabelled calibrations would often agree as much"
NO_COMMON_PATTERN = "draws of one model have no pattern in common"


def pattern_is_alike(found: Iterable[Squares]) -> list[Claim]:
    """The rank correlation of what is left of two squares without the means of their rows and columns.

    Held: above zero by the interval and by relabelling. Not held: below zero. With fewer than five calibrations
    relabelling cannot tell.
    """
    return _correlated(PATTERN_ALIKE, pattern_alike, found)


def ranking_is_alike(found: Iterable[Squares]) -> list[Claim]:
    """The rank correlation of the calibrations within an evaluation language, mean over evaluation languages."""
    return _correlated(RANKING_ALIKE, ranking_alike, found)


def _correlated(claim: str, test: Callable[[np.ndarray, np.ndarray], Interval], found) -> list[Claim]:
    claims = []
    for one in found:
        least, n = least_relabelling_p_value(len(one.small)), one.small.shape[1]
        fields = over_languages(test(one.small, one.large), n, float, number, languages=len(one.small), least_p=least)
        claims.append(Claim(claim, **_names(one), **_with_kind(one, fields)))
    return claims


def winners_are_alike(found: Iterable[Squares]) -> list[Claim]:
    """In how many evaluation languages the same calibration is best in both models.

    Held: in most, and in more than relabelled rows would give. Not held: certainly not in most, by the interval of the
    share.
    """
    claims = []
    for one in found:
        rows, n = one.small.shape
        winners = winners_alike(one.small, one.large)
        verdict = judged(
            winners.share > 0.5,
            winners.high < 0.5,
            p=winners.p,
            least_p=1 / math.factorial(rows),
            because={"undecided": LEVEL if math.isnan(winners.p) else BY_CHANCE if winners.p > ALPHA else ""},
        )
        shown = {"statistic": 100 * winners.share, "low": 100 * winners.low, "high": 100 * winners.high, "unit": "%"}
        what = f"{_columns(winners.share * n)} of {n} columns, by chance {_columns(winners.chance * n)}"
        what = "–" if math.isnan(winners.share) else what
        fields = {"what": what, "p": winners.p, "n": n} | shown | verdict
        claims.append(Claim(WINNERS_ALIKE, **_names(one), **_with_kind(one, fields)))
    return claims


def sizes_differ(found: Iterable[Squares]) -> list[Claim]:
    """How much less alike the patterns of two sizes of one family are than draws of calibration text let expect.

    Held where the interval lies above zero; else undecided, since that nothing differs cannot be shown. With one draw
    nobody knows what draws let expect. Two families are no two sizes: their gap is shown, and decides nothing.
    """
    claims = []
    for one in found:
        gap, low, high, p = beyond_draws(one.draws_of_small, one.draws_of_large)
        draws = min(one.draws_of_small.shape[1], one.draws_of_large.shape[1])
        reason = ONE_DRAW if draws < FEWEST_DRAWS else NO_COMMON_PATTERN if math.isnan(gap) else ""
        verdict = judged(low > 0 and one.pair.sizes, p=p, languages=len(one.small), note=reason)
        what = "–" if math.isnan(gap) else f"correlation lower by {number(gap)}"
        fields = {"what": what, "statistic": gap, "low": low, "high": high, "p": p, "n": one.small.shape[1]} | verdict
        claims.append(Claim(SIZES_DIFFER, **_names(one), **_with_kind(one, fields)))
    return claims


def dense_predicts_pruned(scores: Scores) -> list[Claim]:
    """Whether of several models the better ones are better when they are pruned: the rank correlation over models of
    their mean score before and after, over the same tasks, languages and calibrations, by each method.

    p is the share of all orders of the models with a correlation at least as high. Below four models it cannot be 5%.
    """
    claims = []
    for setting in dict.fromkeys(column.block[1:] for column in scores if _is_calibrated(scores[column])):
        found = _before_and_after(scores, setting)
        if len(found) < 2:
            continue
        models, before, after, languages = list(found), *map(np.array, zip(*found.values(), strict=True))
        first, second = (ranks - ranks.mean() for ranks in (rankdata(before), rankdata(after)))
        norm = math.sqrt((first**2).sum() * (second**2).sum())
        orders = row_orders(len(models))
        every = (first * second[orders]).sum(axis=1) / norm if norm else np.full(len(orders), math.nan)
        value = float(every[0])
        p, below = (float(np.mean(sign * every >= sign * value - ROUNDING)) for sign in (1, -1))
        least = 1 / math.factorial(len(models))
        few = f"{len(models)} models: it takes {FEWEST_MODELS}" if len(models) < FEWEST_MODELS else ""
        verdict = judged(value > 0 and p <= ALPHA, value < 0 and below <= ALPHA and not few, note=few)
        claims.append(
            Claim(
                DENSE_PREDICTS_PRUNED,
                **names(Block(f"{len(models)} models", *setting), metric="all tasks"),
                what=_in_words(models, before, after) if few else f"rank correlation {number(value)}",
                statistic=value,
                p=p if least <= ALPHA else math.nan,
                n=int(languages.max()),
                **verdict,
            )
        )
    return claims


def _before_and_after(scores: Scores, setting: tuple) -> dict[str, tuple[float, float, int]]:
    """model -> (points of the dense model, points of the pruned ones, languages) over the columns and calibrations that
    all models of this setting have.
    """
    pruned = {column: by_text for column, by_text in scores.items() if column.block[1:] == setting}
    models = list(dict.fromkeys(column.model for column in pruned))
    dense = {
        (column.model, column.where): 100 * float(by_text[""].mean())
        for column, by_text in scores.items()
        if column.method == "dense"
    }
    columns = {column.where for column in pruned}
    by_place = {(column.model, column.where): _singles(by_text) for column, by_text in pruned.items()}
    for model in models:
        columns &= {where for where in columns if (model, where) in by_place and (model, where) in dense}
    texts = [set(by_place[model, where]) for model in models for where in columns]
    common = set.intersection(*texts) if texts else set()
    if not common:
        return {}
    found = {}
    for model in models:
        after = [by_place[model, where][text] for where in columns for text in common]
        before = [dense[model, where] for where in columns]
        found[model] = float(np.mean(before)), float(np.mean(after)), len({language for _, language in columns})
    return found


def _singles(by_text) -> dict[str, float]:
    return {text: 100 * float(items.mean()) for text, items in by_text.items() if text and not is_mixture(text)}


def _is_calibrated(by_text) -> bool:
    return any(text and not is_mixture(text) for text in by_text)


def _in_words(models: list[str], before: np.ndarray, after: np.ndarray) -> str:
    parts = zip(models, before, after, strict=True)
    return listed(f"{short(model)} {fixed(dense)}% and {fixed(pruned)}%" for model, dense, pruned in parts)


def _names(one: Squares) -> dict[str, str]:
    return names(Block(one.pair.label, one.method, one.sparsity, one.pattern), source=one.source, metric=one.measure)


def _with_kind(one: Squares, fields: dict) -> dict:
    """The fields with a note that two models are of two families, where they are."""
    kind = "" if one.pair.sizes else one.pair.kind
    return fields | {"note": "; ".join(filter(None, [fields["note"], kind]))}


def alike(found: list[Squares]) -> list[Claim]:
    """The claims about two models that take means alone."""
    return [claim for test in (pattern_is_alike, ranking_is_alike, winners_are_alike) for claim in test(found)]


def section_4_5(frame: pd.DataFrame, scores: Scores, models: list[str]) -> pd.DataFrame:
    """Every claim of the section, one row a Claim, on the records and the task scores of these models, of which the
    first is compared with each of the others.
    """
    found = [one for pair in pairs(models) for one in squares(frame, scores, pair)]
    return claims_frame(alike(found) + sizes_differ(found) + (dense_predicts_pruned(scores) if len(models) > 1 else []))


def _columns(count: float) -> str:
    """How many columns: `7`, and `6.5` where two calibrations share one."""
    return fixed(round(count, 1), decimals=0 if round(count, 1).is_integer() else 1)
