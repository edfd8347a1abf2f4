"""Off the diagonal: the evaluation languages that another calibration language serves better."""

import numpy as np
import pandas as pd

from calibbook.s04_1_pruning_results.data import gained, gains, squares
from calibbook.shared.claims import Claim
from calibbook.shared.draws import ONE_DRAW
from calibbook.shared.frames import METHODS, METRICS
from calibbook.shared.registered import wording
from calibbook.shared.verdicts import decided

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


def exceptions(frame: pd.DataFrame, metric: str, source: str) -> pd.DataFrame:
    """The columns whose best calibration is not the evaluation language, one row each, the widest margin first.

    `margin` is what the target language gives away: percent (perplexity, pruning error) or dB (SNR).
    """
    lines = []
    for names, means, _ in squares(frame, metric, source):
        table = gains(means, metric)
        for language, winner in table.idxmax().items():
            if table.loc[winner, language] > table.loc[language, language]:
                gap = table.loc[winner, language] - table.loc[language, language]
                lines.append(
                    names
                    | {
                        "method": METHODS.get(names["method"], names["method"]),
                        "evaluation": language,
                        "best": winner,
                        "value": means.loc[winner, language],
                        "in the target": means.loc[language, language],
                        "margin": 100 * np.expm1(gap) if METRICS[metric].lower_is_better else gap,
                        "unit": "%" if METRICS[metric].lower_is_better else "dB",
                    }
                )
    columns = [
        "source",
        "metric",
        "model",
        "method",
        "sparsity",
        "evaluation",
        "best",
        "value",
        "in the target",
        "margin",
        "unit",
    ]
    return pd.DataFrame(lines, columns=columns).sort_values("margin", ascending=False, ignore_index=True)
