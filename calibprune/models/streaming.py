"""Models larger than memory: built without weights, and each part is read from its checkpoint when its turn comes."""

import json
import math
import os
import re
from collections import defaultdict
from collections.abc import Iterable, Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

import torch
from safetensors import SafetensorError
from torch import Tensor, nn

from calibprune.errors import ModelError
from calibprune.models.beside import beside
from calibprune.models.families import TEXT_PARTS, TextPart, check_family, decoder
from calibprune.models.loading import (
    as_model_error,
    load_tokenizer,
    locate,
    resolve_device,
    resolve_dtype,
    say_text_part,
)
from calibprune.models.quiet import quiet
from calibprune.models.shards import Stored, read, stored_in
from calibprune.models.soundness import check_finite, check_loaded, listed

LAYERS = "model.layers."
"""How the names of the decoder layers' parameters begin."""


@dataclass
class Streamed:
    """A model whose weights are read part by part.

    Attributes:
        name: as it was given.
        folder: with its checkpoint.
        model: its decoder layers, embeddings and output layer have their parameters on the device meta while they are
            not read; the last norm and all buffers are there.
        places: by parameter's name, its file and where it is there. Tied parameters have one place, unless the
            checkpoint has both.
        device: what the model is computed on.
    """

    name: str
    folder: Path
    model: nn.Module
    places: dict[str, tuple[Path, Stored]]
    device: torch.device
    _copies: "torch.cuda.Stream | None" = field(default=None, repr=False)

    def __post_init__(self) -> None:
        if self.device.type == "cuda":
            self._copies = torch.cuda.Stream(self.device)

    def layers(self, first: int = 0) -> Iterator[tuple[int, nn.Module]]:
        """Each decoder layer from the one at `first` on, with its place, and its weights on the device.

        A thread reads the next layer meanwhile. A layer's weights are let go when the next one is asked for.

        Raises:
            ModelError: weights that cannot be read, or are not all finite.
        """
        modules = decoder(self.model).layers
        with beside("read-ahead") as reader:
            ahead = reader.submit(self._read_layer, first) if first < len(modules) else None
            for i in range(first, len(modules)):
                weights = ahead.result()
                ahead = None  # which would keep the weights too
                if i + 1 < len(modules):
                    ahead = reader.submit(self._read_layer, i + 1)
                with _holding(modules[i], self._on_device(weights)):
                    del weights
                    yield i, modules[i]

    def embeddings(self) -> AbstractContextManager[None]:
        """Have the input embeddings on the device inside the block.

        Raises:
            ModelError: as `layers`.
        """
        return self._present(self.model.get_input_embeddings())

    def output_layer(self) -> AbstractContextManager[None]:
        """Have the output layer on the device inside the block; errors as of `layers`."""
        return self._present(self.model.get_output_embeddings())

    @contextmanager
    def _present(self, module: nn.Module) -> Iterator[None]:
        """A module with one matrix, which may be tied to another's."""
        same = (name for name, one in self.model.named_parameters(remove_duplicate=False) if one is module.weight)
        own = next(name for name, one in self.model.named_modules() if one is module) + ".weight"
        place = own if own in self.places else next(name for name in same if name in self.places)
        weights = {"weight": self.read([place]).pop(place)}
        with _holding(module, self._on_device(weights)):
            del weights
            yield

    def outside(self) -> list[str]:
        """The names of the parameters that are of no layer: embeddings, the last norm, and the output layer where it
        has weights of its own.
        """
        return [name for name in self.places if not name.startswith(LAYERS)]

    def read(self, names: Iterable[str]) -> dict[str, Tensor]:
        """Parameters in the model's dtype, in memory of their own on the host, which is pinned for a GPU.

        Raises:
            ModelError: as `layers`.
        """
        pinned, found = self.device.type == "cuda", {}
        with as_model_error(self.name):
            for name in names:
                tensor = read(*self.places[name], pinned)
                if tensor.dtype != self.model.dtype:
                    other = torch.empty(tensor.shape, dtype=self.model.dtype, pin_memory=pinned)
                    tensor = other.copy_(tensor)
                found[name] = tensor
        check_finite(self.name, found.items())
        return found

    def _read_layer(self, index: int) -> dict[str, Tensor]:
        prefix = f"{LAYERS}{index}."
        found = self.read(name for name in self.places if name.startswith(prefix))
        return {name.removeprefix(prefix): tensor for name, tensor in found.items()}

    def _on_device(self, weights: dict[str, Tensor]) -> dict[str, Tensor]:
        """Copies of pinned weights on the GPU, made beside whatever it still computes for the layer before; on a CPU
        the weights themselves.
        """
        if self._copies is None:
            return weights
        computing = torch.cuda.current_stream(self.device)
        with torch.cuda.stream(self._copies):
            moved = {name: tensor.to(self.device, non_blocking=True) for name, tensor in weights.items()}
        computing.wait_stream(self._copies)
        for tensor in moved.values():
            tensor.record_stream(computing)  # else its memory could be given away while it is computed with
        return moved


@contextmanager
def _holding(module: nn.Module, weights: dict[str, Tensor]) -> Iterator[None]:
    """Let a module have these weights as its parameters inside the block, and afterwards those that it had."""
    before = dict(module.named_parameters())
    module.load_state_dict(weights, assign=True)
    weights.clear()
    try:
        yield
    finally:
        module.load_state_dict(before, assign=True)


def stream(name: str | os.PathLike, device: str | torch.device = "auto", dtype: str | torch.dtype = "auto"):
    """A model that is read part by part, and its tokenizer; arguments and names as of `load`.

    Of the checkpoint, the headers of its files are read, and the last norm.

    Returns:
        (`Streamed`, tokenizer).

    Raises:
        ModelError: as `load`, or weights that are packed as a whole (a `.gguf` file, quantized weights). Whether the
        weights' numbers are finite is found out when they are read.
    """
    from accelerate import init_empty_weights
    from transformers import AutoConfig, AutoModelForCausalLM, GenerationConfig

    found = locate(name)
    where = resolve_device(device)
    numbers = resolve_dtype(dtype, where)
    if found.is_file():
        raise ModelError(
            f"{name}: a GGUF file is unpacked as a whole and cannot be streamed; use --resident, or give a safetensors "
            f"checkpoint"
        )
    with quiet(), as_model_error(name):
        with as_model_error(name, "correct its config.json", "the configuration of "):
            config = AutoConfig.from_pretrained(found, trust_remote_code=False, local_files_only=True)
        if getattr(config, "quantization_config", None):
            raise ModelError(
                f"{name}: packed weights cannot be streamed; use --resident, or give the checkpoint that they were "
                f"made from"
            )
        part = TEXT_PARTS.get(config.model_type)
        if part:
            config = config.get_text_config()
        check_family(config.model_type, str(name))
        with init_empty_weights(include_buffers=False):  # buffers are in no checkpoint, and are computed here
            model = AutoModelForCausalLM.from_config(config, dtype=numbers, trust_remote_code=False)
        model.tie_weights()  # what was tied has become two parameters on the device meta
        if (found / "generation_config.json").is_file():
            model.generation_config = GenerationConfig.from_pretrained(found, local_files_only=True)
        model.eval().requires_grad_(False)
        places = _places(name, found, model, part)
    tokenizer = load_tokenizer(name)
    if part:
        say_text_part(name, part)
    streamed = Streamed(str(name), found, model, places, where)
    _read_the_rest(streamed)
    return streamed, tokenizer


def weight_bytes(name: str | os.PathLike, dtype: torch.dtype) -> int | None:
    """How many bytes the weights behind a name take in memory in this dtype, by the headers of its files; None for a
    checkpoint that cannot be streamed.

    Raises:
        ModelError: as `locate`.
    """
    folder = locate(name)
    if folder.is_file() or json.loads((folder / "config.json").read_text(encoding="utf-8")).get("quantization_config"):
        return None
    total = 0
    with suppress(OSError, SafetensorError):  # damaged, or incomplete, which is said when it is loaded
        for file in listed(folder):
            total += sum(math.prod(stored.shape) for stored in stored_in(folder / file).values()) * dtype.itemsize
    return total


def _places(
    name: str | os.PathLike, folder: Path, model: nn.Module, part: TextPart | None
) -> dict[str, tuple[Path, Stored]]:
    """Where each parameter is, in the model's order.

    Raises:
        ModelError: the checkpoint's tensors are not the parameters of the model.
    """
    shapes = {key: tensor.shape for key, tensor in model.state_dict().items()}
    places: dict[str, tuple[Path, Stored]] = {}
    unknown, mismatched = set(), set()
    for file in sorted(listed(folder)):
        for key, stored in stored_in(folder / file).items():
            parameter = key
            for pattern, replacement in (part.names if part else {}).items():
                parameter = re.sub(pattern, replacement, parameter)
            if parameter not in shapes:
                parameter = f"model.{parameter}"  # of a decoder that was saved without its output layer
            if parameter not in shapes:
                unknown.add(key)
                continue
            if stored.shape != shapes[parameter]:
                mismatched.add((parameter, stored.shape, tuple(shapes[parameter])))
            places[parameter] = folder / file, stored
    tied: dict[int, list[str]] = defaultdict(list)
    for parameter, tensor in model.named_parameters(remove_duplicate=False):
        tied[id(tensor)].append(parameter)
    for same in tied.values():
        if same[0] not in places and (there := [parameter for parameter in same if parameter in places]):
            places[same[0]] = places.pop(there[0])
    missing = {same[0] for same in tied.values()} - places.keys()
    check_loaded(
        name,
        {"missing_keys": missing, "unexpected_keys": unknown, "mismatched_keys": mismatched},
        part.left_out if part else (),
    )
    return {parameter: places[parameter] for parameter in shapes if parameter in places}


def _read_the_rest(streamed: Streamed) -> None:
    """Give the model what is of no layer and small, and stays: the last norm's weights, and its buffers' device."""
    model = streamed.model
    large = {id(module) for module in (model.get_input_embeddings(), model.get_output_embeddings())}
    for name, module in model.named_modules():
        for key, buffer in module._buffers.items():
            if buffer is not None:
                module._buffers[key] = buffer.to(streamed.device)
        own = {key for key, _ in module.named_parameters(recurse=False)}
        if own and id(module) not in large and not name.startswith(LAYERS):
            weights = streamed.read(f"{name}.{key}" for key in own)
            weights = {key.removeprefix(f"{name}."): tensor.to(streamed.device) for key, tensor in weights.items()}
            module.load_state_dict(weights, assign=True)
