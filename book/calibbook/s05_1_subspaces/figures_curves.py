"""Changes of features through the layers, and by the rank of the subspace: what the paper's panels leave to the eye."""

import pandas as pd

from calibbook.s05_1_subspaces.data import BLOCK_ON, VIEWS, layer_means, turned
from calibbook.shared.figure import Picture, block_title, one_legend, panels
from calibbook.shared.frames import BLOCK
from calibbook.shared.palette import DASHES, Look, looks
from calibbook.shared.plots import LOWEST_TO_HIGHEST, through_layers
from calibbook.shared.words import listed, more_or_less, number

PARTS = {"agnostic": Look("#0072b2", "o", DASHES[0]), "specific": Look("#d55e00", "s", DASHES[0])}
GROUPS = {"target": "calibrated in the evaluation language", "other": "calibrated in another language"}
LOOKS = {
    f"{part}, {label}": look._replace(dashes=dashes)
    for label, dashes in zip(GROUPS.values(), DASHES, strict=False)
    for part, look in PARTS.items()
}


def layer_curves(rows: pd.DataFrame) -> Picture:
    """Both parts through the layers, one line of panels a block: as they are (logarithmic) and relative to the dense
    model where known.
    """
    means = layer_means(rows)
    means["line"] = means["part"] + ", " + means["group"].map(GROUPS)
    views = [view for view in VIEWS if means[view].notna().all()]
    drawn = [(_name(block), mine, view) for block, mine in means.groupby(BLOCK_ON, sort=False) for view in views]
    figure, axes = panels(len(drawn), len(views), 4.9, 2.9, margin=(0, 0.7))
    for axis, (name, mine, view) in zip(axes, drawn, strict=True):
        through_layers(axis, mine, view, "line", LOOKS)
        axis.set_title(name, fontsize=10)
        axis.set_ylabel(VIEWS[view], fontsize=8)
        if view == "change" and (mine[view] > 0).all():
            axis.set_yscale("log")
        else:
            axis.set_ylim(bottom=0)
    one_legend(figure, axes)

    told = views[-1]
    sentences = [f"Line plots of {VIEWS[told]} by layer."]
    for block, mine in means.groupby(BLOCK_ON, sort=False):
        ends = []
        for part, curve in mine.groupby("part", sort=False):
            by_layer = curve.groupby("layer")[told].mean()
            ends.append(
                f"{part} from {number(by_layer.iloc[0])} at layer {by_layer.index[0]} to "
                f"{number(by_layer.iloc[-1])} at layer "
                f"{by_layer.index[-1]}, highest {number(by_layer.max())} at layer {by_layer.idxmax()}"
            )
        sentences.append(f"{_name(block)}: {listed(ends)}.")
    return Picture(figure, " ".join(sentences), folds=True)


def turn_curves(rows: pd.DataFrame) -> Picture:
    """How much of the parts' change cancels out (`data.turned`), by layer: a line a block, with a band from the
    lowest to the highest.
    """
    shares = turned(rows)
    shares["percent"] = 100 * shares["share"]
    shares["line"] = [_name(block) for block in shares[BLOCK_ON].itertuples(index=False, name=None)]
    figures = []
    for width, columns in ((9.0, 2), (4.8, 1)):
        styles = looks(shares["line"], shares["line"].unique())
        figure, (axis,) = panels(1, 1, width, 3.4, margin=(0, 0.2 * len(styles) / columns))
        axis.axhline(0, color="#777777", linewidth=0.8)
        through_layers(axis, shares, "percent", "line", styles, errorbar=LOWEST_TO_HIGHEST)
        axis.set_ylim(top=100)
        axis.set_ylabel("share of the parts' squared change\nthat cancels out in the whole (%)", fontsize=8)
        one_legend(figure, [axis], columns)
        figures.append(figure)

    sentences = [
        "Line plot by layer of the share of the squared change of agnostic and specific features that "
        "cancels out in the whole embedding."
    ]
    for block, mine in shares.groupby(BLOCK_ON, sort=False):
        means = mine.groupby("layer")["percent"].mean()
        sentences.append(
            f"{_name(block)}: {number(means.mean())}% on average, lowest "
            f"{number(means.min())}% at layer {means.idxmin()}, "
            f"highest {number(means.max())}% at layer {means.idxmax()}."
        )
    return Picture(figures[0], " ".join(sentences), narrow=figures[1])


def rank_curves(table: pd.DataFrame) -> Picture:
    """By rank, one line of panels a block: the share of the change that is language-specific, and what the target
    language spares.

    `table` is that of `ranks.by_rank`; bars are 95% intervals over languages, the dotted line is chance where the
    width is known.
    """
    found = list(table.groupby(BLOCK_ON, sort=False))
    figure, axes = panels(2 * len(found), 2, 4.9, 2.7, margin=(0, 0.5))
    for share, advantage, (block, rows) in zip(axes[::2], axes[1::2], found, strict=True):
        _shares(share, rows[rows["part"] == "specific"])
        _advantages(advantage, rows)
        for axis in (share, advantage):
            axis.set_title(_name(block), fontsize=10)
            axis.set_xlabel("rank of the language subspace", fontsize=8)
            axis.set_xticks(rows["rank"].unique())
            axis.set_xlim(rows["rank"].min() - 0.5, rows["rank"].max() + 0.5)

    sentences = ["Line plots by rank of the language subspace."]
    for block, rows in found:
        ends = []
        for rank in dict.fromkeys((rows["rank"].min(), rows["rank"].max())):
            mine = rows[rows["rank"] == rank].set_index("part")
            specific = mine.loc["specific"]
            chance = "" if pd.isna(specific["chance"]) else f" ({number(100 * specific['chance'])}% by chance)"
            spared = listed(f"{more_or_less(-mine.loc[part, 'advantage'])} in {part} features" for part in PARTS)
            target = (
                ""
                if mine["advantage"].isna().any()
                else (f", and calibration in the evaluation language changes {spared}")
            )
            ends.append(
                f"at rank {rank} {number(100 * specific['share'])}% of the squared change is "
                f"language-specific{chance}{target}"
            )
        sentences.append(f"{_name(block)}: {'; '.join(ends)}.")
    return Picture(figure, " ".join(sentences), folds=True)


def _shares(axis, rows: pd.DataFrame) -> None:
    """The specific part's share of the squared change by rank, and what chance gives where that is known."""
    look = PARTS["specific"]
    axis.plot(rows["rank"], 100 * rows["share"], color=look.colour, marker=look.marker, markersize=5)
    if rows["chance"].notna().all():
        label = "of a change in a random direction"
        axis.plot(rows["rank"], 100 * rows["chance"], color="#555555", linestyle=":", label=label)
    axis.set_ylim(bottom=0)
    if axis.get_legend_handles_labels()[0]:
        _legend_above(axis)
    axis.set_ylabel("language-specific share\nof the squared change (%)", fontsize=8)


def _advantages(axis, rows: pd.DataFrame) -> None:
    """What the target language spares of each part by rank; the intervals are known, so matplotlib draws them."""
    for shift, (part, look) in zip((-0.06, 0.06), PARTS.items(), strict=True):
        mine = rows[rows["part"] == part]
        reach = (mine["advantage"] - mine["low"], mine["high"] - mine["advantage"])
        style = {"color": look.colour, "marker": look.marker, "markersize": 5, "capsize": 3, "label": part}
        axis.errorbar(mine["rank"] + shift, mine["advantage"], reach, **style)
    axis.axhline(0, color="#777777", linewidth=0.8)
    axis.set_ylabel("less change when calibrated\nin the evaluation language (%)", fontsize=8)
    _legend_above(axis)


def _legend_above(axis) -> None:
    """A legend in a line of its own above all that is drawn, whatever that is."""
    low, high = axis.get_ylim()
    axis.set_ylim(low, high + 0.2 * (high - low))
    axis.legend(fontsize=8, loc="upper center", ncols=2, frameon=False)


def _name(block: tuple) -> str:
    return block_title(block[: len(BLOCK)])
