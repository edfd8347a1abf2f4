"""From final hidden states to logits: the output layer, and what an architecture does to its products."""

from torch import Tensor, nn

from calibprune.errors import ModelError


def logits(model: nn.Module, products: Tensor) -> Tensor:
    """Float32 logits from products of final hidden states with rows of the output layer; changes float32 input in
    place.

    Cohere multiplies them by a constant; some Gemma models squash them.
    """
    products = products.float()
    if scale := getattr(model.config, "logit_scale", None):
        products.mul_(scale)
    if cap := getattr(model.config, "final_logit_softcapping", None):
        products.div_(cap).tanh_().mul_(cap)
    return products


def output_layer(model: nn.Module) -> tuple[Tensor, Tensor | None]:
    """The output layer's weight [vocabulary, width] and bias [vocabulary] or None.

    Raises:
        ModelError: the model has none.
    """
    head = model.get_output_embeddings()
    if head is None:
        raise ModelError(f"{type(model).__name__}: has no output layer; give a model for causal language modelling")
    return head.weight, getattr(head, "bias", None)
