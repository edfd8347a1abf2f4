"""A pruned or quantized model as a Hugging Face checkpoint, with a model card that says how it was made."""

import os
import shutil
import tempfile
from pathlib import Path

import torch
import yaml

from calibprune import provenance
from calibprune.errors import ModelError
from calibprune.methods import DEFAULT_QUANTIZER
from calibprune.saving.compressed import DENSE, PACKED, Compressed
from calibprune.walk.layerwise import PruneResult


def check_output(folder: Path) -> None:
    """Raises ModelError where a checkpoint may not be written: something is already there."""
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise ModelError(f"{folder} already exists and is not empty; choose another --output, or delete it first")


def save(folder: Path, model, tokenizer, card: str, compressed: Compressed | None = None) -> None:
    """Write weights (safetensors), configuration, tokenizer and card; all of it or nothing.

    Args:
        compressed: the model's rounded weights as packed codes, from `compressed.compress`; None stores all weights
            densely, as they are.

    Raises:
        ModelError: the folder holds something, or cannot be written.
    """
    check_output(folder)
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        scratch = Path(tempfile.mkdtemp(dir=folder.parent, prefix=f".{folder.name}."))
        try:
            compressed.write(scratch, model) if compressed else model.save_pretrained(scratch)
            tokenizer.save_pretrained(scratch)
            (scratch / "README.md").write_text(card, encoding="utf-8")
            scratch.chmod(0o755)
            os.replace(scratch, folder)
        except BaseException:
            shutil.rmtree(scratch, ignore_errors=True)
            raise
    except Exception as error:  # safetensors wraps the system's errors in its own class
        raise ModelError(
            f"{folder}: the checkpoint cannot be written ({' '.join(str(error).split())[:120]}); free "
            f"some space, or choose another --output"
        ) from None


def model_card(model: str, result: PruneResult, settings: dict, licence: str = "") -> str:
    """The text of README.md: metadata, what was done, what to expect, and how to do it again.

    Args:
        settings: method, sparsity, bits, calibration, source, samples, length, seed, format, … by the names of the
            command line's options. True and False are options without a value ("--x", "--no-x"); None and "" are left
            out.
        licence: the terms of the original weights, where they are known.
    """
    settings = {name: value for name, value in settings.items() if value is not None and value != ""}
    packed = settings.get("format", DENSE) == PACKED
    done = [word for word, applies in (("pruned", result.masks), ("quantized", result.quantized)) if applies]
    tags = [*done, settings["method"], "calibprune"] + ([PACKED] if packed else [])
    metadata = yaml.safe_dump({"base_model": model, "library_name": "transformers", "tags": tags}, sort_keys=False)
    rows = "\n".join(f"| {name} | {value} |" for name, value in settings.items())
    versions = ", ".join(f"{name} {version}" for name, version in provenance.versions().items())
    command = "prune" if result.masks else "quantize"
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


def _what_became_of_the_weights(result: PruneResult) -> str:
    parts = []
    if result.masks:
        zeros = sum(int(mask.sum()) for mask in result.masks.values()) / sum(
            mask.numel() for mask in result.masks.values()
        )
        parts.append(f"{zeros:.2%} of their weights are zero")
    if grid := result.grid:
        shared = "a scale" if grid.symmetric else "a scale and a zero point"
        parts.append(
            f"each weight is one of {grid.levels} levels ({grid.bits} bits), and {grid.group_size} "
            f"weights of a row share {shared}"
        )
    return "; ".join(parts)


def _what_to_expect(result: PruneResult, packed: bool, settings: dict) -> str:
    if packed:
        width = torch.finfo(next(iter(result.quantized.values())).scale.dtype).bits
        return (
            f"These layers are stored as packed codes (`pack-quantized` of compressed-tensors), "
            f"{result.grid.bits_per_weight(width):.3g} bits a\n"
            f"weight instead of {width}. Loading needs the package `{PACKED}`: transformers unpacks the "
            f"codes while it loads, so that the model\n"
            "needs the original's memory and time; vLLM reads the same format and keeps the codes packed, "
            "where it has a kernel for this grid."
        )
    if result.quantized:
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
