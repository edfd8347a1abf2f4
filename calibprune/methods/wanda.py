"""Wanda (Sun et al. 2024): in each output row the weights with the lowest |W_ij|·‖X_j‖₂ go; the others stay as they are."""

from torch import Tensor

from ..kernels.norms import add_column_squares
from ..kernels.selection import lowest_in_groups, lowest_per_row, zero
from ..sparsity import Sparsity
from .base import Method, check_finite


def score(weight: Tensor, squares: Tensor) -> Tensor:
    """Wanda's importance |W_ij|·‖X_j‖₂ (Eq. 1 of the paper), float32 [out, in]; `squares` is the sum over tokens of x_j², [in].

    The published code divides the squares by the number of sequences; a constant factor changes no ranking.
    """
    return weight.float().abs().mul_(squares.sqrt())


def solve(weight: Tensor, squares: Tensor, sparsity: Sparsity) -> Tensor:
    """Zero exactly ⌊in·sparsity⌋ weights of each row (n:m: n of every m) in place; returns the mask, bool [out, in].

    Ties go by lowest column index.
    """
    importance = score(weight, squares)
    if sparsity.m:
        mask = lowest_in_groups(importance, sparsity.n, sparsity.m)
    else:
        mask = lowest_per_row(importance, int(importance.shape[1] * sparsity.fraction))
    zero(weight, mask)
    return mask


def prepare(squares: Tensor, samples: int) -> Tensor:
    """The sums of squares as they are. Raises ModelError for activations that are not finite."""
    check_finite(squares)
    return squares


METHOD = Method(solve, add_column_squares, prepare)
