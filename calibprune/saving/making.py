"""From a model's name to a checkpoint on disk: what the commands `calibprune prune` and `calibprune quantize` do.

Whatever can be wrong is said before the work of pruning begins: the format, the folder, the languages, the model, the
room on the disk, the window length, the text.
"""

from collections.abc import Callable

from torch import Tensor, nn

from calibprune.errors import ParameterError, one_of
from calibprune.languages import mixture
from calibprune.methods import DEFAULT_QUANTIZER, Method, pruner, quantizer
from calibprune.models.loading import load, resolve_device, resolve_dtype
from calibprune.models.memory import free_memory
from calibprune.models.packaged import PACKAGED
from calibprune.models.streaming import weight_bytes
from calibprune.saving import checkpoint, compressed, making_streamed
from calibprune.saving.construction import place_of, take_back
from calibprune.saving.request import Change, Progress, Target, Text, draw, rows
from calibprune.schemes import Grid, Sparsity
from calibprune.walk import layerwise
from calibprune.walk.layerwise import PruneResult

__all__ = ["Target", "Text", "prune", "quantize"]


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
        layerwise.check_rounds(pruner(method), method, grid)

    def walk(loaded: nn.Module, tokens: Tensor | None) -> PruneResult:
        rounding = {} if grid is None else dict(zip(("bits", "group_size", "symmetric"), grid, strict=False))
        return layerwise.prune(loaded, tokens, method, sparsity, progress=progress, **rounding)

    change = Change(pruner(method), sparsity, grid)
    return _make(model, target, text if needs_text else None, change, settings, walk, progress)


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

    change = Change(quantizer(method), None, grid)
    return _make(model, target, text if needs_text else None, change, settings, walk, progress)


def _needs_text(name: str, method: Method, text: Text) -> bool:
    """Whether the method calibrates. Raises ParameterError where it does and no language is given."""
    if method.accumulate is not None and not text.calibration:
        raise ParameterError(f"method {name} calibrates on text: give its language, for example --calibration de")
    return method.accumulate is not None


def _make(
    model: str,
    target: Target,
    text: Text | None,
    change: Change,
    settings: dict,
    walk: Callable[[nn.Module, Tensor | None], PruneResult],
    progress: Progress,
) -> PruneResult:
    """Check, load, draw the text, walk through the layers, write; `settings` are the first rows of the card's table."""
    grid = change.grid
    if target.format not in compressed.FORMATS:
        raise ParameterError(one_of("format", target.format, compressed.FORMATS))
    packed = target.format == compressed.PACKED
    if packed:
        compressed.check(grid)
    if text:
        mixture(text.calibration)  # which says what is wrong with it
    licence = PACKAGED[model].licence if model in PACKAGED else ""
    with checkpoint.reserved(target.folder):
        output = checkpoint.resolved(target.folder)
        take_back(output)
        checkpoint.check_output(target.folder, mine=place_of(output).name)
        if _streams(model, target):
            return making_streamed.make(model, target, text, change, settings, licence, progress)
        loaded, tokenizer = load(model, target.device, target.dtype)
        checkpoint.check_room(target.folder, loaded, grid if packed else None)
        tokens = draw(text, loaded, tokenizer)
        progress(0, loaded.config.num_hidden_layers)
        result = walk(loaded, tokens)
        settings |= rows(loaded, text)
        card = checkpoint.model_card(model, result, settings, licence)
        checkpoint.save(target.folder, loaded, tokenizer, card, compressed.compress(loaded, result) if packed else None)
    return result


def _streams(model: str, target: Target) -> bool:
    """Whether the model is read layer by layer: because that is asked for; because it was begun that way; or because
    its weights are larger than the memory that is free. Packaged models are small.
    """
    if target.stream is not None:
        return target.stream
    if place_of(checkpoint.resolved(target.folder)).exists():
        return True
    if model in PACKAGED:
        return False
    device = resolve_device(target.device)
    needed = weight_bytes(model, resolve_dtype(target.dtype, device))
    return needed is not None and needed > free_memory(device)
