"""What a method is: how it solves the weights of linears from a statistic of what these linears read."""

from collections.abc import Callable
from typing import Any, NamedTuple, Self

import torch
from torch import Tensor

from calibprune.errors import ModelError
from calibprune.kernels.sweep import Swept
from calibprune.schemes import Grid, Sparsity


class Quantized(NamedTuple):
    """The grid of a matrix's weights: scale [out, groups] in the model's dtype, zero point uint8 [out, groups]; w =
    scale · (code − zero).
    """

    scale: Tensor
    zero: Tensor


class Solved(NamedTuple):
    """What became of a matrix: mask bool [out, in], True = pruned, or None; the grid that its weights were rounded to,
    or None.
    """

    mask: Tensor | None
    grid: Quantized | None = None

    @classmethod
    def split(cls, swept: Swept, rows: list[int], dtype: torch.dtype) -> list[Self]:
        """What became of each of the matrices, of so many rows, that were swept as one."""
        masks = swept.mask.split(rows) if swept.mask is not None else [None] * len(rows)
        if swept.scale is None:
            return [cls(mask) for mask in masks]
        grids = zip(swept.scale.to(dtype).split(rows), swept.zero.to(torch.uint8).split(rows), strict=True)
        return [cls(mask, Quantized(*grid)) for mask, grid in zip(masks, grids, strict=True)]


class Method(NamedTuple):
    """A method as functions on tensors.

    Attributes:
        solve: `(weight [out, in], prepared, sparsity) -> mask` bool [out, in], True = pruned; changes the weights in
            place, in their own dtype.
        accumulate: `(total or None, x [..., in]) -> total`, adds a batch of a linear's inputs to its statistic; None
            for a method that needs no data.
        prepare: `(total, samples) -> prepared`, once for all linears that read the same tensor; `samples` is the number
            of sequences. Raises ModelError for a statistic that cannot be used.
        attempt: `(total, samples) -> (prepared, sound)`, the same for a host that does not wait for a GPU: `sound` is a
            bool [] on the device of the statistic, and where it turns out to be false `prepare` is asked. None where
            `prepare` never waits.
        solve_all: `(weights, prepared, sparsity, grid) -> [Solved]`, all linears that read the same tensor at once,
            where that is faster. `sparsity` is None where nothing is pruned, `grid` where nothing is rounded.
        mends: whether `prepare` may succeed where the attempt was not sound, so that weights have to be kept until it
            is known.
        rounds: whether `solve_all` takes a grid.
        raised: `prepared -> damping`, where the usual one was too little, else None.
    """

    solve: Callable[[Tensor, Any, Sparsity], Tensor]
    accumulate: Callable[[Tensor | None, Tensor], Tensor] | None = None
    prepare: Callable[[Tensor, int], Any] = lambda total, samples: total
    attempt: Callable[[Tensor, int], tuple[Any, Tensor]] | None = None
    solve_all: Callable[[list[Tensor], Any, Sparsity | None, Grid | None], list[Solved]] | None = None
    mends: bool = False
    rounds: bool = False
    raised: Callable[[Any], float | None] = lambda prepared: None

    def solve_each(
        self, weights: list[Tensor], prepared: Any, sparsity: Sparsity | None, grid: Grid | None = None
    ) -> list[Solved]:
        """What becomes of all linears that read the same tensor, in their order."""
        if self.solve_all is not None:
            return self.solve_all(weights, prepared, sparsity, grid)
        return [Solved(self.solve(weight, prepared, sparsity)) for weight in weights]


def check_finite(statistic: Tensor) -> None:
    """Raises ModelError where a statistic of activations holds an infinite or undefined value."""
    if not bool(statistic.isfinite().all()):
        raise ModelError(
            "the activations hold infinite or undefined values: use dtype bfloat16 or float32, and check the checkpoint"
        )
