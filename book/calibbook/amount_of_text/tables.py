"""One table and one picture: perplexity over the dense model's, by the tokens of calibration text."""

import numpy as np
import pandas as pd
from matplotlib.ticker import FixedLocator, FuncFormatter, LogLocator, NullLocator

from calibbook.amount_of_text.data import OTHERS, OWN, by_block
from calibbook.shared.figure import Picture, block_title, one_legend, panels
from calibbook.shared.frames import BLOCK, languages_of, method_label, setting
from calibbook.shared.html import Html, text_table
from calibbook.shared.palette import DASHES, looks
from calibbook.shared.plots import lines
from calibbook.shared.words import listed, number
from calibprune.languages import LANGUAGES, describe


def amounts_table(rows: pd.DataFrame, title: str) -> Html:
    """One row a method, text, calibration language and amount. rows: those of `data.losses`."""
    wide = rows.pivot_table(
        index=["source", *BLOCK, "calibration", "calibration_tokens"], columns="among", values="times", sort=False
    ).reset_index()
    several = wide["model"].nunique() > 1
    table = pd.DataFrame(
        ({"model": wide["model"]} if several else {})
        | {
            "method": [
                f"{method_label(row.method)}, {setting(row.sparsity, row.pattern)}" for row in wide.itertuples()
            ],
            "measured on": wide["source"],
            "calibrated in": [describe(code).name for code in wide["calibration"]],
            "tokens": wide["calibration_tokens"],
            f"in {OWN}": wide[OWN].map(number) if OWN in wide else "–",
            f"in {OTHERS}": wide[OTHERS].map(number) if OTHERS in wide else "–",
        }
    )
    note = "Perplexity, times that of the dense model; of several languages the geometric mean."
    return text_table(table, title, note)


def amounts_picture(rows: pd.DataFrame) -> Picture:
    """Tokens across (logarithmic), perplexity over the dense model's up (logarithmic): one panel a method and text, one
    colour a calibration language, solid in the language itself and dashed in the others.
    """
    parts = list(by_block(rows))
    figure, axes = panels(len(parts), 2, 3.6, 2.6, margin=(0, 0.8), sharey=True)
    codes = languages_of(rows["calibration"])
    known = looks(codes, list(LANGUAGES))
    for axis, (block, source, mine) in zip(axes, parts, strict=True):
        styles = {}
        for code in codes:
            for among, dashes in ((OWN, DASHES[0]), (OTHERS, DASHES[1])):
                styles[f"{describe(code).name}, in {among}"] = known[code]._replace(dashes=dashes)
        named = mine.assign(line=[f"{describe(row.calibration).name}, in {row.among}" for row in mine.itertuples()])
        lines(axis, named, "calibration_tokens", "times", "line", styles)
        axis.set_xscale("log")
        axis.set_yscale("log")
        amounts = sorted(mine["calibration_tokens"].unique())
        axis.xaxis.set_major_locator(FixedLocator(amounts))
        axis.xaxis.set_minor_locator(NullLocator())
        axis.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,.0f}"))
        axis.yaxis.set_major_locator(LogLocator(subs=(1, 1.5, 2, 3, 5, 7)))
        axis.yaxis.set_minor_locator(NullLocator())
        axis.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
        axis.tick_params(labelsize=8, labelbottom=True)
        axis.set_title(f"{block_title(block)}\non {source}", fontsize=9)
        axis.set_xlabel("tokens of calibration text", fontsize=8)
    axes[0].set_ylabel("perplexity, times the dense one", fontsize=8)
    one_legend(figure, axes)
    return Picture(figure, _in_words(rows), folds=True)


def _in_words(rows: pd.DataFrame) -> str:
    said = []
    for block, source, mine in by_block(rows):
        for among, part in mine.groupby("among", sort=False):
            mean = part.groupby("calibration_tokens")["times"].agg(lambda times: np.exp(np.log(times).mean()))
            values = listed(f"{number(times)} with {tokens:,} tokens" for tokens, times in mean.items())
            said.append(f"{block_title(block)} on {source}, in {among}: {values}")
    return f"Lines of perplexity over that of the dense model by the amount of calibration text. {'. '.join(said)}."
