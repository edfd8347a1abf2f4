"""Sums of squares of the columns of an activation matrix (Wanda's statistic)."""

import torch
from torch import Tensor

from calibprune.kernels.device import takes_kernels

ROWS = 128  # a piece in float32 stays in the cache, while all of x would be written out and read back twice


def add_column_squares(total: Tensor | None, x: Tensor) -> Tensor:
    """Add the sum over tokens of x² to `total`: ‖X_j‖₂² of Wanda (Sun et al. 2024, Section 3).

    Squares and sums are in float32, and x is read once; on a GPU (`norms_triton`) there is no copy of it in float32.

    Args:
        total: float32 [in], or None at the start.
        x: activations [..., in] of any floating dtype.

    Returns:
        float32 [in]; the input `total`, updated in place, once it exists.
    """
    x = x.reshape(-1, x.shape[-1])
    if total is None:
        total = torch.zeros(x.shape[1], device=x.device)
    if takes_kernels(x):
        from calibprune.kernels import norms_triton

        total += norms_triton.column_squares(x if x.dtype.itemsize == 2 else x.float())
        return total
    for piece in x.split(ROWS if x.device.type == "cpu" else len(x)):
        total += piece.to(torch.float32, copy=True).square_().sum(dim=0)
    return total
