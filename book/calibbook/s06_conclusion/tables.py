"""What perplexity and English say about the answers, language by language."""

import numpy as np
import pandas as pd

from calibbook.s06_conclusion.claims import gains_by
from calibbook.s06_conclusion.data import Halves, by_perplexity, correlations, rank_interval, texts_with_perplexity
from calibbook.shared.frames import method_label, setting
from calibbook.shared.languages import name_label
from calibbook.shared.words import fixed, signed

MEAN = "mean"


def guides(frame: pd.DataFrame, one: Halves) -> dict[str, np.ndarray]:
    """What a calibration can be chosen by, [half, calibrations, languages] each: perplexity in the language, by text;
    questions in English; questions in the language.
    """
    found = {}
    for source in texts_with_perplexity(frame):
        guide = by_perplexity(frame, one, source)
        if guide is not None:
            found[f"perplexity on {source}"] = np.stack([guide, guide])
    if "en" in one.languages:
        found["questions in English"] = one.scores[:, :, [one.languages.index("en")] * len(one.languages)]
    return found | {"questions in the language": one.scores}


def correlation_table(frame: pd.DataFrame, found: list[Halves]) -> pd.DataFrame:
    """One row a model, method, setting and evaluation language, as text: the rank correlation over calibrations of each
    of the `guides` with the scores on the other half of the questions, with its 95% interval (`rank_interval`). A last
    row of each has the means over languages, which the claims are about.
    """
    lines = []
    for one in found:
        named = {name: correlations(guide, one.scores)[0] for name, guide in guides(frame, one).items()}
        for place, language in enumerate(one.languages):
            line = {"evaluation": name_label(language)} | _of(one, found)
            for name, values in named.items():
                line[name] = _with_interval(values[place], len(one.calibrations))
            lines.append(line)
        means = {name: fixed(values.mean(), 0, 2) for name, values in named.items()}
        lines.append({"evaluation": MEAN} | _of(one, found) | means)
    return pd.DataFrame(lines)


def choice_table(frame: pd.DataFrame, found: list[Halves]) -> pd.DataFrame:
    """One row a model, method, setting and evaluation language, as text: what a calibration gains in points if it is
    chosen by each of the `rules`. A last row of each has the means over languages.
    """
    lines = []
    for one in found:
        gained = rules(frame, one)
        for place, language in enumerate(one.languages):
            values = {name: _points(values[place]) for name, values in gained.items()}
            lines.append({"evaluation": name_label(language)} | _of(one, found) | values)
        means = {name: _points(values.mean()) for name, values in gained.items()}
        lines.append({"evaluation": MEAN} | _of(one, found) | means)
    return pd.DataFrame(lines)


def as_data(frame: pd.DataFrame, found: list[Halves]) -> pd.DataFrame:
    """Both tables as numbers: one row a model, method, setting, evaluation language and rule to choose by, with the
    points gained, and of a guide its rank correlation and the ends of its interval.
    """
    lines = []
    for one in found:
        named = {name: correlations(guide, one.scores)[0] for name, guide in guides(frame, one).items()}
        for name, gained in rules(frame, one).items():
            ranks = named.get(name, np.full(len(one.languages), np.nan))
            for language, points, rank in zip(one.languages, gained, ranks, strict=True):
                low, high = rank_interval(rank, len(one.calibrations))
                numbers = {"points_gained": points, "rank_correlation": rank, "low": low, "high": high}
                lines.append(one.block._asdict() | {"evaluation": language, "chosen_by": name} | numbers)
    return pd.DataFrame(lines)


def rules(frame: pd.DataFrame, one: Halves) -> dict[str, np.ndarray]:
    """What a calibration can be chosen by -> points [languages] that it gains over the mean of all calibrations, NaN
    where the rule names none: each of the `guides`, the language itself, and English.
    """
    gained = {name: gains_by(one, guide) for name, guide in guides(frame, one).items()}
    return gained | {"the language itself": _of_language(one), "English": _of_language(one, "en")}


def _of(one: Halves, found: list[Halves]) -> dict[str, str]:
    """The columns that say what a row is about; the model's only where there are several."""
    block = one.block
    several = len({other.block.model for other in found}) > 1
    method = {"method": f"{method_label(block.method)} {setting(block.sparsity, block.pattern)}"}
    return {"model": block.model} | method if several else method


def _points(gain: float) -> str:
    return "–" if np.isnan(gain) else signed(gain)


def _with_interval(correlation: float, calibrations: int) -> str:
    low, high = rank_interval(correlation, calibrations)
    ends = "" if np.isnan(low) else f" ({fixed(low, 0, 2)} to {fixed(high, 0, 2)})"
    return fixed(correlation, 0, 2) + ends


def _of_language(one: Halves, language: str = "") -> np.ndarray:
    """The gain of calibration in one language, or in each evaluation language itself: points [languages], NaN where it
    was not calibrated in.
    """
    means = one.scores.mean(axis=0) - one.scores.mean(axis=(0, 1))
    wanted = [language or code for code in one.languages]
    return np.array(
        [
            means[one.calibrations.index(code), place] if code in one.calibrations else np.nan
            for place, code in enumerate(wanted)
        ]
    )
