"""Whether what was loaded is the whole checkpoint, and every number in it one to compute with."""

import json
import math
import re
from collections.abc import Iterable
from os import PathLike
from pathlib import Path, PurePath
from typing import Any

import torch
from safetensors import safe_open
from torch import Tensor, nn

from calibprune.errors import ModelError, quoted
from calibprune.models.families import decoder

COMPUTED = (torch.float64, torch.float32, torch.float16, torch.bfloat16)
FLOATS = {"F64", "F32", "F16", "BF16"}
WIDTHS = ("hidden_size", "intermediate_size", "vocab_size", "num_attention_heads", "num_key_value_heads", "head_dim")
"""Sizes of a model in its configuration."""
SIZES_IN_GGUF = {
    "num_hidden_layers": "block_count",
    "hidden_size": "embedding_length",
    "intermediate_size": "feed_forward_length",
    "num_attention_heads": "attention.head_count",
    "num_key_value_heads": "attention.head_count_kv",
    "head_dim": "attention.key_length",
    "vocab_size": "vocab_size",
}
"""The same in the header of a GGUF file, after the name of its architecture."""
RECOMPUTED = ("rotary_emb.inv_freq", "rotary_emb.cos_cached", "rotary_emb.sin_cached", ".position_ids")
"""What old checkpoints hold beside their weights, and models compute for themselves."""


def check_settings(folder: Path, config: dict[str, Any]) -> None:
    """Refuse by its small files what cannot be pruned.

    Raises:
        ModelError: an adapter, weights packed by a library whose layers are not matrices, or two sets of weights.
    """
    generation = folder / "generation_config.json"
    try:
        given = json.loads(generation.read_text(encoding="utf-8")) if generation.is_file() else {}
    except (OSError, ValueError, RecursionError) as error:
        raise ModelError(f"{generation}: cannot be read ({type(error).__name__}); correct it, or delete it") from None
    if not isinstance(given, dict):
        raise ModelError(f"{generation}: {quoted(given)} is no mapping; correct it, or delete it")
    if undefined := [key for key, value in config.items() if isinstance(value, float) and math.isnan(value)]:
        raise ModelError(f"{folder}/config.json: {undefined[0]} is no number; correct it")
    packing = config.get("quantization_config") or {}
    if not isinstance(packing, dict):
        raise ModelError(f"{folder}/config.json: quantization_config {quoted(packing)} is no mapping; correct it")
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
    numbers = _check_keys(folder, sorted(used), packed=bool(packing))
    text = config.get("text_config")
    check_sizes(f"{folder}/config.json", config | text if isinstance(text, dict) else config, numbers)


def check_sizes(where: str, config: dict[str, Any], numbers: dict[str, int]) -> None:
    """Whether a model of the sizes that a configuration claims can be that of these weights, before it is built: of a
    billion layers not even the modules fit in memory.

    Args:
        where: what errors call the configuration.
        numbers: how many numbers each tensor of the checkpoint holds; packed ones hold up to 32 weights. Nothing is
            said where it is empty: then the weights are said to be damaged when they are read.

    Raises:
        ModelError: one line that names a size.
    """
    if not numbers:
        return
    most = {"num_hidden_layers": len(numbers)} | dict.fromkeys(WIDTHS, 32 * max(numbers.values()))
    for name, largest in most.items():
        claimed = config.get(name)
        if isinstance(claimed, int) and claimed > largest:
            raise ModelError(
                f"{where}: {name} is {quoted(claimed)}, which is more than its weights can have; give the "
                f"configuration that belongs to them"
            )


def _check_keys(folder: Path, used: list[str], packed: bool) -> dict[str, int]:
    """Refuse by the headers of the weights what transformers would settle without a word: two tensors for one
    parameter, of which one would win, and whole or truth values, which would be taken for weights.

    Returns:
        how many numbers each tensor holds; nothing where a file is missing or damaged.
    """
    first: dict[str, str] = {}
    numbers: dict[str, int] = {}
    complete = True
    for name in used:
        file = folder / name
        if not file.is_file():
            complete = False  # which is said when it is loaded
            continue
        try:
            with safe_open(file, framework="pt") as tensors:
                slices = {key: tensors.get_slice(key) for key in tensors.keys()}  # noqa: SIM118 - no mapping
                kinds = {key: one.get_dtype() for key, one in slices.items()}
                numbers |= {key: math.prod(one.get_shape()) for key, one in slices.items()}
        except Exception:  # damaged in one of many ways, which is said when it is loaded
            complete = False
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
    return numbers if complete else {}


def listed(folder: Path) -> set[str]:
    """The files with a folder's weights: those of its index, where it has one.

    Raises:
        ModelError: the index cannot be read, or names a file outside of the folder.
    """
    index = folder / "model.safetensors.index.json"
    if not index.is_file():
        return {"model.safetensors"}
    try:
        names = set(json.loads(index.read_text(encoding="utf-8"))["weight_map"].values())
        leaving = [name for name in names if PurePath(name).is_absolute() or ".." in PurePath(name).parts]
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise ModelError(f"{index}: cannot be read ({type(error).__name__}); fetch the checkpoint again") from None
    if leaving:
        raise ModelError(
            f"{folder}: the index of its weights names {min(leaving)}, which is not in it; correct the index"
        )
    return names


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
        raise ModelError(
            f"{name}: the checkpoint lacks {_some(missing)}, which the model of its configuration has; give the "
            f"configuration that belongs to these weights, or fetch them again"
        )


def tensors_of_gguf(file: Path) -> set[str]:
    """The names of a GGUF file's tensors, after the model that its header claims was compared with them.

    Raises:
        ModelError: as `check_sizes`. ValueError, IndexError or struct.error: the file is damaged.
    """
    from gguf import GGUFReader

    reader = GGUFReader(file)
    claimed = {
        size: field.contents()
        for name, field in reader.fields.items()
        for size, own in SIZES_IN_GGUF.items()
        if name.partition(".")[2] == own
    }
    check_sizes(str(file), claimed, {tensor.name: int(tensor.n_elements) for tensor in reader.tensors})
    return {tensor.name for tensor in reader.tensors}


def unknown_in_gguf(tensors: set[str], model: nn.Module) -> set[str]:
    """Which of a GGUF file's tensors transformers has no place for in the model, and leaves out without a notice."""
    from transformers.modeling_gguf_pytorch_utils import TensorProcessor, get_gguf_hf_weights_map

    return tensors - get_gguf_hf_weights_map(model, TensorProcessor()).keys()


def check_computable(model: nn.Module) -> None:
    """Whether a model in memory can be computed with: all its numbers are there, and its matrices are of one kind. A
    packed matrix is fine where its module, of another library, unpacks it.

    Raises:
        ModelError: one line that names what cannot be used.
    """
    for name, tensor in [*model.named_parameters(), *model.named_buffers()]:
        if tensor.is_meta:
            raise ModelError(
                f"{type(model).__name__}: {name} is on the device meta, where it has no numbers; load the whole model "
                f"onto one device"
            )
    check_kinds(model)


def check_kinds(model: nn.Module) -> None:
    """`check_computable` for a model of which only the kinds of its numbers are known, as long as they are not read.

    Raises:
        ModelError: as `check_computable`.
    """
    kind = type(model).__name__
    head = model.get_output_embeddings()
    if not isinstance(getattr(head, "weight", None), Tensor):
        raise ModelError(
            f"{kind}: has no output layer with a matrix; give a whole language model that is not quantized"
        )
    if not len(decoder(model).layers):
        raise ModelError(f"{kind}: its decoder has no layers; give a whole language model")
    first, expected = "", None
    for name, module in model.named_modules():
        if type(module) not in (nn.Linear, nn.Embedding):
            continue
        dtype = module.weight.dtype
        if dtype not in COMPUTED:
            raise ModelError(
                f"{kind}: {name} holds numbers of type {_short(dtype)}, which it does not compute with; give the model "
                f"as it was before it was quantized"
            )
        if first and dtype != expected:
            raise ModelError(
                f"{kind}: {first} is {_short(expected)} and {name} {_short(dtype)}; make them one, as model.to does"
            )
        first, expected = first or name, dtype


def check_layer(layer: nn.Module, where: str) -> None:
    """Raises ModelError where a decoder layer, whose name is `where`, has no matrices or holds them packed."""
    matrices = [(name, module) for name, module in layer.named_modules() if isinstance(module, nn.Linear)]
    if not matrices:
        raise ModelError(f"{where}: has no nn.Linear to prune; give the model as it was before it was quantized")
    for name, module in matrices:
        if _is_packed(module):
            raise ModelError(
                f"{where}.{name} is packed and cannot be pruned; give the checkpoint that it was made from"
            )


def _is_packed(linear: nn.Linear) -> bool:
    weight = getattr(linear, "weight", None)
    return weight is None or weight.dtype not in COMPUTED


def _short(dtype: torch.dtype) -> str:
    return str(dtype).removeprefix("torch.")


def check_numbers(name: str | PathLike, model: nn.Module) -> None:
    """Raises ModelError where a matrix of the model of that name is packed, or one of its parameters and buffers holds
    an infinite or undefined number.
    """
    for key, module in model.named_modules():
        if isinstance(module, nn.Linear) and _is_packed(module):
            raise ModelError(f"{name}: {key} is packed and cannot be pruned; give the checkpoint that it was made from")
    check_finite(name, [*model.named_parameters(), *model.named_buffers()])


def check_finite(name: str | PathLike, tensors: Iterable[tuple[str, Tensor]]) -> None:
    """Raises ModelError where one of these tensors of the model of that name holds an infinite or undefined number."""
    for key, tensor in tensors:
        if not all_finite(tensor):
            raise ModelError(
                f"{name}: {key} holds infinite or undefined values in {_short(tensor.dtype)}; check the checkpoint, or "
                f"load it in a wider dtype"
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
