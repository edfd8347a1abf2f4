"""The paper's Tables 1 and 6 from a tidy frame: shaded, marked, captioned from the records."""

from operator import attrgetter

import numpy as np
import pandas as pd

from calibbook.s04_1_pruning_results.paper import NUMBERS
from calibbook.shared.draws import draws_of_models
from calibbook.shared.frames import (
    METRICS,
    ROW,
    in_order,
    is_mixture,
    languages_of,
    measured,
    over_draws,
    setting,
    summarize,
    treatment,
)
from calibbook.shared.html import (
    BEST,
    BEST_MIXTURE,
    DIRECTION,
    MISSING,
    Cell,
    Html,
    Languages,
    block_rows,
    deviation,
    heat_table,
)
from calibbook.shared.words import SUPERSCRIPT, fixed, in_caption, listed, number_style


def fidelity_table(frame: pd.DataFrame, metric: str | tuple[str, ...], source: str, title: str = "") -> Html:
    """Calibration languages down, evaluation languages across, one group of columns a metric (paper, Tables 1 and 6).

    `frame` is the tidy frame, `metric` one or several of perplexity, snr_db, pruning_error, `source` an evaluation
    text. Rows: model, method, sparsity if there are several, calibration; the dense model first. A cell is the mean
    over calibration draws with its standard deviation in small type, shaded down its column, and the paper's own
    value in brackets where its text gives one. Raises ParameterError where the frame has no such metric or source.
    """
    metrics = (metric,) if isinstance(metric, str) else tuple(metric)
    summaries = {name: summarize(frame, name, source) for name in metrics}
    styles = {name: number_style(name, summary["mean"]) for name, summary in summaries.items()}
    key = attrgetter(*ROW)
    cells = {
        (key(row), (name, row.language)): cell(row, name, source, styles[name])
        for name, summary in summaries.items()
        for row in summary.itertuples()
    }
    every = in_order(pd.concat(summaries.values(), ignore_index=True))
    columns = {
        (name, code): (*([metric_label(name, styles[name])] * (len(metrics) > 1)), Languages((code,)))
        for name in metrics
        for code in languages_of(every["language"])
    }
    corner, rows = block_rows(every)
    known = any(cell.paper for cell in cells.values())
    title = title or listed(METRICS[name].label for name in metrics)
    return heat_table(rows, columns, cells, corner, title, caption(frame, metrics, source, styles, known))


def cell(row, metric: str, source: str, style: tuple[int, int]) -> Cell:
    """A summary row: mean, mark, standard deviation, the paper's value where known, shade."""
    if np.isnan(row.mean):
        return MISSING
    known = NUMBERS.get(**{name: getattr(row, name) for name in [*ROW, "language"]}, metric=metric, source=source)
    return Cell(
        fixed(row.mean, *style),
        row.shade,
        BEST if row.best else BEST_MIXTURE if row.best_mixture else None,
        deviation(row.sd, *style),
        "" if known is None else fixed(known, *style),
    )


def metric_label(metric: str, style: tuple[int, int]) -> str:
    """`Signal-to-noise ratio (SNR, dB)`, with the power of ten that its numbers leave out."""
    shape = METRICS[metric]
    unit = f"in units of 10{str(style[0]).translate(SUPERSCRIPT)}" if style[0] else shape.unit
    inside = ", ".join(part for part in (shape.short, unit) if part)
    return f"{shape.label} ({inside})" if inside else shape.label


def caption(frame: pd.DataFrame, metrics, source: str, styles, known: bool) -> str:
    """What was measured, on how much text, over how many draws, and how to read the table; all from the records.

    known: whether a number of the paper stands in the table.
    """
    rows = frame[frame["metric"].isin(metrics) & (frame["source"] == source) & frame["layer"].isna()]
    calibrated = rows[rows["calibration"] != ""]
    seeds = sorted(set(calibrated["seed"]))
    mixed = calibrated["calibration"].map(is_mixture).any()
    sentences = [
        *(f"{metric_label(name, styles[name])}: {DIRECTION[METRICS[name].lower_is_better]}." for name in metrics),
        f"Measured on “{source}”, {in_caption(rows['n'])} tokens per language.",
        f"{listed(dict.fromkeys(rows['model']))}, {treatment(rows)}.",
    ]
    if seeds:
        sentences.append(f"Calibrated on {in_caption(calibrated['calibration_tokens'])} tokens.")
        over = draws_of_models(calibrated.groupby(["model", "calibration"], sort=False)["seed"].nunique().to_dict())
        sentences.append(
            f"{over} (seeds {listed(seeds)}), standard deviation in small type."
            if len(seeds) > 1
            else f"{over} (seed {seeds[0]}), so there is no standard deviation."
        )
        sentences.append(
            "Shades run from the lowest to the highest value of a column within a model"
            + (" (perplexity by its logarithm)" if "perplexity" in metrics else "")
            + "; ★ and bold mark the best single calibration language of a column for each model and method, which is "
            + "what the claims count"
            + ("; ◆ the best mixture, where it is better than every single language." if mixed else ".")
        )
    sentences.append(
        "The paper's own value is in brackets where its text gives one; its other values are not known."
        if known
        else "The paper's own values for these cells are not known."
    )
    return " ".join(sentences)


def beside_paper(frame: pd.DataFrame, source: str) -> pd.DataFrame:
    """Each number that the paper's text states, and the same cell of every model and sparsity of the frame on `source`.

    Text columns, ready to show; 'not measured' where the frame lacks the cell.
    """
    settings = frame.loc[frame["method"] != "dense", ["model", "sparsity", "pattern"]].drop_duplicates()
    lines = []
    for metric in measured(frame):
        ours = over_draws(frame, metric, source).set_index([*ROW, "language"])["mean"]
        for number in NUMBERS.frame[NUMBERS.frame["metric"] == metric].itertuples():
            for model, sparsity, pattern in settings.itertuples(index=False):
                found = ours.get((model, number.method, sparsity, pattern, number.calibration, number.language))
                lines.append(
                    {
                        "metric": METRICS[metric].label,
                        "calibration": number.calibration,
                        "evaluation": number.language,
                        f"paper, {number.model} on {number.source}": fixed(number.value),
                        "our model": f"{model}, {setting(sparsity, pattern)}",
                        f"ours on {source}": "not measured" if found is None else fixed(found),
                    }
                )
    return pd.DataFrame(lines)
