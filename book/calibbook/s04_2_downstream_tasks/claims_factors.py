"""Beside the target language: what an outlier, a similar language, the method and the model do (paper, Section 4.2), on
the records at hand.
"""

from collections.abc import Collection
from itertools import combinations

import numpy as np
import pandas as pd

from calibbook.s04_2_downstream_tasks.data import COLUMN, Scores, enough_resamples
from calibbook.s04_2_downstream_tasks.effects import (
    columns_in_words,
    draws_of,
    effect,
    languages_in,
    made,
    runs_of,
    table_of,
    tasks_in_words,
)
from calibbook.shared.claims import Claim, counted, detectable, names
from calibbook.shared.comparison import holm, paired_bootstrap
from calibbook.shared.draws import ONE_DRAW, language_variance, more_variance
from calibbook.shared.frames import BLOCK, Block, blocks, calibrated, is_mixture
from calibbook.shared.languages import SHARED, left_out
from calibbook.shared.registered import wording
from calibbook.shared.statistics import ALPHA, NORMAL, crossed_interval, related_advantage, share_interval
from calibbook.shared.verdicts import ANY, GAIN, LOSS, NO_GAIN, TOO_FEW, Expected, decided, judged
from calibbook.shared.words import fixed
from calibprune.languages import NOT_KNOWN, describe

NO_BENEFIT_FROM_OUTLIER = wording("4.2-no-benefit-from-outlier")
OUTLIER_IS_LAST = wording("4.2-outlier-last")
CHINESE_COSTS = wording("4.2-chinese-costs")
NO_BENEFIT_FROM_SIMILAR = {relation: wording(f"4.2-no-benefit-from-{relation}") for relation in SHARED}
SPREAD = wording("4.2-spread")
NO_METHOD_BEST = wording("4.2-no-method-best")
SPARSEGPT_KEEPS_MORE = wording("4.2-sparsegpt-keeps-more")
MODEL_MATTERS = wording("4.2-model-matters")


def squares(table: pd.DataFrame):
    """Yield (block, means [calibration, (task, language)]) of the blocks with several single calibration languages."""
    for block, rows in blocks(calibrated(table)):
        means = rows.pivot(index="calibration", columns=COLUMN, values="mean")
        if len(means) > 1:
            yield block, means


def without(column: pd.Series, *texts: str) -> pd.Series:
    return column.drop([text for text in texts if text in column.index])


def outlier(table: pd.DataFrame, scores: Scores, claim: str = NO_BENEFIT_FROM_OUTLIER) -> list[Claim]:
    """What calibration in Swahili gains in the other languages, against the mean of the calibrations that are not the
    target either.

    All languages are measured on the same few models, so their number is no evidence alone: draws of one language are
    the zero line, and with one draw this is undecided.
    """
    return _one_calibration(table, scores, "sw", claim, NO_GAIN)


def outlier_is_last(table: pd.DataFrame, scores: Scores) -> list[Claim]:
    """In how many columns of other languages Swahili is the worst calibration or the second worst.

    All columns are measured on the same models, so the share alone is no evidence: held if it is certainly more than
    half and Swahili costs the others, beyond draws of one language; not held if it is certainly less than half.
    """
    found = []
    for block, means in squares(table):
        others = means[[column for column in means if column[1] != "sw"]]
        where = names(block, metric=tasks_in_words(table))
        if "sw" not in means.index or len(means) < 5 or others.empty:
            found.append(Claim(OUTLIER_IS_LAST, **where, what="Swahili was not run beside four others"))
            continue
        hits, n = int((others.rank(method="max").loc["sw"] <= 2).sum()), others.shape[1]
        mine = table[(table[BLOCK] == list(block)).all(axis=1)]
        (costs,) = _one_calibration(mine, scores, "sw", OUTLIER_IS_LAST, LOSS)
        low, high = share_interval(hits, n)
        found.append(
            Claim(
                OUTLIER_IS_LAST,
                **where,
                what=f"{columns_in_words(hits, n)}, by chance {fixed(2 / len(others) * n)}",
                **counted(hits, n),
                p=costs.p,
                n=languages_in(others.columns),
                **judged(low > 0.5 and costs.high < 0, high < 0.5, note=ONE_DRAW if np.isnan(costs.p) else ""),
            )
        )
    return found


def chinese(table: pd.DataFrame, scores: Scores) -> list[Claim]:
    """What calibration in Chinese gains or costs in the other languages, measured as in `outlier`."""
    return _one_calibration(table, scores, "zh", CHINESE_COSTS, LOSS)


def _one_calibration(table: pd.DataFrame, scores: Scores, text: str, claim: str, expected: Expected) -> list[Claim]:
    found = []
    for block, means in squares(table):
        where = names(block, metric=tasks_in_words(table))
        others = means[[column for column in means if column[1] != text]]
        rests = {column: without(others[column], text, column[1]) for column in others}
        if text not in means.index or not any(map(len, rests.values())):
            found.append(Claim(claim, **where, what=f"{describe(text).name} was not run beside two others"))
            continue
        gains = {column: others.loc[text, column] - rest.mean() for column, rest in rests.items() if len(rest)}
        last = int((others.rank(method="max").loc[text] <= 2).sum())
        note = (
            f"last or last but one in {last} of {others.shape[1]} columns, by chance "
            f"{fixed(2 / len(others) * others.shape[1])}"
        )
        fewest = min(len(rest) for rest in rests.values() if len(rest))
        draws = draws_of(scores, block).times(1 + 1 / fewest)
        found.append(effect(claim, where, gains, expected, note=note, draws=draws))
    return found


def similar_language(table: pd.DataFrame, relation: str, claim: str = "") -> list[Claim]:
    """What calibration in a language of the same family or script gains over the languages that share neither, beyond
    what every calibration gains everywhere and every evaluation suffers from all (`statistics.related_advantage`).

    In the languages that are on both sides; those whose family or script is not known take no part, and the note names
    them.
    """
    claim, related = claim or NO_BENEFIT_FROM_SIMILAR[relation], SHARED[relation]
    found = []
    for block, means in squares(table):
        where = names(block, metric=tasks_in_words(table))
        note = left_out([*means.index, *(language for _, language in means)], relation)
        gains = table_of(means)
        own = [code for code in gains.columns if code in gains.index and related(code) != NOT_KNOWN]
        kinds = np.array([related(code) for code in own])
        result = related_advantage(gains.loc[own, own].to_numpy(), kinds[:, None] == kinds)
        if np.isnan(result[0]):
            found.append(Claim(claim, **where, what=TOO_FEW, note=note))
        else:
            found.append(made(claim, where, result, len(own), NO_GAIN, note=note))
    return found


def spread_by_method(table: pd.DataFrame, scores: Scores) -> list[Claim]:
    """By how much calibration languages differ more under SparseGPT than under Wanda: the variance between languages
    beyond that of draws of one language, in points squared (`draws.more_variance`). Scores of a method that changes
    more answers differ more in any case; with one draw this is undecided.
    """
    found = []
    for one, other in _pairs(dict.fromkeys(block for block, _ in squares(table)), ("wanda", "sparsegpt")):
        wanda, sparsegpt = runs_of(scores, one), runs_of(scores, other)
        texts = [text for text in wanda[0] if text in sparsegpt[0]]
        columns = [column for column in wanda[1] if column in sparsegpt[1]]
        sides = [
            runs[np.ix_([own.index(text) for text in texts], range(runs.shape[1]), [at.index(c) for c in columns])]
            for own, at, runs in (wanda, sparsegpt)
        ]
        value, low, high, p = more_variance(sides[1], sides[0])
        what = ", ".join(
            f"{label} {fixed(float(np.sqrt(max(language_variance(side)[0], 0))))}"
            for label, side in zip(("SparseGPT", "Wanda"), sides[::-1], strict=True)
        )
        known = not np.isnan(value)
        found.append(
            Claim(
                SPREAD,
                **names(one, metric=tasks_in_words(table), method="both"),
                what=f"{what} points" if known else "–",
                statistic=value,
                low=low,
                high=high,
                p=p,
                unit="points²",
                n=len({language for _, language in columns}),
                **decided(low, high, languages=len(texts), note="" if known else ONE_DRAW),
            )
        )
    return found


def methods(table: pd.DataFrame, scores: Scores) -> list[Claim]:
    """SparseGPT against Wanda, averaged over the single calibration languages, on the same items in every column.

    That no method is best everywhere is held where each is significantly ahead somewhere, beyond items and calibrations
    (Holm over the columns), not held where one is in all columns.
    """
    found = []
    for wanda, sparsegpt in _pairs(dict.fromkeys(column.block for column in scores), ("wanda", "sparsegpt")):
        where = names(wanda, metric=tasks_in_words(table), method="both")
        shared = [column for column in scores if column.block == wanda and column.of(sparsegpt) in scores]
        compared = {}
        for column in shared:
            sides = [scores[column.of(block)] for block in (sparsegpt, wanda)]
            texts = [text for text in sides[0] if text in sides[1] and not is_mixture(text)]
            compared[column.where] = paired_bootstrap(
                *(np.concatenate([side[text] for text in texts]) for side in sides), enough_resamples(len(shared))
            )
        p = holm([comparison.p for comparison in compared.values()])
        gains = {column: comparison.difference for column, comparison in compared.items()}
        ahead, behind = (int(((p <= ALPHA) & (sign * np.array(list(gains.values())) > 0)).sum()) for sign in (1, -1))
        found.append(
            Claim(
                NO_METHOD_BEST,
                **where,
                what=f"significantly ahead: SparseGPT in {ahead}, Wanda in {behind} of {len(gains)} columns",
                statistic=100 * ahead / len(gains),
                p=float(p.min()),
                n=languages_in(gains),
                seen=detectable([(one.high - one.low) / 2 / NORMAL for one in compared.values()], len(p)),
                **judged(ahead > 0 and behind > 0, len(gains) in (ahead, behind)),
            )
        )
        by_block = dict(squares(table))
        if wanda in by_block and sparsegpt in by_block:
            found.append(_difference(SPARSEGPT_KEEPS_MORE, where, by_block[sparsegpt], by_block[wanda], GAIN))
    return found or [
        Claim(claim, metric=tasks_in_words(table), what="one method")
        for claim in (NO_METHOD_BEST, SPARSEGPT_KEEPS_MORE)
    ]


def models(table: pd.DataFrame) -> list[Claim]:
    """How much more of the dense model's score one model loses than another, in points, over calibrations and
    languages, by method and sparsity.
    """
    dense = table[table["method"] == "dense"].set_index(["model", *COLUMN])["mean"]
    losses = {
        block: -means.sub(dense[block.model], axis="columns").dropna(axis=1)
        for block, means in squares(table)
        if block.model in dense.index
    }
    found = []
    for one, other in combinations(losses, 2):
        if one[1:] == other[1:] and len(losses[one].columns.intersection(losses[other].columns)):
            where = names(one, metric=tasks_in_words(table), model=f"{one.model} and {other.model}")
            words = f" lost by {one.model} against {other.model}"
            found.append(_difference(MODEL_MATTERS, where, losses[one], losses[other], ANY, words))
    return found or [Claim(MODEL_MATTERS, metric=tasks_in_words(table), what="one model")]


def _difference(
    claim: str, where: dict, one: pd.DataFrame, other: pd.DataFrame, expected: Expected, what: str = ""
) -> Claim:
    """Means [calibration, (task, language)] of one kind of model less those of another, over calibrations and
    languages: the languages share the models.
    """
    values = table_of((one - other).dropna(axis=0, how="all").dropna(axis=1)).to_numpy()
    return made(claim, where, crossed_interval(values), values.shape[1], expected, what, languages=min(values.shape))


def _pairs(found: Collection[Block], wanted: tuple[str, str]):
    """Yield (block, block) of the two methods for every model and sparsity that has both."""
    for block in found:
        other = block._replace(method=wanted[1])
        if block.method == wanted[0] and other in found:
            yield block, other


def claims(table: pd.DataFrame, scores: Scores) -> list[Claim]:
    """Every claim of this file."""
    similar = [claim for relation in SHARED for claim in similar_language(table, relation)]
    return [
        *outlier(table, scores),
        *outlier_is_last(table, scores),
        *chinese(table, scores),
        *similar,
        *spread_by_method(table, scores),
        *methods(table, scores),
        *models(table),
    ]
