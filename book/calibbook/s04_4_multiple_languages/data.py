"""Calibration in several languages against one, on the same items: the rows of the paper's Table 4 and its claims of
Section 4.4.

A mixture shares the budget of windows out equally. For each target language it has a name of its own: `English +
target`, or the number of its languages. Every row is compared with a single language, the target or English.
"""

from collections.abc import Collection

import numpy as np
import pandas as pd

from calibbook.s04_2_downstream_tasks.data import COLUMN, Scores, enough_resamples
from calibbook.shared.comparison import holm, paired_bootstrap
from calibbook.shared.frames import BLOCK, in_order, is_mixture

TARGET, ENGLISH, WITH_ENGLISH = "target alone", "English alone", "English + target"
NUMBERS = ("no", "one", "two", "three", "four", "five", "six", "seven")  # in words as far as the paper goes
DIFFERENCES = [*BLOCK, *COLUMN, "metric", "setup", "calibration", "mean", "difference", "low", "high", "p", "p_holm"]


def setups(target: str, texts: Collection[str]) -> dict[str, str]:
    """The calibrations that Table 4 has for a target language: name -> calibration.

    `target alone`, `English alone`, `English + target`, and for every other mixture the number of its languages, for
    example `seven languages`, or its own name where two have the same number. A pair that leaves out the target belongs
    to other targets and is left out, unless no calibration has the target.
    """
    mixtures = {text: text.split("+") for text in texts if is_mixture(text)}
    with_english = [text for text, parts in mixtures.items() if set(parts) == {"en", target}]
    others = {
        text: number_of_languages(text) for text, parts in mixtures.items() if len(parts) > 2 or "en" not in parts
    }
    sizes = list(others.values())
    found = {name: text for name, text in ((TARGET, target), (ENGLISH, "en")) if text in set(texts)}
    found |= {WITH_ENGLISH: with_english[0]} if with_english else {}
    if not any(target in text.split("+") for text in texts):
        return found | {text: text for text in mixtures}
    mine = {text: size for text, size in others.items() if len(mixtures[text]) > 2 or target in mixtures[text]}
    return found | {size if sizes.count(size) == 1 else text: text for text, size in mine.items()}


def number_of_languages(text: str) -> str:
    """`seven languages`, `49 languages`."""
    number = text.count("+") + 1
    return f"{NUMBERS[number] if number < len(NUMBERS) else number} languages"


def mixtures_of(scores: Scores) -> list[str]:
    """The calibrations of several languages, in order of appearance."""
    return list(dict.fromkeys(text for by_text in scores.values() for text in by_text if is_mixture(text)))


def against(scores: Scores, reference: str) -> pd.DataFrame:
    """Every setup of every column minus one of them (`TARGET` or `ENGLISH`), with the columns DIFFERENCES.

    Columns that lack it have no rows, nor has what is the same calibration. Fractions; paired bootstrap, Holm over all
    rows.
    """
    pairs = []
    for column, by_text in scores.items():
        named = setups(column.language, by_text)
        base = named.get(reference)
        pairs += [(column, setup, text, base) for setup, text in named.items() if base and text != base]
    rows = []
    for column, setup, text, base in pairs:
        found = paired_bootstrap(scores[column][text], scores[column][base], enough_resamples(len(pairs)))
        mean = float(scores[column][text].mean())
        rows.append((*column, setup, text, mean, found.difference, found.low, found.high, found.p, np.nan))
    table = pd.DataFrame(rows, columns=DIFFERENCES)
    return in_order(table.assign(p_holm=holm(table["p"]))) if rows else table
