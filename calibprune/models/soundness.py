"""Whether what was loaded is the whole checkpoint, and every number in it one to compute with."""

import json
import math
import re
from os import PathLike
from pathlib import Path
from typing import Any

import torch
from safetensors import safe_open
from torch import Tensor, nn

from calibprune.errors import ModelError, quoted

FLOATS = {"F64", "F32", "F16", "BF16"}
RECOMPUTED = ("rotary_emb.inv_freq", "rotary_emb.cos_cached", "rotary_emb.sin_cached", ".position_ids")
"""What old checkpoints hold beside their weights, and models compute for themselves."""


def check_settings(folder: Path, config: dict[str, Any]) -> None:
    """Refuse by its small files what cannot be pruned.

    Raises:
        ModelError: an adapter, weights packed by a library whose layers are not matrices, or two sets of weights.
    """
    if undefined := [key for key, value in config.items() if isinstance(value, float) and math.isnan(value)]:
        raise ModelError(f"{folder}/config.json: {undefined[0]} is no number; fetch the checkpoint again")
    packing = config.get("quantization_config") or {}
    if not isinstance(packing, dict):
        raise ModelError(f"{folder}/config.json: quantization_config {quoted(packing)} is no mapping; fetch it again")
    packer = packing.get("quant_method", "compressed-tensors")
    if packer != "compressed-tensors":
        raise ModelError(
            f"{folder}: its weights are packed with {packer} and cannot be pruned; give the checkpoint they were "
            f"made from"
        )
    used = listed(folder)
    there = sorted(file.name for file in folder.glob("model*.safetensors"))
    beside = [name for name in there if name.startswith(("model-", "model.safetensors")) and name not in used]
    if beside and used & set(there):
        raise ModelError(
            f"{folder}: {beside[0]} is not of the same set of weights as {min(used)}, so that it is not certain "
            f"which are the model's; delete those that are not"
        )
    _check_keys(folder, sorted(used), packed=bool(packing))


def _check_keys(folder: Path, used: list[str], packed: bool) -> None:
    """Refuse by the headers of the weights what transformers would settle without a word: two tensors for one
    parameter, of which one would win, and whole or truth values, which would be taken for weights.
    """
    first: dict[str, str] = {}
    for name in used:
        file = folder / name
        if not file.is_file():
            continue  # which is said when it is loaded
        try:
            with safe_open(file, framework="pt") as tensors:
                kinds = {key: tensors.get_slice(key).get_dtype() for key in tensors.keys()}  # noqa: SIM118 - no mapping
        except Exception:  # damaged in one of many ways, which is said when it is loaded
            continue
        for key, kind in kinds.items():
            if kind not in FLOATS and not packed and not key.endswith(RECOMPUTED):
                raise ModelError(
                    f"{file}: {key} holds numbers of type {kind}, which are no weights; give the checkpoint that they "
                    f"were made from"
                )
            plain = re.sub(r"^(model\.)+", "", key)  # with and without it a key is taken for the same parameter
            if plain in first:
                raise ModelError(
                    f"{file}: {key} is a second tensor for the parameter of {first[plain]}; delete one of the two"
                )
            first[plain] = f"{key} in {name}"


def listed(folder: Path) -> set[str]:
    """The files with a folder's weights: those of its index, where it has one."""
    index = folder / "model.safetensors.index.json"
    if not index.is_file():
        return {"model.safetensors"}
    try:
        return set(json.loads(index.read_text(encoding="utf-8"))["weight_map"].values())
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise ModelError(f"{index}: cannot be read ({type(error).__name__}); fetch the checkpoint again") from None


def check_loaded(name: str | PathLike, loaded: dict[str, Any], left_out: tuple[str, ...] = ()) -> None:
    """That the model took every weight of its checkpoint, and made none up.

    Args:
        loaded: what transformers says of the loading: missing, unexpected and mismatched keys.
        left_out: what the keys of those weights hold that are not the text decoder's, and may be left out.

    Raises:
        ModelError: one line that names what does not fit.
    """
    missing = sorted(loaded["missing_keys"])
    unknown = sorted(
        key
        for key in loaded["unexpected_keys"]
        if not any(part in key for part in left_out) and not key.endswith(RECOMPUTED)
    )
    if unknown:
        lacking = f", and lacks {missing[0]}" if missing else ""
        raise ModelError(
            f"{name}: the checkpoint holds {_some(unknown)}, for which the model of its configuration has no "
            f"place{lacking}; give the configuration that belongs to these weights"
        )
    if wrong := sorted(loaded["mismatched_keys"]):
        _, found, needed = wrong[0]
        raise ModelError(
            f"{name}: {_some([key for key, *_ in wrong])}: shape {list(found)} in the checkpoint, {list(needed)} by "
            f"its configuration; give the configuration that belongs to these weights"
        )
    if missing:  # transformers would make them up
        raise ModelError(f"{name}: the checkpoint lacks {_some(missing)}; fetch it again")


def unknown_in_gguf(file: Path, model: nn.Module) -> set[str]:
    """The tensors of a GGUF file that transformers has no place for in the model, and leaves out without a notice."""
    from gguf import GGUFReader
    from transformers.modeling_gguf_pytorch_utils import TensorProcessor, get_gguf_hf_weights_map

    return {tensor.name for tensor in GGUFReader(file).tensors} - get_gguf_hf_weights_map(
        model, TensorProcessor()
    ).keys()


def check_numbers(name: str | PathLike, model: nn.Module) -> None:
    """Raises ModelError where a matrix of the model of that name is packed, or one of its parameters and buffers holds
    an infinite or undefined number.
    """
    for key, module in model.named_modules():
        if isinstance(module, nn.Linear):
            weight = getattr(module, "weight", None)
            if weight is None or not weight.is_floating_point() or weight.itemsize < 2:
                raise ModelError(
                    f"{name}: {key} is packed and cannot be pruned; give the checkpoint that it was made from"
                )
    for key, tensor in [*model.named_parameters(), *model.named_buffers()]:
        if not all_finite(tensor):
            kind = str(tensor.dtype).removeprefix("torch.")
            raise ModelError(
                f"{name}: {key} holds infinite or undefined values in {kind}; check the checkpoint, or load it in a "
                f"wider dtype"
            )


def all_finite(tensor: Tensor) -> bool:
    """Whether every number of a tensor is finite."""
    if not tensor.is_floating_point() or not tensor.numel():
        return True
    # both are undefined where a number is; they are found in a single pass that writes nothing
    lowest, highest = torch.aminmax(tensor)
    return bool((lowest.isfinite() & highest.isfinite()).all())


def _some(keys: list[str]) -> str:
    return keys[0] if len(keys) == 1 else f"{keys[0]} and {len(keys) - 1} more"
