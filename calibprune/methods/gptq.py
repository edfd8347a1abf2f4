"""GPTQ (Frantar et al. 2023): round column by column and let the columns still to come pay for each error.

The Hessian, its damping and the sweep are SparseGPT's; a weight becomes the nearest level of its group's grid instead
of zero.
"""

from functools import partial

from calibprune.methods import sparsegpt
from calibprune.methods.base import Method
from calibprune.methods.hessian import attempt, prepare
from calibprune.schemes import Grid


def method(grid: Grid) -> Method:
    """GPTQ with columns in the order that the grid asks for."""
    ordered = {
        name: partial(function, act_order=grid.act_order)
        for name, function in (("attempt", attempt), ("prepare", prepare))
    }
    return sparsegpt.METHOD._replace(**ordered)
