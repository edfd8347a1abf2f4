"""All that the page says, computed once: from the records, and from what is known of the texts."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import NamedTuple

import pandas as pd

from calibbook.atlas import knowledge
from calibbook.atlas.additive import FEWEST, parts
from calibbook.atlas.data import Atlas
from calibbook.atlas.matrix_tests import FEWEST as FEWEST_TO_FIT
from calibbook.atlas.prediction import predicted
from calibbook.atlas.relatedness import explained, predictors
from calibbook.atlas.rules import losses
from calibbook.atlas.text import Facts, bits_per_byte


class Findings(NamedTuple):
    """Everything about one atlas.

    Attributes:
        explained: of `relatedness.explained`; None for too few languages.
        losses: of `rules.losses`.
        bits: bits per byte of the dense model, by language.
        halves: of `knowledge.halves`.
        predicted: loss that one walk predicts, [calibration, evaluation]; None where nobody asked.
        amount: rank correlation of the donors' effects with tokens per character, and its interval.
        suffering: that of the recipients' effects with bits per byte.
    """

    atlas: Atlas
    explained: pd.DataFrame | None
    losses: pd.DataFrame
    bits: pd.Series
    halves: dict[str, list[str]]
    predicted: pd.DataFrame | None
    amount: tuple[float, float, float]
    suffering: tuple[float, float, float]


def findings(
    atlases: list[Atlas], facts: dict[str, Facts], predictions: Mapping[str, pd.DataFrame] = MappingProxyType({})
) -> list[Findings]:
    """One for each atlas. By model, `facts` are those of `text.facts`, and `predictions` of `prediction.read`."""
    found = []
    for atlas in atlases:
        known, languages = facts[atlas.block.model], atlas.languages
        named = predictors(languages, known.overlap, known.fertility)
        bits = bits_per_byte(atlas.dense, known.bytes_per_token[atlas.source])
        table = predictions.get(atlas.block.model)
        loss = None if table is None else predicted(table, atlas)
        effects = parts(atlas.values) if len(languages) >= FEWEST else None
        nothing = float("nan"), float("nan"), float("nan")
        found.append(
            Findings(
                atlas,
                explained(atlas.values, named) if len(languages) >= FEWEST_TO_FIT else None,
                losses(atlas, named, loss),
                bits,
                knowledge.halves(bits),
                loss,
                knowledge.rank_correlation(effects.donors, known.fertility[languages]) if effects else nothing,
                knowledge.rank_correlation(effects.recipients, bits[languages]) if effects else nothing,
            )
        )
    return found
