"""Which calibration serves an evaluation language best: every calibration, mixtures included, ranked by perplexity over
that of the dense model.

Two calibrations are told apart by the 95% interval of the logarithm of their perplexities' ratio, from standard errors
and the spread over draws. All models read the same text, which the standard errors do not allow for: the interval is
too wide rather than too narrow. It knows nothing of how many calibrations were compared.
"""

from collections.abc import Collection, Iterable

import numpy as np
import pandas as pd

from calibbook.shared.frames import BLOCK, method_label, over_draws, setting, sources
from calibbook.shared.html import Cell, Html, Label, Languages, Mark, deviation, heat_table
from calibbook.shared.languages import name_label, text_label
from calibbook.shared.statistics import normal_interval
from calibbook.shared.words import fixed, in_caption, listed, number

WHERE = [*BLOCK, "source", "language"]
RANKED = [*WHERE, "rank", "calibration", "perplexity", "ratio", "error", "behind", "low", "high"]
CLEARLY = Mark("✓", "clearly better than the second")
HOW_FAR = (
    "Perplexity over that of the dense model with its standard error, and how much more perplexity there is than with "
    "the best calibration, with a 95% interval that is too wide rather than too narrow: all models read the same text. "
    "Of few windows the standard error itself is hardly known."
)
EACH_UP_TO = 3
"""Evaluation languages that have a sentence each; of more it is counted which calibration serves how many."""


def ranking(frame: pd.DataFrame, languages: Collection[str] | None = None) -> pd.DataFrame:
    """One row a model, method, setting, evaluation text, evaluation language and calibration, the best first, with the
    columns RANKED; empty without perplexities of calibrated models.

    `ratio`: perplexity over the dense model's, `error` its standard error by the calibrated side alone, NaN where it is
    not known. `behind`: the perplexity over that of the best calibration, less one, with its 95% interval `low` to
    `high`; zero, and no interval, for the best itself. Means over draws.

    Args:
        languages: those that the study calibrates in; mixtures with others are no answer to which of these is best, and
            left out. None: all that was calibrated.
    """
    lines = []
    if languages is not None:
        asked = frame["calibration"].map(lambda text: set(text.split("+")) <= {*languages, ""})
        frame = frame[asked.astype(bool)]  # of a frame without rows it has no dtype
    for source in sources(frame):
        if not ((frame["metric"] == "perplexity") & (frame["source"] == source)).any():
            continue
        summary = over_draws(frame, "perplexity", source)
        dense = summary[summary["method"] == "dense"].set_index(["model", "language"])["mean"]
        for (*block, language), rows in summary[summary["calibration"] != ""].groupby([*BLOCK, "language"], sort=False):
            rows = rows.sort_values("mean", kind="stable")
            error = np.sqrt(rows["stderr"] ** 2 + (rows["sd"] ** 2 / rows["draws"]).fillna(0)) / rows["mean"]
            before = dense.get((block[0], language), np.nan)
            for place, (row, noise) in enumerate(zip(rows.itertuples(), error, strict=True)):
                log_ratio = np.log(row.mean / rows["mean"].iloc[0])
                ends = normal_interval(log_ratio, np.hypot(noise, error.iloc[0])) if place else (np.nan, np.nan)
                ratio = row.mean / before
                lines.append((*block, source, language, place + 1, row.calibration, row.mean, ratio, ratio * noise))
                lines[-1] += tuple(np.expm1([log_ratio, *ends]))
    return pd.DataFrame(lines, columns=RANKED)


def best_table(ranked: pd.DataFrame, title: str) -> Html:
    """Evaluation languages down, models and texts across: the calibration that serves each best, and the second."""
    texts = ranked["source"].unique()
    places = ranked[[*BLOCK, "source"]].drop_duplicates()
    names = _names(places)
    columns: dict[tuple, tuple[Label, ...]] = {
        tuple(place): (place.source, name) if len(texts) > 1 else (name,)
        for place, name in zip(places.itertuples(index=False), names, strict=True)
    }
    cells = {}
    for (*place, language), rows in ranked.groupby(WHERE, sort=False):
        cells[language, tuple(place)] = _cell(rows)
    note = (
        "The calibration with the lowest perplexity over that of the dense model, this ratio and its standard error; "
        f"then the second. ✓: {CLEARLY.meaning} (95% interval of their ratio, which is too wide rather than "
        f"too narrow: all models read the same text). {in_caption(ranked.groupby(WHERE).size())} calibrations"
        f"{'' if len(texts) > 1 else f', measured on “{texts[0]}”'}."
    )
    rows = {code: (Languages((code,)),) for code in dict.fromkeys(ranked["language"])}
    return heat_table(rows, columns, cells, ["Evaluation"], title, note)


def serving(ranked: pd.DataFrame) -> str:
    """What serves the evaluation languages best, in Markdown: a list entry for each model and text, and for each
    language where they are few.
    """
    few = ranked["language"].nunique() <= EACH_UP_TO
    lines = []
    for (*place, source), rows in ranked.groupby([*BLOCK, "source"], sort=False):
        where = f"{', '.join(filter(None, (place[0], method_label(place[1]), setting(*place[2:]))))}, on {source}"
        by_language = [mine for _, mine in rows.groupby("language", sort=False)]
        found = [_sentence(mine) for mine in by_language] if few else [_counts(by_language)]
        lines += [f"- {where}: {sentence}" for sentence in found]
    return "\n".join(lines)


def ranking_table(ranked: pd.DataFrame) -> pd.DataFrame:
    """Every calibration in the order of `ranking`, as text, ready to show."""
    names = _names(ranked)
    return pd.DataFrame(
        {
            "calibration": ranked["calibration"].map(text_label),
            "evaluation": ranked["language"].map(name_label),
            "on": ranked["source"],
            "method": names,
            "perplexity": ranked["perplexity"].map(fixed),
            "over the dense model": [_with_error(row) for row in ranked.itertuples()],
            "more than the best": [_behind(row) for row in ranked.itertuples()],
        }
    )


def apart(calibration: Collection[str], evaluation: Collection[str]) -> bool:
    """Whether a study measures in other languages than it calibrates in."""
    return set(calibration) != set(evaluation)


def heading(evaluation: Iterable[str]) -> str:
    """The question as a heading: `## Which calibration serves Portuguese (PT) best`."""
    codes = list(evaluation)
    whom = listed(map(name_label, codes)) if len(codes) <= EACH_UP_TO else f"these {len(codes)} languages"
    return f"## Which calibration serves {whom} best"


def clear(second) -> bool:
    """Whether the best calibration is clearly better than this row of `ranking`."""
    return bool(second.low > 0)


def _sentence(rows: pd.DataFrame) -> str:
    """Of the rows of one language: the best, and how it compares with the second."""
    best, *others = rows.itertuples()
    what = f"**{name_label(best.language)} is served best by {text_label(best.calibration)}**"
    what += f", with {_with_error(best)} times the dense model's perplexity"
    if not others:
        return f"{what}; nothing else was calibrated in."
    second = others[0]
    if np.isnan(second.low):
        verdict = "how certain that is, one window does not tell"
    else:
        verdict = f"{'clearly' if clear(second) else 'not clearly'} better"
        verdict += f" (95% interval {_percent(second.low)} to {_percent(second.high)})"
    more = f"{number(100 * second.behind)}% more perplexity"
    return f"{what}. The second, {text_label(second.calibration)}, has {more}: {verdict}."


def _counts(by_language: list[pd.DataFrame]) -> str:
    """Of the rows of each of many languages: how many of them each calibration serves best."""
    best = pd.Series([rows["calibration"].iloc[0] for rows in by_language]).value_counts(sort=True)
    sure = sum(len(rows) > 1 and clear(rows.iloc[1]) for rows in by_language)
    served = listed(f"{text_label(text)} {count}" for text, count in best.items())
    return (
        f"languages of {len(by_language)} that a calibration serves best: {served}. The best is clearly better than "
        f"the second in {sure}."
    )


def _cell(rows: pd.DataFrame) -> Cell:
    best, *others = rows.itertuples()
    mark = CLEARLY if others and clear(others[0]) else None
    below = f"then {text_label(others[0].calibration)}, {number(100 * others[0].behind)}% more" if others else ""
    return Cell(f"{text_label(best.calibration)} {_with_error(best)}", mark=mark, below=below)


def _with_error(row) -> str:
    if np.isnan(row.ratio):
        return "–"
    return " ".join(filter(None, [fixed(row.ratio, 0, 2), deviation(row.error, 0, 2)]))


def _behind(row) -> str:
    if row.rank == 1:
        return "–"
    ends = f" ({_percent(row.low)} to {_percent(row.high)})" if np.isfinite(row.low) else ""
    return f"{number(100 * row.behind)}%{ends}"


def _percent(share: float) -> str:
    return f"{number(100 * share)}%"


def _names(rows: pd.DataFrame) -> list[str]:
    """`Wanda 50%` of each row, with the model where there are several."""
    several = rows["model"].nunique() > 1
    return [
        ", ".join([*[row.model] * several, f"{method_label(row.method)} {setting(row.sparsity, row.pattern)}".strip()])
        for row in rows.itertuples()
    ]
