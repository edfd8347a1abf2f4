"""From the masks in a store to a tidy frame of their similarities (Section 5.2 and Appendix D.3 of the paper).

The masks of one matrix, of all languages and draws, are in memory at a time, however many layers there are. The frame
of each model, method and sparsity is kept as a derived table, so that it is computed once, and is there where a shelf
has no masks.
"""

import re
from collections.abc import Iterable, Mapping
from contextlib import ExitStack
from itertools import combinations

import numpy as np
import pandas as pd
from torch import Tensor

from calibbook.shared.figure import block_title
from calibbook.shared.frames import BLOCK, languages_of
from calibprune.errors import ParameterError, StoreError
from calibprune.metrics.masks import expected_iou, pairwise
from calibprune.study.cells import Cell
from calibprune.study.derived import derived
from calibprune.study.store import Store

SIMILARITY, VERSION = "mask similarity", 1
"""The derived table of `_of_study`; the version is raised when its numbers would change."""
KINDS = {
    "within": "all draws of one language",
    "between": "stable masks of two languages",
    "draw": "two draws of one language",
    "language": "draws of two languages",
}
COMPONENTS = {
    "q_proj": "q",
    "k_proj": "k",
    "v_proj": "v",
    "o_proj": "attn.out",
    "up_proj": "ffn.up",
    "gate_proj": "ffn.gate",
    "down_proj": "ffn.down",
}
"""The paper's names of its subcomponents, in the order of its Tables 16 and 17."""
COLUMNS = [*BLOCK, "kind", "first", "second", "draws", "layer", "component", "iou", "expected"]
NAME = re.compile(r"layers\.(\d+)\.(?:\w+\.)*(\w+)")


def similarities(store: Store, cells: Iterable[Cell]) -> pd.DataFrame:
    """IoUs of the masks of those cells that were calibrated in one language and keep masks: one row a matrix and pair.

    Columns: model, method, sparsity, pattern; `kind`, see `KINDS`; `first` and `second` language, the same for within
    and draw; `draws`; `layer`, `component` (the paper's name); `iou`; `expected`, that of independent random masks of
    these densities. within and draw need two draws at least. draw and language compare single masks, of different seeds
    where there are several, so they compare with each other; within and between do not. The density of a stable mask is
    counted, that of a single one is the cell's sparsity. The IoU of masks that remove nothing is NaN.

    Raises:
        ParameterError: no such cell.
        StoreError: masks that are missing or damaged, languages with different seeds, or masks of different models.
    """
    studies = _studies(cells)
    if not studies:
        raise ParameterError(
            "no masks of single calibration languages in this study: add 'masks' to its metrics, and a "
            "method that calibrates"
        )
    return pd.concat([_of_study(store, study) for study in studies], ignore_index=True)


def comparable(found: pd.DataFrame) -> pd.DataFrame:
    """The rows of `similarities` without those kinds of a block in which no matrix has an IoU, since no mask removes
    anything.
    """
    return found[found.groupby([*BLOCK, "kind"], sort=False)["iou"].transform("count") > 0]


def empty(found: pd.DataFrame) -> list[str]:
    """The models of `similarities` whose masks remove nothing at all, as at 0%: their titles."""
    counts = found.groupby(BLOCK, sort=False)["iou"].count()
    return [block_title(block) for block, count in counts.items() if not count]


def having(found: pd.DataFrame, *kinds: str) -> list[pd.DataFrame]:
    """The rows of each block that has all of these kinds, block by block."""
    groups = (rows for _, rows in found.groupby(BLOCK, sort=False))
    return [rows for rows in groups if set(kinds) <= set(rows["kind"])]


def keeping(cells: Iterable[Cell]) -> list[Cell]:
    """Those of the cells whose masks `similarities` compares: calibrated in one language, masks kept."""
    return [cell for cell in cells if len(cell.calibration) == 1 and "masks" in cell.metrics]


def _studies(cells: Iterable[Cell]) -> list[dict[str, dict[int, Cell]]]:
    """Cells that keep masks of one calibration language, for each model, method and sparsity: language -> seed ->
    cell.
    """
    studies: dict[tuple, dict[str, dict[int, Cell]]] = {}
    for cell in keeping(cells):
        study = studies.setdefault((cell.model, cell.method, cell.sparsity), {})
        study.setdefault(cell.calibration[0], {})[cell.seed] = cell
    return list(studies.values())


def _of_study(store: Store, study: dict[str, dict[int, Cell]]) -> pd.DataFrame:
    """The rows of one model, method and sparsity."""
    languages = languages_of(study)
    seeds = sorted({seed for cells in study.values() for seed in cells})
    for language in languages:
        if missing := [seed for seed in seeds if seed not in study[language]]:
            title = next(iter(study[language].values())).title
            raise StoreError(
                f"{title}: the mask of seed {missing[0]} is missing, which other languages have; compute "
                f"all seeds for every language"
            )
    cells = {(language, seed): study[language][seed] for language in languages for seed in seeds}
    for cell in cells.values():
        if not store.has(cell):
            raise StoreError(
                f"{store.root}: no masks of {cell.title}; run the study with its parts languages and draws first"
            )
    return derived(store, SIMILARITY, VERSION, list(cells.values()), lambda: _compared(store, cells))


def _compared(store: Store, cells: Mapping[tuple[str, int], Cell]) -> pd.DataFrame:
    """The rows of cells of one model, method and sparsity by (language, seed), computed from their masks."""
    first, cell = next(iter(cells.items()))
    block = dict(zip(BLOCK, (cell.model, cell.method, cell.sparsity.fraction, cell.sparsity.pattern), strict=True))
    with ExitStack() as stack:
        opened = {key: _open(store, made, stack) for key, made in cells.items()}
        names = {key: _names(tensors) for key, tensors in opened.items()}
        if other := next((key for key, mine in names.items() if mine != names[first]), None):
            titles = f"{cell.title} and {cells[other].title}"
            raise StoreError(
                f"{store.root}: masks of {titles} are of different models; delete their folders and run the study again"
            )
        seeds = {seed for _, seed in cells}
        rows = [
            row | {"layer": layer, "component": component, "draws": len(seeds)}
            for name in names[first]
            for layer, component in [_place(name)]
            for row in _of_matrix(
                {key: tensors.get_tensor(name) for key, tensors in opened.items()}, cell.sparsity.fraction
            )
        ]
    return pd.DataFrame([block | row for row in rows], columns=COLUMNS)


def _open(store: Store, cell: Cell, stack: ExitStack):
    return stack.enter_context(store.artifact(cell, "masks"))


def _names(tensors) -> list[str]:
    """The keys of a masks artifact by layer, components in the paper's order."""
    order = {component: place for place, component in enumerate(COMPONENTS.values())}

    def rank(name: str) -> tuple:
        layer, component = _place(name)
        return layer, order.get(component, len(order)), component

    return sorted(tensors.keys(), key=rank)


def _place(name: str) -> tuple[int, str]:
    """(Layer, component) of a key of the masks."""
    match = NAME.fullmatch(name)
    if not match:
        raise StoreError(
            f"mask {name!r} is not of the form layers.<i>.<component>; delete the cells and run the study again"
        )
    return int(match[1]), COMPONENTS.get(match[2], match[2])


def _of_matrix(masks: Mapping[tuple[str, int], Tensor], sparsity: float) -> list[dict]:
    """All kinds of IoU of one matrix; masks by (language, seed), packed."""
    languages = list(dict.fromkeys(language for language, _ in masks))
    stable = pairwise({language: [mask for key, mask in masks.items() if key[0] == language] for language in languages})
    single = pairwise({key: [mask] for key, mask in masks.items()})
    keys = np.array([languages.index(language) for language, _ in masks])
    seeds = np.array([seed for _, seed in masks])
    draws = len(set(seeds))
    one = np.array([single.pruned[keys == place].mean() for place in range(len(languages))])
    density = sparsity * np.divide(stable.pruned, one, out=np.zeros(len(one)), where=one > 0)
    other_draw = (seeds[:, None] != seeds) | (draws == 1)

    def mean_of_singles(a: int, b: int) -> float:
        return float(single.between[(keys[:, None] == a) & (keys == b) & other_draw].mean())

    rows = []
    for place, language in enumerate(languages) if draws > 1 else ():
        same = {"first": language, "second": language}
        rows.append(
            same | {"kind": "within", "iou": stable.within[place], "expected": expected_iou(*[sparsity] * draws)}
        )
        rows.append(
            same | {"kind": "draw", "iou": mean_of_singles(place, place), "expected": expected_iou(sparsity, sparsity)}
        )
    for a, b in combinations(range(len(languages)), 2):
        two = {"first": languages[a], "second": languages[b]}
        rows.append(
            two | {"kind": "between", "iou": stable.between[a, b], "expected": expected_iou(density[a], density[b])}
        )
        rows.append(
            two | {"kind": "language", "iou": mean_of_singles(a, b), "expected": expected_iou(sparsity, sparsity)}
        )
    return rows


def grid(rows: pd.DataFrame) -> pd.DataFrame:
    """[layers, components] of mean IoU, NaN where no mask removes anything; `rows` are those of one block and kind."""
    components = list(dict.fromkeys(rows["component"]))
    return rows.groupby(["layer", "component"], sort=False)["iou"].mean().unstack().sort_index()[components]


def distances(rows: pd.DataFrame) -> pd.DataFrame:
    """[languages, languages]: 1 − mean IoU of stable masks over all matrices; `rows` are those of one block."""
    pairs = rows[rows["kind"] == "between"].groupby(["first", "second"])["iou"].mean()
    languages = languages_of([language for pair in pairs.index for language in pair])
    table = pd.DataFrame(0.0, index=languages, columns=languages)
    for (a, b), iou in pairs.items():
        table.loc[a, b] = table.loc[b, a] = 1 - iou
    return table
