"""The best calibrations of the metrics, side by side."""

import pandas as pd

from calibbook.s05_analysis.claims import agreeing, pairs
from calibbook.s05_analysis.data import Named
from calibbook.shared.frames import METRICS, method_label
from calibbook.shared.languages import code_label, name_label
from calibbook.shared.words import fixed, listed, p_value


def best_by_metric(one: Named) -> pd.DataFrame:
    """One row an evaluation language, as text: the best calibration by each metric, and whether all agree."""
    lines = []
    for column, language in enumerate(one.languages):
        line = {"evaluation": name_label(language)}
        for metric, best in zip(one.metrics, one.best[:, :, column], strict=True):
            winners = [code_label(code) for code, wins in zip(one.calibrations, best, strict=True) if wins]
            line[METRICS[metric].label] = listed(winners) if len(winners) < len(one.calibrations) else "all alike"
        lines.append(line | {"all agree": "yes" if agreeing(one.best)[column] else "no"})
    return pd.DataFrame(lines)


def as_data(found: list[Named]) -> pd.DataFrame:
    """All of `best_by_metric`, with text, model, method and setting beside each row."""
    tables = [best_by_metric(one).assign(**one.names) for one in found]
    return pd.concat([pd.DataFrame(), *tables], ignore_index=True)


def agreement(found: list[Named]) -> pd.DataFrame:
    """One row two metrics, of each text, model, method and setting, as text: the evaluation languages in which they
    name the same best calibration, by chance how many, and the probability of as many. The model is a column where
    there are several.
    """
    several = len({one.names["model"] for one in found}) > 1
    return pd.DataFrame(
        {
            "metrics": listed(METRICS[metric].label for metric in (first, second)),
            "evaluated on": one.names["source"],
        }
        | ({"model": one.names["model"]} if several else {})
        | {
            "method": f"{method_label(one.names['method'])} {one.names['sparsity']}",
            "agree": f"{hits} of {len(one.languages)}",
            "by chance": fixed(expected),
            "p": p_value(p),
        }
        for one in found
        for first, second, hits, expected, p in pairs(one)
    )


def where(one: Named) -> str:
    """`gemma3-270m, Wanda 50%, on chromium`."""
    names = one.names
    return f"{names['model']}, {method_label(names['method'])} {names['sparsity']}, on {names['source']}"
