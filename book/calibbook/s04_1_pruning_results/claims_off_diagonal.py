"""Off the diagonal: the evaluation languages that another calibration language serves better."""

from itertools import product

import numpy as np
import pandas as pd

from calibbook.s04_1_pruning_results.data import gained, gains, squares
from calibbook.shared.claims import Claim
from calibbook.shared.draws import ONE_DRAW
from calibbook.shared.frames import METHODS, METRICS, measured, sources, summarize
from calibbook.shared.languages import code_label
from calibbook.shared.registered import wording
from calibbook.shared.verdicts import decided
from calibbook.shared.words import SUPERSCRIPT, fixed, number, number_style

RUSSIAN_FOR_CHINESE = wording("4.1-russian-for-chinese")


def russian_for_chinese(frame: pd.DataFrame, source: str) -> list[Claim]:
    """The exception the paper names (Wanda, perplexity, Llama-3 8B), on the models at hand.

    The statistic is the percent by which Russian calibration lowers perplexity on Chinese, its interval Student's with
    the spread of draws of all calibrations; undecided where it covers zero or is not known. Nothing where the
    languages were not run.
    """
    claims = []
    for names, means, noise in squares(frame, "perplexity", source):
        if names["method"] != "wanda" or not {"ru", "zh"} <= set(means.index) or "zh" not in means.columns:
            continue
        ratio = float(np.log(means.loc["zh", "zh"] / means.loc["ru", "zh"]))
        ends = ratio - noise.reach(), ratio + noise.reach()
        note = "" if noise.freedom else ONE_DRAW
        found = gained(ratio, *ends, "perplexity") | {"p": noise.p_value(ratio)}
        claims.append(Claim(RUSSIAN_FOR_CHINESE, **names, **found, n=1, **decided(*ends, note=note)))
    return claims


def exceptions(frame: pd.DataFrame) -> pd.DataFrame:
    """The columns whose best single calibration is not the evaluation language, on every text and measure of the frame:
    one row each, the widest margin of a measure first.

    `best` and `in the target` are in the units of the page's tables, `margin` is what the target language gives away.
    """
    lines = sorted(_exceptions(frame), key=lambda line: (line["place"], -line["gap"]))
    several = [name for name in ("model", "sparsity") if frame[name].nunique() > 1 + (name == "sparsity")]
    shown = ["evaluated on", "measured as", *several, "method", "language", "best", "value", "in the target", "margin"]
    named = {"language": "evaluation language", "best": "best calibration"}
    return pd.DataFrame(lines, columns=["place", "gap", *shown])[shown].rename(columns=named)


def _exceptions(frame: pd.DataFrame) -> list[dict]:
    lines = []
    for place, (metric, source) in enumerate(product(measured(frame, pruned=True), sources(frame))):
        label, style = METRICS[metric], number_style(metric, summarize(frame, metric, source)["mean"])
        unit = f", 10{str(style[0]).translate(SUPERSCRIPT)}" if style[0] else ""
        for names, means, _ in squares(frame, metric, source):
            table = gains(means, metric)
            for language, winner in table.idxmax().items():
                if not table.loc[winner, language] > table.loc[language, language]:
                    continue
                gap = table.loc[winner, language] - table.loc[language, language]
                margin = f"{number(100 * np.expm1(gap))}%" if label.lower_is_better else f"{number(gap)} dB"
                lines.append(
                    names
                    | {
                        "place": place,
                        "gap": gap,
                        "evaluated on": source,
                        "measured as": f"{label.short or label.label}{unit}",
                        "method": METHODS.get(names["method"], names["method"]),
                        "language": code_label(language),
                        "best": code_label(winner),
                        "value": fixed(means.loc[winner, language], *style),
                        "in the target": fixed(means.loc[language, language], *style),
                        "margin": margin,
                    }
                )
    return lines
