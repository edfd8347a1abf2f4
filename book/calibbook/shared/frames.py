"""From the tidy frame to the square the paper prints: calibration languages down, evaluation languages across.

Tables, figures and claims all start from `summarize`, so a number, its order, its shade and its mark are decided once.
"""

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
import pandas as pd

from calibbook.shared.words import as_given, listed
from calibprune.errors import ParameterError, one_of
from calibprune.languages import LANGUAGES
from calibprune.methods import METHODS as REGISTRY
from calibprune.metrics.base import Metric
from calibprune.metrics.registry import ON_TEXT


class Block(NamedTuple):
    """A model that was pruned or quantized by one method to one setting: what the rows of a table are grouped by."""

    model: str
    method: str
    sparsity: float
    pattern: str

    @property
    def dense(self) -> "Block":
        """The model itself, neither pruned nor quantized."""
        return Block(self.model, "dense", 0.0, "dense")


MODEL_SETTING = ["model", "sparsity", "pattern"]
BLOCK = list(Block._fields)
ROW = [*BLOCK, "calibration"]


METRICS = ON_TEXT
"""The metrics with tables and heat maps of their own."""
METHODS = {"dense": "Dense"} | {name: method.label for name, method in REGISTRY.items()}
"""What to call a method, by its name, in the order in which tables show methods."""


def sources(frame: pd.DataFrame) -> list[str]:
    """Texts that the frame has perplexity or fidelity on, in order of appearance."""
    return list(dict.fromkeys(frame.loc[frame["metric"].isin(list(METRICS)), "source"]))


def measured(frame: pd.DataFrame, pruned: bool = False) -> list[str]:
    """Metrics of the frame, or of its pruned models alone, in the order of the paper's Table 1."""
    rows = frame[frame["method"] != "dense"] if pruned else frame
    return [metric for metric in METRICS if (rows["metric"] == metric).any()]


def languages_of(names) -> list[str]:
    """Distinct language codes in the paper's order; codes it does not have come after, sorted."""
    order = {code: place for place, code in enumerate(LANGUAGES)}
    return sorted(set(names), key=lambda code: (order.get(code, len(order)), code))


def calibration_rank(calibration: str) -> tuple:
    """Sort key of a row: no calibration, single languages in the paper's order, then mixtures by size."""
    order = list(LANGUAGES)
    parts = [part for part in calibration.split("+") if part]
    return len(parts), [order.index(part) if part in order else len(order) for part in parts], calibration


def is_mixture(calibration: str) -> bool:
    """Whether a calibration is in several languages, as "de+en" is."""
    return "+" in calibration


def calibrated(rows: pd.DataFrame, mixtures: bool = False) -> pd.DataFrame:
    """The rows of models calibrated in a single language, or in several."""
    mixed = rows["calibration"].map(is_mixture).astype(bool)
    return rows[(rows["calibration"] != "") & (mixed == mixtures)]


def setting(sparsity: float, pattern: str) -> str:
    """`50%` for unstructured sparsity, `2:4` or `4-bit` for a pattern, empty for the dense model."""
    if pattern == "dense":
        return ""
    return pattern if ":" in pattern or is_quantized(pattern) else f"{as_given(sparsity)}%"


def method_label(method: str) -> str:
    """A method's name as the tables write it; its own where it has no other."""
    return METHODS.get(method, method)


def is_quantized(pattern: str) -> bool:
    """Whether a pattern names bits, as "4-bit" does, and not a way to be sparse."""
    return pattern.endswith("-bit")


def treatment(rows: pd.DataFrame) -> str:
    """What was done to the models of some rows: `pruned to 50% and 2:4`, `quantized to 4 and 8 bits`, `not pruned`."""
    settings = rows.loc[rows["method"] != "dense", ["sparsity", "pattern"]].drop_duplicates()
    pruned = [setting(*pair) for pair in settings.itertuples(index=False) if not is_quantized(pair.pattern)]
    bits = [pattern.removesuffix("-bit") for pattern in dict.fromkeys(settings["pattern"]) if is_quantized(pattern)]
    parts = [f"pruned to {listed(pruned)}"] * bool(pruned) + [f"quantized to {listed(bits)} bits"] * bool(bits)
    return ", or ".join(parts) or "not pruned"


def participle(rows: pd.DataFrame) -> str:
    """`quantized` where nothing was pruned but weights were rounded, else `pruned`."""
    patterns = rows.loc[rows["method"] != "dense", "pattern"]
    return "quantized" if len(patterns) and patterns.map(is_quantized).all() else "pruned"


def summarize(frame: pd.DataFrame, metric: str, source: str) -> pd.DataFrame:
    """`over_draws` with what tables mark: `best` and `best_mixture` (bool, see there), and `shade` (0 darkest to 1
    lightest, NaN for no shade).
    """
    summary = over_draws(frame, metric, source)
    summary["best"] = best(summary, METRICS[metric])
    summary["best_mixture"] = best_mixture(summary, METRICS[metric])
    summary["shade"] = shade(summary, METRICS[metric])
    return summary


def over_draws(frame: pd.DataFrame, metric: str, source: str) -> pd.DataFrame:
    """Mean and standard deviation over calibration draws of one whole-model metric on one evaluation text.

    Returns one row per model, method, sparsity, pattern, calibration and language, in the paper's order, with
    `mean`, `sd` (sample standard deviation over seeds, NaN with one), `draws` (seeds), `stderr` (of the evaluation,
    averaged over seeds) and `n` (tokens).
    Raises ParameterError for a metric or source the frame does not have, or for two records of one draw.
    """
    if metric not in METRICS:
        raise ParameterError(one_of("metric", metric, METRICS))
    if source not in sources(frame):
        raise ParameterError(one_of("evaluation source", source, sources(frame) or ["(the frame is empty)"]))
    rows = frame[
        (frame["metric"] == metric)
        & (frame["source"] == source)
        & frame["layer"].isna()
        & (frame["component"] == "")
        & (frame["task"] == "")
    ]
    if rows.empty:
        raise ParameterError(f"no whole-model {metric} on {source!r} in these records: measure it before showing it")
    if rows.duplicated([*ROW, "language", "seed"]).any():
        raise ParameterError(
            f"several records of one draw of {metric} on {source!r}: keep one calibration size before showing the frame"
        )
    summary = (
        rows.groupby([*ROW, "language"], sort=False)
        .agg(
            mean=("value", "mean"),
            sd=("value", "std"),
            draws=("seed", "nunique"),
            stderr=("stderr", "mean"),
            n=("n", "max"),
        )
        .reset_index()
    )
    return in_order(summary)


def in_order(rows: pd.DataFrame) -> pd.DataFrame:
    """Rows in the paper's order: models as they come, dense first, then method, sparsity, calibration, language."""
    order = {
        "model": list(dict.fromkeys(rows["model"])),
        "method": [*METHODS, *sorted(set(rows["method"]) - set(METHODS))],
        "sparsity": sorted(set(rows["sparsity"])),
        "pattern": sorted(set(rows["pattern"])),
        "calibration": sorted(set(rows["calibration"]), key=calibration_rank),
        "language": languages_of(rows["language"]),
    }
    places = [pd.Categorical(rows[column], categories=values).codes for column, values in order.items()]
    return rows.iloc[np.lexsort(places[::-1])].reset_index(drop=True)


def best(summary: pd.DataFrame, metric: Metric) -> pd.Series:
    """True where the mean is the best among at least two single calibration languages of one model, method and
    sparsity; mixtures do not compete with them, so that this is what the claims count.
    """
    single = (summary["calibration"] != "") & ~summary["calibration"].map(is_mixture).astype(bool)
    mine = summary["mean"].where(single)
    groups = mine.groupby(_columns_of(summary), sort=False)
    return single & (mine == _extreme(groups, metric)) & (groups.transform("count") > 1)


def best_mixture(summary: pd.DataFrame, metric: Metric) -> pd.Series:
    """True where the mean is the best of the mixtures, and better than that of every single language in its column."""
    mixed = summary["calibration"].map(is_mixture).astype(bool)
    mine = summary["mean"].where(mixed)
    singles = summary["mean"].where(~mixed & (summary["calibration"] != ""))
    columns = _columns_of(summary)
    to_beat = _extreme(singles.groupby(columns, sort=False), metric)
    beats = mine < to_beat if metric.lower_is_better else mine > to_beat
    return mixed & beats & (mine == _extreme(mine.groupby(columns, sort=False), metric))


def _columns_of(summary: pd.DataFrame) -> list[pd.Series]:
    return [summary[name] for name in [*BLOCK, "language"]]


def _extreme(groups, metric: Metric) -> pd.Series:
    return groups.transform("min" if metric.lower_is_better else "max")


def shade(summary: pd.DataFrame, metric: Metric) -> pd.Series:
    """Place of each mean between the lowest (0) and highest (1) calibrated mean of its column and model.

    The methods of a model share the range, so that the eye can compare them; perplexity is placed by its logarithm.
    Magnitude pruning has no calibration: it takes no part in the range and is clipped to it. Dense rows: NaN.
    """
    with np.errstate(divide="ignore", invalid="ignore"):
        value = np.log(summary["mean"]) if metric.log else summary["mean"]
    finite = value.where((summary["calibration"] != "") & np.isfinite(value))
    groups = finite.groupby([summary[name] for name in [*MODEL_SETTING, "language"]], sort=False)
    low, high = groups.transform("min"), groups.transform("max")
    place = ((value - low) / (high - low).where(high > low)).clip(0, 1)
    place = place.where((high > low) | low.isna() | value.isna(), 0.5)
    return place.where(summary["method"] != "dense")


def blocks(rows: pd.DataFrame) -> Iterator[tuple[Block, pd.DataFrame]]:
    """Yield a Block and its rows; in order, the dense model included."""
    for block, mine in rows.groupby(BLOCK, sort=False):
        yield Block(*block), mine


def square(rows: pd.DataFrame, column: str = "mean") -> pd.DataFrame:
    """One block as [calibration, evaluation language] in the paper's order."""
    calibrations = list(dict.fromkeys(rows["calibration"]))
    return rows.pivot(index="calibration", columns="language", values=column).loc[
        calibrations, languages_of(rows["language"])
    ]
