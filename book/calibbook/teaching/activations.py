"""What enters the matrices of one layer of a real model on a text, and how it is shown."""

from collections.abc import Callable

import numpy as np
import pandas as pd
import torch
from torch import Tensor, nn

from calibbook.shared.figure import Picture, one_legend, panels
from calibbook.shared.html import Html, text_table
from calibbook.shared.palette import looks
from calibbook.shared.plots import lines
from calibbook.shared.words import number
from calibprune.kernels.selection import lowest_per_row
from calibprune.metrics.masks import expected_iou, mask_iou
from calibprune.models.families import decoder, evaluating, linears
from calibprune.walk.inputs import batches


class _Seen(Exception):
    """Stops the model when the last matrix of the layer has been reached."""


def matrices(model: nn.Module, layer: int) -> dict[str, Tensor]:
    """The weights of a layer by component, [out, in] each, as float32."""
    return {name: linear.weight.detach().float() for name, linear in linears(decoder(model).layers[layer])}


def layer_inputs(model: nn.Module, tokens: Tensor, layer: int) -> dict[str, Tensor]:
    """What each matrix of a layer reads when the model reads these windows.

    Args:
        tokens: int64 [windows, length].

    Returns:
        float32 [windows, length, in] by component.
    """
    components = dict(linears(decoder(model).layers[layer]))
    found: dict[str, list[Tensor]] = {name: [] for name in components}
    hooks = [linear.register_forward_pre_hook(_keep(found, name)) for name, linear in components.items()]
    try:
        with evaluating(model), torch.inference_mode():
            for batch in batches(tokens):
                try:
                    model(batch)
                except _Seen:
                    continue
    finally:
        for hook in hooks:
            hook.remove()
    return {name: torch.cat(seen) for name, seen in found.items()}


def _keep(found: dict[str, list[Tensor]], name: str) -> Callable:
    last = name == list(found)[-1]

    def keep(_: nn.Module, inputs: tuple[Tensor, ...]) -> None:
        found[name].append(inputs[0].float())
        if last:
            raise _Seen

    return keep


def norms(inputs: Tensor) -> Tensor:
    """The Euclidean norm of each input over all tokens, float32 [in], of [..., in]."""
    return inputs.flatten(0, -2).square().sum(dim=0).sqrt()


def wanda_gone(weight: Tensor, strengths: Tensor) -> Tensor:
    """What Wanda removes at 50%: in each row the half with the lowest |W_ij|·‖X_j‖; bool [out, in]."""
    return lowest_per_row(weight.abs() * strengths, weight.shape[1] // 2)


def masks(weights: dict[str, Tensor], inputs: dict[str, Tensor]) -> dict[str, Tensor]:
    """`wanda_gone` of every matrix of a layer."""
    return {name: wanda_gone(weight, norms(inputs[name])) for name, weight in weights.items()}


def norms_picture(texts: dict[str, dict[str, Tensor]], components: list[str]) -> Picture:
    """The norms of the inputs of some matrices on several texts: inputs ordered by the first text, logarithmic."""
    figure, axes = panels(len(components), 2, 4.6, 3.2, margin=(0.0, 0.6))
    styles = looks(texts)
    said = []
    for axis, component in zip(axes, components, strict=True):
        strengths = {name: norms(inputs[component]).numpy() for name, inputs in texts.items()}
        order = np.argsort(next(iter(strengths.values())))[::-1]
        rows = pd.concat(
            pd.DataFrame({"place": np.arange(len(order)) + 1, "norm": one[order], "text": name})
            for name, one in strengths.items()
        )
        lines(axis, rows, "place", "norm", "text", styles, linewidth=0.8, markersize=0)
        axis.set(xscale="log", yscale="log", title=component, xlabel="input, by its norm on the first text")
        axis.set_ylabel("norm")
        spans = [f"{name} {number(one.max())} down to {number(one.min())}" for name, one in strengths.items()]
        said.append(f"{component}: {', '.join(spans)}")
    one_legend(figure, axes, len(texts))
    return Picture(figure, "Norms of the inputs, from the strongest on. " + "; ".join(said) + ".", folds=True)


def similarity_table(pairs: dict[str, tuple[dict[str, Tensor], dict[str, Tensor]]], title: str) -> Html:
    """The intersection over union of pairs of masks, a row a matrix, a column a pair; and what random masks would
    have.
    """
    components = list(next(iter(pairs.values()))[0])
    rows = pd.DataFrame(
        {
            "Matrix": components,
            **{name: [mask_iou(a[part], b[part]) for part in components] for name, (a, b) in pairs.items()},
            "Random masks": expected_iou(0.5, 0.5),
        }
    )
    return text_table(rows, title, "Intersection over union of what is removed: 1 for the same weights.")
