"""The gated feed-forward part on a CPU in bfloat16: oneDNN applies the non-linearity as it ends the product before."""

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, nn

ACTIVATIONS = {"GELUTanh": ("gelu", "tanh"), "SiLUActivation": ("swish", ""), "SiLU": ("swish", "")}
"""Classes of transformers and torch -> oneDNN's name and variant of the same function."""


class Gated:
    """down(act(gate(x)) · up(x)) for a module of that form.

    The non-linearity is applied to the float32 sums of the product gate(x), before they are rounded: that saves two
    passes over memory and one rounding. The module's parts are called as before, so that hooks see the same tensors:
    what the linears read, and what comes out of the non-linearity.
    """

    def __init__(self, mlp: nn.Module) -> None:
        self.mlp = mlp
        self.activation, self.algorithm = ACTIVATIONS[type(mlp.act_fn).__name__]

    def forward(self, x: Tensor) -> Tensor:
        opened = self.mlp.act_fn(self.mlp.gate_proj(x))
        return self.mlp.down_proj(self.mlp.up_proj(x).mul_(opened))

    def gate(self, x: Tensor) -> Tensor:
        return torch.ops.mkldnn._linear_pointwise(
            x, self.mlp.gate_proj.weight, None, self.activation, [], self.algorithm
        )

    @staticmethod
    def act(gated: Tensor) -> Tensor:
        return gated  # `gate` has applied it


@contextmanager
def fast_gates(root: nn.Module) -> Iterator[None]:
    """Let the feed-forward parts in `root` run as `Gated` where they are on a CPU in bfloat16; others stay as they
    are.
    """
    replaced: list[nn.Module] = []
    for module in root.modules():
        if _fits(module):
            gated = Gated(module)
            ways = {module: gated.forward, module.gate_proj: gated.gate, module.act_fn: gated.act}
            for part, forward in ways.items():
                part.forward = forward
            replaced += ways
    try:
        yield
    finally:
        for part in replaced:
            del part.forward


def _fits(module: nn.Module) -> bool:
    act, gate = getattr(module, "act_fn", None), getattr(module, "gate_proj", None)
    return (
        type(act).__name__ in ACTIVATIONS
        and isinstance(gate, nn.Linear)
        and gate.bias is None
        and gate.weight.device.type == "cpu"
        and gate.weight.dtype == torch.bfloat16
        and torch.backends.mkldnn.is_available()
        and torch.ops.mkldnn._is_mkldnn_bf16_supported()
    )
