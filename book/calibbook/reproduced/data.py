"""A study that was computed afresh, laid beside the same study as it was published."""

from dataclasses import replace
from typing import NamedTuple

import pandas as pd

from calibbook.s04_1_pruning_results.claims import section_4_1
from calibbook.shared.frames import method_label
from calibbook.shared.words import listed
from calibprune import Study
from calibprune.errors import StoreError
from calibprune.files import PUBLISHED, results_folder
from calibprune.study.cells import Cell
from calibprune.study.comparing import compared
from calibprune.study.publishing import published
from calibprune.study.shelves import Shelf

TEST = ["claim", "model", "method", "sparsity", "source", "metric"]
"""What names a test of Section 4.1, among the columns of its claims."""


class Reproduced(NamedTuple):
    """Both sides of a comparison.

    Attributes:
        values: as `comparing.compared`, the published side before and the fresh one after.
        verdicts: one row a test of Section 4.1: `TEST`, `here` and `published` (verdicts).
        fresh, kept: provenance of the cells here and of the published ones, as `Study.provenance`.
        numerics: the versions of the computation, here and published.
    """

    values: pd.DataFrame
    verdicts: pd.DataFrame
    fresh: pd.DataFrame
    kept: pd.DataFrame
    numerics: tuple[int, int]


def reproduced(study: Study, name: str) -> Reproduced | str:
    """What came of a study here beside what was published of it, or a sentence: why there is nothing to compare.

    Args:
        study: computed in its own store, without shelves.
        name: of the study in the published run.
    """
    shelf = Shelf(results_folder(PUBLISHED), PUBLISHED)
    try:
        known = published(shelf.root).get(name)
    except StoreError:
        known = None
    if known is None:
        return "No published run with this study comes with this checkout, so there is nothing to lay results beside."
    theirs = Study(**known["parameters"] | {"store": study.parameters.store, "shelves": [PUBLISHED]})
    cells = study.cells()
    if _whatever_numerics(cells) != _whatever_numerics(theirs.cells()):
        return "The published study of this name has other parameters than this one, so they cannot be compared."
    if lacking := [cell for cell in cells if not study.store.own.has(cell)]:
        methods = listed(map(method_label, study.parameters.methods))
        return (
            f"{len(lacking)} of the {len(cells)} models of `params/{name}.yaml` ({listed(study.parameters.models)} "
            f"pruned with {methods}) were not computed for this book. `make book` without PARAMS computes them, and "
            f"fills this page."
        )
    if any(not shelf.has(cell) for cell in theirs.cells()):
        return "The published cells of this study are damaged or missing; restore book/results/published."
    here = pd.concat([study.store.own.records(cell) for cell in cells], ignore_index=True)
    there = pd.concat([shelf.records(cell) for cell in theirs.cells()], ignore_index=True)
    return Reproduced(
        compared(there, here),
        _verdicts(here, there),
        study.provenance(),
        pd.DataFrame([shelf.provenance(cell) for cell in theirs.cells()]),
        (cells[0].numerics, known["numerics"]),
    )


def _whatever_numerics(cells: list[Cell]) -> list[str]:
    return [replace(cell, numerics=0).id for cell in cells]


def _verdicts(here: pd.DataFrame, there: pd.DataFrame) -> pd.DataFrame:
    ours, theirs = (section_4_1(frame)[[*TEST, "verdict"]] for frame in (here, there))
    both = ours.merge(theirs, on=TEST, how="outer", suffixes=("_here", "_published"), sort=False)
    return both.rename(columns={"verdict_here": "here", "verdict_published": "published"})
