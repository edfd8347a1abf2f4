"""Figure 3 of the paper, and Appendix G: the entropy of neurons over languages in groups of the dense model's order,
dense and pruned.
"""

import math
from collections.abc import Sequence
from itertools import product
from textwrap import fill

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.colors import Normalize
from matplotlib.figure import Figure, SubFigure
from matplotlib.patches import Patch

from calibbook.s05_3_language_neurons.data import GROUP, title
from calibbook.s05_3_language_neurons.grouped import BOX, Grouped
from calibbook.shared.colours import COLOURS, colours
from calibbook.shared.figure import Picture, lay_out, one_legend
from calibbook.shared.languages import code_label
from calibbook.shared.palette import Look, look
from calibbook.shared.plots import heatmap, lines, name_cells
from calibbook.shared.words import listed, number

DENSE, PRUNED, OTHER = colours(0.0), ("#e69f00", "#000000"), ("#bbbbbb", "#000000")  # fill and ink
# columns of `_by_group` and what they are
IN_LANGUAGE = {
    "often": "activation probability in {}",
    "strength": "mean absolute output in {}",
    "silent": "neurons never active",
}
BY_LANGUAGE = {"often": "activation\nprobability", "strength": "mean absolute\noutput"}
CURVES_UP_TO = 12  # languages that have a panel of curves each
SORTED = "neurons in groups of 2%, sorted by the dense model's LAPE"


def figure_3(models: Sequence[Grouped], language: str) -> Picture:
    """One panel of boxes a sparsity; below, activation probability and mean absolute output in `language`, and neurons
    that are never active.

    models: the dense one, then the same calibration at every sparsity, as `data.swept` orders them.
    """
    dense, means = models[0], _by_group(models, language)
    sentences = [
        f"Box plots of LAPE in {len(dense.boxes)} groups of 2% of all neurons, sorted by the dense model, "
        f"with activation probability, mean "
        f"absolute output in {language} and neurons never active below; here from the lowest group to the "
        f"last one shown.",
        f"The dense model on another text, simulated: median LAPE {_ends(dense.elsewhere['med'])}, "
        f"interquartile range {_ends(_ranges(dense.elsewhere))}.",
    ]
    for model in models:
        mine = means[means["model"] == short(model)]
        sentences.append(
            f"{short(model)}: median LAPE {_ends(model.boxes['med'])}, interquartile range "
            f"{_ends(_ranges(model.boxes))}, "
            f"activation probability {_ends(mine['often'])}, "
            f"mean absolute output {_ends(mine['strength'])}, "
            f"{mine['silent'].sum()} of these neurons never active."
        )
    figures = (_figure_3(models, means, language, *shape) for shape in ((9.2, 2, 3), (4.8, 1, 1)))
    return Picture(next(figures), " ".join(sentences), narrow=next(figures))


def _figure_3(models: Sequence[Grouped], means: pd.DataFrame, language: str, width: float, *columns: int) -> Figure:
    """Figure 3, `width` inches wide, with so many panels a line above and below."""
    dense = models[0]
    count = len(dense.boxes)
    # the lightest would be lost on white
    paints = [colours(0.8 * index / max(len(models) - 1, 1)) for index in range(len(models))]
    tall, low = 2.3 * math.ceil(len(models) / columns[0]), 2.3 * math.ceil(len(IN_LANGUAGE) / columns[1])
    figure = Figure(figsize=(width, tall + low + 0.4), layout="constrained")
    above, below = figure.subfigures(2, 1, height_ratios=(tall + 0.2, low + 0.2))
    axes = lay_out(above, len(models), columns[0], sharey=True)
    legend = {"fontsize": 7, "loc": "lower right"}
    for axis, model, paint in zip(axes, models, paints, strict=True):
        if model.cell.dense:
            _boxes(axis, model, model.boxes, paint, -0.2, 0.34)
            _boxes(axis, model, model.elsewhere, OTHER, 0.2, 0.34)
            axis.legend(handles=_patches({"as measured": paint, "another text, simulated": OTHER}), **legend)
        else:
            _boxes(axis, model, model.boxes, paint)
            axis.plot(
                dense.boxes["med"],
                color="#d55e00",
                linestyle="--",
                linewidth=1.3,
                zorder=3,
                label="median of the dense model",
            )
            axis.legend(**legend)
        _entropies(axis, len(model.languages), count)
        axis.set_title(short(model), fontsize=9)
    for axis in axes[:: columns[0]]:
        axis.set_ylabel("LAPE (nats)", fontsize=8)
    above.suptitle(fill(f"{title(models[-1], sparsity=False)}; {_text(dense)}", int(11 * width)), fontsize=10)

    styles = {
        short(model): look(place)._replace(colour=face)
        for place, (model, (face, _)) in enumerate(zip(models, paints, strict=True))
    }
    axes = lay_out(below, len(IN_LANGUAGE), columns[1])
    for axis, (column, label) in zip(axes, IN_LANGUAGE.items(), strict=True):
        lines(axis, means, "group", column, "model", styles, linewidth=1.2)
        axis.set_title(label.format(code_label(language)), fontsize=9)
        axis.set_ylim(0, 1.08 * axis.dataLim.ymax or 1)
        _by_share(axis, count)
    axes[-1].yaxis.get_major_locator().set_params(integer=True)
    below.supxlabel(SORTED, fontsize=8)
    one_legend(figure, axes[-1:], min(len(models), int(width / 1.6)))
    return figure


def appendix_g(dense: Grouped, pruned: Grouped) -> Picture:
    """Boxes of the dense and the pruned model side by side; below, activation probability and mean absolute output in
    every language: curves of both models, or for many languages maps of the one over the other.
    """
    count, languages = len(dense.boxes), dense.languages
    models, paints = (dense, pruned), (DENSE, PRUNED)
    curves = len(languages) <= CURVES_UP_TO
    width = max(6.0, 0.9 + 1.2 * len(languages)) if curves else 9.2
    tall = 1.1 if curves else 0.45 + 0.07 * len(languages)  # times the height of the boxes
    figure = Figure(figsize=(width, 5.6 / 2.1 * (1 + tall)), layout="constrained")
    above, below = figure.subfigures(2, 1, height_ratios=(1, tall))
    (axis,) = lay_out(above, 1, 1)
    for model, place, paint in zip(models, (-0.2, 0.2), paints, strict=True):
        _boxes(axis, model, model.boxes, paint, place, 0.34)
    _entropies(axis, len(languages), count)
    axis.set_ylabel("LAPE (nats)", fontsize=8)
    patches = _patches({short(model): paint for model, paint in zip(models, paints, strict=True)})
    axis.legend(handles=patches, fontsize=8, loc="lower right")
    above.suptitle(fill(f"{title(pruned)}; {_text(dense)}", int(11 * width)), fontsize=10)

    means = {language: _by_group(models, language) for language in languages}
    if curves:
        styles = {
            short(model): look(place)._replace(colour=face)
            for place, (model, (face, _)) in enumerate(zip(models, paints, strict=True))
        }
        _curves_by_language(below, means, styles, count)
    else:
        _maps_by_language(below, means, count)
    below.supxlabel(SORTED, fontsize=8)

    medians = listed(f"{short(model)} {_ends(model.boxes['med'])}" for model in models)
    lowest = {code: found[found["group"] == 0] for code, found in means.items()}
    often, strength = (
        listed(f"{code} {_ends(found[column])}" for code, found in lowest.items()) for column in BY_LANGUAGE
    )
    return Picture(
        figure,
        f"{title(pruned)}. Median LAPE from the lowest group to the last one shown: {medians}. Lowest "
        f"group, dense to pruned: activation "
        f"probability {often}; mean absolute output {strength}.",
    )


def _curves_by_language(part: SubFigure, means: dict[str, pd.DataFrame], styles: dict[str, Look], count: int) -> None:
    """A column of two panels for each language: curves of both models through the groups."""
    axes = lay_out(part, 2 * len(means), len(means), sharex=True, sharey="row")
    for axis, (column, language) in zip(axes, product(BY_LANGUAGE, means), strict=True):
        lines(axis, means[language], "group", column, "model", styles, linewidth=1.8, markersize=0)
        _by_share(axis, count, 7)
    for line, label in zip((axes[: len(means)], axes[len(means) :]), BY_LANGUAGE.values(), strict=True):
        line[0].set_ylabel(label, fontsize=8)
        line[0].set_ylim(0, 1.08 * max(axis.dataLim.ymax for axis in line))
    for axis, language in zip(axes, means, strict=False):
        axis.set_title(f"in {code_label(language)}", fontsize=9)


def _maps_by_language(part: SubFigure, means: dict[str, pd.DataFrame], count: int) -> None:
    """Two heat maps, languages down and groups across: the pruned model over the dense one, in equal shades up and
    down.
    """
    dense, pruned = next(iter(means.values()))["model"].unique()
    for axis, (column, label) in zip(lay_out(part, 2, 2), BY_LANGUAGE.items(), strict=True):
        sides = {code: found.pivot(index="group", columns="model", values=column) for code, found in means.items()}
        with np.errstate(divide="ignore", invalid="ignore"):
            ratios = pd.DataFrame(
                {code_label(code): np.log2(side[pruned] / side[dense]) for code, side in sides.items()}
            ).T
        ratios = ratios.replace([np.inf, -np.inf], np.nan)
        reach = float(np.nanmax(np.abs(ratios.to_numpy()), initial=0.0)) or 1.0
        scale = Normalize(-reach, reach)
        heatmap(axis, ratios, scale)
        shares = [f"{100 * GROUP * (place + 1):.0f}%" if place % 2 == 0 else "" for place in range(count)]
        name_cells(axis, shares, list(ratios.index))
        axis.set_title(label.replace("\n", " "), fontsize=9)
        bar = part.colorbar(ScalarMappable(scale, COLOURS), ax=axis, shrink=0.6, ticks=[-reach, 0, reach])
        bar.ax.set_yticklabels([f"× {number(2.0**value)}" for value in (-reach, 0, reach)], fontsize=7)
        bar.set_label("pruned over dense", fontsize=8)


def short(model: Grouped) -> str:
    """`dense`, `50% pruned`."""
    return "dense" if model.cell.dense else f"{model.sparsity} pruned"


def _by_group(models: Sequence[Grouped], language: str) -> pd.DataFrame:
    """The means in a language of several models, one below the other: `Grouped.means`, and `model`, its short name."""
    frames = [model.in_language(language).assign(model=short(model)) for model in models]
    return pd.concat(frames, ignore_index=True)


def _boxes(
    axis: Axes,
    model: Grouped,
    boxes: pd.DataFrame,
    paint: tuple[str, str],
    shift: float = 0.0,
    width: float = 0.6,
) -> None:
    """Boxes of a model's groups; values beyond the whiskers are not drawn, nor groups that are never active."""
    face, ink = paint
    known = boxes.dropna()
    if known.empty:
        return
    drawn = axis.bxp(
        known[BOX].to_dict("records"),
        positions=[place + shift for place in known.index],
        widths=width,
        patch_artist=True,
        showfliers=False,
        manage_ticks=False,
        boxprops={"facecolor": face, "edgecolor": "#000000", "linewidth": 0.6},
        whiskerprops={"color": "#000000", "linewidth": 0.8},
        capprops={"color": "#000000", "linewidth": 0.8},
        medianprops={"color": ink, "linewidth": 1.4},
    )
    for box, median in zip(drawn["boxes"], drawn["medians"], strict=True):
        if box.get_path().get_extents().height < 0.04 * math.log(len(model.languages)):
            median.set_color("#000000")  # a light line would cover so flat a box


def _patches(paints: dict[str, tuple[str, str]]) -> list[Patch]:
    return [Patch(color=face, label=label) for label, (face, _) in paints.items()]


def _entropies(axis: Axes, languages: int, count: int) -> None:
    """The axes of a panel of boxes: entropies from zero to the highest possible one, and groups."""
    highest = math.log(languages)
    axis.axhline(highest, color="#999999", linewidth=0.8, zorder=0)
    axis.text(-0.5, 1.02 * highest, "as often in every language", fontsize=7, color="#555555")
    axis.set_ylim(-0.02 * highest, 1.13 * highest)
    _by_share(axis, count)


def _by_share(axis: Axes, count: int, step: int = 2) -> None:
    """The horizontal axis of groups, labelled by the share of neurons up to the end of a group."""
    axis.set_xlim(-0.6, count - 0.4)
    axis.set_xticks(range(0, count, step), [f"{100 * GROUP * (place + 1):.0f}%" for place in range(0, count, step)])
    axis.tick_params(labelsize=7)


def _ranges(boxes: pd.DataFrame) -> pd.Series:
    """Interquartile ranges."""
    return boxes["q3"] - boxes["q1"]


def _ends(values: pd.Series) -> str:
    """The value of the first and of the last group: `0.98 to 1.52`."""
    return f"{number(float(values.iloc[0]))} to {number(float(values.iloc[-1]))}"


def _text(model: Grouped) -> str:
    return f"{model.tokens:,} tokens of {model.source} a language"
