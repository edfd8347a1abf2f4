"""Which feed-forward neurons fire for which language: counts, LAPE, language-specific neurons (Section 5.3 and Appendix
D.4 of the paper).

A neuron is a column of the gate projection; it fires on a token where the output of the non-linearity after the gate is
above zero.
"""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from itertools import pairwise
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from calibprune.errors import ModelError, ParameterError, quoted
from calibprune.metrics.base import Metric
from calibprune.models.families import decoder

METRIC = Metric("neurons", "Language-specific neurons", models=("dense", "languages", "sweep"))


class Activations:
    """What `counting` has seen of a model so far.

    Attributes:
        counts: on how many tokens each neuron fired, int64 [layers, neurons].
        sums: Σ |output of the non-linearity| over tokens, float64 [layers, neurons].
        tokens: how many tokens each layer has seen, int64 [layers].
    """

    def __init__(self, layers: int, neurons: int, device: torch.device) -> None:
        self.counts = torch.zeros(layers, neurons, dtype=torch.int64, device=device)
        self.sums = torch.zeros(layers, neurons, dtype=torch.float64, device=device)
        self.tokens = torch.zeros(layers, dtype=torch.int64)
        self._work = torch.empty(0, device=device)

    @property
    def probabilities(self) -> Tensor:
        """The share of tokens on which each neuron fired (Eq. 11), float32 [layers, neurons] on the CPU; NaN before the
        first token.
        """
        return (self.counts.cpu().double() / self.tokens[:, None]).float()

    @property
    def mean_abs(self) -> Tensor:
        """The mean of |output of the non-linearity|, float32 [layers, neurons] on the CPU; NaN before the first
        token.
        """
        return (self.sums.cpu() / self.tokens[:, None]).float()

    def add(self, layer: int, outputs: Tensor) -> None:
        """Take in the outputs [..., neurons] of the non-linearity of one layer.

        A product with ones adds up columns several times as fast as a sum of a bool tensor does, and sums of zeros and
        ones are exact in float32 up to 2²⁴ tokens a call.
        """
        outputs = outputs.flatten(0, -2)
        if self._work.shape != outputs.shape:  # kept from call to call: fresh memory would cost as much as the sums
            self._work = torch.empty(outputs.shape, device=outputs.device)
        ones = self._work.new_ones(len(outputs))
        self.counts[layer] += (ones @ torch.gt(outputs, 0, out=self._work)).long()
        self.sums[layer] += ones @ self._work.copy_(outputs).abs_()
        self.tokens[layer] += len(outputs)


@contextmanager
def counting(model: nn.Module) -> Iterator[Activations]:
    """Count the activations of every decoder layer of `model`, and of no other model, while the block runs.

    Whatever runs the layers inside the block is counted, for example `calibprune.metrics.fidelity.fidelity`: no pass of
    its own is needed.

    Raises:
        ModelError: an architecture that is not supported, or without a non-linearity of its own in each layer's
        feed-forward part.
    """
    layers = decoder(model).layers
    functions = [getattr(layer.mlp, "act_fn", None) for layer in layers]
    if not all(isinstance(function, nn.Module) for function in functions) or len(set(functions)) < len(layers):
        raise ModelError(
            f"{type(model).__name__}: its layers have no mlp.act_fn module each, so their neurons cannot be counted"
        )
    activations = Activations(len(layers), layers[0].mlp.gate_proj.out_features, layers[0].mlp.gate_proj.weight.device)
    with ExitStack() as hooks:
        for number, function in enumerate(functions):
            hook = function.register_forward_hook(
                lambda _, __, outputs, number=number: activations.add(number, outputs.detach())
            )
            hooks.callback(hook.remove)
        yield activations


def lape(probabilities: Tensor) -> Tensor:
    """Language activation probability entropy −Σ p̃ ln p̃ with p̃ = p / Σp over languages, natural logarithm, 0·ln 0 =
    0 (Eq. 12; Tang et al. 2024).

    It lies between 0 (fires for one language alone) and ln L (for all alike). The paper's Eq. 12 lacks the minus sign.

    Args:
        probabilities: [layers, neurons, languages].

    Returns:
        float64 [layers, neurons]; NaN for a neuron that fires in no language.

    Raises:
        ParameterError: fewer than two languages, or values outside 0 to 1 or not a number.
    """
    shares = _checked(probabilities).double()
    return torch.special.entr(shares / shares.sum(dim=-1, keepdim=True)).sum(dim=-1)


def language_specific(probabilities: Tensor, share: float = 0.01, quantile: float = 0.95) -> Tensor:
    """The language-specific neurons of Tang et al. (2024), as their published code selects them.

    Neurons that in no language fire more often than the bar are left out. Of the others the round(share · all neurons)
    of lowest LAPE are chosen, ties by layer and neuron, and belong to every language in which they fire more often than
    the bar; one may belong to several. The bar is the round(quantile · size)-th smallest of all probabilities.

    Args:
        probabilities: [layers, neurons, languages].
        share: of all neurons, above 0 up to 1.
        quantile: above 0 up to 1.

    Returns:
        bool [layers, neurons, languages].

    Raises:
        ParameterError: a share or quantile outside its range, and as `lape`.
    """
    _check_share("share", share)
    _check_share("quantile", quantile)
    entropy = lape(probabilities).flatten()
    bar = probabilities.flatten().kthvalue(max(1, round(quantile * probabilities.numel()))).values
    above = probabilities > bar
    entropy[~above.any(dim=-1).flatten()] = torch.inf
    lowest = entropy.argsort(stable=True)[: round(share * entropy.numel())]
    chosen = torch.zeros(entropy.shape, dtype=torch.bool)
    chosen[lowest] = True
    return above & chosen.view(*above.shape[:2], 1)


def survival(dense: Tensor, pruned: Tensor) -> Tensor:
    """The share of each language's neurons in the dense model that are its neurons in the pruned model as well.

    Stacked over calibration languages, the shares are a square: does calibrating in language k keep more of k's neurons
    (the diagonal) than calibrating in other languages does (the rest of the column)?

    Args:
        dense, pruned: bool [layers, neurons, languages], from `language_specific`.

    Returns:
        float64 [languages]; NaN for a language without neurons in the dense model.

    Raises:
        ParameterError: shapes that differ.
    """
    if dense.shape != pruned.shape:
        raise ParameterError(
            f"neurons of shapes {list(dense.shape)} and {list(pruned.shape)}: compare a model with its own pruned copy"
        )
    return (dense & pruned).sum(dim=(0, 1)).double() / dense.sum(dim=(0, 1))


class Groups(NamedTuple):
    """Groups of neurons of ascending LAPE, each int64 positions in the flattened [layers · neurons], and how many
    neurons have no LAPE.
    """

    members: list[Tensor]
    never_active: int


def groups(lape_dense: Tensor, share: float = 0.02, upto: float = 0.30) -> Groups:
    """The neurons of lowest LAPE in groups of equal size (Figure 3 of the paper: 2% of all neurons each, up to 30%).

    Args:
        lape_dense: the dense model's LAPE, [layers, neurons]; neurons without one (NaN) are in no group, but count as
            neurons.
        share: of all neurons in one group, above 0 up to 1.
        upto: share of all neurons in all groups, `share` to 1.

    Returns:
        round(upto / share) groups, ties by layer and neuron; fewer, or a last one that is smaller, where not so many
        neurons have a LAPE.

    Raises:
        ParameterError: shares outside their range.
    """
    _check_share("share", share)
    if not share <= upto <= 1:
        raise ParameterError(f"upto {quoted(upto)}: give a share of all neurons from {share} to 1")
    flat = lape_dense.flatten()
    never = int(flat.isnan().sum())
    order = flat.argsort(stable=True)[: len(flat) - never]  # NaN is sorted last
    ends = [round(share * number * len(flat)) for number in range(round(upto / share) + 1)]
    members = [order[start:end] for start, end in pairwise(ends)]
    return Groups([group for group in members if len(group)], never)


def _checked(probabilities: Tensor) -> Tensor:
    if not isinstance(probabilities, Tensor) or probabilities.is_complex() or probabilities.is_meta:
        raise ParameterError(
            f"activation probabilities: give a tensor [layers, neurons, languages], not {_kind(probabilities)}"
        )
    if probabilities.ndim != 3 or probabilities.shape[-1] < 2:
        raise ParameterError(
            f"activation probabilities of shape {list(probabilities.shape)}: give [layers, neurons, "
            f"languages], two languages or more"
        )
    if not bool(((probabilities >= 0) & (probabilities <= 1)).all()):
        raise ParameterError(
            "activation probabilities: some are outside 0 to 1 or not a number; give the share of tokens "
            "on which a neuron fired"
        )
    return probabilities


def _kind(value: Any) -> str:
    return f"{value.dtype} on {value.device}" if isinstance(value, Tensor) else type(value).__name__


def _check_share(name: str, value: float) -> None:
    if not 0 < value <= 1:
        raise ParameterError(f"{name} {quoted(value)}: give a share above 0, at most 1")
