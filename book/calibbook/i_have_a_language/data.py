"""What a study answers to somebody who has a language: for each model, language, measure and method or budget of
memory, every choice that was measured, the best first.
"""

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
import pandas as pd

from calibbook.s04_1_pruning_results.choice import clear, ranking
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
from calibbook.shared.statistics import normal_interval
from calibbook.shared.words import fixed, number, percent
from calibprune.study.parameters import Parameters

PARTS = ("languages", "mixtures", "quantization")
"""The parts of a study that choices come from."""
NO_TEXT = "no text"
"""The calibration of methods that use none."""
CHOICE = ["method", "sparsity", "pattern", "calibration"]
RANKED = [*CHOICE, "value", "behind", "low", "high"]


class Question(NamedTuple):
    """Of what model, for which language, by what measure, and with which method or how much memory; `measure` and `how`
    in words.
    """

    model: str
    language: str
    measure: str
    how: str


class Answer(NamedTuple):
    """The choices that answer a question.

    Attributes:
        question: that is answered.
        method: whether it names a method, and not a budget of memory that several fit in.
        task: whether it is about the score of a task, else about perplexity.
        before: what the model was like before, in words.
        elsewhere: how the best does by another measure, in a sentence; empty where that is not said.
        ranked: one row a choice, the best first, with the columns RANKED. `value`: the measure with its standard error,
            as text. `behind`: how much worse than the best, in percent of its perplexity or in points of the score,
            with its 95% interval `low` to `high`; zero, and no interval, for the best itself.
    """

    question: Question
    method: bool
    task: bool
    before: str
    ranked: pd.DataFrame
    elsewhere: str = ""

    @property
    def taken(self) -> int:
        """The place of the choice to take: with the best's method and setting the language itself, unless it is clearly
        worse or that is not known; else the best.
        """
        best = self.ranked.iloc[0]
        for place, row in enumerate(self.ranked.itertuples()):
            same = (row.method, row.sparsity, row.pattern) == (best.method, best.sparsity, best.pattern)
            if same and row.calibration == self.question.language:
                return place if np.isfinite(row.low) and not clear(row) else 0
        return 0

    @property
    def told_apart(self) -> bool:
        """Whether the best is clearly better than the second."""
        return len(self.ranked) > 1 and clear(self.ranked.iloc[1])


class Run(NamedTuple):
    """Answers, and the run that they come from.

    Attributes:
        provenance: of its cells, as of `Study.provenance`.
        about: what a reader must know of these answers, in sentences; empty for those of the page's own study.
    """

    answers: list[Answer]
    parameters: Parameters
    provenance: pd.DataFrame
    about: str = ""


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
                ranked = compared_scores(mine) if task else compared_perplexities(mine)
                question = Question(model, language, measure, how)
                found.append(Answer(question, is_method, task, mine["before"].iloc[0], ranked))
    models, order = list(dict.fromkeys(frame["model"])), languages_of(answer.question.language for answer in found)
    return sorted(found, key=lambda one: (models.index(one.question.model), order.index(one.question.language)))


def on_texts(frame: pd.DataFrame, languages: set[str]) -> pd.DataFrame:
    """One row a choice and evaluation text and language: BLOCK, `language`, `measure`, `before`, `calibration`,
    `perplexity`, `ratio` to the dense model's and its standard error `error`; means over draws.
    """
    textless = (frame["calibration"] == "") & (frame["method"] != "dense")
    named = frame.assign(calibration=frame["calibration"].mask(textless, NO_TEXT))
    rows = ranking(named, {*languages, NO_TEXT})
    dense = [f"{fixed(value)}" if np.isfinite(value) else "" for value in rows["perplexity"].div(rows["ratio"]).array]
    return rows.assign(measure=[f"perplexity on {source}" for source in rows["source"]], before=dense)


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
            yield f"at most {size(budget)} bits a weight: {methods}", False, fit
    for (_, method, sparsity, pattern), mine in rows.groupby(BLOCK, sort=False):
        bits = size(mine["bits"].iloc[0])
        yield f"{method_label(method)} {setting(sparsity, pattern)}, {bits} bits a weight", True, mine


def compared_perplexities(rows: pd.DataFrame) -> pd.DataFrame:
    """Choices by perplexity, as `Answer.ranked`. Two are told apart as in Section 4.1 (`choice.ranking`), which ranks
    those of one method; here several methods may compete.
    """
    rows = rows.sort_values("perplexity", kind="stable")
    noise = (rows["error"] / rows["ratio"]).to_numpy()
    logs = np.log(rows["perplexity"].to_numpy())
    lines = []
    for place, row in enumerate(rows.itertuples()):
        log_ratio = logs[place] - logs[0] if place else 0.0
        ends = normal_interval(log_ratio, np.hypot(noise[place], noise[0])) if place else (np.nan, np.nan)
        value = "–" if np.isnan(row.ratio) else f"{fixed(row.ratio, 0, 2)} {deviation(row.error, 0, 2)}".rstrip()
        lines.append((*_choice(row), value, *(100 * np.expm1([log_ratio, *ends]))))
    return pd.DataFrame(lines, columns=RANKED)


def compared_scores(rows: pd.DataFrame) -> pd.DataFrame:
    """Choices by mean score, as `Answer.ranked`. Two are told apart on the same items: the variance of their difference
    is that over items, of means over draws, and that of each one's draws. No interval where no item and no draw
    differs.
    """
    rows = rows.assign(mean=[scores.mean() for scores in rows["scores"]])
    rows = rows.sort_values("mean", ascending=False, kind="stable")
    best = rows["scores"].iloc[0]
    lines = []
    for place, row in enumerate(rows.itertuples()):
        difference = best.mean(axis=0) - row.scores.mean(axis=0)
        variance = difference.var(ddof=1) / len(difference) + _over_draws(best) + _over_draws(row.scores)
        known = place and variance > 0
        ends = normal_interval(difference.mean(), np.sqrt(variance)) if known else (np.nan, np.nan)
        mean, own = mean_and_variance(row.scores)
        value = f"{percent(mean)}% {deviation(100 * np.sqrt(own))}".rstrip()
        lines.append((*_choice(row), value, *(100 * np.array([difference.mean(), *ends]))))
    return pd.DataFrame(lines, columns=RANKED)


def _over_draws(scores: np.ndarray) -> float:
    """The variance of the mean of scores [seeds, items] that comes from its draws; zero where there is one, of which
    nothing is known.
    """
    return float(scores.mean(axis=1).var(ddof=1) / len(scores)) if len(scores) > 1 else 0.0


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


def flat(found: list[Answer]) -> pd.DataFrame:
    """Every choice of every answer as one frame, for a reader to download."""
    lines = [
        answer.ranked.assign(**answer.question._asdict(), rank=range(1, len(answer.ranked) + 1)) for answer in found
    ]
    columns = [*Question._fields, "rank", *RANKED]
    return pd.concat(lines, ignore_index=True)[columns] if lines else pd.DataFrame(columns=columns)
