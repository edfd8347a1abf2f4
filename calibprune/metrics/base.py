"""What a metric is: its name, the models of a study that it is taken of, and how it is read from a pass over text."""

import math
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from torch import Tensor

CALIBRATED = ("uncalibrated", "languages", "mixtures", "sweep", "amounts", "quantization")
"""All models of a study but the dense one and those of which only the masks are kept."""


class Reading(NamedTuple):
    """One metric of one model on one text.

    Attributes:
        value: of the whole model.
        n: the number of tokens that it is over.
        stderr: standard error of the value over windows, where it is known.
        layers: the values of the decoder layers in order; empty for a metric of the whole model alone.
    """

    value: float
    n: int
    stderr: float = math.nan
    layers: Sequence[float] = ()


class Metric(NamedTuple):
    """A metric as the study measures it and the book shows it.

    Attributes:
        name: in parameters and records.
        label: in tables and figures; `short` and `unit` stand in brackets after it.
        lower_is_better: which end of the scale is marked as the best.
        infinite: whether infinity is a right answer, as the signal-to-noise ratio of a model in which nothing changed
            is. Of any other metric only a finite value is kept.
        log: whether tables shade it by its logarithm.
        models: of which models of a study it is taken: "dense"; "uncalibrated", those of a method that needs no text;
            and the parts of a study ("languages", "mixtures", "draws", "sweep", "amounts", "quantization").
        read: `(Fidelity) -> Reading`, from what the pass over one text gives (fidelity.py); of the dense model its
            lists of layers are empty. None for a metric that looks inside a model, which the runner measures by
            functions of its own.
        compares: whether it is read from the pruned model's layers beside the dense model's. Where no metric of a study
            does, the dense model takes no part in measuring the pruned ones.
        sums: `(dense, pruned) -> Tensor [k]`, for a metric that needs more of the pass than a `Fidelity` has: called
            with both models' output of a layer for each batch of windows, [batch, length, width]; what it returns is
            added up and handed to `read` as `fidelity.sums[name]`, float64 [layers, k].
    """

    name: str
    label: str
    short: str = ""
    unit: str = ""
    lower_is_better: bool = True
    log: bool = False
    models: tuple[str, ...] = CALIBRATED
    read: Callable[[Any], Reading] | None = None
    sums: Callable[[Tensor, Tensor], Tensor] | None = None
    infinite: bool = False
    compares: bool = True
