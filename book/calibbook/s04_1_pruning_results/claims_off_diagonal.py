"""Off the diagonal: the evaluation languages that another calibration language serves better."""

import numpy as np
import pandas as pd

from calibbook.s04_1_pruning_results.data import gained, gains, squares
from calibbook.shared.claims import Claim
from calibbook.shared.frames import METHODS, METRICS
from calibbook.shared.statistics import normal_interval
from calibbook.shared.verdicts import decided

RUSSIAN_FOR_CHINESE = "evaluated on Chinese, Russian calibration beats Chinese"


def russian_for_chinese(frame: pd.DataFrame, source: str) -> list[Claim]:
    """The exception the paper names (Wanda, perplexity, Llama-3 8B), on the models at hand.

    The statistic is the percent by which Russian calibration lowers perplexity on Chinese, its interval the normal one
    of a log ratio; undecided where it covers zero or is not known. Nothing where the languages were not run.
    """
    claims = []
    for names, means, variances in squares(frame, "perplexity", source):
        if names["method"] != "wanda" or not {"ru", "zh"} <= set(means.index) or "zh" not in means.columns:
            continue
        russian, chinese = means.loc["ru", "zh"], means.loc["zh", "zh"]
        ratio = np.log(chinese / russian)
        noise = np.sqrt(variances.loc["ru", "zh"] / russian**2 + variances.loc["zh", "zh"] / chinese**2)
        ends = normal_interval(ratio, noise)
        claims.append(Claim(RUSSIAN_FOR_CHINESE, **names, **gained(ratio, *ends, "perplexity"), n=1, **decided(*ends)))
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
