"""The triangular factor of an inverse Hessian that the OBS sweep reads."""

import torch
from scipy.linalg import lapack
from threadpoolctl import ThreadpoolController
from torch import Tensor

_BLAS = ThreadpoolController()


def inverse_factor(hessian: Tensor) -> Tensor:
    """The upper triangular U with UᵀU = H⁻¹, without forming H⁻¹.

    With J the reversal of the index order and JHJ = LLᵀ, U = J L⁻¹ J: one Cholesky factorisation and one triangular inverse, about half
    the operations of the three steps (factor, invert, factor) of the published code.

    Args:
        hessian: symmetric positive definite, float32 [n, n].

    Returns:
        float32 [n, n].

    Raises:
        torch.linalg.LinAlgError: the matrix is not positive definite, in float64 either.
    """
    reversed_ = hessian.flip(0, 1)
    inverse = _inverse_of_cholesky(reversed_)
    if inverse is None:
        inverse = _inverse_of_cholesky(reversed_.double())
    if inverse is None:
        raise torch.linalg.LinAlgError("not positive definite")
    return inverse.flip(0, 1).to(hessian.dtype)


def _inverse_of_cholesky(matrix: Tensor) -> Tensor | None:
    """L⁻¹ with LLᵀ = matrix, lower triangular; None where there is no such L."""
    if matrix.device.type != "cpu":
        factor, failed = torch.linalg.cholesky_ex(matrix)
        identity = torch.eye(len(matrix), dtype=matrix.dtype, device=matrix.device)
        return None if int(failed) else torch.linalg.solve_triangular(factor, identity, upper=False)
    # LAPACK counts columns first, so the lower triangle of the row-ordered matrix is its upper one; its triangular inverse does a
    # third of the operations of torch's solve against the identity. Its threads would wait for torch's on the same cores, so it gets one.
    cholesky, inverse = (lapack.spotrf, lapack.strtri) if matrix.dtype == torch.float32 else (lapack.dpotrf, lapack.dtrtri)
    with _BLAS.limit(limits=1, user_api="blas"):
        factor, failed = cholesky(matrix.numpy().T, lower=0, clean=1)
        return None if failed else torch.from_numpy(inverse(factor, lower=0, overwrite_c=1)[0].T)
