"""The picture of the first page: every choice of calibration, in every target language, by method."""

import numpy as np
import pandas as pd
import seaborn
from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter
from scipy.stats import gmean

from calibbook.first_page.choices import CHOICES, label
from calibbook.first_page.findings import Findings
from calibbook.first_page.sentences import block_name
from calibbook.first_page.tables import ratios_of
from calibbook.shared.figure import Picture, one_legend, panels
from calibbook.shared.frames import BLOCK
from calibbook.shared.narrow import WIDTH
from calibbook.shared.palette import look
from calibbook.shared.words import fixed, listed

ROW = 0.16  # inches that one method takes in a row
WHOLE_RANGE = ("pi", 100)


def answer_picture(found: Findings) -> Picture:
    """Perplexity over that of the dense model (logarithmic) by choice: a large mark for the geometric mean over the
    target languages, a line for their range, a small mark for each.
    """
    several = found.rows["model"].nunique() > 1
    rows = found.rows.assign(
        ratio=np.exp(found.rows["log_ratio"]),
        series=[block_name(block, several) for block in found.rows[BLOCK].itertuples(index=False, name=None)],
    )
    rows = rows[np.isfinite(rows["ratio"])]
    names = [choice for choice in CHOICES if choice in set(rows["choice"])]
    series = list(dict.fromkeys(rows["series"]))
    styles = [look(place) for place in range(len(series))]
    figure, (axis,) = panels(1, 1, WIDTH, 1.0 + len(names) * (0.25 + ROW * len(series)))
    seaborn.stripplot(
        rows,
        x="ratio",
        y="choice",
        order=names,
        hue="series",
        hue_order=series,
        palette=[style.colour for style in styles],
        dodge=len(series) > 1,
        jitter=False,
        size=3,
        alpha=0.45,
        legend=False,
        ax=axis,
    )
    seaborn.pointplot(
        rows,
        x="ratio",
        y="choice",
        order=names,
        hue="series",
        hue_order=series,
        palette=[style.colour for style in styles],
        markers=[style.marker for style in styles],
        dodge=0.8 * (1 - 1 / len(series)) if len(series) > 1 else False,
        estimator=gmean,
        errorbar=WHOLE_RANGE,
        linestyle="none",
        markersize=6,
        err_kws={"linewidth": 1.2},
        ax=axis,
    )
    axis.axvline(1, color="#777777", linewidth=0.9, linestyle="--", zorder=0)
    axis.set_xscale("log")
    axis.xaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    axis.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}×"))
    axis.xaxis.set_minor_formatter(NullFormatter())
    axis.set_yticks(range(len(names)), [label(name, found.texts) for name in names], fontsize=9)
    axis.set(ylabel="", xlabel=f"perplexity on {found.source}, times the dense one")
    axis.get_legend().remove()
    one_legend(figure, [axis])
    return Picture(figure, _in_words(rows, names, found))


def _in_words(rows: pd.DataFrame, names: list[str], found: Findings) -> str:
    sentences = [f"Perplexity on {found.source} over that of the dense model, logarithmic, by what was calibrated in."]
    for series, mine in rows.groupby("series", sort=False):
        ratios = ratios_of(mine)
        parts = [
            f"{fixed(float(gmean(ratios[name])), 0, 2)} with {label(name, found.texts)} "
            f"({fixed(ratios[name].min(), 0, 2)} to {fixed(ratios[name].max(), 0, 2)})"
            for name in names
            if name in ratios
        ]
        sentences.append(f"{series}: {listed(parts)}.")
    return " ".join(sentences)
