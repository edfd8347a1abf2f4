"""The three findings of the paper's Section 4.6: those of its Section 4.2, tested on quantized models and, as far as it
goes, on its own Table 15.
"""

import math
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import NamedTuple

import numpy as np
import pandas as pd

from calibbook.s04_1_pruning_results import claims
from calibbook.s04_2_downstream_tasks.claims import target_is_better
from calibbook.s04_2_downstream_tasks.claims_factors import outlier, similar_language
from calibbook.s04_2_downstream_tasks.claims_order import order_changes
from calibbook.s04_2_downstream_tasks.data import Scores
from calibbook.s04_6_quantization.tables import of_width, paper_rows, scores_of_width
from calibbook.shared.claims import Claim, claims_frame
from calibbook.shared.frames import is_mixture, is_quantized
from calibbook.shared.languages import SHARED
from calibbook.shared.registered import wording
from calibbook.shared.statistics import share_interval
from calibbook.shared.verdicts import GAIN, NO_GAIN, Expected, decided

FEWEST_DIFFERENT = 10
"""Questions that must be answered differently before what is computed over languages is taken at its word."""
SHOWN = ("perplexity", "snr_db")
ON_TEXT = (claims.TARGET_IS_BEST, claims.TARGET_IS_BETTER)


class Finding(NamedTuple):
    """The finding's number in the paper, its test in Section 4.2, and the effect that it expects."""

    number: int
    test: Callable[[pd.DataFrame, Scores], list[Claim]]
    expected: Expected


BETTER, ORDER, OUTLIER = wording("4.6-target-better"), wording("4.6-order-changes"), wording("4.6-outlier")
SIMILAR = {relation: wording(f"4.6-{relation}") for relation in SHARED}
EFFECTS = (
    Finding(1, lambda table, _: target_is_better(table, BETTER), GAIN),
    Finding(3, lambda table, scores: outlier(table, scores, OUTLIER), NO_GAIN),
    Finding(3, lambda table, _: similar_language(table, "family", SIMILAR["family"]), NO_GAIN),
    Finding(3, lambda table, _: similar_language(table, "script", SIMILAR["script"]), NO_GAIN),
)


def section_4_6(tables: Mapping[str, pd.DataFrame], scores: Scores) -> pd.DataFrame:
    """Every claim of the section, one row a Claim; `tables` are those of `tables.compare_widths(scores)`.

    At 8 bits calibrations may answer nearly every question alike. Effects then have next to no spread, and an interval
    over languages next to no width, however few the questions: see `guarded`. The second finding needs answers to
    single questions, which the paper's table does not give.
    """
    found: list[tuple[int, Claim]] = []
    for width, table in tables.items():
        mine = scores_of_width(scores, width)
        found += [
            (number, guarded(claim, expected, mine))
            for number, test, expected in EFFECTS
            for claim in test(table, mine)
        ]
        found += [(2, replace(claim, claim=ORDER)) for claim in order_changes(table, mine)]
    if tables:
        found += [(number, claim) for number, test, _ in EFFECTS for claim in test(paper_rows(), {})]
    order = sorted(found, key=lambda pair: pair[0])  # stable: our models before the paper's
    return claims_frame([claim for _, claim in order])


def guarded(claim: Claim, expected: Expected, scores: Scores) -> Claim:
    """The claim about an effect, with a wider interval where hardly any question tells its calibrations apart.

    An effect is a difference of mean scores, and so no larger than the share of questions that any two calibrations
    answer differently. Where fewer than FEWEST_DIFFERENT do, the interval reaches at least as far as the share may,
    either way (Clopper and Pearson, 95%).
    """
    questions, different = differing(scores, claim.model)
    if different >= FEWEST_DIFFERENT or not claim.n:
        return claim
    most = 100 * share_interval(different, questions)[1]
    low, high = float(np.fmin(claim.low, -most)), float(np.fmax(claim.high, most))
    verdict = decided(low, high, expected, languages=claim.n)["verdict"]
    note = "; ".join(filter(None, [claim.note, f"calibrations differ on {_share(different, questions)}"]))
    return replace(claim, low=low, high=high, p=math.nan, verdict=verdict, note=note)


def differing(scores: Scores, model: str) -> tuple[int, int]:
    """(questions of all columns, those that any two calibrations of the quantized model score differently)."""
    questions = different = 0
    for column, by_text in scores.items():
        if column.model != model or not is_quantized(column.pattern):
            continue
        rows = np.concatenate([answer for text, answer in by_text.items() if not is_mixture(text)])
        questions += rows.shape[1]
        different += int((rows != rows[0]).any(axis=0).sum())
    return questions, different


def _share(different: int, questions: int) -> str:
    return f"{different or 'none'} of {questions:,} questions"


def on_text(frame: pd.DataFrame) -> pd.DataFrame:
    """The first finding on text: what Section 4.1 says of the target language, by perplexity and SNR, on the quantized
    models of a frame.
    """
    found = claims.section_4_1(of_width(frame))
    return found[found["claim"].isin(ON_TEXT) & found["metric"].isin(SHOWN)].reset_index(drop=True)
