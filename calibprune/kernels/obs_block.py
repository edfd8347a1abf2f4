"""One block of the Optimal Brain Surgeon sweep: up to 128 columns, left to right, each error paid for by the columns to
its right.
"""

import torch
from torch import Tensor

from calibprune.kernels.device import takes_kernels
from calibprune.kernels.rounding import on_grid
from calibprune.kernels.selection import lowest_per_row

PANEL = 16


def solve_block(
    work: Tensor,
    factor: Tensor,
    mask: Tensor | None = None,
    nm: tuple[int, int] | None = None,
    scale: Tensor | None = None,
    zero: Tensor | None = None,
    levels: int = 0,
) -> Tensor:
    """Prune, round, or prune and round the columns of a block in place, and return their errors.

    SparseGPT (Frantar & Alistarh 2023, Algorithm 1) and GPTQ (Frantar et al. 2023, Algorithm 1): with U the factor,
    column i becomes ŵ_i, and its error e_i = (w_i − ŵ_i)/U_ii moves the columns to its right, w_k ← w_k − e_i·U_ik.

    Args:
        work: float32 [columns, rows], columns of the weight matrix, each contiguous; holds the solved weights
            afterwards.
        factor: float32 [columns, columns], the upper triangular block of U.
        mask: bool [columns, rows], True = pruned: given, or filled in where `nm` is; None where nothing is pruned.
        nm: prune the n lowest w²/U_jj² of every m columns of a row, chosen when the sweep reaches them; of equal scores
            the first column goes first.
        scale, zero: float32 [columns, rows], what to round to, see `kernels.rounding`; None where nothing is rounded.
        levels: how many codes the grid has.

    Returns:
        float32 [columns, rows], the errors e; sums are in float32.

    On a CPU panels of 16 columns are solved one by one and spread over the rest of the block in a product; on a GPU
    (`obs_block_triton`) one launch solves the block, its rows side by side.
    """
    if takes_kernels(work):
        from calibprune.kernels import obs_block_triton

        return obs_block_triton.solve_block(work, factor, mask, nm, scale, zero, levels)
    columns = len(work)
    diagonal = factor.diagonal()
    error = torch.empty_like(work)
    every = nm[1] if nm else columns
    # a group is chosen when everything to its left has reached it
    panel_width = max(w for w in range(1, PANEL + 1) if every % w == 0 or not nm)
    # the mask over U_ii: an error is one product
    scaled = torch.empty_like(work) if mask is not None and scale is None else None
    for panel in range(0, columns, panel_width):
        panel_end = min(panel + panel_width, columns)
        for i in range(panel, panel_end):
            if i % every == 0:
                chosen = slice(i, min(i + every, columns))
                if nm:
                    score = (work[chosen] / diagonal[chosen, None]).square_()
                    mask[chosen] = lowest_per_row(score.T.contiguous(), nm[0]).T
                if scaled is not None:
                    torch.div(mask[chosen], diagonal[chosen, None], out=scaled[chosen])
            if scale is None:
                e = torch.mul(work[i], scaled[i], out=error[i])
            else:
                kept = work[i] if mask is None else work[i].masked_fill(mask[i], 0)
                solved = on_grid(kept, scale[i], zero[i], levels)
                e = torch.sub(work[i], solved, out=error[i]).div_(diagonal[i])
                work[i] = solved
            if i + 1 < panel_end:
                work[i + 1 : panel_end].addr_(factor[i, i + 1 : panel_end], e, alpha=-1)
        if panel_end < columns:
            work[panel_end:].addmm_(factor[panel:panel_end, panel_end:].T, error[panel:panel_end], alpha=-1)
    if scale is None:
        work.masked_fill_(mask, 0)
    return error
