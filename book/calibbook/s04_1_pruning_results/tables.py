"""The paper's Tables 1 and 6 from a tidy frame: shaded, marked, captioned from the records."""

from html import escape

import numpy as np
import pandas as pd

from calibbook.s04_1_pruning_results.paper import paper_value
from calibbook.shared.colours import colours
from calibbook.shared.frames import BLOCK, METRICS, ROW, in_order, languages_of, summarize, treatment
from calibbook.shared.html import (
    DIRECTION,
    MISSING,
    STAR,
    Html,
    block_header,
    deviation,
    language_header,
    varying_levels,
    wrap,
)
from calibbook.shared.words import fixed, in_caption, listed, number_style


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
    cells = {
        (name, *(getattr(row, level) for level in ROW), row.language): row
        for name, summary in summaries.items()
        for row in summary.itertuples()
    }
    every = in_order(pd.concat(summaries.values(), ignore_index=True))
    languages = languages_of(every["language"])
    levels = varying_levels(every)

    bodies = []
    for block, rows in every.groupby(BLOCK, sort=False):
        lines = []
        for calibration in dict.fromkeys(rows["calibration"]):
            data = "".join(
                cell(cells.get((name, *block, calibration, language)), name, source, styles[name])
                for name in metrics
                for language in languages
            )
            label = language_header(calibration) if calibration else "none"
            lines.append(f'<th scope="row">{label}</th>{data}')
        bodies.append(f"<tbody><tr>{block_header(block, len(lines), levels)}{'</tr><tr>'.join(lines)}</tr></tbody>")
    head = column_header(metrics, styles, languages, levels)
    text = caption(frame, metrics, source, styles, title)
    plain = "\n".join(f"{METRICS[name].label} on {source}\n{wide(summary)}" for name, summary in summaries.items())
    return wrap(head + "".join(bodies), text, title or listed(METRICS[name].label for name in metrics), plain)


def column_header(metrics, styles, languages, levels: list[str]) -> str:
    """thead: one row for one metric, else metrics above languages."""
    columns = "".join(f'<th scope="col">{language_header(language)}</th>' for language in languages)
    span = ' rowspan="2"' if len(metrics) > 1 else ""
    corner = "".join(f'<th scope="col"{span}>{level}</th>' for level in [*levels, "Calibration"])
    if len(metrics) == 1:
        return f"<thead><tr>{corner}{columns}</tr></thead>"
    groups = "".join(
        f'<th scope="colgroup" colspan="{len(languages)}">{metric_label(name, styles[name])}</th>' for name in metrics
    )
    return f"<thead><tr>{corner}{groups}</tr><tr>{columns * len(metrics)}</tr></thead>"


def cell(row, metric: str, source: str, style: tuple[int, int]) -> str:
    """One td of a summary row: mean, mark, standard deviation, the paper's value where known, shade."""
    if row is None or np.isnan(row.mean):
        return MISSING
    text = fixed(row.mean, *style)
    if row.best:
        text = f"<strong>{text}</strong> {STAR}"
    text += deviation(row.sd, *style)
    known = paper_value(row.model, row.method, row.sparsity, row.pattern, row.calibration, row.language, metric, source)
    if known is not None:
        text += f' <small class="known">[{fixed(known, *style)}]</small>'
    mark = ' class="best"' if row.best else ""
    if np.isnan(row.shade):
        return f"<td{mark}>{text}</td>"
    background, ink = colours(row.shade)
    return f'<td{mark} style="background-color: {background}; color: {ink}">{text}</td>'


def metric_label(metric: str, style: tuple[int, int]) -> str:
    """`Signal-to-noise ratio (SNR, dB)`, with the power of ten that its numbers leave out."""
    shape = METRICS[metric]
    unit = f"in units of 10<sup>−{-style[0]}</sup>" if style[0] else shape.unit
    inside = ", ".join(part for part in (shape.short, unit) if part)
    return f"{shape.label} ({inside})" if inside else shape.label


def caption(frame: pd.DataFrame, metrics, source: str, styles, title: str = "") -> str:
    """What was measured, on how much text, over how many draws, and how to read the table; all from the records."""
    rows = frame[frame["metric"].isin(metrics) & (frame["source"] == source) & frame["layer"].isna()]
    counted = rows[rows["metric"] == metrics[0]]  # perplexity predicts one token less of each window
    calibrated = rows[rows["calibration"] != ""]
    seeds = sorted(set(calibrated["seed"]))
    models = escape(listed(dict.fromkeys(rows["model"])))
    sentences = [
        *(f"{metric_label(name, styles[name])}: {DIRECTION[METRICS[name].lower_is_better]}." for name in metrics),
        f"Measured on “{escape(source)}”, {in_caption(counted['n'])} tokens per language.",
        f"{models}, {escape(treatment(rows))}.",
    ]
    if seeds:
        sentences.append(f"Calibrated on {in_caption(calibrated['calibration_tokens'])} tokens.")
        sentences.append(
            f"Mean over {len(seeds)} draws of calibration text (seeds {listed(seeds)}), standard "
            f"deviation in small type."
            if len(seeds) > 1
            else f"One draw of calibration text (seed {seeds[0]}), so there is no standard deviation."
        )
        sentences.append(
            "Shades run from the lowest to the highest value of a column within a model"
            + (" (perplexity by its logarithm)" if "perplexity" in metrics else "")
            + "; ★ and bold mark the best calibration of a column for each model and method."
        )
    known = any(
        paper_value(*row, name, source) is not None
        for name in metrics
        for row in rows[[*ROW, "language"]].drop_duplicates().itertuples(index=False)
    )
    sentences.append(
        "The paper's own value is in brackets where its text gives one; its other values are not known."
        if known
        else "The paper's own values for these cells are not known."
    )
    lead = f"<strong>{escape(title)}.</strong> " if title else ""
    return lead + " ".join(sentences)


def wide(summary: pd.DataFrame) -> str:
    """The means of a summary as plain text."""
    table = summary.pivot(index=ROW, columns="language", values="mean")
    order = summary[ROW].drop_duplicates().itertuples(index=False, name=None)
    return table.loc[list(order), languages_of(summary["language"])].to_string()
