"""The models that Section 4.5 compares: those of the study, and those of other parameter files that ask the same of
another model; and the squares of calibrations by evaluations that two of them have in common.

A model has a parameter file of its own, as its size asks for a machine of its own. So the page reads what other files
of params/ have computed, and computes nothing for them.
"""

import re
from collections.abc import Iterator
from itertools import combinations
from typing import NamedTuple

import numpy as np
import pandas as pd

from calibbook.checkout import ROOT
from calibbook.s04_1_pruning_results.data import gains
from calibbook.s04_2_downstream_tasks.data import Scores, item_scores, reported
from calibbook.s04_2_downstream_tasks.paper import NUMBERS
from calibbook.s04_2_downstream_tasks.tables import task_name
from calibbook.shared.frames import BLOCK, Block, blocks, calibrated, is_mixture, languages_of, measured, sources
from calibbook.shared.paper import LABELS
from calibprune import Study
from calibprune.errors import CalibpruneError, ParameterError
from calibprune.study.parameter_files import read_parameters
from calibprune.study.parameters import Parameters
from calibprune.study.planning.architecture import find

ASKED = ("languages", "evaluation_languages", "calibration_source", "calibration_samples", "calibration_length")
ASKED += ("evaluation_source", "evaluation_samples", "evaluation_length", "tasks", "task_limit", "chat_template")
"""What two studies must have in common before their models are compared; methods, sparsities and draws need not be."""
OURS = ("data_mirror", "device", "dtype", "numerics", "store", "shelves")
"""What a study of another file takes from the study of this book: where results are, and how they are computed."""
SIZE = re.compile(r"[-_]?\d+(?:\.\d+)?[bm](?![a-z0-9])")
PAPERS = {name: f"{label} of the paper" for name, label in LABELS.items()}


class Other(NamedTuple):
    """A parameter file that asks the same of other models. `study` is None where not all of it is there, and `missing`
    says in words what is not.
    """

    file: str
    models: tuple[str, ...]
    study: Study | None
    missing: str


class Pair(NamedTuple):
    """Two models, the smaller one first where their sizes are known; `sizes`: of one family, by their names."""

    small: str
    large: str
    sizes: bool

    @property
    def label(self) -> str:
        return f"{short(self.small)} and {short(self.large)}"

    @property
    def kind(self) -> str:
        return "two sizes of one family" if self.sizes else "two families, not two sizes"


class Squares(NamedTuple):
    """What two models have in common: gains [calibrations, evaluations] of a measure, more is better, and the same by
    draw, [parts, draws, calibrations, evaluations] (parts: halves of a task's items, one on text).
    """

    pair: Pair
    method: str
    sparsity: float
    pattern: str
    source: str
    measure: str
    small: np.ndarray
    large: np.ndarray
    draws_of_small: np.ndarray
    draws_of_large: np.ndarray


def other_studies(study: Study) -> list[Other]:
    """The parameter files that ask the same of models which this study does not have."""
    mine, found = study.parameters, []
    for path in sorted((ROOT / "params").glob("*.yaml")):
        try:
            values = read_parameters(path) | {name: getattr(mine, name) for name in OURS}
            asked = Parameters.of(values)
        except ParameterError:  # a file of somebody's own that does not hold
            continue
        if set(asked.models) & set(mine.models) or any(getattr(asked, name) != getattr(mine, name) for name in ASKED):
            continue
        found.append(_other(path.relative_to(ROOT).as_posix(), values, asked.models))
    return found


def _other(file: str, values: dict, models: list[str]) -> Other:
    try:
        away = [model for model in models if not find(model).fingerprint]  # asking for its cells would fetch it
        if away:
            return Other(file, tuple(models), None, f"the weights of {', '.join(away)} are not on this machine")
        study = Study(**values)
        cells = study.cells("languages")
        done = sum(map(study.store.has, cells))
    except CalibpruneError as error:
        return Other(file, tuple(models), None, str(error))
    if done < len(cells):
        return Other(file, tuple(models), None, f"{done} of its {len(cells)} models are done")
    return Other(file, tuple(models), study, "")


def records(studies: list[Study]) -> pd.DataFrame:
    """The records of models calibrated in single languages, and of the dense ones; all must be there."""
    found = [study.store.records(cell) for study in studies for cell in study.cells("languages")]
    return pd.concat(found, ignore_index=True)


def scores_of(studies: list[Study], generated: bool | None = None) -> Scores:
    """Scores of tasks with generated answers, of the others, or of all (None)."""
    found: dict = {}
    for study in studies:
        for kind in (False, True) if generated is None else (generated,):
            found |= item_scores(study, reported(study, kind), "languages")
    return found


def short(model: str) -> str:
    """A model's name without where it comes from."""
    return model.rstrip("/").split("/")[-1]


def family(model: str) -> str:
    """What is left of a model's name without its size: `aya-23` of "CohereForAI/aya-23-8B"."""
    return SIZE.sub("", short(model).lower())


def parameters_of(model: str) -> int | None:
    """How many weights a model has, without those of norms; None where it is not known."""
    try:
        known = find(model).architecture
    except CalibpruneError:
        return None
    return known.parameters if known else None


def pairs(models: list[str]) -> list[Pair]:
    """The first model with each of the others, and all sizes of one family."""
    found = []
    for one, other in combinations(models, 2):
        sizes = family(one) == family(other)
        if sizes or one == models[0]:
            ordered = sorted((one, other), key=lambda model: parameters_of(model) or 0)
            found.append(Pair(*(ordered if all(map(parameters_of, ordered)) else (one, other)), sizes))
    return found


def squares(frame: pd.DataFrame, scores: Scores, pair: Pair) -> Iterator[Squares]:
    """What two models have in common, on every text by every metric, and in every task."""
    for source in sources(frame):
        for metric in measured(frame[frame["source"] == source], pruned=True):
            rows = _on_text(frame, metric, source)
            for block, _ in blocks(rows[rows["model"] == pair.small]):
                small, large = (_draws_on_text(rows, block, model, metric) for model in pair[:2])
                yield from _common(pair, block, source, metric, small, large)
    for task in dict.fromkeys(column.task for column in scores):
        for block in dict.fromkeys(column.block for column in scores if column.model == pair.small):
            small, large = (_draws_of_task(scores, block._replace(model=model), task) for model in pair[:2])
            yield from _common(pair, block, "", task_name(task), small, large)


def paper_squares() -> Iterator[Squares]:
    """The same of the paper's own Table 3, the only one that its text has for two models: means alone."""
    rows = NUMBERS.of("Table 3")
    rows = rows.assign(model=rows["model"].map(PAPERS))
    pair = Pair(*PAPERS.values(), False)
    for block, _ in blocks(calibrated(rows[rows["model"] == pair.small])):
        small, large = (_means_of_paper(rows, block, model) for model in pair[:2])
        yield from _common(pair, block, "", "MKQA", small, large)


Draws = dict[tuple[str, str], np.ndarray]
"""(calibration, evaluation) -> gains [parts, draws]."""


def _on_text(frame: pd.DataFrame, metric: str, source: str) -> pd.DataFrame:
    whole = (frame["metric"] == metric) & (frame["source"] == source) & frame["layer"].isna() & (frame["task"] == "")
    return calibrated(frame[whole & (frame["component"] == "")])


def _of_block(rows: pd.DataFrame, block: Block, model: str) -> pd.DataFrame:
    return rows[(rows[BLOCK] == list(block._replace(model=model))).all(axis=1)]


def _draws_on_text(rows: pd.DataFrame, block: Block, model: str, metric: str) -> Draws:
    mine = _of_block(rows, block, model).sort_values("seed")
    mine = mine.assign(gain=gains(mine["value"], metric))
    return {cell: part["gain"].to_numpy()[None] for cell, part in mine.groupby(["calibration", "language"], sort=False)}


def _draws_of_task(scores: Scores, block: Block, task: str) -> Draws:
    found = {}
    for column, by_text in scores.items():
        if column.block == block and column.task == task:
            for text, items in by_text.items():
                if text and not is_mixture(text):
                    found[text, column.language] = np.stack([items[:, half::2].mean(axis=1) for half in (0, 1)])
    return found


def _means_of_paper(rows: pd.DataFrame, block: Block, model: str) -> Draws:
    mine = _of_block(rows, block, model)
    return {(row.calibration, row.language): np.array([[row.value]]) for row in mine.itertuples()}


def _common(pair: Pair, block: Block, source: str, measure: str, small: Draws, large: Draws) -> Iterator[Squares]:
    """The Squares of the calibrations and evaluations that both models have, unless those are fewer than two, or a gain
    is not finite, as where nothing was pruned.
    """
    cells = small.keys() & large.keys()
    texts, codes = (languages_of(names) for names in zip(*cells, strict=True)) if cells else ([], [])
    codes = [code for code in codes if all((text, code) in cells for text in texts)]
    if len(texts) < 2 or not codes:
        return
    runs = []
    for side in (small, large):
        draws = min(side[text, code].shape[1] for text in texts for code in codes)
        square = np.array([[side[text, code][:, :draws] for code in codes] for text in texts])
        runs.append(square.transpose(2, 3, 0, 1).astype(float))
    if all(np.isfinite(one).all() for one in runs):
        means = (one.mean(axis=(0, 1)) for one in runs)
        yield Squares(pair, *block[1:], source, measure, *means, *runs)
