"""A pruned or quantized model as a Hugging Face checkpoint, with a model card that says how it was made."""

import errno
import os
import shutil
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from hashlib import sha256
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
import yaml
from torch import nn

from calibprune import provenance
from calibprune.errors import CalibpruneError, ModelError, ParameterError
from calibprune.files import SCRATCH, cache_dir, check_names_fit, expanded, held, whole_folder
from calibprune.methods import DEFAULT_QUANTIZER
from calibprune.models.families import decoder, linears
from calibprune.models.quiet import quiet
from calibprune.saving.compressed import DENSE, PACKED, Compressed
from calibprune.schemes import Grid
from calibprune.walk.layerwise import PruneResult

MADE_BY_MOUNTING = {"lost+found"}
"""What a new file system holds that is still empty to its user."""


@contextmanager
def reserved(folder: Path) -> Iterator[None]:
    """Keep other programs of this machine and user from beginning a checkpoint in the same folder, of which one alone
    could be kept. (Those of other machines meet at the end, where the first has it: `files.whole_folder`.)

    Raises:
        ModelError: another program has begun one.
    """
    mine = True
    with ExitStack() as lock:
        # a cache that cannot be written is not needed for this
        with suppress(OSError, ParameterError):
            path = cache_dir() / "outputs" / sha256(os.fsencode(resolved(folder))).hexdigest()[:16]
            path.parent.mkdir(parents=True, exist_ok=True)
            if mine := lock.enter_context(held(path, wait=False)):
                lock.callback(path.unlink, missing_ok=True)
        if not mine:
            raise ModelError(f"{folder}: another program is making a checkpoint there; choose another --output")
        yield


def check_output(folder: Path, mine: str = "") -> None:
    """Whether `save` can write to `folder`, found out by doing as it does, with nothing to write.

    Args:
        mine: as of `refuse_taken`.

    Raises:
        ModelError: something is there already, or the folder cannot be made. Nothing is left of the attempt.
    """
    with _at(folder, keep=False, mine=mine) as scratch:
        for place in (scratch, resolved(folder)):
            check_names_fit(place)


def check_room(folder: Path, model: nn.Module, grid: Grid | None, more: int = 0) -> None:
    """Raises ModelError where the file system that is to hold `folder` has less room than the weights will take.

    Args:
        grid: what the decoder's linears are packed to; None where all weights are stored as they are.
        more: bytes that are needed beside them; negative where some of them are written already.
    """
    weights = {id(weight): weight for weight in model.parameters()}  # tied ones are stored once
    needed = sum(weight.nbytes for weight in weights.values())
    if grid:
        packed = [linear.weight for layer in decoder(model).layers for _, linear in linears(layer)]
        for weight in packed:
            needed -= weight.nbytes - weight.numel() * grid.bits_per_weight(8 * weight.itemsize) // 8
    needed += more
    target = resolved(folder)
    there = next(place for place in (target, *target.parents) if place.exists())
    disk = shutil.disk_usage(there)
    if disk.total and disk.free < needed:  # some network file systems do not tell
        raise ModelError(
            f"{folder}: the checkpoint takes {needed / 1e9:.2g} GB and {disk.free / 1e9:.2g} GB are free; free some "
            f"space, or choose another --output"
        )


def save(folder: Path, model, tokenizer, card: str, compressed: Compressed | None = None) -> None:
    """Write weights (safetensors), configuration, tokenizer and card; all of it or nothing.

    Args:
        folder: a new one, which is made with those above it, or an empty one.
        compressed: the model's rounded weights as packed codes, from `compressed.compress`; None stores all weights
            densely, as they are.

    Raises:
        ModelError: the folder holds something, or cannot be written.
    """
    with _at(folder, keep=True) as scratch, quiet():  # else transformers shows a bar
        compressed.write(scratch, model) if compressed else model.save_pretrained(scratch)
        tokenizer.save_pretrained(scratch)
        (scratch / "README.md").write_text(card, encoding="utf-8")


@contextmanager
def _at(folder: Path, keep: bool, mine: str = "") -> Iterator[Path]:
    """A scratch folder whose content is at `folder` when the block ends. Folders that were made for it go where the
    block fails, and without `keep` always.
    """
    made, kept = [], False
    try:
        with writing(folder):
            target = resolved(folder)
            refuse_taken(folder, target, others=keep, mine=mine)
            made = [place for place in (target, *target.parents) if not place.exists()]
            target.parent.mkdir(parents=True, exist_ok=True)
            with whole_folder(target) as scratch:
                yield scratch
        kept = keep
    finally:
        for place in () if kept else made:
            with suppress(OSError):  # somebody else has put something there
                place.rmdir()


@contextmanager
def writing(folder: Path) -> Iterator[None]:
    """Raises ModelError for what keeps the checkpoint at `folder` from being written."""
    try:
        yield
    except CalibpruneError:
        raise
    except FileExistsError as error:
        first = "another program has written into it meanwhile, which stays as it is"
        raise ModelError(f"{folder}: the checkpoint cannot be written ({first}); choose another --output") from error
    except Exception as error:  # safetensors wraps the system's errors in its own class
        reason = getattr(error, "strerror", None) or " ".join(str(error).split())[:120]
        full = any(os.strerror(code) in reason for code in (errno.ENOSPC, errno.EDQUOT))
        remedy = "free some space, or choose another --output" if full else "choose another --output"
        raise ModelError(f"{folder}: the checkpoint cannot be written ({reason}); {remedy}") from None


def resolved(folder: Path) -> Path:
    """The folder itself where `folder` is a link to it, there or not."""
    return Path(os.path.realpath(expanded(folder, ModelError)))


def refuse_taken(folder: Path, target: Path, others: bool, mine: str = "") -> None:
    """Raises ModelError where there is something at `target`, to which `folder` leads, or a file above it.

    Args:
        others: whether there may be what other programs are writing. A program that has its checkpoint ready does not
            give way to them, one that begins does.
        mine: the name of what may be there in any case, since this program's earlier run left it.
    """
    nearest = next(place for place in (target, *target.parents) if os.path.lexists(place))
    if not nearest.is_dir():
        what = "already exists and is no folder" if nearest == target else f"cannot be made: {nearest} is no folder"
        raise ModelError(f"{folder} {what}; choose another --output")
    if nearest == target:
        ignored = {mine} | (MADE_BY_MOUNTING if target.is_mount() else set())
        names = {entry.name for entry in target.iterdir()} - ignored
        if there := sorted(name for name in names if not (others and name.startswith(SCRATCH))):
            raise ModelError(
                f"{folder} already exists and is not empty; choose another --output, or empty it ({there[0]} is in it)"
            )


class Summary(NamedTuple):
    """What a card says of a walk.

    Attributes:
        pruned: the share of the linears' weights that the masks zero; None where nothing was pruned.
        scale: the dtype of the scales of the grid; None where nothing was rounded.
        grid, tokens, seconds: as of `PruneResult`.
    """

    pruned: float | None
    scale: torch.dtype | None
    grid: Grid | None
    tokens: int
    seconds: float

    @classmethod
    def of(cls, result: PruneResult) -> "Summary":
        masks = result.masks.values()
        # numpy counts bools twenty times as fast as torch on a CPU
        zeros = sum(int(np.count_nonzero(mask.cpu().numpy())) for mask in masks)
        pruned = zeros / sum(mask.numel() for mask in masks) if masks else None
        scale = next((quantized.scale.dtype for quantized in result.quantized.values()), None)
        return cls(pruned, scale, result.grid, result.tokens, result.seconds)


def model_card(model: str, result: PruneResult | Summary, settings: dict, licence: str = "") -> str:
    """The text of README.md: metadata, what was done, what to expect, and how to do it again.

    Args:
        settings: method, sparsity, bits, calibration, source, samples, length, seed, format, … by the names of the
            command line's options. True and False are options without a value ("--x", "--no-x"); None and "" are left
            out.
        licence: the terms of the original weights, where they are known.
    """
    result = Summary.of(result) if isinstance(result, PruneResult) else result
    settings = {name: value for name, value in settings.items() if value is not None and value != ""}
    packed = settings.get("format", DENSE) == PACKED
    done = [word for word, applies in (("pruned", result.pruned is not None), ("quantized", result.scale)) if applies]
    tags = [*done, settings["method"], "calibprune"] + ([PACKED] if packed else [])
    metadata = yaml.safe_dump({"base_model": model, "library_name": "transformers", "tags": tags}, sort_keys=False)
    rows = "\n".join(f"| {name} | {value} |" for name, value in settings.items())
    versions = ", ".join(f"{name} {version}" for name, version in provenance.versions().items())
    command = "quantize" if result.pruned is None else "prune"
    arguments = " ".join(
        _option(name, value) for name, value in settings.items() if (name, value) != ("method", DEFAULT_QUANTIZER)
    )
    return f"""---
{metadata}---

# {model}, {" and ".join(done)}

The linear layers of every decoder layer of `{model}` were {" and ".join(done)} with calibprune; \
{_what_became_of_the_weights(result)}.
Embeddings and the output layer are unchanged. {_what_to_expect(result, packed, settings)}

| setting | value |
| --- | --- |
{rows}
| calibration tokens | {result.tokens} |
| seconds | {result.seconds:.1f} |
| date | {provenance.now()} |

Made with {versions}.

    calibprune {command} {model} {arguments} --output DIR
{f"{chr(10)}Terms of the original weights: {licence}{chr(10)}" if licence else ""}"""


def _option(name: str, value) -> str:
    return f"--{'' if value else 'no-'}{name}" if isinstance(value, bool) else f"--{name} {value}"


def _what_became_of_the_weights(result: Summary) -> str:
    parts = []
    if result.pruned is not None:
        parts.append(f"{result.pruned:.2%} of their weights are zero")
    if grid := result.grid:
        shared = "a scale" if grid.symmetric else "a scale and a zero point"
        parts.append(
            f"each weight is one of {grid.levels} levels ({grid.bits} bits), and {grid.group_size} "
            f"weights of a row share {shared}"
        )
    return "; ".join(parts)


def _what_to_expect(result: Summary, packed: bool, settings: dict) -> str:
    if packed:
        width = torch.finfo(result.scale).bits
        return (
            f"These layers are stored as packed codes (`pack-quantized` of compressed-tensors), "
            f"{result.grid.bits_per_weight(width):.3g} bits a\n"
            f"weight instead of {width}. Loading needs the package `{PACKED}`: transformers unpacks the "
            f"codes while it loads, so that the model\n"
            "needs the original's memory and time; vLLM reads the same format and keeps the codes packed, "
            "where it has a kernel for this grid."
        )
    if result.scale:
        return (
            "The levels are stored like any other number: this checkpoint is neither smaller nor\nfaster "
            "than the original. "
            f"`--format {PACKED}` stores their codes instead."
        )
    text = (
        "The zeros are stored like any other number: this checkpoint is neither smaller nor faster than the original\n"
        "without software that makes use of them."
    )
    if settings.get("sparsity") != "2:4":
        return text
    return (
        f"{text} Neither transformers nor vLLM reads 2:4-sparse weights in a smaller form any more; after loading,\n"
        "`torch.sparse.to_sparse_semi_structured` turns a layer's weight into the form that NVIDIA GPUs "
        "since Ampere multiply faster."
    )
