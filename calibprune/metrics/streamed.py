"""Fidelity of a model larger than memory: dense and pruned layers are read side by side, one of each at a time."""

from collections.abc import Callable, Mapping
from contextlib import closing
from pathlib import Path
from tempfile import TemporaryDirectory
from types import MappingProxyType

import torch
from torch import Tensor

from calibprune.errors import ParameterError
from calibprune.metrics.fidelity import Fidelity, check_predicts, layer_sums, of_sums, window_losses
from calibprune.models.families import decoder, device_of, evaluating
from calibprune.models.soundness import check_kinds
from calibprune.models.streaming import Streamed
from calibprune.walk.inputs import Inputs, capture
from calibprune.walk.outputs import readable_windows
from calibprune.walk.states import States

Sum = Callable[[Tensor, Tensor], Tensor]


@torch.no_grad()
def streamed_fidelity(
    dense: Streamed,
    pruned: Streamed,
    tokens: Tensor,
    scratch: Path | None = None,
    sums: Mapping[str, Sum] = MappingProxyType({}),
) -> Fidelity:
    """`fidelity` of models that are read layer by layer; its values are those of the same models in memory.

    Args:
        tokens: LongTensor [samples, length].
        scratch: a folder for the hidden states of both models meanwhile, four times tokens × width numbers; by default
            that of the system's temporary files.
        sums: as of `fidelity`.

    Raises:
        ParameterError, ModelError: as `fidelity`, or weights that cannot be read, or no room for hidden states.
    """
    for side in (dense, pruned):
        check_kinds(side.model)
        tokens = readable_windows(side.model, tokens)
    check_predicts(tokens)
    _check_alike(dense, pruned)
    depth = len(decoder(pruned.model).layers)
    totals = torch.zeros(depth, 3, dtype=torch.float64)
    further: dict[str, list[Tensor | float]] = {name: [0.0] * depth for name in sums}
    with (
        TemporaryDirectory(dir=scratch, prefix="calibprune-") as folder,
        evaluating(dense.model),
        evaluating(pruned.model),
        closing(dense.layers()) as dense_layers,
        closing(pruned.layers()) as pruned_layers,
    ):
        one, other = (_Side(side, tokens, Path(folder) / name) for side, name in ((dense, "dense"), (pruned, "pruned")))
        for (i, dense_layer), (_, pruned_layer) in zip(dense_layers, pruned_layers, strict=True):
            one.states_of(i + 1)
            other.states_of(i + 1)
            for batch in range(len(one.inputs.hidden)):
                h, output = one.inputs.run(dense_layer, i, batch), other.inputs.run(pruned_layer, i, batch)
                totals[i] += layer_sums(h, output)
                for name, add in sums.items():
                    further[name][i] += add(h, output).double().cpu()
                one.replace(batch, h)
                other.replace(batch, output)
            one.states.drop(i)
            other.states.drop(i)
        losses = _losses(pruned, other.inputs, tokens)
    return of_sums(totals, further, losses, tokens.numel(), pruned.model.config.hidden_size)


class _Side:
    """One model on its way through the layers: its hidden states are in files."""

    def __init__(self, side: Streamed, tokens: Tensor, folder: Path) -> None:
        folder.mkdir()
        self.states = States(folder, (*tokens.shape, side.model.config.hidden_size), side.model.dtype)
        with side.embeddings():
            self.inputs = capture(side.model, tokens, keep=self.states.begin(0))

    def states_of(self, layer: int) -> None:
        """Begin the file of what enters `layer`."""
        self._keep = self.states.begin(layer)

    def replace(self, batch: int, output: Tensor) -> None:
        """Let the batch's hidden states be what a layer made of them."""
        self.inputs.hidden[batch] = self._keep(output)


def _losses(pruned: Streamed, inputs: Inputs, tokens: Tensor) -> list[Tensor]:
    """Losses of each batch [windows, predictions] in nats, from the last layer's outputs."""
    norm, device = decoder(pruned.model).norm, device_of(pruned.model)
    windows = tokens.split(list(map(len, inputs.hidden)))
    with pruned.output_layer():
        return [
            window_losses(pruned.model, norm(states.to(device)), batch.to(device))
            for states, batch in zip(inputs.hidden, windows, strict=True)
        ]


def _check_alike(dense: Streamed, pruned: Streamed) -> None:
    configs = [side.model.config for side in (dense, pruned)]
    if len({(one.model_type, one.num_hidden_layers, one.hidden_size) for one in configs}) > 1:
        raise ParameterError(
            "fidelity: the dense side is of another family, depth or width than the pruned one; compare a model with "
            "its own pruned copy"
        )
