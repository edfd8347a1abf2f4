"""Where the decoder layers and the output layer stand in the architectures this study prunes."""

from collections.abc import Iterator

import torch
from torch import nn

from calibprune.errors import ModelError

FAMILIES = {
    "llama": "Llama",
    "gemma3_text": "Gemma 3",
    "cohere": "Cohere (Aya)",
    "cohere2": "Cohere 2",
    "qwen2": "Qwen 2",
    "qwen3": "Qwen 3",
    "mistral": "Mistral",
}


def check_family(model_type: str, name: str) -> None:
    """Raises ModelError where the architecture `model_type` (transformers' name) is not one of `FAMILIES`."""
    if model_type not in FAMILIES:
        raise ModelError(
            f"{name}: architecture {model_type!r} is not supported; supported are {', '.join(FAMILIES.values())}"
        )


def decoder(model: nn.Module) -> nn.Module:
    """The model without its output layer; its `layers` are the decoder layers, its `norm` follows the last.

    Raises:
        ModelError: an architecture that is not supported.
    """
    check_family(model.config.model_type, type(model).__name__)
    return model.model


def linears(layer: nn.Module) -> Iterator[tuple[str, nn.Linear]]:
    """The prunable matrices of a decoder layer by component name, such as ("mlp.down_proj", …)."""
    for name, module in layer.named_modules():
        if isinstance(module, nn.Linear):
            yield name, module


def context_length(model: nn.Module) -> int:
    """The longest window in tokens that the model was made for."""
    return model.config.max_position_embeddings


def device_of(model: nn.Module) -> torch.device:
    return next(model.parameters()).device
