"""The claims of the paper's Section 4.1, each tested on the records at hand.

A claim is `held`, `not held` or `undecided`. Claims about the diagonal compare single calibration languages in the
evaluation languages that are among them, and are undecided where there are none; mixtures and magnitude pruning take no
part.
"""

import numpy as np
import pandas as pd
from scipy.stats import norm

from calibbook.s04_1_pruning_results.claims_off_diagonal import russian_for_chinese
from calibbook.s04_1_pruning_results.data import gained, gains, squares
from calibbook.shared.claims import Claim, claims_frame, counted
from calibbook.shared.frames import METRICS, measured, sources
from calibbook.shared.languages import NO_TARGET
from calibbook.shared.statistics import ALPHA, diagonal_p_value, least_p_value, mean_interval
from calibbook.shared.verdicts import decided, judged

TARGET_IS_BEST = "calibrating in the target language is best"
TARGET_IS_BETTER = "calibrating in the target language beats the average other language"
NO_SINGLE_BEST = "no single calibration language is best for every evaluation language"


def target_is_best(frame: pd.DataFrame, metric: str, source: str) -> list[Claim]:
    """How many evaluation languages are served best by calibration in themselves.

    Held: a majority of columns, and more than relabelled rows would give (permutation test). Not held: no majority.
    Undecided: too few languages for the test to say anything, or a majority that relabelling explains.
    """
    claims = []
    for names, means, _ in squares(frame, metric, source):
        table = gains(means, metric)
        best = table.eq(table.max()).to_numpy()
        target = table.index.get_indexer(table.columns)
        n, hits = len(target), int(best[target, np.arange(len(target))].sum())
        p = diagonal_p_value(best, target)
        verdict = judged(
            2 * hits > n,
            2 * hits <= n,
            p=p,
            least_p=least_p_value(*best.shape),
            because={"undecided": "one language wins several columns"},
        )
        what = f"{hits} of {n} columns"
        claims.append(Claim(TARGET_IS_BEST, **names, what=what, **counted(hits, n), p=p, n=n, **verdict))
    return claims


def target_is_better(frame: pd.DataFrame, metric: str, source: str) -> list[Claim]:
    """The mean advantage of the target language over the mean of the others, with a bootstrap over languages.

    Perplexity and pruning error: percent by which they fall, from mean log ratios; SNR: dB.
    Held or not held where the interval leaves out zero; undecided otherwise, and with fewer than four languages.
    """
    claims = []
    for names, means, _ in squares(frame, metric, source):
        if len(means) < 2:
            continue
        table = gains(means, metric)
        advantages = np.array([table.loc[c, c] - table.drop(index=c)[c].mean() for c in table.columns])
        low, high = mean_interval(advantages)
        claims.append(
            Claim(
                TARGET_IS_BETTER,
                **names,
                **gained(float(advantages.mean()), low, high, metric),
                n=len(advantages),
                **decided(low, high, languages=len(advantages)),
            )
        )
    return claims


def no_single_best(frame: pd.DataFrame, metric: str, source: str) -> list[Claim]:
    """Whether every calibration language loses at least one column, by more than its uncertainty where that is known.

    The statistic is the largest share of columns that one language wins. A language counts as beaten in a column if
    it trails the best by more than a one-sided 5% normal bound, divided among the columns. Undecided: a language that
    loses columns, none of them beyond its uncertainty; or so few languages that chance alone could give one winner.
    """
    claims = []
    for names, means, variances in squares(frame, metric, source, every=True):
        table = gains(means, metric)
        variance = variances / means**2 if METRICS[metric].lower_is_better else variances
        rows, n = table.shape
        wins = table.eq(table.max()).sum(axis=1)
        behind = table.max() - table
        noise = np.sqrt(variance + [variance.loc[winner, c] for c, winner in table.idxmax().items()])
        beaten = behind.gt(norm.isf(ALPHA / n) * noise.fillna(0)).any(axis=1)
        unknown = variance.isna().all(axis=None)
        verdict = judged(
            bool(beaten.all()),
            wins.max() == n,
            least_p=rows ** (1.0 - n),
            because={
                "held": "read off the table: one draw and no standard error" if unknown else "",
                "not held": f"{wins.idxmax()} is best everywhere",
                "undecided": f"within uncertainty: {', '.join(beaten.index[~beaten])}",
            },
        )
        what = f"{wins.idxmax()} wins {wins.max()} of {n}"
        claims.append(Claim(NO_SINGLE_BEST, **names, what=what, **counted(int(wins.max()), n), n=n, **verdict))
    return claims


def without_target(frame: pd.DataFrame, metric: str, source: str) -> list[Claim]:
    """The claims about the diagonal where no evaluation language was calibrated in: undecided, and why."""
    having = [names for names, _, _ in squares(frame, metric, source)]
    return [
        Claim(claim, **names, what=NO_TARGET)
        for claim in (TARGET_IS_BEST, TARGET_IS_BETTER)
        for names, _, _ in squares(frame, metric, source, every=True)
        if names not in having
    ]


@np.errstate(invalid="ignore")  # where nothing was pruned gains are infinite and their differences undecided
def section_4_1(frame: pd.DataFrame) -> pd.DataFrame:
    """Every claim of the section on every evaluation text and metric of the frame: one row a Claim."""
    claims = []
    for source in sources(frame):
        metrics = measured(frame[frame["source"] == source], pruned=True)
        for metric in metrics:
            for test in (target_is_best, target_is_better, without_target, no_single_best):
                claims += test(frame, metric, source)
        if "perplexity" in metrics:
            claims += russian_for_chinese(frame, source)
    return claims_frame(claims)
