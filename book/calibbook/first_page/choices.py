"""What one may calibrate in, and what each choice costs: English, the target language, both, or all languages at once.

The languages that are asked about are the evaluation languages other than English, since in English the first two
choices are one. All choices of a model, method and setting are compared on the languages that all of them have.
"""

from collections.abc import Collection, Iterable

import numpy as np
import pandas as pd

from calibbook.s04_4_multiple_languages.data import number_of_languages
from calibbook.shared.draws import FEWEST_DRAWS
from calibbook.shared.frames import BLOCK, is_mixture, over_draws, sources
from calibbook.shared.statistics import mixed_interval

ENGLISH, TARGET, WITH_ENGLISH, EVERY, NO_TEXT = CHOICES = (
    "English",
    "the target language",
    "target and English",
    "many languages",
    "no text",
)
"""EVERY is the largest mixture of a study, NO_TEXT what a method does that needs no calibration."""
COLUMNS = [*BLOCK, "language", "choice", "calibration", "log_ratio", "text_error", "draw_error", "draws", "n"]


def text_of(frame: pd.DataFrame) -> str:
    """The first evaluation text on which compressed models have a perplexity; empty without any."""
    rows = frame[(frame["metric"] == "perplexity") & (frame["method"] != "dense")]
    return next((source for source in sources(frame) if (rows["source"] == source).any()), "")


def asked(evaluation: Iterable[str]) -> list[str]:
    """The evaluation languages other than English; English where it is the only one."""
    codes = list(dict.fromkeys(evaluation))
    return [code for code in codes if code != "en"] or codes


def largest(texts: Collection[str]) -> str | None:
    """The mixture of the most languages, the first of several; None where there is none but pairs with English."""
    mixtures = [text for text in texts if is_mixture(text) and (text.count("+") > 1 or "en" not in text.split("+"))]
    return max(mixtures, key=lambda text: text.count("+"), default=None)


def label(choice: str, texts: Collection[str]) -> str:
    """A choice as the page calls it, `all seven languages` for EVERY; `texts` are the calibrations of the study."""
    if choice != EVERY:
        return choice
    text = largest(texts)
    if set(text.split("+")) != {one for one in texts if one and not is_mixture(one)}:
        return f"{number_of_languages(text)} at once"
    return "both languages" if text.count("+") == 1 else f"all {number_of_languages(text)}"


def calibrations(language: str, texts: Collection[str], every: str | None) -> dict[str, str]:
    """Choice -> calibration that it is for this target language, of those in `texts`."""
    pairs = (text for text in texts if language != "en" and set(text.split("+")) == {"en", language})
    named = {
        ENGLISH: None if language == "en" else "en",
        TARGET: language,
        WITH_ENGLISH: next(pairs, None),
        EVERY: every,
        NO_TEXT: "",
    }
    return {choice: text for choice, text in named.items() if text in texts}


def choices(frame: pd.DataFrame, source: str) -> pd.DataFrame:
    """One row a model, method, setting, target language and choice, with the columns COLUMNS; of each model, method and
    setting those languages that all its choices have.

    `log_ratio`: logarithm of the perplexity over the dense model's, mean over `draws`; `text_error` and `draw_error`:
    its standard errors by the evaluation text and by the draws of calibration text, NaN and 0 where they are not known;
    `n`: tokens of evaluation text.
    """
    summary = over_draws(frame, "perplexity", source)
    dense = summary[summary["method"] == "dense"].set_index(["model", "language"])["mean"]
    every, lines = largest(list(dict.fromkeys(summary["calibration"]))), []
    mine = summary[(summary["method"] != "dense") & summary["language"].isin(asked(summary["language"]))]
    for (*block, language), rows in mine.groupby([*BLOCK, "language"], sort=False):
        by_text = rows.set_index("calibration")
        before = dense.get((block[0], language), np.nan)
        for choice, text in calibrations(language, list(by_text.index), every).items():
            row = by_text.loc[text]
            of_draws = row["sd"] / np.sqrt(row["draws"]) / row["mean"] if row["draws"] > 1 else 0.0
            errors = row["stderr"] / row["mean"], of_draws
            lines.append((*block, language, choice, text, np.log(row["mean"] / before), *errors))
            lines[-1] += (int(row["draws"]), row["n"])
    found = pd.DataFrame(lines, columns=COLUMNS).dropna(subset="log_ratio")
    parts = [_comparable(rows) for _, rows in found.groupby(BLOCK, sort=False)]
    return pd.concat(parts, ignore_index=True) if parts else found


def _comparable(rows: pd.DataFrame) -> pd.DataFrame:
    """The languages that all choices have; without the choices of the fewest languages where that leaves none."""
    table = rows.pivot(index="language", columns="choice", values="log_ratio")
    while table.dropna().empty:
        table = table.drop(columns=table.count().idxmin())
    return rows[rows["language"].isin(table.dropna().index) & rows["choice"].isin(table.columns)]


def difference(rows: pd.DataFrame, choice: str, reference: str) -> tuple[float, float, float]:
    """How much more perplexity a choice has than another, and the 95% interval of that, as fractions: the geometric
    mean over languages, of rows of one model, method and setting.

    The interval is about these languages, by the logarithm, and too wide rather than too narrow, since all models read
    the same text. What is known from a few draws makes it wider (`statistics.mixed_interval`).
    """
    one, other = (rows[rows["choice"] == name] for name in (choice, reference))
    middle = float(one["log_ratio"].mean() - other["log_ratio"].mean())
    ends = mixed_interval(middle, _of_text(one) + _of_text(other), [_of_draws(one), _of_draws(other)])
    return tuple(float(value) for value in np.expm1([middle, *ends]))


def _of_text(rows: pd.DataFrame) -> float:
    """The variance of the mean of `log_ratio` over languages, each of which has an evaluation text of its own."""
    return float((rows["text_error"] ** 2).sum(skipna=False)) / len(rows) ** 2


def _of_draws(rows: pd.DataFrame) -> tuple[float, int]:
    """The variance of the mean of `log_ratio` by draws of calibration text, and its degrees of freedom. Languages share
    the draws of a model that serves all of them.
    """
    freedom = int(rows["draws"].min()) - 1
    if rows["calibration"].nunique() == 1:
        return float(rows["draw_error"].mean()) ** 2, freedom
    return float((rows["draw_error"] ** 2).sum()) / len(rows) ** 2, freedom * len(rows)


def clear_best(rows: pd.DataFrame) -> str | None:
    """The choice that is better than every other one by the interval of `difference`, if there is one; of rows of one
    model, method and setting. None is where a text that all languages share was drawn once: it decides nothing.
    """
    means = rows.groupby("choice", sort=False)["log_ratio"].mean()
    best = means.idxmin()
    others = [difference(rows, choice, best) for choice in means.index if choice != best]
    known = all(_decides(mine) for _, mine in rows.groupby("choice", sort=False))
    return best if known and others and all(low > 0 for _, low, _ in others) else None


def _decides(rows: pd.DataFrame) -> bool:
    """Whether more is known of a choice than one text that was drawn for several languages."""
    shared = rows["calibration"].nunique() == 1 and len(rows) > 1 and rows["calibration"].iloc[0] != ""
    return not shared or bool(rows["draws"].min() >= FEWEST_DRAWS)
