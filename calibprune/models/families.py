"""Where the decoder layers and the output layer stand in the architectures this study prunes."""

from collections.abc import Container, Iterator
from contextlib import contextmanager
from typing import NamedTuple

import torch
from torch import nn

from calibprune.errors import ModelError, quoted

FAMILIES = {
    "llama": "Llama",
    "gemma3_text": "Gemma 3",
    "cohere": "Cohere (Aya)",
    "cohere2": "Cohere 2",
    "qwen2": "Qwen 2",
    "qwen3": "Qwen 3",
    "mistral": "Mistral",
}


class TextPart(NamedTuple):
    """The text decoder of an architecture that also takes something else.

    Attributes:
        names: regular expression -> replacement, from the names of its weights in the checkpoint to those that they
            have in the decoder alone.
        left_out: what the names of the checkpoint's other weights hold.
    """

    names: dict[str, str]
    left_out: tuple[str, ...]


TEXT_PARTS = {
    "gemma3": TextPart(
        {
            r"^(model\.language_model|language_model\.model)\.": "model.",
            r"^language_model\.lm_head\.": "lm_head.",
        },
        ("vision_tower", "multi_modal_projector"),
    ),
}
"""By transformers' name of the whole architecture (Gemma 3 of 4B and more); its text decoder is one of `FAMILIES`."""


def check_family(model_type: str, name: str, others: Container[str] = ()) -> None:
    """Raises ModelError where the architecture `model_type` (transformers' name) is neither one of `FAMILIES` nor of
    `others`.
    """
    if not isinstance(model_type, str) or (model_type not in FAMILIES and model_type not in others):
        raise ModelError(
            f"{name}: architecture {quoted(model_type)} is not supported; supported are {', '.join(FAMILIES.values())}"
        )


def decoder(model: nn.Module) -> nn.Module:
    """The model without its output layer; its `layers` are the decoder layers, its `norm` follows the last.

    Raises:
        ModelError: an architecture that is not supported, or no model of transformers.
    """
    kind = getattr(getattr(model, "config", None), "model_type", None)
    if not isinstance(model, nn.Module) or not isinstance(kind, str):
        raise ModelError(f"a model is needed, not {type(model).__name__}; give one from calibprune.load")
    check_family(kind, type(model).__name__)
    if not hasattr(model, "model"):
        raise ModelError(f"{type(model).__name__}: is a decoder without an output layer; give the whole model")
    return model.model


def linears(layer: nn.Module) -> Iterator[tuple[str, nn.Linear]]:
    """The prunable matrices of a decoder layer by component name, such as ("mlp.down_proj", …)."""
    for name, module in layer.named_modules():
        if isinstance(module, nn.Linear):
            yield name, module


def context_length(model: nn.Module) -> int:
    """The longest window in tokens that the model was made for."""
    return model.config.max_position_embeddings


@contextmanager
def evaluating(model: nn.Module) -> Iterator[None]:
    """Run a model in evaluation mode, in which nothing is dropped at random; afterwards each of its modules is in the
    mode that it was in.
    """
    before = [(module, module.training) for module in model.modules()]
    model.eval()
    try:
        yield
    finally:
        for module, training in before:
            module.training = training


def vocabulary(model: nn.Module) -> int:
    """How many tokens the model has an embedding for; its tokenizer may know fewer or more."""
    return model.get_input_embeddings().num_embeddings


def device_of(model: nn.Module) -> torch.device:
    """What a model or a part of it is computed on: the device of its first parameter that has numbers, since those of a
    model that is read layer by layer are on the device meta meanwhile; else meta.
    """
    return next((one.device for one in model.parameters() if not one.is_meta), torch.device("meta"))
