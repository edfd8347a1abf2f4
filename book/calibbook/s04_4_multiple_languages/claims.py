"""The claims of the paper's Section 4.4, each tested on the records: do several calibration languages serve better than
one?
"""

import math

import numpy as np
import pandas as pd

from calibbook.s04_2_downstream_tasks.data import COLUMN, Scores, compare, enough_resamples
from calibbook.s04_2_downstream_tasks.effects import draws_of, effect, languages_in
from calibbook.s04_4_multiple_languages.data import ENGLISH, mixtures_of, number_of_languages
from calibbook.s04_4_multiple_languages.over_languages import inside, is_shared, perplexity_gain
from calibbook.s04_4_multiple_languages.tables_perplexity import perplexity_changes
from calibbook.shared.claims import Claim, claims_frame, detectable, names, over_languages
from calibbook.shared.comparison import holm, paired_bootstrap
from calibbook.shared.draws import FEWEST_DRAWS, ONE_DRAW
from calibbook.shared.frames import BLOCK, Block, is_mixture
from calibbook.shared.languages import text_label
from calibbook.shared.registered import wording
from calibbook.shared.statistics import ALPHA, NORMAL
from calibbook.shared.verdicts import GAIN, LOSS, UNDECIDED, decided, judged
from calibbook.shared.words import signed

MIXTURES_HELP = wording("4.4-mixtures-help")
SOMETIMES_BETTER = wording("4.4-sometimes-better")
ENGLISH_SUFFERS = wording("4.4-english-suffers")
PAIR_WITHOUT_TARGET = wording("4.4-pair-without-target")
NO_COMBINATION_BEST = wording("4.4-no-combination-best")
MIXTURES_LOWER_PERPLEXITY = wording("beyond-mixtures-perplexity")
TASKS = "tasks"  # what most of them are measured as


def section_4_4(scores: Scores, differences: pd.DataFrame) -> pd.DataFrame:
    """Every claim of the section, one row a Claim; none without a mixture.

    Args:
        scores: of single languages and mixtures.
        differences: `data.against(scores, TARGET)`, on which the correction for many comparisons rests.
    """
    blocks = _blocks(scores)
    claims = []
    for block, columns in blocks.items():
        rows = differences[
            np.array([key == block for key in differences[BLOCK].itertuples(index=False, name=None)], dtype=bool)
        ]
        claims += [*mixtures_help(block, rows, scores), *sometimes_better(block, rows, columns)]
        claims += english_suffers(block, columns)
        claims += [*pair_without_target(block, columns), *no_combination_best(block, columns)]
    return claims_frame(sorted(claims, key=lambda claim: ORDER.index(claim.claim)))


def mixtures_help(block: Block, differences: pd.DataFrame, scores: Scores) -> list[Claim]:
    """Setup by setup: the gain over the target alone in the other languages than English that the mixture contains,
    over languages. Where all of them are measured on one mixture's model, draws of calibration text count as well.
    """
    claims = []
    for setup, rows in differences[inside(differences)].groupby("setup", sort=False):
        gains = dict(zip(rows[COLUMN].itertuples(index=False, name=None), rows["difference"], strict=True))
        draws = draws_of(scores, block) if is_shared(rows) else None
        claims.append(effect(MIXTURES_HELP, names(block, metric=f"{setup}, tasks"), gains, GAIN, draws=draws))
    return claims


def beyond_4_4(frame: pd.DataFrame) -> pd.DataFrame:
    """Not in the paper: whether mixtures lower the perplexity of their languages, as `mixtures_help` measures it; one
    row a Claim. A mean logarithm of the ratio to the target alone over languages, in percent.
    """
    claims = []
    for source in dict.fromkeys(frame.loc[frame["metric"] == "perplexity", "source"]):
        changes = perplexity_changes(frame, source)
        changes = changes[inside(changes)]
        for (*block, setup), part in changes.groupby([*BLOCK, "setup"], sort=False):
            where = names(block, metric=f"{setup}, perplexity on {source}")
            found = over_languages(
                perplexity_gain(part), len(part), lambda gain: 100 * math.expm1(-gain), _percent, "%"
            )
            if is_shared(part) and part["draws"].min() < FEWEST_DRAWS and found["verdict"] != UNDECIDED:
                found |= {"verdict": UNDECIDED, "note": ONE_DRAW}
            claims.append(Claim(MIXTURES_LOWER_PERPLEXITY, **where, **found))
    return claims_frame(claims)


def _percent(value: float) -> str:
    return f"{signed(value)}%"


def sometimes_better(block: Block, differences: pd.DataFrame, scores: Scores) -> list[Claim]:
    """How many values of mixtures are significantly better than the target alone, and how many worse (Holm over the
    table). Held: any is better, beyond items and draws; with one draw undecided.
    """
    rows = differences[differences["setup"] != ENGLISH]
    if rows.empty:
        return [Claim(SOMETIMES_BETTER, **names(block, metric=TASKS), what="no mixture beside its target alone")]
    better, worse = (int(((rows["p_holm"] <= ALPHA) & (sign * rows["difference"] > 0)).sum()) for sign in (1, -1))
    ahead = rows.loc[rows["difference"] > 0, "p_holm"]
    return [
        Claim(
            SOMETIMES_BETTER,
            **names(block, metric=TASKS),
            what=f"{better} of {len(rows)} values significantly better, {worse} worse",
            statistic=100 * better / len(rows),
            p=float(ahead.min()) if len(ahead) else math.nan,
            seen=detectable((rows["high"] - rows["low"]) / 2 / NORMAL, len(differences)),
            n=rows["language"].nunique(),
            **_exists(better > 0, scores),
        )
    ]


def _exists(found: bool, scores: Scores, note: str = "") -> dict[str, str]:
    """The verdict on a claim that something exists among calibrations: undecided where one of them has one draw."""
    drawn = all(len(table) >= FEWEST_DRAWS for by_text in scores.values() for table in by_text.values())
    return judged(found and drawn, note="; ".join(filter(None, [note, "" if drawn else ONE_DRAW])))


def english_suffers(block: Block, scores: Scores) -> list[Claim]:
    """Mixtures of three languages or more against English alone, in English: all tasks together, with equal weights, on
    the same items, beyond items and draws; undecided with one draw.
    """
    columns = {column: by_text for column, by_text in scores.items() if column.language == "en" and "en" in by_text}
    mixtures = [text for text in mixtures_of(columns) if text.count("+") > 1]
    if not mixtures:
        why = "English, or a mixture of three languages or more, was not run"
        return [Claim(ENGLISH_SUFFERS, **names(block, metric=TASKS), what=why)]
    claims = []
    for text in mixtures:
        sides = [pooled([by_text[name] for by_text in columns.values() if text in by_text]) for name in (text, "en")]
        found = paired_bootstrap(*sides)
        low, high = 100 * found.low, 100 * found.high
        if min(map(len, sides)) < FEWEST_DRAWS:
            low = high = math.nan
        claims.append(
            Claim(
                ENGLISH_SUFFERS,
                **names(block, metric=f"{number_of_languages(text)}, tasks in English"),
                what=f"{signed(100 * found.difference)} points",
                statistic=100 * found.difference,
                low=low,
                high=high,
                p=found.p if math.isfinite(low) else math.nan,
                n=1,
                **decided(low, high, LOSS, note="" if math.isfinite(low) else ONE_DRAW),
            )
        )
    return claims


def pooled(columns: list[np.ndarray]) -> np.ndarray:
    """[seeds, all items] whose mean is the mean of the columns' means, whatever their numbers of items."""
    items = sum(column.shape[1] for column in columns)
    return np.concatenate([column * (items / (len(columns) * column.shape[1])) for column in columns], axis=1)


def pair_without_target(block: Block, scores: Scores) -> list[Claim]:
    """Among pairs with English, is another language's pair better than the target's? Held: significantly in any column
    (Holm over columns and pairs), beyond items and draws. Else undecided.
    """
    pairs, better = [], 0
    for column, by_text in scores.items():
        english = [text for text in by_text if text.count("+") == 1 and "en" in text.split("+")]
        own = [text for text in english if column.language in text.split("+")]
        if column.language != "en" and own and len(english) > 1:
            others = [text for text in english if text not in own]
            pairs += [(column, text, own[0]) for text in others]
            better += max(by_text[text].mean() for text in others) > by_text[own[0]].mean()
    where = names(block, metric=TASKS)
    if not pairs:
        return [Claim(PAIR_WITHOUT_TARGET, **where, what="fewer than two pairs with English")]
    found = [
        paired_bootstrap(scores[column][text], scores[column][own], enough_resamples(len(pairs)))
        for column, text, own in pairs
    ]
    p = holm([comparison.p for comparison in found])
    ahead = {i: value for i, value in enumerate(p) if found[i].difference > 0}
    clear = {pairs[i][0] for i, value in ahead.items() if value <= ALPHA}
    columns = dict.fromkeys(column for column, _, _ in pairs)
    return [
        Claim(
            PAIR_WITHOUT_TARGET,
            **where,
            what=f"another pair is ahead in {better}, significantly in {len(clear)} of {len(columns)} columns",
            statistic=100 * better / len(columns),
            p=float(min(ahead.values(), default=math.nan)),
            n=languages_in(column.where for column in columns),
            seen=detectable([(one.high - one.low) / 2 / NORMAL for one in found], len(pairs)),
            **_exists(bool(clear), {column: scores[column] for column in columns}),
        )
    ]


def no_combination_best(block: Block, scores: Scores) -> list[Claim]:
    """Mixtures against each other. Held: each is significantly behind in some column (Holm over the block), beyond
    items and draws. Else undecided.
    """
    only = {column: {text: by_text[text] for text in by_text if is_mixture(text)} for column, by_text in scores.items()}
    where = names(block, metric=TASKS)
    if len(mixtures_of(only)) < 2:
        return [Claim(NO_COMBINATION_BEST, **where, what="one mixture")]
    table = compare(only)
    wins = table[table["difference"] == 0].groupby("calibration").size()
    unbeaten = table.groupby("calibration")["unbeaten"].all()
    left = [text for text, value in unbeaten.items() if value]
    note = f"never significantly behind: {', '.join(text_label(text) for text in left)}" if left else ""
    return [
        Claim(
            NO_COMBINATION_BEST,
            **where,
            what=f"{text_label(wins.idxmax())} leads in {wins.max()} of {len(only)} columns",
            statistic=100 * wins.max() / len(only),
            n=languages_in(column.where for column in only),
            seen=detectable((table["difference_high"] - table["difference_low"]) / 2 / NORMAL, len(table)),
            **_exists(not left, only, note),
        )
    ]


ORDER = (MIXTURES_HELP, SOMETIMES_BETTER, ENGLISH_SUFFERS, PAIR_WITHOUT_TARGET, NO_COMBINATION_BEST)


def _blocks(scores: Scores) -> dict[Block, Scores]:
    """The columns of each pruned block that has a mixture."""
    found: dict[Block, dict] = {}
    for column, by_text in scores.items():
        if any(is_mixture(text) for text in by_text):
            found.setdefault(column.block, {})[column] = by_text
    return found
