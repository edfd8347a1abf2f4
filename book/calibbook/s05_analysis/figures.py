"""A picture of how often two metrics name the same calibration as the best, beside what chance would give."""

import numpy as np
import pandas as pd

from calibbook.s05_analysis.claims import pairs
from calibbook.s05_analysis.data import Named
from calibbook.s05_analysis.tables import where
from calibbook.shared.dots import dot_figure
from calibbook.shared.figure import Picture
from calibbook.shared.frames import METRICS
from calibbook.shared.palette import looks
from calibbook.shared.words import fixed, listed

MEASURED, CHANCE = "measured", "by chance"
TITLE = "Evaluation languages in which two metrics name the same calibration as the best"


def agreement_picture(found: list[Named]) -> Picture:
    """A panel for each text, model, method and setting, a row two metrics; marks are what was measured, and chance."""
    shown, sentences = {}, []
    for one in found:
        lines = []
        for first, second, hits, expected, _ in pairs(one):
            both = listed(METRICS[metric].label for metric in (first, second))
            lines += [
                {"row": both, "series": MEASURED, "value": hits},
                {"row": both, "series": CHANCE, "value": expected},
            ]
            sentences.append(f"{where(one)}, {both}: {hits} of {len(one.languages)}, by chance {fixed(expected)}.")
        shown[where(one)] = pd.DataFrame(lines).assign(low=np.nan, high=np.nan)
    styles = looks([MEASURED, CHANCE], [MEASURED, CHANCE])
    names = {name: name for rows in shown.values() for name in [*rows["row"], *rows["series"]]}
    figure, axes = dot_figure(shown, styles, names, TITLE, "evaluation languages")
    most = max(len(one.languages) for one in found)
    for axis in axes:
        axis.set_xlim(-most / 20, most * 21 / 20)
    return Picture(figure, " ".join([f"{TITLE}.", *sentences]), folds=True)
