"""Sums of squares of the columns of an activation matrix (Wanda's statistic)."""

from torch import Tensor


def add_column_squares(total: Tensor | None, x: Tensor) -> Tensor:
    """Add the sum over tokens of x² to `total`.

    Args:
        total: float32 [in], or None at the start.
        x: activations [..., in] of any floating dtype.

    Returns:
        float32 [in]; the input `total`, updated in place, once it exists.
    """
    squares = x.reshape(-1, x.shape[-1]).float().square().sum(dim=0)
    return squares if total is None else total.add_(squares)
