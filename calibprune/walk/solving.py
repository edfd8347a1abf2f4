"""How the linears of one layer get their new weights, without making the program wait for a GPU at each matrix.

Asking a GPU for a value, such as whether a matrix could be factored, stops the program until everything launched before
is computed. So every matrix of a layer is first solved in the usual way, whether or not its statistic turns out to be
sound (`try_without_waiting`). At the end of the layer one question is asked for all of them, and those that were not
sound are solved again from their old weights, with damping raised as far as needed (`check_and_retry`).
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from calibprune.errors import ModelError
from calibprune.methods.base import Method, Solved
from calibprune.schemes import Grid, Sparsity


@dataclass
class Plan:
    """What is done to every linear of a model.

    Attributes:
        method: how.
        samples: how many sequences its statistics are of; 0 for a method that needs no text.
        sparsity: how much to prune; None for nothing.
        grid: what to round to; None for no rounding.
    """

    method: Method
    samples: int
    sparsity: Sparsity | None
    grid: Grid | None


@dataclass
class Attempt:
    """Linears that read the same tensor, solved from its statistic.

    Attributes:
        names: `layers.<i>.<component>` of each.
        weights: [out, in] each, already changed.
        before: copies of them from before, where damping may have to be raised; else empty.
        total: the statistic.
        solved: what became of each.
        sound: bool [] on the statistic's device, whether the result can be used; None where that is already certain.
        damping: the share of the Hessian's mean diagonal that was added to it; None for a method that adds nothing.
        raised: whether that is more than the usual share, which was too little.
    """

    names: list[str]
    weights: list[Tensor]
    before: list[Tensor]
    total: Any
    solved: list[Solved]
    sound: Tensor | None
    damping: float | None
    raised: bool = False


def try_without_waiting(plan: Plan, total: Any, linears: dict[str, nn.Linear]) -> Attempt:
    """Solve linears that read the same tensor, in place, in the usual way; whether that is sound is not asked here.

    Args:
        total: the statistic of what they read.
        linears: `layers.<i>.<component>` -> linear.

    Raises:
        ModelError: there is not enough memory.
    """
    names = list(linears)
    weights = [linear.weight.data for linear in linears.values()]
    with _naming(names[0]):
        value, sound, damping = plan.method.prepare(total, plan.samples, plan.grid, False)
        before = [] if damping is None else [weight.clone() for weight in weights]
        solved = plan.method.solve(weights, value, plan.sparsity, plan.grid)
        return Attempt(names, weights, before, total, solved, sound, damping)


def check_and_retry(plan: Plan, attempts: list[Attempt]) -> None:
    """Wait until it is known which attempts of a layer are sound; solve the others again, with damping raised.

    Raises:
        ModelError: activations that are not finite, a Hessian that stays unsound with the largest damping, or not
            enough memory.
    """
    flags = [attempt.sound for attempt in attempts if attempt.sound is not None]
    if not flags or bool(torch.stack(flags).all()):
        return
    for attempt in attempts:
        if attempt.sound is not None and not bool(attempt.sound):
            with _naming(attempt.names[0]):
                _retry(plan, attempt)


def _retry(plan: Plan, attempt: Attempt) -> None:
    value, _, damping = plan.method.prepare(attempt.total, plan.samples, plan.grid, True)
    if not attempt.before:
        raise ModelError(
            "the statistic cannot be used, and the old weights are gone: a method whose second try may "
            "succeed gives a damping"
        )
    for weight, old in zip(attempt.weights, attempt.before, strict=True):
        weight.copy_(old)
    attempt.solved = plan.method.solve(attempt.weights, value, plan.sparsity, plan.grid)
    attempt.damping, attempt.raised = damping, damping != attempt.damping


@contextmanager
def _naming(linear: str) -> Iterator[None]:
    """Let errors name the linear."""
    try:
        yield
    except ModelError as error:
        raise ModelError(f"{linear}: {error}") from None
    except torch.OutOfMemoryError:
        raise ModelError(
            f"{linear}: out of memory while its weights are solved; use a device with more memory"
        ) from None
