"""The size of a change of weights on a text, from what the text's inputs sum up to.

‖ΔW X‖² = tr(ΔW G ΔWᵀ) with G = X Xᵀ, summed over tokens, is what the outputs of a linear change by where its weights
change by ΔW. It is an inner product of ΔWᵀΔW, which is computed once for a change, and G, which is computed once for a
text: many changes are measured on many texts without a product of matrices for each pair.
"""

from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Tensor

from calibprune.kernels.gram import add_gram
from calibprune.kernels.norms import add_column_squares


class Size(NamedTuple):
    """How the size of a change is computed.

    Attributes:
        accumulate: the statistic of a text, `(total or None, x [..., in]) -> total`.
        of_change: from a change, float32 [out, in], what its inner product with the statistic is taken of; of the
            statistic's shape.
    """

    accumulate: Callable[[Tensor | None, Tensor], Tensor]
    of_change: Callable[[Tensor], Tensor]


def _energies(change: Tensor) -> Tensor:
    """Σ_i ΔW_ij², float32 [in]."""
    return change.square().sum(dim=0)


def _products(change: Tensor) -> Tensor:
    """ΔWᵀΔW [in, in] with zeros above the diagonal and twice what is below it, since a Gram matrix is given by its
    lower triangle.
    """
    lower = add_gram(None, change).tril_()
    return lower.mul_(2).diagonal_scatter(lower.diagonal() / 2)


DIAGONAL = Size(add_column_squares, _energies)
"""With the diagonal of G alone, Σ ΔW_ij²·S_j: one number for each input and text. Exact for uncorrelated inputs."""

GRAM = Size(add_gram, _products)
"""Exact, with all of G: in² numbers for each text."""


def sizes(of_change: Tensor, statistics: list[Tensor]) -> Tensor:
    """The size of a change on each text, float64 [texts], from what a `Size` gives for both."""
    flat = of_change.flatten()
    return torch.stack([torch.dot(flat, statistic.flatten()) for statistic in statistics]).double()
