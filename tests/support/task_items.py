"""Scores of single items made from a formula, for tests of what reads them, and how these tests read tables and
verdicts.
"""

import zlib

import numpy as np
import pandas as pd
from bs4 import BeautifulSoup
from frames import SEVEN
from scipy.stats import norm

from calibbook.s04_2_downstream_tasks.data import Column

FAMILIES = ("continuation", "knowledge")
DENSE = {"ar": 0.45, "de": 0.62, "en": 0.75, "es": 0.6, "ru": 0.55, "sw": 0.4, "zh": 0.5}
OTHERS = 0.5


def share(column: Column, calibration: str, target: float, effects: dict[str, float]) -> float:
    """The share of items that a model is to get right."""
    if column.method == "dense":
        return DENSE.get(column.language, OTHERS)
    texts = calibration.split("+")
    gain = target if texts == [column.language] else target / 2 if column.language in texts else 0.0
    return (
        DENSE.get(column.language, OTHERS)
        - 0.15
        + gain
        + sum(effects.get(name, 0.0) for name in (calibration, column.method, column.model))
    )


def item_scores(
    languages=SEVEN,
    tasks=FAMILIES,
    models=("gemma3-270m",),
    methods=("wanda", "sparsegpt"),
    sparsity=((0.5, "unstructured"),),
    mixtures=(),
    seeds=1,
    items=400,
    target=0.1,
    effects=None,
    generated=False,
):
    """`Scores` of dense and pruned models. `target`: what calibration in the column's language adds to the share of
    right items; `effects`: what a calibration, method or model adds in every column; `generated`: some items are half
    right, as in F1."""
    found = {}
    for model in models:
        for task in tasks:
            for language in languages:
                blocks = [("dense", 0.0, "dense"), *((method, *setting) for method in methods for setting in sparsity)]
                for method, fraction, pattern in blocks:
                    column = Column(model, method, fraction, pattern, task, language, "f1" if generated else "acc")
                    calibrated = method not in ("dense", "magnitude")
                    found[column] = {
                        text: draws(
                            column,
                            text,
                            seeds if calibrated else 1,
                            items,
                            share(column, text, target, effects or {}),
                            generated,
                        )
                        for text in ((*languages, *mixtures) if calibrated else ("",))
                    }
    return found


def draws(column: Column, calibration: str, seeds: int, items: int, right: float, generated: bool) -> np.ndarray:
    """[seeds, items]: an item's difficulty is shared, half of the spread is not; right is the share expected."""
    hard = np.random.default_rng(zlib.crc32(f"{column.task} {column.language}".encode())).standard_normal(items)
    stream = np.random.default_rng(zlib.crc32(f"{column} {calibration}".encode()))
    noise = stream.standard_normal((seeds, items))
    scores = ((hard + 0.5 * noise) / np.sqrt(1.25) < norm.ppf(right)).astype(np.float32)
    return np.where(stream.random((seeds, items)) < 0.5, scores, scores / 2).astype(np.float32) if generated else scores


def parsed(shown) -> BeautifulSoup:
    """The HTML of a table."""
    return BeautifulSoup(shown.html, "html.parser")


def lines_of(soup) -> dict[tuple, list]:
    """(headers of the block, row header) -> td elements, of a table in several parts those of all."""
    found, lead = {}, ()
    for line in soup.select("tbody tr"):
        if block := line.select("th[scope=rowgroup]"):
            lead = tuple(th.text for th in block)
        found.setdefault((*lead, line.select_one("th[scope=row]").text), []).extend(line.select("td"))
    return found


def verdicts(found: pd.DataFrame, claim: str) -> set[str]:
    """The verdicts on one claim, which must have been tested."""
    rows = found[found["claim"] == claim]
    assert len(rows), claim
    return set(rows["verdict"])
