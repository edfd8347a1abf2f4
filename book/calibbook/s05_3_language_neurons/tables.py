"""The tables of Section 5.3: what pruning keeps of a model's neurons, and its claims over all calibrations."""

from functools import partial
from operator import attrgetter
from typing import NamedTuple

import numpy as np
import pandas as pd

from calibbook.shared.frames import ROW, best, languages_of, method_label
from calibbook.shared.html import (
    BEST,
    DIRECTION,
    MISSING,
    Cell,
    Html,
    Languages,
    block_rows,
    calibration_label,
    heat_table,
)
from calibbook.shared.verdicts import VERDICTS
from calibbook.shared.words import fixed
from calibprune.metrics.base import Metric


class Shape(NamedTuple):
    title: str
    unit: str
    decimals: int
    lower_is_better: bool


KEPT = {
    "survival": Shape("Language-specific neurons that survive", "Percent of those of the dense model", 0, False),
    "change": Shape("Change of activation probabilities", "Percentage points, mean over all neurons", 2, True),
}


def kept_table(found: pd.DataFrame, value: str) -> Html:
    """Calibration languages down, languages of the neurons or of the text across, shaded down the columns of a model.

    found: rows of `survival.kept`; value: "survival" or "change". The first row of a model is the dense one on
    other texts, without shade.
    """
    shape, lower = KEPT[value], KEPT[value].lower_is_better
    marked = best(found.assign(mean=found[value]), Metric(value, shape.title, unit=shape.unit, lower_is_better=lower))
    pruned = found[value].where(found["method"] != "dense")
    column = pruned.groupby([found["model"], found["language"]])
    low, high = column.transform("min"), column.transform("max")
    rows = found.assign(value=found[value], shade=(pruned - low) / (high - low).where(high > low), best=marked)
    key = attrgetter(*ROW)
    cells = {(key(row), row.language): _cell(row, shape) for row in rows.itertuples()}
    note = (
        f"{shape.unit}, on “{found['source'].iloc[0]}”; {DIRECTION[lower]}. "
        "★ and bold mark the best calibration of a column for each model and method. The row “other "
        "texts” is what the dense model, not pruned, "
        "would show on other texts of the same length."
    )
    corner, rows = block_rows(found, label=partial(calibration_label, none="other texts"))
    columns = {code: (Languages((code,)),) for code in languages_of(found["language"])}
    return heat_table(rows, columns, cells, corner, shape.title, note)


def _cell(row, shape: Shape) -> Cell:
    value = fixed(row.value, 0, shape.decimals)
    return MISSING if np.isnan(row.value) else Cell(value, row.shade, BEST if row.best else None)


def summary(claims: pd.DataFrame) -> pd.DataFrame:
    """Claims of `claims.every_calibration` over calibrations and draws: how many are held, and the lowest and
    highest result, a dash where no calibration has one.
    """
    rows = []
    for (claim, metric, model, method, sparsity), found in claims.groupby(
        ["claim", "metric", "model", "method", "sparsity"], sort=False
    ):
        known = found[found["statistic"].notna()]
        ends = {"lowest": known["statistic"].min(), "highest": known["statistic"].max()}
        rows.append(
            {
                "claim": claim,
                "measured as": metric,
                "model": model,
                "method": method_label(method),
                "sparsity": sparsity,
            }
            | {verdict: int((found["verdict"] == verdict).sum()) for verdict in VERDICTS}
            | {name: _in_words(known[known["statistic"] == value]) for name, value in ends.items()}
        )
    table = pd.DataFrame(rows)
    constant = [name for name in ("model", "sparsity") if rows and table[name].nunique() == 1]
    return table.drop(columns=constant)


def _in_words(rows: pd.DataFrame) -> str:
    """The result of the first of some claims with its calibration; a dash where there is none."""
    return "–" if rows.empty else f"{rows['calibration'].iloc[0]}: {rows['what'].iloc[0]}"
