"""What stands in for a language that one has no text of: its nearest relative, from the records of the atlas."""

from typing import NamedTuple

import numpy as np
import pandas as pd

from calibbook.atlas import records
from calibbook.atlas.data import Atlas, atlases
from calibbook.atlas.relatedness import nearest
from calibbook.first_page.choices import asked
from calibbook.shared.claims import Claim, claims_frame, names
from calibbook.shared.frames import BLOCK
from calibbook.shared.statistics import mean_interval
from calibbook.shared.verdicts import LOSS, decided
from calibbook.shared.words import number
from calibprune import Study

NEAREST = "nearest relative"
OTHERS, ENGLISH, TARGET = "the average other language", "English", "the target language"
SERVES = "without text in a language, its nearest relative serves it better than the average other language"


class Relatives(NamedTuple):
    """Of an atlas, on one of its evaluation texts.

    Attributes:
        rows: one row a model, method, setting and target language other than English: BLOCK, `language`, and NEAREST,
            OTHERS, ENGLISH and TARGET, logarithms of the perplexity over the dense model's, of several nearest their
            mean.
        claims: SERVES of each model, method and setting, rows of `claims.claims_frame`.
        languages: all of the atlas.
        tokens, n: tokens of calibration text a model, and of evaluation text a language.
    """

    source: str
    rows: pd.DataFrame
    claims: pd.DataFrame
    languages: list[str]
    tokens: list[int]
    n: list[int]


def relatives(study: Study, source: str) -> Relatives | None:
    """Of the atlas beside a study (`records.beside`), on this text, or on its first one where it has no such text; None
    where there is no atlas.
    """
    atlas = records.beside(study)
    return None if atlas is None else of_records(records.read(atlas), source)


def of_records(frame: pd.DataFrame, source: str) -> Relatives:
    """Of the records of an atlas."""
    found = atlases(frame)
    mine = [one for one in found if one.source == source] or [one for one in found if one.source == found[0].source]
    rows = pd.concat([_rows(one) for one in mine], ignore_index=True)
    claims = [_serves(block, part) for block, part in rows.groupby(BLOCK, sort=False)]
    return Relatives(
        mine[0].source,
        rows,
        claims_frame(claims),
        mine[0].languages,
        sorted(set(frame.loc[frame["calibration"] != "", "calibration_tokens"])),
        sorted({int(count) for one in mine for count in one.tokens}),
    )


def change(rows: pd.DataFrame, one: str, other: str) -> tuple[float, float, float]:
    """How much more perplexity one choice has than another, in percent: the geometric mean over target languages, and
    the 95% interval of that, Student's over them.
    """
    gaps = (rows[one] - rows[other]).to_numpy()
    return tuple(float(100 * np.expm1(end)) for end in (gaps.mean(), *mean_interval(gaps)))


def _rows(atlas: Atlas) -> pd.DataFrame:
    lines = []
    for target in asked(atlas.languages):
        column = atlas.increase[target]
        others = column.drop(target)
        english = column.get("en", np.nan) if target != "en" else np.nan
        means = others[nearest(atlas.languages, target)].mean(), others.mean(), english, column[target]
        lines.append((*atlas.block, target, *means))
    return pd.DataFrame(lines, columns=[*BLOCK, "language", NEAREST, OTHERS, ENGLISH, TARGET])


def _serves(block: tuple, rows: pd.DataFrame) -> Claim:
    """Every target has other donors, so that the one draw of each of them decides something, unlike English's."""
    middle, low, high = change(rows, NEAREST, OTHERS)
    found = {"what": f"{'+' * (middle > 0)}{number(middle)}%", "statistic": middle, "low": low, "high": high}
    verdict = decided(low, high, LOSS, languages=len(rows))
    return Claim(SERVES, **names(block), **found, unit="%", n=len(rows), **verdict)
