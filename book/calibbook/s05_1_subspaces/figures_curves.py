"""Changes of features through the layers, and by the rank of the subspace: what the paper's panels leave to the eye."""

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from calibbook.s05_1_subspaces.data import BLOCK_ON, turned
from calibbook.shared.figure import block_title
from calibbook.shared.frames import BLOCK
from calibbook.shared.words import listed, more_or_less, number

LOOKS = {"agnostic": ("#0072b2", "o"), "specific": ("#d55e00", "s")}
TURN_COLOURS = ("#0072b2", "#d55e00", "#009e73", "#000000")
LINES = ("-", "--", ":", "-.")
GROUPS = {"target": ("calibrated in the evaluation language", "-"), "other": ("calibrated in another language", "--")}
VIEWS = {"change": "Δ magnitude", "relative": "Δ magnitude / size in the dense model"}


def layer_means(rows: pd.DataFrame) -> pd.DataFrame:
    """Mean `change` and `relative` per block, part (agnostic, specific), group (target, other) and layer, over
    languages and calibrations.

    `rows` are those of `subspaces.at_rank`.
    """
    rows = rows[rows["part"] != "total"]
    group = np.where(rows["calibration"] == rows["language"], "target", "other")
    return (
        rows.assign(group=group)
        .groupby([*BLOCK_ON, "part", "group", "layer"], sort=False)[list(VIEWS)]
        .mean()
        .reset_index()
    )


def layer_curves(rows: pd.DataFrame) -> Figure:
    """Both parts through the layers, one line of panels a block: as they are (logarithmic) and relative to the dense
    model where known.
    """
    means = layer_means(rows)
    views = [view for view in VIEWS if means[view].notna().all()]
    blocks = list(means.groupby(BLOCK_ON, sort=False))
    figure = Figure(figsize=(4.9 * len(views), 0.7 + 2.9 * len(blocks)), layout="constrained")
    axes = figure.subplots(len(blocks), len(views), squeeze=False)
    for line, (block, mine) in zip(axes, blocks, strict=True):
        for axis, view in zip(line, views, strict=True):
            for (part, group), curve in mine.groupby(["part", "group"], sort=False):
                colour, marker = LOOKS[part]
                label = f"{part}, {GROUPS[group][0]}"
                axis.plot(
                    curve["layer"],
                    curve[view],
                    color=colour,
                    linestyle=GROUPS[group][1],
                    marker=marker,
                    markersize=3.5,
                    label=label,
                )
            axis.set_title(block_title(block[: len(BLOCK)]), fontsize=10)
            axis.set_xlabel("layer", fontsize=8)
            axis.set_ylabel(VIEWS[view], fontsize=8)
            axis.xaxis.get_major_locator().set_params(integer=True)
            if view == "change" and (mine[view] > 0).all():
                axis.set_yscale("log")
            else:
                axis.set_ylim(bottom=0)
    figure.legend(*axes[0, 0].get_legend_handles_labels(), loc="outside lower center", ncols=2, fontsize=8)
    return figure


def layer_alt(rows: pd.DataFrame) -> str:
    """What `layer_curves` shows, in words: first, highest and last layer of each part, over all calibrations."""
    means = layer_means(rows)
    view = "relative" if means["relative"].notna().all() else "change"
    sentences = [f"Line plots of {VIEWS[view]} by layer."]
    for block, mine in means.groupby(BLOCK_ON, sort=False):
        ends = []
        for part, curve in mine.groupby("part", sort=False):
            by_layer = curve.groupby("layer")[view].mean()
            ends.append(
                f"{part} from {number(by_layer.iloc[0])} at layer {by_layer.index[0]} to "
                f"{number(by_layer.iloc[-1])} at layer "
                f"{by_layer.index[-1]}, highest {number(by_layer.max())} at layer {by_layer.idxmax()}"
            )
        sentences.append(f"{block_title(block[: len(BLOCK)])}: {listed(ends)}.")
    return " ".join(sentences)


def turn_curves(rows: pd.DataFrame) -> Figure:
    """How much of the parts' change cancels out (`subspaces.turned`), by layer: a line a block, with a band from the
    lowest to the highest.
    """
    figure = Figure(figsize=(9.0, 3.4), layout="constrained")
    axis = figure.subplots()
    for place, (block, mine) in enumerate(turned(rows).groupby(BLOCK_ON, sort=False)):
        shares = 100 * mine.groupby("layer")["share"].agg(["mean", "min", "max"])
        colour = TURN_COLOURS[place % len(TURN_COLOURS)]
        look = {"color": colour, "linestyle": LINES[place % len(LINES)], "label": block_title(block[: len(BLOCK)])}
        axis.plot(shares.index, shares["mean"], marker="o", markersize=3.5, **look)
        axis.fill_between(shares.index, shares["min"], shares["max"], color=colour, alpha=0.15, linewidth=0)
    axis.axhline(0, color="#777777", linewidth=0.8)
    axis.set_ylim(top=100)
    axis.set_xlabel("layer", fontsize=8)
    axis.set_ylabel("share of the parts' squared change\nthat cancels out in the whole (%)", fontsize=8)
    axis.xaxis.get_major_locator().set_params(integer=True)
    axis.legend(fontsize=8)
    return figure


def turn_alt(rows: pd.DataFrame) -> str:
    """What `turn_curves` shows, in words: the mean over layers, the lowest and the highest layer."""
    sentences = [
        "Line plot by layer of the share of the squared change of agnostic and specific features that "
        "cancels out in the whole embedding."
    ]
    for block, mine in turned(rows).groupby(BLOCK_ON, sort=False):
        shares = 100 * mine.groupby("layer")["share"].mean()
        sentences.append(
            f"{block_title(block[: len(BLOCK)])}: {number(shares.mean())}% on average, lowest "
            f"{number(shares.min())}% at layer {shares.idxmin()}, "
            f"highest {number(shares.max())}% at layer {shares.idxmax()}."
        )
    return " ".join(sentences)


def rank_curves(table: pd.DataFrame) -> Figure:
    """By rank, one line of panels a block: the share of the change that is language-specific, and what the target
    language spares.

    `table` is that of `subspace_ranks.by_rank`; bars are 95% intervals over languages, the dotted line is chance where
    the width is known.
    """
    blocks = list(table.groupby(BLOCK_ON, sort=False))
    figure = Figure(figsize=(9.8, 0.5 + 2.7 * len(blocks)), layout="constrained")
    for (share, advantage), (block, rows) in zip(figure.subplots(len(blocks), 2, squeeze=False), blocks, strict=True):
        for shift, (part, (colour, marker)) in zip((-0.06, 0.06), LOOKS.items(), strict=True):
            mine = rows[rows["part"] == part]
            reach = (mine["advantage"] - mine["low"], mine["high"] - mine["advantage"])
            advantage.errorbar(
                mine["rank"] + shift,
                mine["advantage"],
                reach,
                color=colour,
                marker=marker,
                markersize=5,
                capsize=3,
                label=part,
            )
        mine = rows[rows["part"] == "specific"]
        share.plot(
            mine["rank"], 100 * mine["share"], color=LOOKS["specific"][0], marker=LOOKS["specific"][1], markersize=5
        )
        if mine["chance"].notna().all():
            share.plot(
                mine["rank"],
                100 * mine["chance"],
                color="#555555",
                linestyle=":",
                label="of a change in a random direction",
            )
            share.legend(fontsize=8)
        share.set_ylim(bottom=0)
        share.set_ylabel("language-specific share\nof the squared change (%)", fontsize=8)
        advantage.axhline(0, color="#777777", linewidth=0.8)
        advantage.set_ylabel("less change when calibrated\nin the evaluation language (%)", fontsize=8)
        advantage.legend(fontsize=8)
        for axis in (share, advantage):
            axis.set_title(block_title(block[: len(BLOCK)]), fontsize=10)
            axis.set_xlabel("rank of the language subspace", fontsize=8)
            axis.set_xticks(mine["rank"])
    return figure


def rank_alt(table: pd.DataFrame) -> str:
    """What `rank_curves` shows, in words: the lowest and the highest rank."""
    sentences = ["Line plots by rank of the language subspace."]
    for block, rows in table.groupby(BLOCK_ON, sort=False):
        ends = []
        for rank in dict.fromkeys((rows["rank"].min(), rows["rank"].max())):
            mine = rows[rows["rank"] == rank].set_index("part")
            specific = mine.loc["specific"]
            chance = "" if pd.isna(specific["chance"]) else f" ({number(100 * specific['chance'])}% by chance)"
            spared = listed(f"{more_or_less(-mine.loc[part, 'advantage'])} in {part} features" for part in LOOKS)
            ends.append(
                f"at rank {rank} {number(100 * specific['share'])}% of the squared change is "
                f"language-specific{chance}, and calibration in "
                f"the evaluation language changes {spared}"
            )
        sentences.append(f"{block_title(block[: len(BLOCK)])}: {'; '.join(ends)}.")
    return " ".join(sentences)
