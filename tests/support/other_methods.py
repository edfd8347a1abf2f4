"""Two methods that calibprune does not have, as somebody's own package would bring them.

`random` prunes a random share of each row, drawn anew for each calibration text. `loud` rounds each weight to the
nearest level between the least and the largest weight on the louder half of a group's inputs.
"""

import torch
from torch import Tensor

from calibprune.kernels.norms import add_column_squares
from calibprune.kernels.rounding import fit, on_grid
from calibprune.kernels.selection import lowest_per_row
from calibprune.methods import Does, Method, Quantized
from calibprune.methods.base import Solved, each_alone, finite
from calibprune.schemes import Grid, Sparsity


def prune(weight: Tensor, squares: Tensor, sparsity: Sparsity) -> Tensor:
    draw = torch.Generator().manual_seed(int(squares.double().sum() * 1000) % 2**32)
    mask = lowest_per_row(torch.rand(weight.shape, generator=draw), int(weight.shape[1] * sparsity.fraction))
    weight.masked_fill_(mask, 0)
    return mask


def solve(weights: list[Tensor], squares: Tensor, sparsity: None, grid: Grid) -> list[Solved]:
    loud = (squares >= squares.median())[:, None]
    found = []
    for weight in weights:
        columns = weight.float().T
        grids = [fit(group, grid, weight.dtype) for group in (columns * loud).split(grid.group_size)]
        groups = zip(columns.split(grid.group_size), grids, strict=True)
        weight.copy_(torch.cat([on_grid(group, *fitted, grid.levels) for group, fitted in groups]).T)
        scale, zero = (torch.stack(parts, dim=1) for parts in zip(*grids, strict=True))
        found.append(Solved(None, Quantized(scale.to(weight.dtype), zero.to(torch.uint8))))
    return found


RANDOM = Method("Random", each_alone(prune), add_column_squares, finite)
LOUD = Method("Loud", solve, add_column_squares, finite, Does.ROUND)
