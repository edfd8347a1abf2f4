"""A pruned model as an ordinary Hugging Face checkpoint, with a model card that says how it was made."""

import os
import shutil
import tempfile
from pathlib import Path

import yaml

from . import provenance
from .errors import ModelError
from .layerwise import PruneResult


def check_output(folder: Path) -> None:
    """Raises ModelError where a checkpoint may not be written: something is already there."""
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise ModelError(f"{folder} already exists and is not empty; choose another --output, or delete it first")


def save(folder: Path, model, tokenizer, card: str) -> None:
    """Write weights (safetensors, zeros stored densely), configuration, tokenizer and card; all of it or nothing.

    Raises:
        ModelError: the folder holds something, or cannot be written.
    """
    check_output(folder)
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        scratch = Path(tempfile.mkdtemp(dir=folder.parent, prefix=f".{folder.name}."))
        try:
            model.save_pretrained(scratch)
            tokenizer.save_pretrained(scratch)
            (scratch / "README.md").write_text(card, encoding="utf-8")
            scratch.chmod(0o755)
            os.replace(scratch, folder)
        except BaseException:
            shutil.rmtree(scratch, ignore_errors=True)
            raise
    except Exception as error:  # safetensors wraps the system's errors in its own class
        raise ModelError(
            f"{folder}: the checkpoint cannot be written ({' '.join(str(error).split())[:120]}); free some space, or choose another --output"
        ) from None


def model_card(model: str, result: PruneResult, settings: dict, licence: str = "") -> str:
    """The text of README.md: metadata, what was done, what to expect, and how to do it again.

    Args:
        settings: method, sparsity, calibration, source, samples, length, seed, as given on the command line.
        licence: the terms of the original weights, where they are known.
    """
    metadata = yaml.safe_dump(
        {"base_model": model, "library_name": "transformers", "tags": ["pruned", settings["method"], "calibprune"]}, sort_keys=False
    )
    zeros = sum(int(mask.sum()) for mask in result.masks.values()) / sum(mask.numel() for mask in result.masks.values())
    rows = "\n".join(f"| {name} | {value} |" for name, value in settings.items() if value not in (None, ""))
    versions = ", ".join(f"{name} {version}" for name, version in provenance.versions().items())
    arguments = " ".join(f"--{name} {value}" for name, value in settings.items() if value not in (None, ""))
    return f"""---
{metadata}---

# {model}, pruned

The linear layers of every decoder layer of `{model}` were pruned with calibprune; {zeros:.2%} of their weights are zero. Embeddings and the
output layer are unchanged. The zeros are stored like any other number: this checkpoint is neither smaller nor faster than the original
without software that makes use of them.

| setting | value |
| --- | --- |
{rows}
| calibration tokens | {result.tokens} |
| seconds | {result.seconds:.1f} |
| date | {provenance.now()} |

Made with {versions}.

    calibprune prune {model} {arguments} --output DIR
{f"{chr(10)}Terms of the original weights: {licence}{chr(10)}" if licence else ""}"""
