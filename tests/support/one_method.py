"""A method on matrices, outside of any walk."""

from torch import Tensor

from calibprune.methods import Method
from calibprune.methods.base import Solved
from calibprune.schemes import Grid, Sparsity


def solve(
    method: Method, weights: list[Tensor], total, samples: int, sparsity: Sparsity | None, grid: Grid | None = None
) -> list[Solved]:
    """Solve weights in place from a statistic, with as much damping as is needed."""
    return method.solve(weights, method.prepare(total, samples, grid, True).value, sparsity, grid)
