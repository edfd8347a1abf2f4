"""From a model's name to a checkpoint on disk: what the commands `calibprune prune` and `calibprune quantize` do.

Whatever can be wrong is said before the work of pruning begins: the format, the folder, the languages, the model, the
room on the disk, the window length, the text.
"""

from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from torch import Tensor, nn

from calibprune.corpora.windows import windows
from calibprune.errors import ParameterError, one_of
from calibprune.languages import mixture
from calibprune.methods import DEFAULT_QUANTIZER, Method, pruner, quantizer
from calibprune.models.loading import load
from calibprune.models.packaged import PACKAGED
from calibprune.saving import checkpoint, compressed
from calibprune.schemes import Grid, Sparsity
from calibprune.walk import layerwise
from calibprune.walk.layerwise import PruneResult
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
    """The new or empty folder that a checkpoint is written to, how its weights are stored (`compressed.FORMATS`), and
    what it is computed on.
    """

    folder: Path
    format: str = compressed.DENSE
    device: str = "auto"
    dtype: str = "auto"


def prune(
    model: str,
    target: Target,
    method: str,
    sparsity: Sparsity,
    text: Text,
    grid: Grid | None = None,
    progress: Progress = lambda done, layers: None,
) -> PruneResult:
    """Prune a model, or prune it and round what stays to `grid`, and write it with its card.

    Args:
        model: a name that `load` takes.
        text: not read for a method that needs none.
        progress: called with (layers done, layers), first with 0 when model and text are there.

    Raises:
        CalibpruneError: one line saying what cannot be used; nothing is left in the folder.
    """
    needs_text = _needs_text(method, pruner(method), text)
    settings = {"method": method, "sparsity": str(sparsity)}
    if grid:
        settings |= {"bits": grid.bits, "group-size": grid.group_size, "symmetric": grid.symmetric}
        settings |= {"format": target.format}

    def walk(loaded: nn.Module, tokens: Tensor | None) -> PruneResult:
        rounding = {} if grid is None else dict(zip(("bits", "group_size", "symmetric"), grid, strict=False))
        return layerwise.prune(loaded, tokens, method, sparsity, progress=progress, **rounding)

    return _make(model, target, text if needs_text else None, grid, settings, walk, progress)


def quantize(
    model: str,
    target: Target,
    grid: Grid,
    text: Text,
    method: str = DEFAULT_QUANTIZER,
    progress: Progress = lambda done, layers: None,
) -> PruneResult:
    """Quantize a model and write it with its card; arguments and errors as of `prune`."""
    needs_text = _needs_text(method, quantizer(method), text)
    settings = {
        "method": method,
        "bits": grid.bits,
        "group-size": grid.group_size,
        "symmetric": grid.symmetric,
        "act-order": grid.act_order,
        "format": target.format,
    }

    def walk(loaded: nn.Module, tokens: Tensor | None) -> PruneResult:
        return layerwise.quantize(loaded, tokens, *grid, progress=progress, method=method)

    return _make(model, target, text if needs_text else None, grid, settings, walk, progress)


def _needs_text(name: str, method: Method, text: Text) -> bool:
    """Whether the method calibrates. Raises ParameterError where it does and no language is given."""
    if method.accumulate is not None and not text.calibration:
        raise ParameterError(f"method {name} calibrates on text: give its language, for example --calibration de")
    return method.accumulate is not None


def _make(
    model: str,
    target: Target,
    text: Text | None,
    grid: Grid | None,
    settings: dict,
    walk: Callable[[nn.Module, Tensor | None], PruneResult],
    progress: Progress,
) -> PruneResult:
    """Check, load, draw the text, walk through the layers, write; `settings` are the first rows of the card's table."""
    if target.format not in compressed.FORMATS:
        raise ParameterError(one_of("format", target.format, compressed.FORMATS))
    packed = target.format == compressed.PACKED
    if packed:
        compressed.check(grid)
    languages = list(mixture(text.calibration)) if text else []
    with checkpoint.reserved(target.folder):
        checkpoint.check_output(target.folder)
        loaded, tokenizer = load(model, target.device, target.dtype)
        checkpoint.check_room(target.folder, loaded, grid if packed else None)
        tokens = None
        if text:
            check_length(loaded, text.length)
            tokens = windows(tokenizer, text.source, languages, text.samples, text.length, text.seed)
        progress(0, loaded.config.num_hidden_layers)
        result = walk(loaded, tokens)
        settings |= {"dtype": str(loaded.dtype).removeprefix("torch.")} | (text._asdict() if text else {})
        licence = PACKAGED[model].licence if model in PACKAGED else ""
        card = checkpoint.model_card(model, result, settings, licence)
        checkpoint.save(target.folder, loaded, tokenizer, card, compressed.compress(loaded, result) if packed else None)
    return result
