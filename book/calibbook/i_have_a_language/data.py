"""What a study answers to somebody who has a language: for each model, language, measure and method or budget of
memory, every choice that was measured, the best first.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

import numpy as np
import pandas as pd
from scipy.stats import norm

from calibbook.s04_1_pruning_results.choice import ranking
from calibbook.s04_2_downstream_tasks.data import (
    TASK_METRICS,
    chance_levels,
    item_scores,
    mean_and_variance,
    reported,
)
from calibbook.s04_2_downstream_tasks.tables import task_name
from calibbook.s04_6_quantization.memory import bits_per_weight, size
from calibbook.shared.frames import BLOCK, languages_of, method_label, setting
from calibbook.shared.html import deviation
from calibbook.shared.languages import text_label
from calibbook.shared.statistics import ALPHA, NORMAL, normal_interval
from calibbook.shared.words import fixed, number, percent
from calibprune.study.parameters import Parameters

PARTS = ("languages", "mixtures", "quantization")
"""The parts of a study that choices come from."""
NO_TEXT = "no text"
"""The calibration of methods that use none."""
BUDGET = "at most "
"""How what a budget of memory allows begins, and no method's name does."""
UNKNOWN = (np.nan,) * 3
CHOICE = ["method", "sparsity", "pattern", "calibration"]
RANKED = [*CHOICE, "value", "behind", "low", "high", "draws", "change", "change_low", "change_high"]


class Question(NamedTuple):
    """Of what model, for which language, by what measure, and with which method or how much memory; `measure` and `how`
    in words.
    """

    model: str
    language: str
    measure: str
    how: str


@dataclass(frozen=True, eq=False)
class Answer:
    """The choices that answer a question.

    Attributes:
        question: that is answered.
        method: whether it names a method, and not a budget of memory that several fit in.
        task: whether it is about the score of a task, else about perplexity.
        before: what the model was like before, in words.
        elsewhere: how the best does by another measure, in a sentence; empty where that is not said.
        ranked: one row a choice, the best first, with the columns RANKED. `value`: the measure with its standard error,
            as text. `behind`: how much worse than the best, in percent of its perplexity or in points of the score,
            with its 95% interval `low` to `high`; zero, and no interval, for the best itself. `draws` of its text.
            `change`: how much higher the measure is than with the language itself, in percent of its perplexity or in
            points, with an interval corrected for `texts`; NaN for the language itself, and for other methods and
            settings than the best's.
    """

    question: Question
    method: bool
    task: bool
    before: str
    ranked: pd.DataFrame
    elsewhere: str = ""

    @cached_property
    def own(self) -> int | None:
        """The place of the language itself with the best's method and setting; None where that was not measured."""
        itself = self.ranked["calibration"].to_numpy() == self.question.language
        places = np.flatnonzero(_like_the_best(self.ranked) & itself)
        return int(places[0]) if len(places) else None

    @cached_property
    def texts(self) -> int:
        """How many other texts are compared with the language itself, with the best's method and setting."""
        return int(_like_the_best(self.ranked).sum()) - 1 if self.own is not None else 0

    @cached_property
    def clear(self) -> np.ndarray:
        """Which choices are better than the language itself by the corrected interval."""
        low, high = self.ranked["change_low"].to_numpy(), self.ranked["change_high"].to_numpy()
        return low > 0 if self.task else high < 0

    @cached_property
    def taken(self) -> int:
        """The place of the choice to take, of the best's method and setting: the best of the texts that are clearly
        better than the language itself; the language itself where none is, or that is not known; the best where the
        language itself was not measured.
        """
        return int(self.clear.argmax()) if self.clear.any() else self.own or 0

    @cached_property
    def deciding(self) -> int | None:
        """The place of the text whose comparison with the language itself decides what to take: the one that is taken
        in its place, else the best of the others; None where there is none.
        """
        if not self.texts:
            return None
        if self.taken != self.own:
            return self.taken
        others = np.flatnonzero(_like_the_best(self.ranked))
        return int(next(place for place in others if place != self.own))


class Run(NamedTuple):
    """Answers, and the run that they come from.

    Attributes:
        provenance: of its cells, as of `Study.provenance`.
        records: whose they are, for the data of the page.
        about: what a reader must know of these answers, in sentences; empty for those of the page's own study.
        pruned_alone: whether it measured no quantized model, so that a reader who is to quantize gets that command too.
    """

    answers: list[Answer]
    parameters: Parameters
    provenance: pd.DataFrame
    about: str = ""
    records: str = "this study"
    pruned_alone: bool = False


def answers(study, frame: pd.DataFrame) -> list[Answer]:
    """Every answer of a study, by model, then language, measure (texts, then tasks) and how: budgets of memory, the
    largest first, then methods.

    frame: the records of `PARTS` of the study, which has run. Mixtures with languages that it does not calibrate in
    are no choice.
    """
    languages, group_size = set(study.parameters.languages), study.parameters.group_size
    by_text, by_task = on_texts(frame, languages), on_tasks(study, languages)
    found = []
    for task, candidates in ((False, by_text), (True, by_task)):
        for (model, language, measure), rows in candidates.groupby(["model", "language", "measure"], sort=False):
            for how, is_method, mine in ways(rows, group_size):
                ranked = compared_scores(mine, language) if task else compared_perplexities(mine, language)
                question = Question(model, language, measure, how)
                found.append(Answer(question, is_method, task, mine["before"].iloc[0], ranked))
    models, order = list(dict.fromkeys(frame["model"])), languages_of(answer.question.language for answer in found)
    return sorted(found, key=lambda one: (models.index(one.question.model), order.index(one.question.language)))


def on_texts(frame: pd.DataFrame, languages: set[str]) -> pd.DataFrame:
    """One row a choice and evaluation text and language: BLOCK, `language`, `measure`, `before`, `calibration`,
    `perplexity`, `ratio` to the dense model's and its standard error `error`; means over `draws`.
    """
    textless = (frame["calibration"] == "") & (frame["method"] != "dense")
    named = frame.assign(calibration=frame["calibration"].mask(textless, NO_TEXT))
    rows = ranking(named, {*languages, NO_TEXT})
    dense = [f"{fixed(value)}" if np.isfinite(value) else "" for value in rows["perplexity"].div(rows["ratio"]).array]
    drawn = named[named["metric"] == "perplexity"].groupby([*BLOCK, "calibration"])["seed"].nunique()
    draws = [int(drawn.get(tuple(row), 0)) for row in rows[[*BLOCK, "calibration"]].itertuples(index=False)]
    return rows.assign(measure=[f"perplexity on {source}" for source in rows["source"]], before=dense, draws=draws)


def on_tasks(study, languages: set[str]) -> pd.DataFrame:
    """One row a choice, task and language: BLOCK, `language`, `measure`, `before`, `calibration`, and `scores` [seeds,
    items] in fractions.
    """
    metrics = reported(study) | reported(study, generated=True)
    scores, chance = item_scores(study, metrics, *PARTS), chance_levels(study)
    lines = []
    for column, by_text in scores.items():
        if column.method == "dense":
            continue
        before = scores.get(column.of(column.block.dense), {}).get("")
        said = [f"{percent(before.mean())}% as it was"] if before is not None else []
        said += [f"guessing reaches {percent(chance[column.task])}%"] if chance[column.task] else []
        measure = f"{task_name(column.task)} ({TASK_METRICS[column.metric]})"
        for calibration, found in by_text.items():
            if set(calibration.split("+")) <= {*languages, ""}:
                where = (*column.block, column.language, measure, "; ".join(said))
                lines.append((*where, calibration or NO_TEXT, found.astype(np.float64)))
    return pd.DataFrame(lines, columns=[*BLOCK, "language", "measure", "before", "calibration", "scores"])


def ways(rows: pd.DataFrame, group_size: int) -> Iterator[tuple[str, bool, pd.DataFrame]]:
    """(In words, whether it is one method, the rows of choices): each budget of memory that several methods or settings
    fit in, the largest first; then each method and setting.
    """
    rows = rows.assign(bits=[bits_per_weight(row.sparsity, row.pattern, group_size) for row in rows.itertuples()])
    for budget in sorted(rows["bits"].unique(), reverse=True):
        fit = rows[rows["bits"] <= budget]
        if len(fit[BLOCK].drop_duplicates()) > 1:
            methods = ", ".join(dict.fromkeys(map(method_label, fit["method"])))
            yield f"{BUDGET}{size(budget)} bits a weight: {methods}", False, fit
    for (_, method, sparsity, pattern), mine in rows.groupby(BLOCK, sort=False):
        bits = size(mine["bits"].iloc[0])
        yield f"{method_label(method)} {setting(sparsity, pattern)}, {bits} bits a weight", True, mine


def compared_perplexities(rows: pd.DataFrame, language: str) -> pd.DataFrame:
    """Choices for a language by perplexity, as `Answer.ranked`. Two are told apart as in Section 4.1
    (`choice.ranking`), which ranks those of one method; here several methods may compete.
    """
    rows = rows.sort_values("perplexity", kind="stable")
    noise = (rows["error"] / rows["ratio"]).to_numpy()
    logs = np.log(rows["perplexity"].to_numpy())
    own, wider = _against(rows, language)
    lines = []
    for place, row in enumerate(rows.itertuples()):
        log_ratio = logs[place] - logs[0] if place else 0.0
        ends = normal_interval(log_ratio, np.hypot(noise[place], noise[0])) if place else (np.nan, np.nan)
        value = "–" if np.isnan(row.ratio) else f"{fixed(row.ratio, 0, 2)} {deviation(row.error, 0, 2)}".rstrip()
        change = UNKNOWN
        if place in wider:
            gap = logs[place] - logs[own]
            change = gap, *normal_interval(gap, np.hypot(noise[place], noise[own]) * wider[place])
        found = 100 * np.expm1([log_ratio, *ends]), [row.draws], 100 * np.expm1(change)
        lines.append((*_choice(row), value, *np.concatenate(found)))
    return pd.DataFrame(lines, columns=RANKED)


def compared_scores(rows: pd.DataFrame, language: str) -> pd.DataFrame:
    """Choices for a language by mean score, as `Answer.ranked`. Two are told apart on the same items: the variance of
    their difference is that over items, of means over draws, and that of each one's draws. No interval where no item
    and no draw differs.
    """
    rows = rows.assign(mean=[scores.mean() for scores in rows["scores"]])
    rows = rows.sort_values("mean", ascending=False, kind="stable")
    scores = list(rows["scores"])
    own, wider = _against(rows, language)
    lines = []
    for place, row in enumerate(rows.itertuples()):
        behind = _difference(scores[0], row.scores) if place else (0.0, *UNKNOWN[1:])
        change = _difference(row.scores, scores[own], wider[place]) if place in wider else UNKNOWN
        mean, variance = mean_and_variance(row.scores)
        value = f"{percent(mean)}% {deviation(100 * np.sqrt(variance))}".rstrip()
        lines.append((*_choice(row), value, *behind, len(row.scores), *change))
    return pd.DataFrame(lines, columns=RANKED)


def _difference(one: np.ndarray, other: np.ndarray, wider: float = 1.0) -> tuple[float, float, float]:
    """The mean of scores [seeds, items] less that of others, in points, with its 95% interval, as much wider."""
    difference = one.mean(axis=0) - other.mean(axis=0)
    variance = difference.var(ddof=1) / len(difference) + _over_draws(one) + _over_draws(other)
    ends = normal_interval(difference.mean(), wider * np.sqrt(variance)) if variance > 0 else UNKNOWN[1:]
    return tuple(float(100 * value) for value in (difference.mean(), *ends))


def _like_the_best(rows: pd.DataFrame) -> np.ndarray:
    """Which rows, the best first, have its method and setting. By columns, which is much quicker than by frame:
    every sentence asks.
    """
    columns = (rows[name].to_numpy() for name in CHOICE if name != "calibration")
    return np.logical_and.reduce([column == column[0] for column in columns])


def _against(rows: pd.DataFrame, language: str) -> tuple[int, dict[int, float]]:
    """(the place of the language itself, places of the other texts that are compared with it -> how many times as wide
    an interval is that holds for all of them together); of rows of choices, the best first. Bonferroni: that the best
    of many texts was picked by looking is paid for.
    """
    same = _like_the_best(rows)
    own = np.flatnonzero(same & (rows["calibration"] == language).to_numpy())
    others = np.flatnonzero(same & (rows["calibration"] != language).to_numpy())
    if not len(own) or not len(others):
        return 0, {}
    return int(own[0]), dict.fromkeys(others.tolist(), float(norm.isf(ALPHA / 2 / len(others)) / NORMAL))


def _over_draws(scores: np.ndarray) -> float:
    """The variance of the mean of scores [seeds, items] that comes from its draws; zero where there is one, of which
    nothing is known.
    """
    return float(scores.mean(axis=1).var(ddof=1) / len(scores)) if len(scores) > 1 else 0.0


def _only(answer: Answer) -> np.ndarray:
    """Which choice of the ranking is the one to take."""
    return np.arange(len(answer.ranked)) == answer.taken


def _choice(row) -> tuple:
    return tuple(getattr(row, name) for name in CHOICE)


def choice_name(row, method: bool = True) -> str:
    """`Wanda 50%, calibrated in DE+SW`; without the method `DE+SW`."""
    text = text_label(row.calibration) if row.calibration != NO_TEXT else NO_TEXT
    if not method:
        return text
    how = f"calibrated in {text}" if row.calibration != NO_TEXT else "which uses no text"
    return f"{method_label(row.method)} {setting(row.sparsity, row.pattern)}, {how}"


def behind(row, task: bool) -> str:
    """How much worse than the best a choice is: `3.20% more (1.10% to 5.30%)`, `2.50 points fewer (…)`."""
    unit, what = ("", "points fewer") if task else ("%", "more")
    ends = f" ({number(row.low)}{unit} to {number(row.high)}{unit})" if np.isfinite([row.low, row.high]).all() else ""
    return f"{number(row.behind)}{unit} {what}{ends}"


def flat(runs: Sequence[Run]) -> pd.DataFrame:
    """Every choice of every answer of some runs as one frame, for a reader to download; `records` says whose it is."""
    lines = [
        answer.ranked.assign(
            **answer.question._asdict(), records=run.records, rank=range(1, len(answer.ranked) + 1), taken=_only(answer)
        )
        for run in runs
        for answer in run.answers
    ]
    columns = ["records", *Question._fields, "rank", "taken", *RANKED]
    return pd.concat(lines, ignore_index=True)[columns] if lines else pd.DataFrame(columns=columns)
