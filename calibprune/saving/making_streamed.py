"""making.py for a model that is read layer by layer: each solved layer is written at once, and a run that was stopped
goes on with the layer that was not done.
"""

from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from calibprune import provenance
from calibprune.errors import CalibpruneError, ModelError
from calibprune.models.soundness import listed
from calibprune.models.streaming import Streamed, stream
from calibprune.saving import checkpoint, compressed
from calibprune.saving.construction import Construction, layer_state, write_settings
from calibprune.saving.request import Change, Progress, Target, Text, draw, rows
from calibprune.walk.layerwise import LayerReport, PruneResult
from calibprune.walk.solving import Plan
from calibprune.walk.states import States
from calibprune.walk.streamed import Begin, Solved, check_streamable, walk


def make(
    model: str,
    target: Target,
    text: Text | None,
    change: Change,
    settings: dict[str, Any],
    licence: str,
    progress: Progress,
) -> PruneResult:
    """Prune or round a model and write it with its card, holding one layer of it at a time.

    Args:
        target: whose folder was looked at (`checkpoint.check_output`).
        settings: the first rows of the card's table.

    Returns:
        the result of the walk without masks and grids, which would take as much memory as the model.

    Raises:
        CalibpruneError: one line saying what cannot be used. What is done is kept, and the same call goes on there.
    """
    streamed, tokenizer = stream(model, target.device, target.dtype)
    check_streamable(streamed.model, change.sparsity, change.grid)
    tokens = draw(text, streamed.model, tokenizer)
    settings |= rows(streamed.model, text)
    packed = target.format == compressed.PACKED
    with checkpoint.writing(target.folder):
        construction = Construction(checkpoint.resolved(target.folder), streamed, _run(streamed, tokens, settings))
    try:
        states = _states(construction, streamed, tokens)
        more = 3 * states.nbytes if states else 0  # of two layers that are computed, and of one that is written
        grid = change.grid if packed else None
        checkpoint.check_room(target.folder, streamed.model, grid, more - construction.nbytes())
        _walk(construction, streamed, tokens, change, states, target, progress)
        result, summary = _result(construction, change, tokens)
        card = checkpoint.model_card(model, summary, settings, licence)
        names = [name for told in construction.told() for name in told["packed"]]

        def write_the_rest(folder: Path) -> None:
            write_settings(folder, streamed)
            if packed:
                compressed.declare(folder, compressed.configuration(streamed.model, names, change.grid))
            tokenizer.save_pretrained(folder)
            (folder / "README.md").write_text(card, encoding="utf-8")

        with checkpoint.writing(target.folder):
            construction.finish(write_the_rest)
    except CalibpruneError as error:
        if not construction.layers or str(construction.folder) in str(error):  # the latter says what to do with it
            raise
        where = f"{construction.layers} of {construction.depth} layers are done and in {construction.folder}"
        raise type(error)(f"{error}; {where}, and the same command goes on there; delete it to start over") from None
    finally:
        construction.abandon()
    return result


def _walk(
    construction: Construction,
    streamed: Streamed,
    tokens: Tensor | None,
    change: Change,
    states: States | None,
    target: Target,
    progress: Progress,
) -> None:
    """The layers that are not done."""
    depth = streamed.model.config.num_hidden_layers
    packed = target.format == compressed.PACKED
    done = construction.told()
    for layer in range(len(done) + 1):
        progress(layer, depth)

    def keep(solved: Solved) -> None:
        result, (report,) = solved.result, solved.result.layers
        if report.sparsity == 1:
            raise ModelError(f"layers.{solved.index}: all its weights are zero; check the checkpoint")
        state = layer_state(solved.index, solved.state)
        names = compressed.pack(state, result, streamed.model.base_model_prefix) if packed else []
        summary = checkpoint.Summary.of(result)
        told = {
            "sparsity": report.sparsity,
            "seconds": report.seconds,
            "masked": sum(int(np.count_nonzero(mask.numpy())) for mask in result.masks.values()),
            "weights": sum(mask.numel() for mask in result.masks.values()),
            "scale": str(summary.scale).removeprefix("torch.") if summary.scale else None,
            "damping": result.damping,
            "packed": names,
            "sizes": solved.sizes,
        }
        with checkpoint.writing(target.folder):
            construction.add(solved.index, state, told)
        progress(solved.index + 1, depth)

    if len(done) < depth:
        plan = Plan(change.method, 0 if tokens is None else len(tokens), change.sparsity, change.grid)
        begin = Begin(len(done), tuple(done[-1]["sizes"])) if done else Begin()
        walk(streamed, tokens, plan, states, keep, begin)


def _states(construction: Construction, streamed: Streamed, tokens: Tensor | None) -> States | None:
    if tokens is None:
        return None
    shape = (*tokens.shape, streamed.model.config.hidden_size)
    return States(construction.folder, shape, streamed.model.dtype)


def _result(
    construction: Construction, change: Change, tokens: Tensor | None
) -> tuple[PruneResult, checkpoint.Summary]:
    """What the whole walk did, also in earlier programs."""
    told = construction.told()
    reports = [LayerReport(i, one["sparsity"], one["seconds"]) for i, one in enumerate(told)]
    damping = {name: value for one in told for name, value in one["damping"].items()}
    seconds = sum(sum(report.seconds.values()) for report in reports)
    read = 0 if tokens is None else tokens.numel()
    weights = sum(one["weights"] for one in told)
    pruned = sum(one["masked"] for one in told) / weights if weights else None
    scale = getattr(torch, told[0]["scale"]) if told[0]["scale"] else None
    result = PruneResult(grid=change.grid, damping=damping, layers=reports, seconds=seconds, tokens=read)
    return result, checkpoint.Summary(pruned, scale, change.grid, read, seconds)


def _run(streamed: Streamed, tokens: Tensor | None, settings: dict[str, Any]) -> dict[str, Any]:
    """What decides the numbers of a run: a construction goes on only where all of it is the same."""
    files = {}
    for name in sorted(listed(streamed.folder)):
        state = (streamed.folder / name).stat()
        files[name] = [state.st_size, state.st_mtime_ns]
    return settings | {
        "model": streamed.name,
        "weights": files,
        "configuration": sha256((streamed.folder / "config.json").read_bytes()).hexdigest(),
        "tokens": sha256(tokens.numpy().tobytes()).hexdigest() if tokens is not None else None,
        "device": streamed.device.type,
        "versions": provenance.versions(),
    }
