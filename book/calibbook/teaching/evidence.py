"""Scores of single items under several calibrations: a study's own records where they are there, else the ones that are
kept with this file.

`items.csv` is what `make book PARAMS=params/embedded.yaml` computed on one machine: Gemma 3 270M, Wanda at 50%, the
three embedded tasks whose answers are right or wrong. It is a small study, not the one that this book shows
(params/published.yaml), so that the uncertainty is there to be seen. It is kept so that the exercises need no model;
where the study has been computed, its records are read instead.
"""

from functools import cache
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd
from scipy.stats import binomtest

from calibbook.checkout import ROOT
from calibbook.s04_2_downstream_tasks.data import item_scores, reported
from calibbook.shared.comparison import holm
from calibbook.shared.frames import calibration_rank, is_mixture
from calibbook.shared.html import Html, text_table
from calibbook.shared.statistics import ALPHA
from calibprune.models.packaged import PACKAGED
from calibprune.study.parameter_files import read_parameters
from calibprune.study.study import Study

PARAMS = ROOT / "params" / "embedded.yaml"
KEPT = Path(__file__).with_name("items.csv")
TASKS = ("continuation", "knowledge", "passage")
METHOD, SPARSITY = "wanda", 0.5
PARTS = ("languages", "mixtures")
DENSE = "dense"


class Evidence(NamedTuple):
    """Right and wrong answers.

    Attributes:
        scores: 0 or 1; a row an item (index task, language, item), a column a calibration, of which the first is the
            dense model.
        origin: a sentence that says where they are from.
    """

    scores: pd.DataFrame
    origin: str

    @property
    def calibrations(self) -> list[str]:
        """The calibrations in a single language, in the paper's order."""
        names = [name for name in self.scores.columns if name != DENSE and not is_mixture(name)]
        return sorted(names, key=calibration_rank)


def read(params: Path = PARAMS) -> Evidence:
    """The evidence of the study of a parameter file where all of its models are computed, else what is kept."""
    study = Study.from_yaml(params)
    if all(study.store.has(cell) for cell in study.cells(*PARTS)):
        return Evidence(_of(study), f"Read from the records that this checkout has of {_shown(params)}.")
    return kept()


def kept() -> Evidence:
    """The scores that are kept with this file."""
    scores = pd.read_csv(KEPT, index_col=["task", "language", "item"])
    return Evidence(scores, f"Read from the scores that the book keeps of {_shown(PARAMS)}.")


def _shown(params: Path) -> str:
    return f"params/{params.name}, a small study"


def _of(study: Study) -> pd.DataFrame:
    found: dict[str, dict[tuple, float]] = {}
    metrics = {task: metric for task, metric in reported(study).items() if task in TASKS}
    for column, by_text in item_scores(study, metrics, *PARTS).items():
        if (column.method, column.sparsity, column.pattern) not in (
            (METHOD, SPARSITY, "unstructured"),
            (DENSE, 0.0, "dense"),
        ):
            continue
        for text, scores in by_text.items():
            draw = scores[0].tolist()
            mine = {(*column.where, place): score for place, score in enumerate(draw)}
            found.setdefault(text or DENSE, {}).update(mine)
    frame = pd.DataFrame(found).rename_axis(["task", "language", "item"])
    order = sorted(frame.columns, key=lambda name: calibration_rank("" if name == DENSE else name))
    return frame[order].astype(int)


def design(evidence: Evidence) -> str:
    """A sentence on what the scores are of: the model, the method and the number of items."""
    (model,) = read_parameters(PARAMS)["models"]
    each = evidence.scores.groupby(level=["task", "language"]).size()
    items = f"{each.min()}" if each.min() == each.max() else f"{each.min()} to {each.max()}"
    return (
        f"The model is {PACKAGED[model].title}, pruned by {METHOD.capitalize()} at {SPARSITY:.0%}, with {items} "
        f"questions a task and language, {len(evidence.scores)} in all."
    )


def ends(evidence: Evidence) -> tuple[str, str]:
    """The calibrations with the most and with the fewest right answers."""
    means = evidence.scores[evidence.calibrations].mean()
    return means.idxmax(), means.idxmin()


def accuracy_table(evidence: Evidence) -> Html:
    """Items, right answers and accuracy of the dense model and of each calibration in one language."""
    scores = evidence.scores[[DENSE, *evidence.calibrations]]
    rows = pd.DataFrame(
        {
            "Calibration": scores.columns,
            "Items": len(scores),
            "Right": scores.sum().to_numpy(),
            "Accuracy (%)": (100 * scores.mean()).round(1).to_numpy(),
        }
    )
    return text_table(rows, "Accuracy over all tasks and languages", evidence.origin)


def two_by_two(a: pd.Series, b: pd.Series) -> pd.DataFrame:
    """How many items both, one alone, or neither calibration gets right: [a right, a wrong] by [b right, b wrong]."""
    counts = pd.crosstab(a, b).reindex(index=[1, 0], columns=[1, 0], fill_value=0)
    counts.index = pd.Index([f"{a.name} right", f"{a.name} wrong"], name="Calibration")
    counts.columns = [f"{b.name} right", f"{b.name} wrong"]
    return counts


def sign_test(a: pd.Series | np.ndarray, b: pd.Series | np.ndarray) -> float:
    """The exact two-sided p value that two calibrations are equally good: of the items that only one of them gets
    right, each is then as likely to be a's as b's (McNemar 1947, exact). 1 where there is no such item.
    """
    return _fair_coin(int((a > b).sum()), int((b > a).sum()))


@cache
def _fair_coin(heads: int, tails: int) -> float:
    return float(binomtest(heads, heads + tails).pvalue) if heads + tails else 1.0


def against_the_leader(evidence: Evidence) -> pd.DataFrame:
    """Each calibration in one language against the one with the most right answers, by `sign_test`: a row each, with
    the items that only one of the two gets right, p, and Holm's p over the rows.
    """
    scores = evidence.scores[evidence.calibrations]
    leader = scores.mean().idxmax()
    rows = []
    for name in scores.columns.drop(leader):
        mine, best = scores[name], scores[leader]
        rows.append(
            {
                "Calibration": name,
                f"Only {leader} right": int((best > mine).sum()),
                "Only it right": int((mine > best).sum()),
                "p": sign_test(best, mine),
            }
        )
    found = pd.DataFrame(rows)
    found["p (Holm)"] = holm(found["p"])
    return found


def false_alarms(evidence: Evidence, rounds: int = 200, seed: int = 0) -> tuple[float, float]:
    """(without a correction, with Holm's): the share of rounds in which some pair of calibrations differs significantly
    although no calibration means anything, since each item's scores are dealt out to the calibrations anew.
    """
    stream = np.random.default_rng(seed)
    scores = evidence.scores[evidence.calibrations].to_numpy()
    pairs = [(i, j) for i in range(scores.shape[1]) for j in range(i)]
    plain = corrected = 0
    for _ in range(rounds):
        dealt = stream.permuted(scores, axis=1)
        p = np.array([sign_test(dealt[:, i], dealt[:, j]) for i, j in pairs])
        plain += bool((p <= ALPHA).any())
        corrected += bool((holm(p) <= ALPHA).any())
    return plain / rounds, corrected / rounds


def columns_of(evidence: Evidence) -> pd.DataFrame:
    """Right answers in each column, a task in one language whose own calibration is there: [(task, language),
    calibration].
    """
    counts = evidence.scores[evidence.calibrations].groupby(level=["task", "language"], sort=False).sum()
    return counts[counts.index.get_level_values("language").isin(evidence.calibrations)]


def own_language_wins(counts: pd.DataFrame) -> tuple[int, int]:
    """(best or tied for it, best alone): in how many columns of `columns_of` the column's own language is that."""
    shared = alone = 0
    for (_, language), row in counts.iterrows():
        if row[language] == row.max():
            shared += 1
            alone += int((row == row.max()).sum() == 1)
    return shared, alone


def wins_by_lot(counts: pd.DataFrame) -> tuple[float, float]:
    """What a calibration drawn by lot in each column would reach of `own_language_wins`, on average."""
    best = counts.eq(counts.max(axis=1), axis=0)
    each = best.sum(axis=1)
    return float((each / counts.shape[1]).sum()), float((each == 1).sum() / counts.shape[1])
