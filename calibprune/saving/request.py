"""What a checkpoint is asked to be: of which text, what is done to the weights, where it is written to and how."""

from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

from torch import Tensor, nn

from calibprune.corpora.windows import windows
from calibprune.languages import mixture
from calibprune.methods import Method
from calibprune.saving import compressed
from calibprune.schemes import Grid, Sparsity
from calibprune.walk.outputs import check_length

Progress = Callable[[int, int], None]


class Text(NamedTuple):
    """Calibration text: a language or a mixture ("de", "ar+en"), and `samples` windows of `length` tokens of a source,
    drawn with `seed`.
    """

    calibration: str
    source: str = "chromium"
    samples: int = 32
    length: int = 512
    seed: int = 0


class Target(NamedTuple):
    """Where a checkpoint is written to, and how it is made.

    Attributes:
        folder: a new or an empty one.
        format: how its weights are stored, one of `compressed.FORMATS`.
        device, dtype: what it is computed on and in, as of `load`.
        stream: whether the model is read layer by layer, so that it needs not fit into memory; None where it is larger
            than what is free.
    """

    folder: Path
    format: str = compressed.DENSE
    device: str = "auto"
    dtype: str = "auto"
    stream: bool | None = None


class Change(NamedTuple):
    """What is done to the linears: how, how much is pruned (None for nothing), and what they are rounded to (None for
    no rounding).
    """

    method: Method
    sparsity: Sparsity | None
    grid: Grid | None


def draw(text: Text | None, model: nn.Module, tokenizer: Any) -> Tensor | None:
    """The windows of a text, LongTensor [samples, length]; None for a method that needs none.

    Raises:
        ParameterError, CorpusError: windows longer than the model reads, or text that does not suffice.
    """
    if text is None:
        return None
    check_length(model, text.length)
    return windows(tokenizer, text.source, list(mixture(text.calibration)), text.samples, text.length, text.seed)


def rows(model: nn.Module, text: Text | None) -> dict[str, Any]:
    """What the card's table says of the model's numbers and of the text."""
    return {"dtype": str(model.dtype).removeprefix("torch.")} | (text._asdict() if text else {})
