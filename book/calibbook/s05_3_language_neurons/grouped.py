"""What the figures show of neurons in groups of the dense model's entropy: boxes and means, kept as a derived table."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np
import pandas as pd
from matplotlib.cbook import boxplot_stats

from calibbook.s05_3_language_neurons.data import Activations, OfModel, groups, other_texts, read, title
from calibbook.shared.words import fixed
from calibprune.study.cells import Cell
from calibprune.study.derived import derived
from calibprune.study.store import Store

GROUPS, VERSION = "neuron groups", 1
"""The derived table of `table`; the version is raised when its numbers would change."""
EVERY = -1
"""The group of all neurons."""
MEASURED, OTHER = "as measured", "another text, simulated"
BOX = ["q1", "med", "q3", "whislo", "whishi"]
"""Of the entropies of a group, as matplotlib names what a box shows: quartiles, and whiskers to the last value within
one and a half box lengths."""


@dataclass(frozen=True)
class Grouped(OfModel):
    """One model's neurons in groups.

    Attributes:
        boxes: one row a group, columns BOX; NaN where no neuron of the group is ever active.
        elsewhere: the same on another text, simulated (`data.other_texts`); empty for a pruned model.
        means: one row a group and language, `group` from 0 on: mean activation probability `often`, mean absolute
            output `strength`, and how many neurons are `silent`, active at no token of any language.
        neurons, silent: numbers of all of them; lost: of silent ones that are active in the dense model.
    """

    boxes: pd.DataFrame
    elsewhere: pd.DataFrame
    means: pd.DataFrame
    neurons: int
    silent: int
    lost: int

    @classmethod
    def of(cls, cell: Cell, rows: pd.DataFrame) -> "Grouped":
        """rows: those of a cell in `table`."""
        every = rows[rows["group"] == EVERY].iloc[0]
        shown = rows[rows["group"] != EVERY]
        boxes = shown.drop_duplicates(["text", "group"])
        one, other = (boxes.loc[boxes["text"] == text, BOX].reset_index(drop=True) for text in (MEASURED, OTHER))
        means = shown.loc[shown["text"] == MEASURED, ["group", "language", "often", "strength", "silent"]]
        means = means.astype({"silent": int})  # a column with rows that have none came back as float
        return cls(cell, one, other, means, int(every["neurons"]), int(every["silent"]), int(every["lost"]))

    def in_language(self, language: str) -> pd.DataFrame:
        """The rows of `means` of one language."""
        return self.means[self.means["language"] == language]


def grouped(store: Store, cells: Sequence[Cell]) -> list[Grouped]:
    """A dense cell, which is the first, and its pruned copies.

    Raises:
        StoreError: neurons that are missing or damaged.
    """
    compute = partial(_table_of_cells, store, cells)
    rows = derived(store, GROUPS, VERSION, cells, compute)
    return [Grouped.of(cell, rows[rows["cell"] == cell.id]) for cell in cells]


def _table_of_cells(store: Store, cells: Sequence[Cell]) -> pd.DataFrame:
    return table(read(store, cell) for cell in cells)


def table(models: Iterable[Activations]) -> pd.DataFrame:
    """One row a model, text, group and language, the dense model first; the group `EVERY` is of all neurons.

    Columns: `cell`, its id; `text`, MEASURED or OTHER, which is of the dense model's entropies alone; `group`;
    `language`, empty for OTHER; `neurons`, `silent` and `lost` as in `Grouped`, of the group; BOX; `often`, `strength`.
    """
    rows, members, active = [], [], np.empty(0)
    for model in models:
        if not members:
            members, active = groups(model), np.isfinite(model.entropy)
            rows += _elsewhere(model, members)
        rows += _of_model(model, members, active)
    return pd.DataFrame(rows)


def _of_model(model: Activations, members: list[np.ndarray], active: np.ndarray) -> Iterator[dict]:
    silent = np.isnan(model.entropy)
    often, strength = model.often(), model.strength()
    for place, group in [(EVERY, np.arange(len(silent))), *enumerate(members)]:
        shared = {
            "cell": model.cell.id,
            "text": MEASURED,
            "group": place,
            "neurons": len(group),
            "silent": int(silent[group].sum()),
            "lost": int((silent & active)[group].sum()),
            **_box(model.entropy[group]),
        }
        means = zip(model.languages, often[group].mean(axis=0), strength[group].mean(axis=0), strict=True)
        for language, mean_often, mean_strength in means:
            yield shared | {"language": language, "often": mean_often, "strength": mean_strength}


def _elsewhere(dense: Activations, members: list[np.ndarray]) -> Iterator[dict]:
    """The dense model on another text; its outputs' size is not simulated."""
    _, entropy = next(other_texts(dense))
    for place, group in enumerate(members):
        yield {"cell": dense.cell.id, "text": OTHER, "group": place, "language": "", **_box(entropy[group])}


def _box(entropies: np.ndarray) -> dict[str, float]:
    [found] = boxplot_stats(entropies[np.isfinite(entropies)])
    return {name: float(found[name]) for name in BOX}


def _apart(names: Sequence[list[str]]) -> list[str]:
    """Of names in parts, the dense model's first, what tells the others from each other, or all of an only one."""
    first, *others = names
    common = {part for part in others[0] if all(part in other for other in others)} if len(others) > 1 else set()
    return [first[-1], *(", ".join(part for part in other if part not in common) for other in others)]


def never_active(compared: Sequence[Grouped]) -> pd.DataFrame:
    """How many neurons are active at no token of any language, and how many of these are in the dense model."""
    return pd.DataFrame(
        {
            "model": _apart([title(model).split(", ") for model in compared]),
            "never active": [model.silent for model in compared],
            "of all neurons": [f"{fixed(100 * model.silent / model.neurons, 0, 2)}%" for model in compared],
            "active in the dense model": [model.lost for model in compared],
        }
    )
