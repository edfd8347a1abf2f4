"""The claims of the paper's Section 5.3, each judged on what was measured (`measured.py`)."""

import math
from collections.abc import Iterable, Sequence

import pandas as pd

from calibbook.s05_3_language_neurons import measured
from calibbook.s05_3_language_neurons.data import missing
from calibbook.s05_3_language_neurons.measured import (
    AGNOSTIC,
    CREATES,
    KEEPS,
    KEEPS_MORE,
    LOSES,
    RARE,
    RISES,
    STRONG,
    WIDENS,
    Measured,
)
from calibbook.shared.claims import Claim, claims_frame, names
from calibbook.shared.registered import registered
from calibbook.shared.verdicts import decided, judged, within
from calibprune.study.cells import Cell
from calibprune.study.store import Store

MARGIN = 10  # percent by which a magnitude may change and still count as retained

ORDER = (RARE, STRONG, RISES, WIDENS, CREATES, AGNOSTIC, LOSES, KEEPS, KEEPS_MORE)


def section_5_3(store: Store, cells: Sequence[Cell]) -> pd.DataFrame:
    """Every claim of the section on what Figure 3 shows, one calibration language at every sparsity, for each method:
    one row a Claim; none where there is nothing to compare.
    """
    if missing(cells):
        return claims_frame([])
    claims = claimed(_rows(measured.of_section(store, cells)))
    return claims_frame(sorted(claims, key=lambda claim: ORDER.index(claim.claim)))


def every_calibration(store: Store, cells: Sequence[Cell]) -> pd.DataFrame:
    """The claims about pruned models for every calibration language and draw, one row a Claim, with a column
    `calibration`.
    """
    rows = measured.of_every_calibration(store, cells)
    found = [
        claims_frame(claimed(_rows(mine))).assign(calibration=mine["calibration"].iloc[0])
        for _, mine in rows.groupby("cell", sort=False)
    ]
    frame = pd.concat(found, ignore_index=True)
    return frame.sort_values("claim", key=lambda names: names.map(ORDER.index), kind="stable", ignore_index=True)


def claimed(rows: Iterable[Measured]) -> list[Claim]:
    """A Claim of each thing that was measured."""
    return [_claim(row) for row in rows]


def _rows(frame: pd.DataFrame) -> list[Measured]:
    return [Measured(*row) for row in frame.itertuples(index=False)]


def _claim(row: Measured) -> Claim:
    words = registered()[row.claim].claim
    return Claim(
        words,
        **names((row.model, row.method, row.sparsity, row.pattern), source=row.source, metric=row.metric),
        what=row.what,
        statistic=row.value,
        low=row.low,
        high=row.high,
        p=math.nan if words == KEEPS else row.p,  # whether a change lies within a margin p does not say
        unit=row.unit,
        n=row.n,
        **(_verdict(words, row) | {"note": row.note}),
    )


def _verdict(claim: str, row: Measured) -> dict[str, str]:
    """Held where the interval lies above zero, and not held where it lies below; a magnitude that is to stay, where it
    is within the margin.

    A change that other texts make too is held only with and without what they would change. It is not held where it is
    less than that, or nothing at all; that something comes into existence has no such side, since a share is never less
    than none.
    """
    if claim == KEEPS:
        return decided(row.low, row.high, within(MARGIN))
    if not row.beyond_text:
        return decided(row.low, row.high)
    against = row.high < 0 or row.measured_high <= 0
    return judged(min(row.low, row.measured_low) > 0, against and claim != CREATES)
