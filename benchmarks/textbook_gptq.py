"""GPTQ of one matrix as its paper describes it (Frantar et al. 2023, Algorithm 1), a Python loop over columns: the
other side of a ratio.
"""

import torch
from torch import Tensor


@torch.no_grad()
def solve(weight: Tensor, hessian: Tensor, bits: int, group_size: int, block: int = 128) -> None:
    """Round `weight` [out, in] to symmetric groups of `group_size` columns in place; changes `hessian`, float32 [in,
    in], too.

    A group's scale is taken from the weights as they are when the loop comes to its first column. Three steps to the
    inverse factor.
    """
    w, levels = weight.float(), 2**bits
    diagonal = hessian.diagonal()
    dead = diagonal == 0
    diagonal[dead] = 1
    w[:, dead] = 0
    diagonal += 0.01 * diagonal.mean()
    factor = torch.linalg.cholesky(torch.cholesky_inverse(torch.linalg.cholesky(hessian)), upper=True)
    for start in range(0, w.shape[1], block):
        stop = min(start + block, w.shape[1])
        inner, u = w[:, start:stop].clone(), factor[start:stop, start:stop]
        errors = torch.zeros_like(inner)
        for i in range(stop - start):
            if (start + i) % group_size == 0:
                scale = w[:, start + i : start + i + group_size].abs().amax(dim=1) * 2 / (levels - 1)
                scale[scale == 0] = 1
                scale = scale.to(weight.dtype).float()  # as a checkpoint keeps it
            column = inner[:, i].clone()
            rounded = scale * (torch.clamp(torch.round(column / scale) + levels // 2, 0, levels - 1) - levels // 2)
            errors[:, i] = (column - rounded) / u[i, i]
            inner[:, i:] -= errors[:, i : i + 1] @ u[i : i + 1, i:]
            inner[:, i] = rounded
        w[:, start:stop] = inner
        w[:, stop:] -= errors @ factor[start:stop, stop:]
    weight.copy_(w)
