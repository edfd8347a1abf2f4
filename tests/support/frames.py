"""Tidy frames made from a formula, for tests of what reads them."""

import numpy as np
import pandas as pd

SEVEN = ("ar", "de", "en", "es", "ru", "sw", "zh")
LAYERS = 4
MEASURED = ("perplexity", "snr_db", "pruning_error")
"""What the frames have: the paper's three, however many metrics are registered."""


def value(metric: str, calibration: str, language: str, seed: int, gain: float) -> float:
    """Calibration in the evaluation language is `gain` better on a log scale; seeds spread it a little."""
    hit = gain if calibration == language else 0.5 * gain if language in calibration.split("+") else 0.0
    own = 0.1 * (sum(map(ord, calibration)) % 7) / 7 + 0.01 * seed
    if metric == "perplexity":
        return 100.0 * np.exp(own - hit)
    if metric == "snr_db":
        return 8.0 + 3 * hit - own
    return 2e-4 * np.exp(own - hit)


def tidy(
    languages=SEVEN,
    models=("gemma3-270m",),
    methods=("wanda", "sparsegpt"),
    sparsity=((0.5, "unstructured"),),
    seeds=(0,),
    mixtures=(),
    sources=("chromium", "udhr"),
    gain=0.5,
) -> pd.DataFrame:
    """A whole frame in the study's schema: dense rows, then every method; layers 0 to 3 and the model."""
    rows = []
    for model in models:
        for source in sources:
            rows += [
                record(model, "dense", 0.0, "dense", "", 0, "perplexity", source, language, 30.0)
                for language in languages
            ]
            for method in methods:
                for share, pattern in sparsity:
                    for calibration in ("",) if method == "magnitude" else (*languages, *mixtures):
                        for seed in (0,) if method == "magnitude" else seeds:
                            rows += cell(model, method, share, pattern, calibration, seed, source, languages, gain)
    return pd.DataFrame(rows).astype({"layer": "Int64"})


def cell(model, method, share, pattern, calibration, seed, source, languages, gain) -> list[dict]:
    rows = []
    for language in languages:
        for metric in MEASURED:
            found = value(metric, calibration, language, seed, gain)
            rows.append(record(model, method, share, pattern, calibration, seed, metric, source, language, found))
            if metric != "perplexity":
                rows += [
                    record(
                        model,
                        method,
                        share,
                        pattern,
                        calibration,
                        seed,
                        metric,
                        source,
                        language,
                        found * (1 + 0.1 * layer),
                        layer,
                    )
                    for layer in range(LAYERS)
                ]
    return rows


def record(model, method, sparsity, pattern, calibration, seed, metric, source, language, found, layer=None) -> dict:
    return {
        "model": model,
        "method": method,
        "sparsity": sparsity,
        "pattern": pattern,
        "calibration": calibration,
        "calibration_tokens": 512 if calibration else 0,
        "seed": seed,
        "metric": metric,
        "source": source,
        "task": "",
        "language": language,
        "layer": pd.NA if layer is None else layer,
        "component": "",
        "value": float(found),
        "stderr": 0.01 * found if metric == "perplexity" else np.nan,
        "n": 254,
    }


def with_value(frame: pd.DataFrame, found: float, **where) -> pd.DataFrame:
    """A copy with whole-model values replaced, each with its share of standard error; fails where no row is picked."""
    picked = frame["layer"].isna()
    for name, wanted in where.items():
        picked &= frame[name] == wanted
    assert picked.any(), where
    changed = frame.copy()
    changed.loc[picked, "stderr"] *= found / changed.loc[picked, "value"]
    changed.loc[picked, "value"] = found
    return changed


def provenance(frame: pd.DataFrame) -> pd.DataFrame:
    """One row a cell of the frame, as a study reports it."""
    cells = frame[["model", "method", "sparsity", "pattern", "calibration", "seed", "calibration_tokens"]]
    cells = cells.drop_duplicates().reset_index(drop=True)
    return cells.assign(
        seconds_prune=30.0,
        seconds_measure=12.5,
        peak_memory_gb=2.25,
        date="2026-01-02T03:04:05",
        machine="box",
        device="CPU",
        dtype="float32",
        versions=[{"torch": "2.13.0"}] * len(cells),
        commit="abc",
        id=[f"{i:064d}" for i in range(len(cells))],
    )
