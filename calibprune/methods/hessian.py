"""The Hessian of a linear's inputs as SparseGPT and GPTQ use it: damped, inverted and factored."""

from typing import NamedTuple

import torch
from torch import Tensor

from calibprune.errors import ModelError
from calibprune.kernels.factor import inverse_factor, try_inverse_factor
from calibprune.kernels.gram import symmetric
from calibprune.methods.base import check_finite

DAMPING = 0.01
RAISES = 3  # how many times damping may become tenfold


class Prepared(NamedTuple):
    """What a sweep needs to know of the inputs.

    Attributes:
        factor: U with UᵀU = (H + damping)⁻¹, float32 [in, in].
        dead: the inputs that were never anything but zero, bool [in].
        order: LongTensor [in], the inputs by falling diagonal, which the factor is then in; None for the order of the
            matrix.
        damping: the share of the mean diagonal that was added.
    """

    factor: Tensor
    dead: Tensor
    order: Tensor | None = None
    damping: float = DAMPING


def attempt(gram: Tensor, samples: int, act_order: bool = False) -> tuple[Prepared, Tensor]:
    """The inverse factor of the damped Hessian from the sum of xxᵀ over tokens, float32 [in, in], of `samples`
    sequences.

    H = 2/n·XXᵀ with n the number of sequences, as published. The scale cancels in the mask and in the update, but for
    dead inputs: their diagonal is set to 1, and the damping is 1% of the mean diagonal taken after that.

    Returns:
        what was prepared, and a bool [] on the device of `gram`: whether it can be relied on, since activations were
        finite and the matrix was positive definite in float32. The host does not wait for it.
    """
    hessian, dead, order = _hessian(gram, samples, act_order)
    diagonal = hessian.diagonal()
    finite = diagonal.isfinite().all()
    diagonal += DAMPING * diagonal.mean()
    factor, definite = try_inverse_factor(hessian)
    return Prepared(factor, dead, order), finite & definite


def prepare(gram: Tensor, samples: int, act_order: bool = False) -> Prepared:
    """As `attempt`, with as much damping as is needed; the host waits for it.

    Where the matrix is not positive definite, in float64 either, the damping becomes tenfold, three times at most.

    Raises:
        ModelError: activations that are not finite, or a Hessian that is not positive definite with the largest
        damping.
    """
    prepared, sound = attempt(gram, samples, act_order)
    if bool(sound):
        return prepared
    hessian, dead, order = _hessian(gram, samples, act_order)
    diagonal = hessian.diagonal()
    check_finite(diagonal)
    mean = diagonal.mean()
    added = 0.0
    for damping in (DAMPING * 10**k for k in range(RAISES + 1)):
        diagonal += (damping - added) * mean
        added = damping
        try:
            return Prepared(inverse_factor(hessian), dead, order, damping)
        except torch.linalg.LinAlgError:
            continue
    raise ModelError(
        f"the Hessian is not positive definite with {damping:g} of its mean diagonal added: calibrate on more tokens"
    )


def raised(prepared: Prepared) -> float | None:
    """The damping, where it had to be raised."""
    return prepared.damping if prepared.damping > DAMPING else None


def _hessian(gram: Tensor, samples: int, act_order: bool) -> tuple[Tensor, Tensor, Tensor | None]:
    """H without damping, dead inputs, and the order that its rows and columns are in."""
    hessian = symmetric(gram).mul_(2 / samples)
    diagonal = hessian.diagonal()
    dead = diagonal == 0
    diagonal.masked_fill_(dead, 1)  # unlike an index, a mask does not make the host wait for a GPU
    if not act_order:
        return hessian, dead, None
    order = diagonal.argsort(descending=True, stable=True)
    return hessian[order][:, order], dead, order
