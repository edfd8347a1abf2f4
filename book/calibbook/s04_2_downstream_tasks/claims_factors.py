"""Beside the target language: what an outlier, a similar language, the method and the model do (paper, Section 4.2), on
the records at hand.
"""

from collections.abc import Collection
from itertools import combinations

import numpy as np
import pandas as pd

from calibbook.s04_2_downstream_tasks.data import COLUMN, Scores, enough_resamples, over_texts
from calibbook.s04_2_downstream_tasks.effects import effect, languages_in, tasks_in_words
from calibbook.shared.claims import Claim, names
from calibbook.shared.comparison import holm, paired_bootstrap
from calibbook.shared.frames import Block, blocks, calibrated, is_mixture
from calibbook.shared.languages import SHARED, left_out
from calibbook.shared.statistics import ALPHA
from calibbook.shared.verdicts import ANY, GAIN, LOSS, NO_GAIN, TOO_FEW, Expected, judged
from calibbook.shared.words import fixed
from calibprune.languages import NOT_KNOWN, describe

NO_BENEFIT_FROM_OUTLIER = "calibrating in an outlier, Swahili, brings the other languages no benefit"
CHINESE_COSTS = "calibrating in Chinese costs the other languages"
NO_BENEFIT_FROM_SIMILAR = "calibrating in a language of the same {} brings no benefit"
SPREAD = "the calibration language matters more to SparseGPT than to Wanda"
NO_METHOD_BEST = "no pruning method is best in every column"
SPARSEGPT_KEEPS_MORE = "SparseGPT keeps more than Wanda"
MODEL_MATTERS = "models differ in how much pruning costs them"


def squares(table: pd.DataFrame):
    """Yield (block, means [calibration, (task, language)]) of the blocks with several single calibration languages."""
    for block, rows in blocks(calibrated(table)):
        means = rows.pivot(index="calibration", columns=COLUMN, values="mean")
        if len(means) > 1:
            yield block, means


def without(column: pd.Series, *texts: str) -> pd.Series:
    return column.drop([text for text in texts if text in column.index])


def outlier(table: pd.DataFrame) -> list[Claim]:
    """What calibration in Swahili gains in the other languages, against the mean of the calibrations that are not the
    target either.
    """
    return _one_calibration(table, "sw", NO_BENEFIT_FROM_OUTLIER, NO_GAIN)


def chinese(table: pd.DataFrame) -> list[Claim]:
    """What calibration in Chinese gains or costs in the other languages, measured as in `outlier`."""
    return _one_calibration(table, "zh", CHINESE_COSTS, LOSS)


def _one_calibration(table: pd.DataFrame, text: str, claim: str, expected: Expected) -> list[Claim]:
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
        found.append(effect(claim, where, gains, expected, note=note))
    return found


def similar_language(table: pd.DataFrame, relation: str) -> list[Claim]:
    """What calibration in a language of the same family or script as the target gains over the languages that share
    neither with it.

    The target itself takes no part, nor do languages without a relative, or without a stranger, among the calibrations,
    nor those whose family or script is not known, as targets or calibrations; the note names these.
    """
    claim, related = NO_BENEFIT_FROM_SIMILAR.format(relation), SHARED[relation]
    found = []
    for block, means in squares(table):
        where = names(block, metric=tasks_in_words(table))
        note = left_out([*means.index, *(language for _, language in means)], relation)
        known = means[means.index.map(related) != NOT_KNOWN]
        gains = {}
        for column in means:
            rest = without(known[column], column[1])
            alike = rest.index.map(related) == related(column[1])
            if related(column[1]) != NOT_KNOWN and 0 < alike.sum() < len(rest):
                gains[column] = rest[alike].mean() - rest[~alike].mean()
        if gains:
            found.append(effect(claim, where, gains, NO_GAIN, note=note))
        else:
            found.append(Claim(claim, **where, what=TOO_FEW, note=note))
    return found


def spread_by_method(table: pd.DataFrame) -> list[Claim]:
    """By how much the standard deviation over calibration languages is larger for SparseGPT than for Wanda, in points,
    over languages.
    """
    spreads = {block: 100 * means.std() for block, means in squares(table)}
    found = []
    for one, other in _pairs(spreads, ("wanda", "sparsegpt")):
        values = ((spreads[other] - spreads[one]) / 100).dropna().to_dict()
        note = f"{fixed(spreads[other].mean())} against {fixed(spreads[one].mean())} points"
        where = names(one, metric=tasks_in_words(table), method="both")
        found.append(effect(SPREAD, where, values, GAIN, note=note))
    return found


def methods(table: pd.DataFrame, scores: Scores) -> list[Claim]:
    """SparseGPT against Wanda, averaged over the single calibration languages, on the same items in every column.

    That no method is best everywhere is held where each is significantly ahead somewhere (Holm over the columns), not
    held where one is and is never behind.
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
                *(over_texts(side, texts) for side in sides), enough_resamples(len(shared))
            )
        p = holm([comparison.p for comparison in compared.values()])
        gains = {column: comparison.difference for column, comparison in compared.items()}
        ahead, behind = (int(((p <= ALPHA) & (sign * np.array(list(gains.values())) > 0)).sum()) for sign in (1, -1))
        never = min(gains.values()) >= 0 or max(gains.values()) <= 0
        found.append(
            Claim(
                NO_METHOD_BEST,
                **where,
                what=f"significantly ahead: SparseGPT in {ahead}, Wanda in {behind} of {len(gains)} columns",
                statistic=100 * ahead / len(gains),
                p=float(p.min()),
                n=languages_in(gains),
                **judged(ahead > 0 and behind > 0, (ahead > 0 or behind > 0) and never),
            )
        )
        found.append(effect(SPARSEGPT_KEEPS_MORE, where, gains, GAIN))
    return found or [
        Claim(claim, metric=tasks_in_words(table), what="one method")
        for claim in (NO_METHOD_BEST, SPARSEGPT_KEEPS_MORE)
    ]


def models(table: pd.DataFrame) -> list[Claim]:
    """How much more of the dense model's score one model loses than another, in points, over languages, by method and
    sparsity.
    """
    dense = table[table["method"] == "dense"].set_index(["model", *COLUMN])["mean"]
    losses = {
        block: dense[block.model].sub(means.mean()).dropna()
        for block, means in squares(table)
        if block.model in dense.index
    }
    found = []
    for one, other in combinations(losses, 2):
        values = (losses[one] - losses[other]).dropna().to_dict()
        if one[1:] == other[1:] and values:
            where = names(one, metric=tasks_in_words(table), model=f"{one.model} and {other.model}")
            found.append(effect(MODEL_MATTERS, where, values, ANY, f" lost by {one.model} against {other.model}"))
    return found or [Claim(MODEL_MATTERS, metric=tasks_in_words(table), what="one model")]


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
        *outlier(table),
        *chinese(table),
        *similar,
        *spread_by_method(table),
        *methods(table, scores),
        *models(table),
    ]
