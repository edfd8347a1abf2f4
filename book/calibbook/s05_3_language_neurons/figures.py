"""Figure 3 of the paper, and Appendix G: the entropy of neurons over languages in groups of the dense model's order,
dense and pruned.
"""

import math
from collections.abc import Sequence
from dataclasses import replace
from textwrap import fill

import numpy as np
import torch
from matplotlib.cbook import boxplot_stats
from matplotlib.figure import Figure
from matplotlib.patches import Patch

from calibbook.s05_3_language_neurons.data import GROUP, Activations, groups, other_texts, title
from calibbook.shared.colours import colours
from calibbook.shared.words import listed, number

LINES = ("-", "--", "-.", ":")
MARKERS = ("o", "s", "^", "D", "v", "P", "X")
DENSE, PRUNED, OTHER = colours(0.0), ("#e69f00", "#000000"), ("#bbbbbb", "#000000")  # fill and ink
SORTED = "neurons in groups of 2%, sorted by the dense model's LAPE"


def figure_3(models: Sequence[Activations], language: str) -> Figure:
    """One panel of boxes a sparsity; below, activation probability and mean absolute output in `language`, and neurons
    that are never active.

    models: the dense one, then the same calibration at every sparsity, as `neurons.swept` orders them.
    """
    members = groups(models[0])
    # the lightest would be lost on white
    paints = [colours(0.8 * index / max(len(models) - 1, 1)) for index in range(len(models))]
    lines = math.ceil(len(models) / 2)
    figure = Figure(figsize=(9.2, 2.3 * lines + 2.7), layout="constrained")
    above, below = figure.subfigures(2, 1, height_ratios=(2.3 * lines + 0.2, 2.5))
    axes = above.subplots(lines, 2, squeeze=False, sharey=True).ravel()
    legend = {"fontsize": 7, "loc": "lower right"}
    medians = [_median(models[0], group) for group in members]
    elsewhere = _elsewhere(models[0])
    for axis, model, paint in zip(axes, models, paints, strict=False):
        if model.cell.dense:
            _boxes(axis, model, members, paint, -0.2, 0.34)
            _boxes(axis, elsewhere, members, OTHER, 0.2, 0.34)
            axis.legend(
                handles=[
                    Patch(color=paint[0], label="as measured"),
                    Patch(color=OTHER[0], label="another text, simulated"),
                ],
                **legend,
            )
        else:
            axis.plot(
                medians, color="#d55e00", linestyle="--", linewidth=1.3, zorder=3, label="median of the dense model"
            )
            axis.legend(**legend)
            _boxes(axis, model, members, paint)
        _entropies(axis, len(model.languages), len(members))
        axis.set_title(short(model), fontsize=9)
    for axis in axes[len(models) :]:
        axis.remove()
    for axis in axes[::2]:
        axis.set_ylabel("LAPE (nats)", fontsize=8)
    above.suptitle(fill(f"{title(models[-1], sparsity=False)}; {_text(models[0])}", 100), fontsize=10)
    panels = (
        (f"activation probability in {language.upper()}", lambda model, group: model.often(language)[group].mean()),
        (f"mean absolute output in {language.upper()}", lambda model, group: model.strength(language)[group].mean()),
        ("neurons never active", lambda model, group: np.isnan(model.entropy[group]).sum()),
    )
    for axis, (label, value) in zip(below.subplots(1, len(panels)), panels, strict=True):
        for index, (model, (face, _)) in enumerate(zip(models, paints, strict=True)):
            style = {"marker": MARKERS[index % len(MARKERS)], "linestyle": LINES[index % len(LINES)], "color": face}
            axis.plot(
                [value(model, group) for group in members], **style, label=short(model), markersize=3.5, linewidth=1.2
            )
        axis.set_title(label, fontsize=9)
        axis.set_ylim(0, 1.08 * axis.dataLim.ymax or 1)
        _by_share(axis, len(members))
    axis.yaxis.get_major_locator().set_params(integer=True)
    below.supxlabel(SORTED, fontsize=8)
    figure.legend(*axis.get_legend_handles_labels(), loc="outside lower center", ncols=len(models), fontsize=8)
    return figure


def appendix_g(dense: Activations, pruned: Activations) -> Figure:
    """Boxes of the dense and the pruned model side by side; below, activation probability and mean absolute output in
    every language.
    """
    members = groups(dense)
    languages = dense.languages
    models = (dense, pruned)
    width = max(6.0, 0.9 + 1.2 * len(languages))
    figure = Figure(figsize=(width, 5.6), layout="constrained")
    above, below = figure.subfigures(2, 1, height_ratios=(1, 1.1))
    axis = above.subplots()
    for model, place, paint in zip(models, (-0.2, 0.2), (DENSE, PRUNED), strict=True):
        _boxes(axis, model, members, paint, place, 0.34)
    _entropies(axis, len(languages), len(members))
    axis.set_ylabel("LAPE (nats)", fontsize=8)
    axis.legend(
        handles=[
            Patch(color=paint[0], label=short(model)) for model, paint in zip(models, (DENSE, PRUNED), strict=True)
        ],
        fontsize=8,
        loc="lower right",
    )
    above.suptitle(fill(f"{title(pruned)}; {_text(dense)}", int(11 * width)), fontsize=10)
    grid = below.subplots(2, len(languages), squeeze=False, sharex=True, sharey="row")
    for row, label, values in zip(
        grid,
        ("activation\nprobability", "mean absolute\noutput"),
        (Activations.often, Activations.strength),
        strict=True,
    ):
        for axis, language in zip(row, languages, strict=True):
            for model, (face, _), line in zip(models, (DENSE, PRUNED), LINES, strict=False):
                axis.plot(
                    [values(model, language)[group].mean() for group in members],
                    color=face,
                    linestyle=line,
                    linewidth=1.8,
                )
            _by_share(axis, len(members), 7)
        row[0].set_ylabel(label, fontsize=8)
        row[0].set_ylim(0, 1.08 * max(axis.dataLim.ymax for axis in row))
    for axis, language in zip(grid[0], languages, strict=True):
        axis.set_title(f"in {language.upper()}", fontsize=9)
    below.supxlabel(SORTED, fontsize=8)
    return figure


def figure_3_alt(models: Sequence[Activations], language: str) -> str:
    """What `figure_3` shows, in words: every panel at its first and last group."""
    members = groups(models[0])
    sentences = [
        f"Box plots of LAPE in {len(members)} groups of 2% of all neurons, sorted by the dense model, "
        f"with activation probability, mean "
        f"absolute output in {language} and neurons never active below; here from the lowest group to the "
        f"last one shown."
    ]
    elsewhere = _elsewhere(models[0])
    medians, ranges = (_ends(elsewhere, members, value) for value in (_median, _range))
    sentences.append(
        f"The dense model on another text, simulated: median LAPE {medians}, interquartile range {ranges}."
    )
    for model in models:
        sentences.append(
            f"{short(model)}: median LAPE {_ends(model, members, _median)}, interquartile range "
            f"{_ends(model, members, _range)}, "
            f"activation probability {_ends(model, members, lambda m, g: m.often(language)[g].mean())}, "
            f"mean absolute output {_ends(model, members, lambda m, g: m.strength(language)[g].mean())}, "
            f"{sum(np.isnan(model.entropy[group]).sum() for group in members)} of these neurons never active."
        )
    return " ".join(sentences)


def appendix_g_alt(dense: Activations, pruned: Activations) -> str:
    """What `appendix_g` shows, in words."""
    members = groups(dense)
    low = members[0]
    medians = listed(f"{short(model)} {_ends(model, members, _median)}" for model in (dense, pruned))
    often, strength = (
        listed(
            f"{code} {number(value(dense, code)[low].mean())} to {number(value(pruned, code)[low].mean())}"
            for code in dense.languages
        )
        for value in (Activations.often, Activations.strength)
    )
    return (
        f"{title(pruned)}. Median LAPE from the lowest group to the last one shown: {medians}. Lowest "
        f"group, dense to pruned: activation "
        f"probability {often}; mean absolute output {strength}."
    )


def short(model: Activations) -> str:
    """`dense`, `50% pruned`."""
    return "dense" if model.cell.dense else f"{model.sparsity} pruned"


def _boxes(
    axis, model: Activations, members: list[np.ndarray], paint: tuple[str, str], shift: float = 0.0, width: float = 0.6
) -> None:
    """Boxes of the quartiles, whiskers to the last value within one and a half box lengths; values beyond them are not
    drawn.
    """
    face, ink = paint
    statistics = [box for group in members for box in boxplot_stats(_known(model, group))]
    drawn = axis.bxp(
        statistics,
        positions=np.arange(len(members)) + shift,
        widths=width,
        showfliers=False,
        patch_artist=True,
        manage_ticks=False,
        boxprops={"facecolor": face, "linewidth": 0.6},
        medianprops={"color": ink, "linewidth": 1.4},
        whiskerprops={"linewidth": 0.8},
        capprops={"linewidth": 0.8},
    )
    for box, median in zip(statistics, drawn["medians"], strict=True):
        if box["q3"] - box["q1"] < 0.04 * math.log(len(model.languages)):
            median.set_color("#000000")  # a light line would cover so flat a box


def _entropies(axis, languages: int, count: int) -> None:
    """The axes of a panel of boxes: entropies from zero to the highest possible one, and groups."""
    highest = math.log(languages)
    axis.axhline(highest, color="#999999", linewidth=0.8, zorder=0)
    axis.text(-0.5, 1.02 * highest, "as often in every language", fontsize=7, color="#555555")
    axis.set_ylim(-0.02 * highest, 1.13 * highest)
    _by_share(axis, count)


def _by_share(axis, count: int, step: int = 2) -> None:
    """The horizontal axis of groups, labelled by the share of neurons up to the end of a group."""
    axis.set_xlim(-0.6, count - 0.4)
    axis.set_xticks(range(0, count, step), [f"{100 * GROUP * (place + 1):.0f}%" for place in range(0, count, step)])
    axis.tick_params(labelsize=7)


def _known(model: Activations, group: np.ndarray) -> np.ndarray:
    """Entropies of a group, without neurons that are never active."""
    values = model.entropy[group]
    return values[np.isfinite(values)]


def _median(model: Activations, group: np.ndarray) -> float:
    values = _known(model, group)
    return float(np.median(values)) if len(values) else math.nan


def _range(model: Activations, group: np.ndarray) -> float:
    values = _known(model, group)
    return float(np.subtract(*np.percentile(values, (75, 25)))) if len(values) else math.nan


def _ends(model: Activations, members: list[np.ndarray], value) -> str:
    """`0.98 to 1.52`: the first and the last group."""
    return f"{number(float(value(model, members[0])))} to {number(float(value(model, members[-1])))}"


def _elsewhere(dense: Activations) -> Activations:
    """The dense model on another text, simulated; its outputs' size is not."""
    often, _ = next(other_texts(dense))
    return replace(dense, probability=torch.from_numpy(often).view(dense.probability.shape))


def _text(model: Activations) -> str:
    return f"{model.tokens:,} tokens of {model.source} a language"
