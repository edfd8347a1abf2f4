"""Rounding to a grid: code = clamp(round(w / scale) + zero, 0, levels − 1), and back as scale · (code − zero).

The grids of GPTQ's published code (Frantar et al. 2023), without its search for a smaller range; halves are rounded to
even.
"""

import torch
from torch import Tensor

from calibprune.schemes import Grid


def fit(weight: Tensor, grid: Grid, dtype: torch.dtype) -> tuple[Tensor, Tensor]:
    """Scale and zero point of one group of columns, for each row.

    Args:
        weight: float32 [columns, rows], the group's columns one after another.
        dtype: the scale is rounded to it, since that is what a checkpoint keeps.

    Returns:
        (scale, zero), both float32 [rows]; zero is a whole number in 0 … levels − 1. A group of zeros gets the range −1
        … 1.
    """
    steps = grid.levels - 1
    if grid.symmetric:
        high = weight.abs().amax(dim=0)
        low = -high
    else:
        low, high = weight.amin(dim=0).clamp_(max=0), weight.amax(dim=0).clamp_(min=0)
    empty = low == high
    low, high = low.masked_fill(empty, -1), high.masked_fill(empty, 1)
    scale = ((high - low) / steps).to(dtype).float()
    scale.clamp_(min=torch.finfo(dtype).smallest_normal)
    zero = torch.full_like(scale, grid.levels // 2) if grid.symmetric else torch.round(-low / scale).clamp_(0, steps)
    return scale, zero


def on_grid(weight: Tensor, scale: Tensor, zero: Tensor, levels: int) -> Tensor:
    """The nearest value of the grid, float32; all of one shape, or shapes that broadcast."""
    code = torch.round(weight / scale).add_(zero).clamp_(0, levels - 1)
    return code.sub_(zero).mul_(scale)
