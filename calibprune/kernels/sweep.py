"""The Optimal Brain Surgeon sweep: columns are pruned left to right, each error is paid for by the columns to its right."""

from collections.abc import Callable

import torch
from torch import Tensor

BLOCK = 128
PANEL = 16


def sweep(weight: Tensor, factor: Tensor, select: Callable[[Tensor], Tensor], every: int | None = None) -> Tensor:
    """Prune `weight` in place, column by column, and return the mask.

    SparseGPT (Frantar & Alistarh 2023, Algorithm 1): with U the factor, column i's error e = (w_i − ŵ_i)/U_ii is spread over the columns to its
    right as w_k ← w_k − e·U_ik, inside a block of 128 columns at once and to the rest after the block. The columns of a panel
    of 16 are updated one by one; the remaining columns of the block see them in one product.

    Args:
        weight: float32 [out, in]; holds the pruned weights afterwards.
        factor: float32 [in, in], upper triangular, from `kernels.factor.inverse_factor`.
        select: takes scores w²/U_jj² float32 [out, every] of consecutive columns, already updated by everything to their left,
            and returns the bool mask of the same shape, True = pruned.
        every: how many columns are selected together: the m of an n:m pattern, or None for a whole block. Blocks are 128 columns wide, or
            the nearest multiple of `every` below.

    Returns:
        bool [out, in], True = pruned.
    """
    rows, columns = weight.shape
    work = weight.T.contiguous()  # a column of the weight matrix is contiguous here
    mask = torch.empty(columns, rows, dtype=torch.bool, device=weight.device)
    diagonal = factor.diagonal()
    block = max(BLOCK // every * every, every) if every else BLOCK
    every = every or block
    panel_width = max(w for w in range(1, PANEL + 1) if every % w == 0)  # a group is selected when everything to its left has reached it
    error = torch.empty(block, rows, device=weight.device)
    scaled = torch.empty_like(error)  # the mask over U_ii: an error is one product
    for start in range(0, columns, block):
        stop = min(start + block, columns)
        for panel in range(start, stop, panel_width):
            panel_end = min(panel + panel_width, stop)
            for i in range(panel, panel_end):
                if (i - start) % every == 0:
                    chosen = slice(i, min(i + every, stop))
                    score = (work[chosen] / diagonal[chosen, None]).square_()
                    mask[chosen] = select(score.T.contiguous()).T
                    torch.div(mask[chosen], diagonal[chosen, None], out=scaled[i - start : chosen.stop - start])
                e = torch.mul(work[i], scaled[i - start], out=error[i - start])
                if i + 1 < panel_end:
                    work[i + 1 : panel_end].addr_(factor[i, i + 1 : panel_end], e, alpha=-1)
            if panel_end < stop:
                done = error[panel - start : panel_end - start]
                work[panel_end:stop].addmm_(factor[panel:panel_end, panel_end:stop].T, done, alpha=-1)
        work[start:stop].masked_fill_(mask[start:stop], 0)
        if stop < columns:
            work[stop:].addmm_(factor[start:stop, stop:].T, error[: stop - start], alpha=-1)
    weight.copy_(work.T)
    return mask.T.contiguous()
