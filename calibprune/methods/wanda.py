"""Wanda (Sun et al. 2024): in each output row the weights with the lowest |W_ij|·‖X_j‖₂ go; the others stay as they
are.
"""

from torch import Tensor

from calibprune.kernels.norms import add_column_squares
from calibprune.kernels.selection import prune_rows
from calibprune.methods.base import Method, each_alone, finite
from calibprune.schemes import Sparsity


def prune(weight: Tensor, squares: Tensor, sparsity: Sparsity) -> Tensor:
    """Zero exactly ⌊in·sparsity⌋ weights of each row (n:m: n of every m) in place; returns the mask, bool [out, in].

    The score is |W_ij|·‖X_j‖₂ (Eq. 1 of the paper); `squares` is the sum over tokens of x_j², float32 [in]. The
    published code divides it by the number of sequences; a constant factor changes no ranking. Ties go by lowest column
    index.
    """
    quota = (sparsity.n, sparsity.m) if sparsity.m else int(weight.shape[1] * sparsity.fraction)
    return prune_rows(weight, squares.sqrt(), quota)


METHOD = Method("Wanda", each_alone(prune), add_column_squares, finite)
