"""The Hessian of a linear's inputs as SparseGPT and GPTQ use it: damped, inverted and factored."""

from typing import NamedTuple

import torch
from torch import Tensor

from calibprune.errors import ModelError
from calibprune.kernels.factor import inverse_factor, try_inverse_factor
from calibprune.kernels.gram import symmetric
from calibprune.methods.base import Prepared, check_finite
from calibprune.schemes import Grid

DAMPING = 0.01  # the share of the mean diagonal that is added to the diagonal, as published
RAISES = 3  # how many times damping may become tenfold


class Factored(NamedTuple):
    """What a sweep over the columns of a matrix needs to know of the inputs.

    Attributes:
        factor: U, upper triangular with UᵀU = (H + damping)⁻¹, float32 [in, in].
        dead: bool [in], the inputs that were zero in every token.
        order: LongTensor [in], the order in which columns are swept, which the rows and columns of `factor` are in;
            None for left to right.
    """

    factor: Tensor
    dead: Tensor
    order: Tensor | None = None


def prepare(gram: Tensor, samples: int, grid: Grid | None, retry: bool) -> Prepared:
    """The inverse factor of the damped Hessian, as `Prepared.value` a `Factored`; `Method.prepare` of SparseGPT and
    GPTQ.

    H = 2/n·XXᵀ with n the number of sequences, as published. The scale cancels in the mask and in the update, but for
    dead inputs: their diagonal is set to 1, and the damping is 1% of the mean diagonal taken after that. The result is
    sound where activations were finite and the damped H is positive definite in float32.

    With `retry` the factor is computed in float64 where float32 does not suffice, and where that fails too, damping is
    raised: tenfold, three times at most.

    Args:
        gram: the sum of xxᵀ over tokens, float32 [in, in], of which the lower triangle is read.
        samples: how many sequences it is of.
        grid: whose `act_order` asks for the columns by falling diagonal; None for left to right.

    Raises:
        ModelError: with `retry`, for activations that are not finite, or a Hessian that is not positive definite with
            the largest damping.
    """
    hessian, dead, order = _undamped(gram, samples, bool(grid and grid.act_order))
    diagonal = hessian.diagonal()
    if not retry:
        finite = diagonal.isfinite().all()
        diagonal += DAMPING * diagonal.mean()
        factor, definite = try_inverse_factor(hessian)
        return Prepared(Factored(factor, dead, order), finite & definite, DAMPING)
    check_finite(diagonal)
    mean = diagonal.mean()
    added = 0.0
    for damping in (DAMPING * 10**k for k in range(RAISES + 1)):
        diagonal += (damping - added) * mean
        added = damping
        try:
            return Prepared(Factored(inverse_factor(hessian), dead, order), damping=damping)
        except torch.linalg.LinAlgError:
            continue
    raise ModelError(
        f"the Hessian is not positive definite with {damping:g} of its mean diagonal added: calibrate on more tokens"
    )


def _undamped(gram: Tensor, samples: int, act_order: bool) -> tuple[Tensor, Tensor, Tensor | None]:
    """H without damping, [in, in]; dead inputs, bool [in]; and the order that rows and columns of H are in."""
    hessian = symmetric(gram).mul_(2 / samples)
    diagonal = hessian.diagonal()
    dead = diagonal == 0
    diagonal.masked_fill_(dead, 1)  # unlike an index, a mask does not make the host wait for a GPU
    if not act_order:
        return hessian, dead, None
    order = diagonal.argsort(descending=True, stable=True)
    return hessian[order][:, order], dead, order
