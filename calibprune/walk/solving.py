"""The linears of one layer solved from their statistics: everything is launched first, and a GPU is waited for once, at
the end.
"""

from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from calibprune.errors import ModelError
from calibprune.methods import Method
from calibprune.methods.base import Solved
from calibprune.schemes import Grid, Sparsity


@dataclass
class Task:
    """How the linears of layers are solved: the method, how many sequences its statistics are of, and what it aims
    at.
    """

    method: Method
    samples: int
    sparsity: Sparsity | None
    grid: Grid | None


@dataclass
class Attempt:
    """Linears that share a statistic, solved from it.

    Attributes:
        names: `layers.<i>.<component>` of each.
        weights: theirs [out, in], already changed.
        before: copies of them from before, where a method may have to start over; else empty.
        total: the statistic.
        solved: what became of each.
        damping: the share of the Hessian's mean diagonal that was added, where the usual one was too little.
        sound: bool [] on the device of the weights, whether all that can be relied on; None where that was known
            before.
    """

    names: list[str]
    weights: list[Tensor]
    before: list[Tensor]
    total: Any
    solved: list[Solved]
    damping: float | None
    sound: Tensor | None


def attempt(task: Task, total: Any, linears: dict[str, nn.Linear]) -> Attempt:
    """Solve linears that share a statistic, in place. Raises ModelError where that needs more memory than there is."""
    method, names, weights, sound = (
        task.method,
        list(linears),
        [linear.weight.data for linear in linears.values()],
        None,
    )
    with _one_line(names[0]):
        before = [weight.clone() for weight in weights] if method.mends else []
        if method.attempt is None:
            prepared = method.prepare(total, task.samples)
        else:
            prepared, sound = method.attempt(total, task.samples)
        solved = method.solve_each(weights, prepared, task.sparsity, task.grid)
        return Attempt(names, weights, before, total, solved, method.raised(prepared), sound)


def settle(task: Task, attempts: list[Attempt]) -> None:
    """Wait until a layer's attempts are known to be sound, and solve those that are not once more, with care.

    Raises:
        ModelError: activations that are not finite, or a statistic that cannot be used with care either.
    """
    flags = [each.sound for each in attempts if each.sound is not None]
    if not flags or bool(torch.stack(flags).all()):
        return
    for each in attempts:
        if each.sound is not None and not bool(each.sound):
            with _one_line(each.names[0]):
                prepared = task.method.prepare(each.total, task.samples)
                for weight, fresh in zip(each.weights, each.before, strict=True):
                    weight.copy_(fresh)
                each.solved = task.method.solve_each(each.weights, prepared, task.sparsity, task.grid)
                each.damping = task.method.raised(prepared)


@contextmanager
def _one_line(name: str):
    try:
        yield
    except ModelError as error:
        raise ModelError(f"{name}: {error}") from None
    except torch.OutOfMemoryError:
        raise ModelError(f"{name}: out of memory while its weights are solved; use a device with more memory") from None
