"""Tasks on a checkpoint that was exported, for models that are larger than one device's memory: the harness's own
classes answer, through accelerate (layers wait in the host's memory or on disk for their turn) or through vLLM.
"""

import gc
import importlib.util
import os
import shutil
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from torch import nn

from calibprune.errors import ModelError, ParameterError
from calibprune.files import cache_dir, held
from calibprune.models.quiet import quiet

LOCAL, ACCELERATE, VLLM = BACKENDS = ("local", "accelerate", "vllm")
"""Who answers a task's questions: the model in memory (scorer.py), or one of the two here."""
BATCH = 8
"""Sequences that accelerate computes at once: each batch moves all layers that wait elsewhere."""
LONGEST = 8192
"""Tokens of the longest sequence that vLLM keeps room for; what is longer loses its beginning."""


def check_backend(backend: str) -> None:
    """Raises ParameterError where this machine has not what a backend needs."""
    if backend == VLLM and not torch.cuda.is_available():
        raise ParameterError("task_backend vllm: needs a GPU, and torch sees none; choose accelerate or local")
    if backend == VLLM and importlib.util.find_spec("vllm") is None:
        raise ParameterError(
            "task_backend vllm: the package vllm is not installed; pip install 'calibprune[vllm]', or choose "
            "accelerate or local"
        )


@contextmanager
def exported(model: nn.Module, tokenizer: Any, name: str) -> Iterator[Path]:
    """A folder in the user cache with a model's weights and its tokenizer, which is gone when the block ends. This
    keeps no reference to the model, so that its memory can be given to whoever loads the folder.

    Args:
        name: of the folder; what a process left there that was killed is taken away.

    Raises:
        ModelError: it cannot be written.
    """
    folder = cache_dir() / "exported" / name
    with ExitStack() as afterwards:
        try:
            folder.parent.mkdir(parents=True, exist_ok=True)
            afterwards.enter_context(held(folder.with_name(f"{name}.lock")))
            shutil.rmtree(folder, ignore_errors=True)
            afterwards.callback(shutil.rmtree, folder, ignore_errors=True)
            with quiet():
                model.save_pretrained(folder)
                tokenizer.save_pretrained(folder)
        except (OSError, SafetensorError) as error:  # the latter has the system's own as text
            reason = getattr(error, "strerror", None) or " ".join(str(error).split())[:120]
            raise ModelError(
                f"{folder}: the checkpoint that the tasks are put to cannot be written ({reason}); free some space, or "
                f"set CALIBPRUNE_CACHE to another folder"
            ) from None
        del model, tokenizer
        yield folder


def answering(backend: str, folder: Path, dtype: str, memory: dict[int | str, int] | None = None) -> Any:
    """The harness's model for a checkpoint of this package, without progress bars.

    Args:
        backend: "accelerate" or "vllm".
        dtype: that the model is computed with.
        memory: bytes that accelerate may use on each GPU, by number, and of the host ("cpu"); by default all that is
            free. What has no room waits on disk, in the folder.

    Raises:
        ParameterError: as `check_backend`.
    """
    check_backend(backend)
    free()
    with quiet():
        made = _of_vllm(folder, dtype) if backend == VLLM else _of_accelerate(folder, dtype, memory)
    for request in ("loglikelihood", "loglikelihood_rolling", "generate_until"):
        setattr(made, request, partial(getattr(made, request), disable_tqdm=True))
    return made


def free() -> None:
    """Give back what is not used any more of a GPU's memory, which torch keeps, and others cannot have then."""
    gc.collect()
    if torch.cuda.is_available():
        torch.cuda.empty_cache()


def _of_accelerate(folder: Path, dtype: str, memory: dict[int | str, int] | None) -> Any:
    from lm_eval.models.huggingface import HFLM
    from transformers import AutoModelForCausalLM, AutoTokenizer

    here = {"local_files_only": True, "trust_remote_code": False}
    model = AutoModelForCausalLM.from_pretrained(
        folder,
        dtype=getattr(torch, dtype),
        device_map="auto",
        max_memory=memory,
        offload_folder=folder / "offloaded",
        use_safetensors=True,
        **here,
    )
    return HFLM(pretrained=model, tokenizer=AutoTokenizer.from_pretrained(folder, **here), batch_size=BATCH)


def _of_vllm(folder: Path, dtype: str) -> Any:
    from transformers import AutoConfig

    os.environ.setdefault("VLLM_LOGGING_LEVEL", "ERROR")
    from lm_eval.models.vllm_causallms import VLLM as Harness

    config = AutoConfig.from_pretrained(folder, local_files_only=True, trust_remote_code=False)
    longest = min(LONGEST, config.max_position_embeddings)
    return Harness(
        pretrained=str(folder), dtype=dtype, max_model_len=longest, batch_size="auto", trust_remote_code=False
    )
