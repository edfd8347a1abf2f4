"""The tables of Section 5.3: what pruning keeps of a model's neurons, and its claims over all calibrations."""

from html import escape
from typing import NamedTuple

import numpy as np
import pandas as pd

from calibbook.shared.colours import colours
from calibbook.shared.frames import BLOCK, METHODS, blocks, languages_of, square
from calibbook.shared.html import DIRECTION, MISSING, STAR, Html, block_header, language_header, varying_levels, wrap
from calibbook.shared.verdicts import VERDICTS
from calibbook.shared.words import fixed


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

    found: rows of `neuron_survival.kept`; value: "survival" or "change". The first row of a model is the dense one on
    other texts, without shade.
    """
    shape, languages, levels = KEPT[value], languages_of(found["language"]), varying_levels(found)
    bodies = []
    for _, of_model in found.groupby("model", sort=False):
        pruned = of_model[of_model["method"] != "dense"].groupby("language")[value]
        place = (pruned.min(), pruned.max())
        for block, rows in blocks(of_model):
            table = square(rows, value)
            dense = block[1] == "dense"
            best = table.min() if shape.lower_is_better else table.max()
            lines = []
            for calibration, line in table.iterrows():
                marked = (line == best) & (len(table) > 1)
                shades = (
                    pd.Series(np.nan, line.index)
                    if dense
                    else (line - place[0]) / (place[1] - place[0]).where(place[1] > place[0])
                )
                cells = "".join(_cell(line[code], shades[code], marked[code], shape) for code in languages)
                lines.append(f'<th scope="row">{"other texts" if dense else language_header(calibration)}</th>{cells}')
            bodies.append(f"<tbody><tr>{block_header(block, len(lines), levels)}{'</tr><tr>'.join(lines)}</tr></tbody>")
    heads = [*(escape(level) for level in [*levels, "Calibration"]), *map(language_header, languages)]
    head = "".join(f'<th scope="col">{name}</th>' for name in heads)
    caption = (
        f"<strong>{shape.title}.</strong> {shape.unit}, on “{escape(found['source'].iloc[0])}”; "
        f"{DIRECTION[shape.lower_is_better]}. "
        "★ and bold mark the best calibration of a column for each model and method. The row “other "
        "texts” is what the dense model, not pruned, "
        "would show on other texts of the same length."
    )
    plain = found.pivot(index=[*BLOCK, "calibration"], columns="language", values=value)[languages].to_string()
    return wrap(f"<thead><tr>{head}</tr></thead>{''.join(bodies)}", caption, shape.title, f"{shape.title}\n{plain}")


def _cell(value: float, shade: float, best: bool, shape: Shape) -> str:
    if np.isnan(value):
        return MISSING
    text = fixed(value, 0, shape.decimals)
    text = f"<strong>{text}</strong> {STAR}" if best else text
    if np.isnan(shade):
        return f"<td>{text}</td>"
    background, ink = colours(shade)
    return f'<td style="background-color: {background}; color: {ink}">{text}</td>'


def summary(claims: pd.DataFrame) -> pd.DataFrame:
    """Claims of `neuron_claims.every_calibration` over calibrations and draws: how many are held, and the lowest and
    highest result.
    """
    rows = []
    for (claim, metric, model, method, sparsity), found in claims.groupby(
        ["claim", "metric", "model", "method", "sparsity"], sort=False
    ):
        ends = {
            name: found.loc[place]
            for name, place in (("lowest", found["statistic"].idxmin()), ("highest", found["statistic"].idxmax()))
        }
        rows.append(
            {
                "claim": claim,
                "measured as": metric,
                "model": model,
                "method": METHODS.get(method, method),
                "sparsity": sparsity,
            }
            | {verdict: int((found["verdict"] == verdict).sum()) for verdict in VERDICTS}
            | {name: f"{row['calibration']}: {row['what']}" for name, row in ends.items()}
        )
    table = pd.DataFrame(rows)
    return table.drop(columns=[name for name in ("model", "sparsity") if table[name].nunique() == 1])
