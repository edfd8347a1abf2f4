"""What a pruning method is."""

from collections.abc import Callable
from typing import Any, NamedTuple

from torch import Tensor

from ..errors import ModelError
from ..sparsity import Sparsity


class Method(NamedTuple):
    """A pruning method as three functions on tensors.

    Attributes:
        solve: `(weight [out, in], prepared, sparsity) -> mask` bool [out, in], True = pruned; changes the weights in place, in their own dtype.
        accumulate: `(total or None, x [..., in]) -> total`, adds a batch of a linear's inputs to its statistic; None for a method that needs no data.
        prepare: `(total, samples) -> prepared`, once for all linears that read the same tensor; `samples` is the number of sequences.
        solve_all: `(weights, prepared, sparsity) -> masks`, `solve` for all linears that read the same tensor at once, where that is faster.
    """

    solve: Callable[[Tensor, Any, Sparsity], Tensor]
    accumulate: Callable[[Tensor | None, Tensor], Tensor] | None = None
    prepare: Callable[[Tensor, int], Any] = lambda total, samples: total
    solve_all: Callable[[list[Tensor], Any, Sparsity], list[Tensor]] | None = None

    def solve_each(self, weights: list[Tensor], prepared: Any, sparsity: Sparsity) -> list[Tensor]:
        """The masks of all linears that read the same tensor, in their order."""
        if self.solve_all is not None:
            return self.solve_all(weights, prepared, sparsity)
        return [self.solve(weight, prepared, sparsity) for weight in weights]


def check_finite(statistic: Tensor) -> None:
    """Raises ModelError where a statistic of activations holds an infinite or undefined value."""
    if not bool(statistic.isfinite().all()):
        raise ModelError("the activations hold infinite or undefined values: use dtype bfloat16 or float32, and check the checkpoint")
