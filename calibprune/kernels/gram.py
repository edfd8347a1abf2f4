"""Sums of outer products of activations (the Hessian of layer-wise pruning, up to a factor)."""

from collections.abc import Iterator
from contextlib import contextmanager, nullcontext

import torch
from torch import Tensor

from calibprune.kernels.device import takes_kernels

STRIPES = 4


def add_gram(total: Tensor | None, x: Tensor) -> Tensor:
    """Add xᵀx to `total`; only the lower triangle of the result is meaningful, see `symmetric`.

    The products are summed in float32 whatever the dtype of x. This is the Hessian of a layer's squared error (Frantar
    & Alistarh 2023, Section 3) up to a factor. It is symmetric: on a CPU four stripes of rows are computed up to the
    diagonal and a little beyond, 62% of the multiplications of the full product; on a GPU (`gram_triton`) the tiles up
    to the diagonal, about half, from 16-bit x as it is and from float32 in TF32 parts. A CPU with instructions for
    bfloat16 multiplies x of that dtype with them: products are exact in float32, in which they are summed.

    Args:
        total: float32 [in, in], or None at the start.
        x: activations [..., in] of any floating dtype.

    Returns:
        float32 [in, in]; the input `total`, updated in place, once it exists.
    """
    x = x.reshape(-1, x.shape[-1])
    columns = x.shape[1]
    if total is None:
        total = x.new_zeros(columns, columns, dtype=torch.float32)
    if takes_kernels(x):
        from calibprune.kernels import gram_triton

        gram_triton.add_gram(total, x if x.dtype.itemsize == 2 else x.float())
        return total
    height = -(-columns // STRIPES)
    exact = x.device.type == "cpu" and x.dtype == torch.bfloat16
    with _factors_in_bfloat16() if exact else nullcontext():
        x = x.float()
        for start in range(0, columns, height):
            stop = min(start + height, columns)
            total[start:stop, :stop].addmm_(x[:, start:stop].T, x[:, :stop])
    return total


@contextmanager
def _factors_in_bfloat16() -> Iterator[None]:
    """Let oneDNN round the factors of float32 products to bfloat16, which changes nothing where they are numbers of
    bfloat16 already.

    torch has no product of bfloat16 tensors with a float32 result on a CPU.
    """
    matmul = torch.backends.mkldnn.matmul
    before = matmul.fp32_precision
    matmul.fp32_precision = "bf16"
    try:
        yield
    finally:
        matmul.fp32_precision = before


def symmetric(total: Tensor) -> Tensor:
    """The full matrix [in, in] from the lower triangle that `add_gram` leaves; a new tensor."""
    lower = total.tril()
    return lower + lower.tril(-1).T
