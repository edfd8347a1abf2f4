"""From the scores of single items to the rows of the task tables: a column is one task in one language, compared on the
same items.
"""

from collections.abc import Collection, Mapping
from typing import NamedTuple

import numpy as np
import pandas as pd

from calibbook.shared.comparison import best_calibrations, holm
from calibbook.shared.frames import BLOCK, Block, calibrated, in_order, languages_of, shade
from calibbook.shared.statistics import ALPHA, share_interval
from calibbook.shared.words import listed
from calibprune.metrics.base import Metric
from calibprune.tasks import catalogue

TASK_METRICS = {"acc": "accuracy", "acc_norm": "length-normalised accuracy", "f1": "F1", "em": "exact match"}
COLUMN = ["task", "language"]
ROWS = [
    *BLOCK,
    *COLUMN,
    "metric",
    "calibration",
    "mean",
    "sd",
    "draws",
    "stderr",
    "low",
    "high",
    "difference",
    "difference_low",
    "difference_high",
]
ROWS += ["p", "p_holm", "unbeaten", "best", "within_one_stderr", "n", "shade"]
RESAMPLES = 10_000
A_SCORE = Metric("score", "Score", unit="%", lower_is_better=False)


class Column(NamedTuple):
    """What is compared with each other: one task in one language by one metric, of one model pruned by one method to
    one sparsity.
    """

    model: str
    method: str
    sparsity: float
    pattern: str
    task: str
    language: str
    metric: str

    @property
    def block(self) -> Block:
        return Block(*self[:4])

    @property
    def where(self) -> tuple[str, str]:
        return self.task, self.language

    def of(self, block: Block) -> "Column":
        """The same column of another model, method and sparsity."""
        return Column(*block, *self[4:])


Scores = Mapping[Column, Mapping[str, np.ndarray]]
"""Column -> calibration ("" for none) -> scores [seeds, items], float32 fractions, the same items in the same order for
every calibration.
"""


def reported(study, generated: bool = False) -> dict[str, str]:
    """The metric that each task family of a study is reported by: the paper's tasks by accuracy or F1, as in the paper,
    and the embedded ones by the first that they declare. Those with generated answers, or all others."""
    from calibprune.tasks.embedded import TASKS  # on use: it reads packaged text

    specs = study.parameters.task_specs()
    found = {spec.family: TASKS.get(spec.family, spec).metrics[0] for spec in specs}
    return {task: metric for task, metric in found.items() if (metric not in ("acc", "acc_norm")) == generated}


def item_scores(study, metrics: Mapping[str, str], *parts: str) -> dict[Column, dict[str, np.ndarray]]:
    """The `Scores` of these parts of a study that has run: task families and which of TASK_METRICS to take of each;
    without those that lack it, and those of a single item, of which nothing can be said (`asked_once`).

    Raises:
        StoreError: a cell with tasks whose items are not in the store, or are damaged.
    """
    draws: dict[Column, dict[str, list[np.ndarray]]] = {}
    for cell in sorted((cell for cell in study.cells(*parts) if cell.tasks), key=lambda cell: cell.seed):
        block = (cell.model, cell.method, cell.sparsity.fraction, cell.pattern)
        with study.store.artifact(cell, "items") as items:
            there = set(items.keys())
            for task, language in map(catalogue.split, cell.tasks):
                metric = metrics.get(task)
                if (key := f"{task}.{language}.{metric}") in there:
                    column = draws.setdefault(Column(*block, task, language, metric), {})
                    column.setdefault("+".join(cell.calibration), []).append(items.get_tensor(key).numpy())
    scores = {column: {name: np.stack(found) for name, found in by_text.items()} for column, by_text in draws.items()}
    return {column: by_text for column, by_text in scores.items() if next(iter(by_text.values())).shape[1] > 1}


def asked_once(frame: pd.DataFrame, families: Collection[str]) -> str:
    """A sentence about those task families of which a single item was asked in some language, which tables leave out;
    empty where there is none.
    """
    rows = frame[frame["task"].isin(list(families)) & (frame["n"] == 1)]
    alone = [f"{task} in {listed(languages_of(mine['language']))}" for task, mine in rows.groupby("task", sort=False)]
    if not alone:
        return ""
    return f"**Left out: {'; '.join(alone)}.** A single question was asked, and a comparison takes two or more."


def not_there(study, generated: bool = False) -> str:
    """A sentence about the task families that the study names and that some of its languages lack: those with generated
    answers, or all others; empty where none is lacking.
    """
    parameters, known = study.parameters, catalogue.families()
    measured = languages_of(code for cell in study.cells("languages") for code in cell.languages)
    gaps = catalogue.lacking(parameters.tasks, measured, parameters.data_mirror is not None)
    parts = [f"{task} in {listed(codes)}" for task, codes in gaps.items() if (known[task].chance == 0) == generated]
    return f"**Not asked: {'; '.join(parts)}.** There is no such task." if parts else ""


def chance_levels(study) -> dict[str, float]:
    """What guessing reaches in each task family of a study, as a fraction."""
    return {spec.family: spec.chance for spec in study.parameters.task_specs()}


def compare(scores: Scores) -> pd.DataFrame:
    """One row a column and calibration, in the paper's order, with the columns `ROWS`.

    `mean`, `sd` over draws (NaN with one), `draws`, `stderr` over items, `low` and `high` (95%, within 0 and 1), `n`
    items; `difference` to the best mean of the column with its interval; `p_holm`, adjusted over every comparison of
    `scores`, which is therefore to be one whole table; `unbeaten` (not significantly worse than the best mean), `best`
    (the only one that is unbeaten); `shade` as in `frames.summarize`, by task.
    """
    if not scores:
        return pd.DataFrame(columns=ROWS)
    comparisons = sum(len(by_text) - 1 for by_text in scores.values())
    resamples = enough_resamples(comparisons)
    found = []
    for column, by_text in scores.items():
        rows = best_calibrations(by_text, resamples).drop(columns=["p_holm", "best"]).reset_index()
        shapes = np.array([by_text[name].shape for name in rows["calibration"]])
        found.append(rows.assign(**column._asdict(), draws=shapes[:, 0], n=shapes[:, 1]))
    table = pd.concat(found, ignore_index=True)
    table["low"], table["high"] = zip(*(within_bounds(row) for row in table.itertuples()), strict=True)
    table["p_holm"] = holm(table["p"])
    choice = table.groupby([*BLOCK, *COLUMN])["calibration"].transform("count") > 1
    table["unbeaten"] = ~(table["p_holm"] <= ALPHA) & choice
    table["best"] = table["unbeaten"] & (table.groupby([*BLOCK, *COLUMN])["unbeaten"].transform("sum") == 1)
    table = in_order(table)
    table["shade"] = pd.concat([shade(rows, A_SCORE) for _, rows in table.groupby("task")])
    return table[ROWS]


def within_bounds(row) -> tuple[float, float]:
    """A row's interval, kept to what scores can be. Where all items score 0, or all 1, resampling sees no spread:
    Clopper and Pearson's instead.
    """
    if row.mean in (0, 1):
        return share_interval(round(row.mean * row.n), row.n)
    return max(row.low, 0.0), min(row.high, 1.0)


def enough_resamples(comparisons: int) -> int:
    """Resamples with which a p-value, at least 2 over their number, can pass the first step of Holm's procedure with
    room to spare.
    """
    return max(RESAMPLES, round(4 / ALPHA) * comparisons)


def tasks_of(table: pd.DataFrame) -> list[str]:
    """Task families in order of appearance."""
    return list(dict.fromkeys(table["task"]))


def over_texts(by_text: Mapping[str, np.ndarray], names) -> np.ndarray:
    """Scores [seeds, items] averaged over calibrations, draw by draw."""
    seeds = min(len(by_text[name]) for name in names)
    return np.mean([by_text[name][:seeds] for name in names], axis=0)


def mean_and_variance(scores: np.ndarray) -> tuple[float, float]:
    """Of scores [seeds, items]: their mean, and its variance over items and, with several, over draws."""
    seeds, items = scores.shape
    variance = scores.mean(axis=0).var(ddof=1) / items
    return float(scores.mean()), float(variance + (scores.mean(axis=1).var(ddof=1) / seeds if seeds > 1 else 0.0))


def target_columns(table: pd.DataFrame, every: bool = False) -> list[tuple[tuple, list[tuple[str, pd.DataFrame]]]]:
    """(block, [(language, rows by calibration)]): the columns whose language is a calibration language, or all columns
    if `every`, of blocks with at least two calibration languages.

    `best` in the rows is the set that cannot be told from the best, as `rank_of_target` wants it.
    """
    found = []
    for block, rows in calibrated(table).groupby(BLOCK, sort=False):
        texts = list(dict.fromkeys(rows["calibration"]))
        columns = [
            (
                language,
                part.set_index("calibration")
                .loc[texts]
                .assign(best=part.set_index("calibration").loc[texts, "unbeaten"]),
            )
            for (_, language), part in rows.groupby(COLUMN, sort=False)
            if every or language in texts
        ]
        if columns and len(texts) > 1:
            found.append((block, columns))
    return found
