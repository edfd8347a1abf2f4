"""The claims of the paper's Section 4.1, each tested on the records at hand.

A claim is `held`, `not held` or `undecided`. Claims about the diagonal compare single calibration languages in the
evaluation languages that are among them, and are undecided where there are none; mixtures and magnitude pruning take no
part.
"""

import math
from collections.abc import Iterable

import numpy as np
import pandas as pd

from calibbook.s04_1_pruning_results.claims_off_diagonal import russian_for_chinese
from calibbook.s04_1_pruning_results.data import Square, gained, gains, squares
from calibbook.shared.claims import Claim, claims_frame, counted, targeted
from calibbook.shared.draws import ONE_DRAW
from calibbook.shared.frames import METRICS, measured, sources
from calibbook.shared.languages import NO_TARGET
from calibbook.shared.registered import wording
from calibbook.shared.statistics import diagonal_p_value, least_p_value, share_interval
from calibbook.shared.verdicts import judged
from calibbook.shared.words import number

TARGET_IS_BEST = wording("4.1-target-best")
TARGET_IS_BETTER = wording("4.1-target-better")
NO_SINGLE_BEST = wording("4.1-no-single-best")


def target_is_best(found: Iterable[Square]) -> list[Claim]:
    """How many evaluation languages are served best by calibration in themselves; `found` are `squares` of a metric.

    Held: a majority of columns, and more than relabelled rows would give (permutation test). Not held: certainly no
    majority (by the interval of the share). Else undecided.
    """
    claims = []
    for names, means, _ in found:
        table = gains(means, names["metric"])
        best = table.eq(table.max()).to_numpy()
        target = table.index.get_indexer(table.columns)
        n, hits = len(target), int(best[target, np.arange(len(target))].sum())
        p = diagonal_p_value(best, target)
        verdict = judged(
            2 * hits > n,
            share_interval(hits, n)[1] < 0.5,
            p=p,
            least_p=least_p_value(*best.shape),
            because={"undecided": "one language wins several columns"},
        )
        what = f"{hits} of {n} columns"
        claims.append(Claim(TARGET_IS_BEST, **names, what=what, **counted(hits, n), p=p, n=n, **verdict))
    return claims


def target_is_better(found: Iterable[Square]) -> list[Claim]:
    """The mean advantage of the target language over the others, what a calibration is good for everywhere taken out
    (`statistics.target_interval`), in those languages that are on both sides; `found` are `squares` of a metric.

    Perplexity and pruning error: percent by which they fall, from mean log ratios; SNR: dB.
    """
    claims = []
    for names, means, _ in found:
        table = gains(means, names["metric"]).loc[means.columns]
        tested = targeted(table.to_numpy(), float, "")
        shown = gained(tested["statistic"], tested["low"], tested["high"], names["metric"])
        claims.append(Claim(TARGET_IS_BETTER, **names, **(tested | shown)))
    return claims


def no_single_best(found: Iterable[Square]) -> list[Claim]:
    """Whether every calibration language loses at least one column, by more than draws of calibration text vary;
    `found` are `squares` of a metric with every column.

    The statistic is the largest share of columns that one language wins. A language counts as beaten in a column if it
    trails the best by more than a 5% bound, divided among the columns and the languages that could be ahead there. Not
    held: one leads all others in every column by as much. Undecided where draws are not known to vary how much.
    """
    claims = []
    for names, means, noise in found:
        table = gains(means, names["metric"])
        rows, n = table.shape
        wins = table.eq(table.max()).sum(axis=1)
        reach = noise.reach(n * max(rows - 1, 1), sided=1)
        beaten = (table.max() - table).gt(reach).any(axis=1)
        leader = wins.idxmax()
        ahead = rows > 1 and bool((table.loc[leader] - table.drop(index=leader).max()).gt(reach).all())
        verdict = judged(
            bool(beaten.all()),
            ahead,
            least_p=rows ** (1.0 - n),
            because={
                "not held": f"{leader} is best everywhere",
                "undecided": f"within the spread of draws: {', '.join(beaten.index[~beaten])}"
                if noise.freedom
                else ONE_DRAW,
            },
        )
        alone = f" ({leader})" if (wins == wins.max()).sum() == 1 else ""
        what = f"none wins more than {wins.max()} of {n}{alone}"
        shown = counted(int(wins.max()), n) | {"seen": smallest(reach, names["metric"])}
        claims.append(Claim(NO_SINGLE_BEST, **names, what=what, **shown, n=n, **verdict))
    return claims


def smallest(reach: float, metric: str) -> str:
    """A gain in words, `3.1%` or `0.20 dB`; empty where it is not known."""
    if math.isnan(reach):
        return ""
    return f"{number(100 * math.expm1(reach))}%" if METRICS[metric].lower_is_better else f"{number(reach)} dB"


def without_target(found: Iterable[Square], every: Iterable[Square]) -> list[Claim]:
    """The claims about the diagonal where no evaluation language was calibrated in: undecided, and why. `every` are
    the squares with every column.
    """
    having = [names for names, _, _ in found]
    lacking = [names for names, _, _ in every if names not in having]
    return [Claim(claim, **names, what=NO_TARGET) for claim in (TARGET_IS_BEST, TARGET_IS_BETTER) for names in lacking]


@np.errstate(invalid="ignore")  # where nothing was pruned gains are infinite and their differences undecided
def section_4_1(frame: pd.DataFrame) -> pd.DataFrame:
    """Every claim of the section on every evaluation text and metric of the frame: one row a Claim."""
    claims = []
    for source in sources(frame):
        metrics = measured(frame[frame["source"] == source], pruned=True)
        for metric in metrics:
            found, every = (list(squares(frame, metric, source, every=columns)) for columns in (False, True))
            claims += [*target_is_best(found), *target_is_better(found), *without_target(found, every)]
            claims += no_single_best(every)
        if "perplexity" in metrics:
            claims += russian_for_chinese(frame, source)
    return claims_frame(claims)
