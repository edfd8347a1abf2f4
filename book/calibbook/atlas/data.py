"""What the atlas is: for a pruned model and an evaluation text, how much the perplexity grew in every language, for
every language of the calibration text.
"""

from typing import NamedTuple

import numpy as np
import pandas as pd

from calibbook.shared.figure import block_title
from calibbook.shared.frames import Block, blocks, calibrated, languages_of, measured, over_draws, sources, square
from calibprune.languages import NOT_KNOWN, describe


class Atlas(NamedTuple):
    """One model, method and sparsity on one evaluation text.

    Attributes:
        block: what was pruned, and how.
        source: the evaluation text.
        increase: ln of perplexity over that of the dense model, [calibration, evaluation], over the languages that are
            both; means over the draws of calibration text.
        mixtures: the same of models calibrated in several languages, [mixture, evaluation]; perhaps no rows.
        dense: the dense model's perplexity in each language.
        tokens: predicted tokens of the evaluation text in each language.
    """

    block: Block
    source: str
    increase: pd.DataFrame
    mixtures: pd.DataFrame
    dense: pd.Series
    tokens: pd.Series

    @property
    def languages(self) -> list[str]:
        return list(self.increase.columns)

    @property
    def title(self) -> str:
        """`gemma3-270m, Wanda, 50%, on chromium`."""
        return f"{block_title(self.block)}, on {self.source}"

    @property
    def values(self) -> np.ndarray:
        """The increase as float64 [languages, languages]."""
        return self.increase.to_numpy(dtype=float)


def atlases(frame: pd.DataFrame) -> list[Atlas]:
    """Every atlas of a tidy frame with at least two languages, by evaluation text, then model and method."""
    found = []
    for source in sources(frame) if "perplexity" in measured(frame) else []:
        rows = over_draws(frame, "perplexity", source)
        dense = rows[rows["method"] == "dense"].set_index(["model", "language"])
        for block, mine in blocks(rows[rows["method"] != "dense"]):
            single = calibrated(mine)
            common = [code for code in languages_of(single["calibration"]) if code in set(single["language"])]
            if len(common) < 2 or block.model not in dense.index:
                continue
            known = dense.loc[block.model].loc[common]

            def increase(part: pd.DataFrame, known=known, common=common) -> pd.DataFrame:
                return np.log(square(part)[common]) - np.log(known["mean"])

            mixed = calibrated(mine, mixtures=True)
            found.append(
                Atlas(
                    block,
                    source,
                    increase(single).loc[common],
                    pd.DataFrame(columns=common, dtype=float) if mixed.empty else increase(mixed),
                    known["mean"],
                    known["n"],
                )
            )
    return found


def families(languages: list[str]) -> dict[str, list[str]]:
    """Known family -> its languages among these, two at least, in the order of first appearance."""
    found: dict[str, list[str]] = {}
    for code in languages:
        found.setdefault(describe(code).family, []).append(code)
    return {family: codes for family, codes in found.items() if len(codes) > 1 and family != NOT_KNOWN}


def mixture_name(mixture: str, languages: list[str]) -> str:
    """`all 49` for a mixture of all these languages, `family: Uralic` for one of all that are of a family, else its
    codes.
    """
    codes = set(mixture.split("+"))
    if codes == set(languages):
        return f"all {len(codes)}"
    return next(
        (f"family: {family}" for family, members in families(languages).items() if codes == set(members)), mixture
    )
