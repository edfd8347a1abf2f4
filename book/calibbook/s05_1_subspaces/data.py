"""From the tidy frame to what Section 5.1 looks at: how far language-agnostic and language-specific features moved.

`changes` is where every figure and claim of the section starts.
"""

import math

import numpy as np
import pandas as pd

from calibbook.shared.figure import block_title
from calibbook.shared.frames import BLOCK, calibrated, in_order, languages_of
from calibprune.errors import ParameterError

VIEWS = {"change": "Δ magnitude", "relative": "Δ magnitude / size in the dense model"}
"""What figures call the two ways to look at a change: as it is, and beside the size of what changed."""
PARTS = {
    "total": "whole sentence embedding",
    "agnostic": "language-agnostic part",
    "specific": "language-specific part",
}
TOKENS = "tokens"
BLOCK_ON = [*BLOCK, "source"]
CELL = [*BLOCK_ON, "rank", "part", "calibration", "language", "layer"]
FIGURE_1_LAYERS = 4


def changes(frame: pd.DataFrame) -> pd.DataFrame:
    """One row per model, method, sparsity, pattern, source, rank, part, calibration, language and layer, in the paper's
    order.

    Columns: `change` is the mean over sentences and calibration draws of the Euclidean norm of dense minus pruned
    sentence embedding (its part `part`: total, agnostic or specific), `size` that norm of the dense embedding itself
    (NaN where it was not recorded), `relative` = change / size, `n` sentences, `draws` seeds. `rank` is that of the
    subspace; 0 for the total, which has none. Raises ParameterError for a frame without such records.
    """
    rows = frame[frame["metric"].isin([f"{kind}_{part}" for kind in ("delta", "size") for part in PARTS])]
    rows = rows.assign(
        part=rows["metric"].str.split("_").str[1],
        rank=rows["component"].str.extract(r"^rank (\d+)$", expand=False).fillna("0").astype(int),
        layer=rows["layer"].astype(int),
    )
    moved = rows[rows["metric"].str.startswith("delta_")]
    if moved.empty:
        raise ParameterError(
            "no changes of sentence embeddings in these records: add 'subspace' to the metrics of the study"
        )
    found = (
        moved.groupby(CELL, sort=False)
        .agg(change=("value", "mean"), draws=("seed", "nunique"), n=("n", "max"))
        .reset_index()
    )
    of_dense = ["model", "source", "rank", "part", "language", "layer"]
    sizes = rows[rows["metric"].str.startswith("size_")].groupby(of_dense)["value"].mean().rename("size").reset_index()
    found = found.merge(sizes, on=of_dense, how="left", validate="many_to_one")
    found["relative"] = found["change"] / found["size"]
    return in_order(found.sort_values(["part", "rank", "layer"], kind="stable"))


def that_changed(rows: pd.DataFrame, value: str = "change") -> pd.DataFrame:
    """Without the blocks in which a value is zero throughout: pruning removed no weight (`unchanged`)."""
    return rows[rows.groupby(BLOCK_ON, sort=False)[value].transform("max") > 0]


def separated(frame: pd.DataFrame) -> bool:
    """Whether features were separated: language-specific ones exist from two languages on."""
    return bool((frame["metric"] == "delta_specific").any())


def unchanged(frame: pd.DataFrame) -> list[str]:
    """The models whose embeddings were measured and did not change, as pruning to 0% leaves them: their titles."""
    rows = frame[frame["metric"] == "delta_total"]
    highest = rows.groupby(BLOCK, sort=False)["value"].max()
    return [block_title(block) for block, value in highest.items() if not value > 0]


def token_changes(frame: pd.DataFrame) -> pd.DataFrame:
    """The change of single tokens' hidden states by layer, in the columns of `changes`, part "tokens"; empty where no
    SNR was measured, or nothing changed.

    `relative` is the root mean square of the change over that of the dense hidden states, 10^(-SNR/20) (Eq. 2 of the
    paper), on the first evaluation text of the frame, mean over calibration draws; `change` and `size` are not known.
    Single calibration languages only.
    """
    rows = calibrated(frame[(frame["metric"] == "snr_db") & frame["layer"].notna()])
    if rows.empty:
        return pd.DataFrame(columns=[*CELL, "change", "draws", "n", "size", "relative"])
    rows = rows[rows["source"] == rows["source"].iloc[0]]
    rows = rows.assign(relative=10 ** (-rows["value"] / 20), part=TOKENS, rank=0, layer=rows["layer"].astype(int))
    found = (
        rows.groupby(CELL, sort=False)
        .agg(relative=("relative", "mean"), draws=("seed", "nunique"), n=("n", "max"))
        .reset_index()
    )
    found = that_changed(found, "relative")
    return in_order(found.assign(change=np.nan, size=np.nan).sort_values("layer", kind="stable"))


def ranks(found: pd.DataFrame) -> list[int]:
    """Ranks of the subspaces that features were separated with, ascending; none where only the total was measured."""
    return sorted(int(rank) for rank in found["rank"].unique() if rank)


def at_rank(found: pd.DataFrame, rank: int | None = None) -> pd.DataFrame:
    """The rows of `changes` of one rank, by default the highest (languages - 1), and those of the total.

    Raises ParameterError for a rank that was not measured.
    """
    known = ranks(found)
    if rank is None:
        rank = known[-1] if known else 0
    elif rank not in known:
        raise ParameterError(f"rank {rank} was not measured: choose one of {', '.join(map(str, known)) or '(none)'}")
    return found[found["rank"].isin([0, rank])]


def cube(
    rows: pd.DataFrame, part: str, value: str = "change", every: bool = False
) -> tuple[list[str], list[int], np.ndarray]:
    """One part of one block and rank as (evaluation languages, layers, [layers, calibrations, evaluations]).

    Only languages that are both calibration and evaluation language, or all calibrations and evaluations if `every`, in
    the paper's order; NaN where nothing was measured.
    """
    rows = rows[rows["part"] == part]
    languages, texts = languages_of(rows["language"]), languages_of(calibrated(rows)["calibration"])
    if not every:
        languages = texts = [code for code in languages if code in set(texts)]
    layers = sorted(int(layer) for layer in rows["layer"].unique())
    table = rows.pivot(index=["layer", "calibration"], columns="language", values=value)
    index = pd.MultiIndex.from_product([layers, texts], names=["layer", "calibration"])
    return (
        languages,
        layers,
        table.reindex(index=index, columns=languages).to_numpy().reshape(len(layers), len(texts), len(languages)),
    )


def turned(rows: pd.DataFrame) -> pd.DataFrame:
    """How much of the parts' change cancels out in the whole: columns of the block, calibration, language, layer, and
    `share`.

    With one subspace for both models agnostic² + specific² = total² for every sentence. Each model has its own, and
    where pruning turns it, an embedding that stayed is cut differently: both parts change, in opposite directions.
    `share` = 1 - total² / (agnostic² + specific²) of the mean norms is 0 without such a turn and 1 where nothing else
    happened. `rows` are those of `at_rank`.
    """
    keys = [*BLOCK_ON, "calibration", "language", "layer"]
    squares = rows.pivot(index=keys, columns="part", values="change") ** 2
    share = 1 - squares["total"] / (squares["agnostic"] + squares["specific"])
    return in_order(share.rename("share").reset_index())


def figure_1_layers(layers: list[int]) -> list[int]:
    """The first layer, two in the middle at a third and two thirds of the way, and the last one; fewer where there are
    not four.
    """
    places = np.linspace(0, len(layers) - 1, FIGURE_1_LAYERS).round().astype(int)
    return [layers[place] for place in dict.fromkeys(places.tolist())]


def middle(layers: list[int]) -> np.ndarray:
    """Bool [layers]: True for the middle third, by the centre of each layer."""
    depth = (np.arange(len(layers)) + 0.5) / max(len(layers), 1)
    return (depth > 1 / 3) & (depth < 2 / 3)


def percent_more(logarithm: float) -> float:
    """A log ratio as the percent by which something is more."""
    return 100 * math.expm1(logarithm)


def percent_less(logarithm: float) -> float:
    """A log ratio as the percent by which the other thing is less."""
    return -100 * math.expm1(-logarithm)


def layer_means(rows: pd.DataFrame) -> pd.DataFrame:
    """Mean `change` and `relative` per block, part (agnostic, specific), group (target, other) and layer, over
    languages and calibrations.

    `rows` are those of `at_rank`.
    """
    rows = rows[rows["part"] != "total"]
    group = np.where(rows["calibration"] == rows["language"], "target", "other")
    return (
        rows.assign(group=group)
        .groupby([*BLOCK_ON, "part", "group", "layer"], sort=False)[["change", "relative"]]
        .mean()
        .reset_index()
    )
