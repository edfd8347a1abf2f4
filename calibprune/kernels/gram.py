"""Sums of outer products of activations (the Hessian of layer-wise pruning, up to a factor)."""

import torch
from scipy.linalg.blas import ssyrk
from torch import Tensor


def add_gram(total: Tensor | None, x: Tensor) -> Tensor:
    """Add xᵀx to `total`; only the lower triangle of the result is meaningful, see `symmetric`.

    The products are summed in float32 whatever the dtype of x: on the CPU by BLAS' symmetric rank-k update, which does
    half the multiplications of a full product and accumulates in place; elsewhere by a float32 product.

    Args:
        total: float32 [in, in], or None at the start.
        x: activations [..., in] of any floating dtype.

    Returns:
        float32 [in, in]; the input `total`, updated in place, once it exists.
    """
    x = x.reshape(-1, x.shape[-1]).float()
    if total is None:
        total = x.new_zeros(x.shape[1], x.shape[1])
    if x.device.type != "cpu":
        return total.addmm_(x.T, x)
    # BLAS counts columns first: the transposes are Fortran-ordered views of the same memory, so nothing is copied,
    # and its upper triangle is the lower one of the row-ordered matrix.
    ssyrk(1.0, x.contiguous().numpy().T, beta=1.0, c=total.numpy().T, overwrite_c=1, lower=0)
    return total


def symmetric(total: Tensor) -> Tensor:
    """The full matrix [in, in] from the lower triangle that `add_gram` leaves; a new tensor."""
    lower = total.tril()
    return lower + lower.tril(-1).T
