"""A walk that changes nothing: the statistics of several texts, layer by layer, from one pass over the dense model."""

from collections.abc import Iterator, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from calibprune.models.families import decoder
from calibprune.walk.inputs import capture
from calibprune.walk.layerwise import Accumulate, collect_by_text


@torch.no_grad()
def statistics_by_text(
    model: nn.Module, texts: Sequence[Tensor], accumulates: Sequence[Accumulate]
) -> Iterator[list[tuple[list[Any], list[str]]]]:
    """For each decoder layer in turn what `collect_by_text` returns: a statistic of each text for each tensor that
    linears read.

    Every layer gets what the dense layers before it make of the texts, and is run once.

    Args:
        model: in evaluation mode.
        texts: windows [samples, length] of each text. No batch mixes texts.
        accumulates: for each text how its statistic is summed up.

    Raises:
        ModelError: as `collect_by_text`, or not enough memory for one window.
    """
    inputs = capture(model, texts)
    layers = decoder(model).layers
    for i, layer in enumerate(layers):
        yield inputs.in_smaller_batches_if_needed(
            i, lambda i=i, layer=layer: collect_by_text(layer, i, inputs, accumulates, advance=i + 1 < len(layers))
        )
