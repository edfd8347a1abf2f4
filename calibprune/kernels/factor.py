"""The triangular factor of an inverse Hessian that the OBS sweep reads."""

import mmap

import torch
from scipy.linalg import lapack
from threadpoolctl import ThreadpoolController
from torch import Tensor

_BLAS = ThreadpoolController()
BUFFERS = 2**27
"""Bytes of addresses that must be free on a CPU: scipy's BLAS waits without end for a buffer that it cannot get."""
LEAF = 896  # columns of a triangle that is solved against the identity
STRIPS = 4  # of a product with a triangle; what lies beyond the diagonal of each is left out


def try_inverse_factor(hessian: Tensor) -> tuple[Tensor, Tensor]:
    """The upper triangular U with UᵀU = H⁻¹, without forming H⁻¹; and whether there is one. The host does not wait for
    a GPU.

    With J the reversal of the index order and JHJ = LLᵀ, U = J L⁻¹ J: one Cholesky factorisation and one triangular
    inverse, about half the operations of the three steps (factor, invert, factor) of the published code.

    Args:
        hessian: symmetric, float32 or float64 [n, n].

    Returns:
        U, of the dtype and shape of the matrix, and a bool [] on its device: whether the matrix is positive definite in
        that dtype. Where it is not, U means nothing.
    """
    inverse, failed = _inverse_of_cholesky(hessian.flip(0, 1))
    return inverse.flip(0, 1), failed == 0


def inverse_factor(hessian: Tensor) -> Tensor:
    """As `try_inverse_factor`, float32, computed in float64 where float32 is not enough; the host waits for it.

    Raises:
        torch.linalg.LinAlgError: the matrix is not positive definite, in float64 either.
    """
    for dtype in (hessian.dtype, torch.float64):
        inverse, sound = try_inverse_factor(hessian.to(dtype))
        if bool(sound):
            return inverse.to(hessian.dtype)
    raise torch.linalg.LinAlgError("not positive definite")


def _inverse_of_cholesky(matrix: Tensor) -> tuple[Tensor, Tensor]:
    """L⁻¹ with LLᵀ = matrix, lower triangular; and 0, or another number where there is no such L."""
    if matrix.device.type != "cpu":
        factor, failed = torch.linalg.cholesky_ex(matrix)
        return triangular_inverse(factor), failed
    # LAPACK counts columns first, so the lower triangle of the row-ordered matrix is its upper one; its triangular
    # inverse does a third of the operations of torch's solve against the identity. Its threads would wait for torch's
    # on the same cores, so it gets one.
    cholesky, inverse = (
        (lapack.spotrf, lapack.strtri) if matrix.dtype == torch.float32 else (lapack.dpotrf, lapack.dtrtri)
    )
    mmap.mmap(-1, BUFFERS).close()  # an OSError where that is not to be had
    with _BLAS.limit(limits=1, user_api="blas"):
        factor, failed = cholesky(matrix.numpy().T, lower=0, clean=1)
        return torch.from_numpy(inverse(factor, lower=0, overwrite_c=1)[0].T), torch.tensor(failed)


def triangular_inverse(lower: Tensor) -> Tensor:
    """L⁻¹ of a lower triangular matrix [n, n], lower triangular too, from products of its halves; for a GPU, which is
    fast at them.

    With A and B the halves on the diagonal and C what is below, the part of the inverse below is −B⁻¹ C A⁻¹. A triangle
    in a product is taken in strips up to its diagonal. That is 0.21 n³ multiplications, where solving against the
    identity takes 0.5 n³.
    """
    inverse = torch.zeros_like(lower)
    _fill(inverse, lower, 0, len(lower))
    return inverse


def _fill(inverse: Tensor, lower: Tensor, start: int, stop: int) -> None:
    """Compute the part of the inverse from `start` to `stop`.

    This is no function inside the other one: Python keeps an inner function that calls itself, and the matrices that it
    sees, until it looks for cycles, and a GPU's memory may be full before.
    """
    if stop - start <= LEAF:
        here = slice(start, stop)
        identity = torch.eye(stop - start, dtype=lower.dtype, device=lower.device)
        inverse[here, here] = torch.linalg.solve_triangular(lower[here, here], identity, upper=False)
        return
    middle = (start + stop) // 2
    _fill(inverse, lower, start, middle)
    _fill(inverse, lower, middle, stop)
    below = torch.empty(stop - middle, middle - start, dtype=lower.dtype, device=lower.device)
    for first, last in _strips(middle, stop):
        torch.mm(
            inverse[first:last, middle:last],
            lower[middle:last, start:middle],
            out=below[first - middle : last - middle],
        )
    for first, last in _strips(start, middle):
        inverse[middle:stop, first:last] = below[:, first - start :] @ inverse[first:middle, first:last]
    inverse[middle:stop, start:middle].neg_()


def _strips(start: int, stop: int) -> list[tuple[int, int]]:
    height = -(-(stop - start) // STRIPS)
    return [(first, min(first + height, stop)) for first in range(start, stop, height)]
