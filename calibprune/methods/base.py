"""What a method is: functions on tensors, and what to call it."""

from collections.abc import Callable
from enum import Flag, auto
from typing import Any, NamedTuple

from torch import Tensor

from calibprune.errors import ModelError
from calibprune.schemes import Grid, Sparsity


class Does(Flag):
    """What a method can do to weights. One that does both rounds the weights it keeps while it prunes the others."""

    PRUNE = auto()
    ROUND = auto()


class Quantized(NamedTuple):
    """The grid that a matrix's weights lie on: w = scale · (code − zero), with a code of so many bits for each weight.

    Attributes:
        scale: [out, groups], in the model's dtype.
        zero: the code of 0, uint8 [out, groups].
    """

    scale: Tensor
    zero: Tensor


class Solved(NamedTuple):
    """What a method did to one matrix.

    Attributes:
        mask: bool [out, in], True = pruned; None where nothing was pruned.
        grid: what the weights were rounded to; None where they were not.
    """

    mask: Tensor | None
    grid: Quantized | None = None


class Prepared(NamedTuple):
    """A statistic in the form that `Method.solve` takes.

    Attributes:
        value: what `solve` is given.
        sound: bool [] on the statistic's device, whether `value` can be used; None where that is already certain.
        damping: the share of the Hessian's mean diagonal that was added to it; None for a method that adds nothing.
            Where it is None, no copies of the weights are kept, and a second try must raise an error.
    """

    value: Any
    sound: Tensor | None = None
    damping: float | None = None


def finite(statistic: Tensor, samples: int, grid: Grid | None, retry: bool) -> Prepared:
    """`Method.prepare` for a tensor that is used as it is, and is sound where all its values are finite.

    Raises:
        ModelError: with `retry`, since trying again does not help.
    """
    if retry:
        check_finite(statistic)
    return Prepared(statistic, statistic.isfinite().all())


def unchecked(statistic: Any, samples: int, grid: Grid | None, retry: bool) -> Prepared:
    """`Method.prepare` for anything that is used as it is."""
    return Prepared(statistic)


class Method(NamedTuple):
    """A method that prunes, rounds, or does both.

    For each tensor that linears of a layer read, a walk through the model calls `accumulate` once a batch, then
    `prepare` once, then `solve` once for all linears that read the tensor.

    Attributes:
        label: the name in tables and figures, such as "SparseGPT".
        solve: `(weights, value, sparsity, grid) -> [Solved]`, one for each weight. Changes the weights, [out, in] each,
            in place and in their own dtype. `value` is that of `Prepared`; `sparsity` (with `m` above 0: n of every m
            consecutive inputs go) is None where nothing is to be pruned, `grid` where nothing is to be rounded.
            `each_alone` makes one from a function for one matrix.
        accumulate: `(total or None, x [..., in]) -> total`, the statistic with a batch of inputs added; None for a
            method that needs no text.
        prepare: `(total, samples, grid, retry) -> Prepared`, from the statistic of `samples` sequences. With `retry`
            false nothing may be asked of a GPU that the host would have to wait for (`item`, `bool`, a copy to the
            CPU): whether the statistic can be used is left on the GPU, as `sound`. The host looks at it once, at the
            end of a layer; where it is false, `prepare` is called again with `retry` true. It may then wait, and either
            raises damping until the result is sound or raises ModelError.
        does: `Does.PRUNE`, `Does.ROUND`, or both.
    """

    label: str
    solve: Callable[[list[Tensor], Any, Sparsity | None, Grid | None], list[Solved]]
    accumulate: Callable[[Any, Tensor], Any] | None = None
    prepare: Callable[[Any, int, Grid | None, bool], Prepared] = unchecked
    does: Does = Does.PRUNE

    @property
    def prunes(self) -> bool:
        """Whether it can be asked for a sparsity."""
        return Does.PRUNE in self.does

    @property
    def rounds(self) -> bool:
        """Whether it can be asked for a grid."""
        return Does.ROUND in self.does


def each_alone(prune: Callable[[Tensor, Any, Sparsity], Tensor]) -> Callable[..., list[Solved]]:
    """`Method.solve` from `(weight, value, sparsity) -> mask`, which prunes one matrix [out, in] in place and returns
    its mask, bool [out, in].
    """

    def solve(weights: list[Tensor], value: Any, sparsity: Sparsity, grid: None) -> list[Solved]:
        return [Solved(prune(weight, value, sparsity)) for weight in weights]

    return solve


def check_finite(statistic: Tensor) -> None:
    """Raises ModelError where a statistic of activations holds an infinite or undefined value."""
    if not bool(statistic.isfinite().all()):
        raise ModelError(
            "the activations hold infinite or undefined values: use dtype bfloat16 or float32, and check the checkpoint"
        )
