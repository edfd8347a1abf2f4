"""Slow, plain versions of what the package computes, written from the papers; float64 unless a test asks for float32.

Wanda: Sun et al. 2024, Section 3. SparseGPT: Frantar & Alistarh 2023, Algorithm 1 and Appendix A. Fidelity: Eq. 1 and 2
of the study's paper. Nothing here is taken from the package, except how a model's layers and linears are found in
`prune_with_whole_network`.
"""

import math
from collections.abc import Iterator

import numpy as np
import torch
from torch import Tensor, nn

DAMPING = 0.01


def wanda_mask(
    weight: np.ndarray, inputs: np.ndarray, sparsity: float = 0.0, nm: tuple[int, int] | None = None
) -> np.ndarray:
    """Row by row: a stable ascending sort of |w|·‖x‖, the first ones go. `weight` [out, in], `inputs` [tokens, in]."""
    score = np.abs(weight.astype(np.float64)) * np.sqrt((inputs.astype(np.float64) ** 2).sum(axis=0))
    mask = np.zeros(score.shape, bool)
    rows, columns = score.shape
    quota, width = nm or (int(columns * sparsity), columns)
    for row in range(rows):
        for start in range(0, columns, width):
            order = np.argsort(score[row, start : start + width], kind="stable")
            mask[row, start + order[:quota]] = True
    return mask


def hessian(sequences: list[Tensor], dtype: torch.dtype = torch.float64) -> Tensor:
    """The published running mean 2/N·Σ xᵀx over N sequences [tokens, in], one at a time."""
    total = torch.zeros(sequences[0].shape[-1], sequences[0].shape[-1], dtype=dtype)
    for seen, x in enumerate(sequences):
        total *= seen / (seen + 1)
        scaled = math.sqrt(2 / (seen + 1)) * x.to(dtype)
        total += scaled.T @ scaled
    return total


def damped(total: Tensor) -> tuple[Tensor, Tensor]:
    """Dead inputs get a diagonal of 1, then 1% of the mean diagonal is added: (damped Hessian, dead inputs)."""
    total = total.clone()
    dead = total.diagonal() == 0
    total.diagonal()[dead] = 1
    total.diagonal().add_(DAMPING * total.diagonal().mean().item())
    return total, dead


def factor_in_three_steps(total: Tensor) -> Tensor:
    """Upper U with UᵀU = H⁻¹ as published: factor, invert, factor."""
    return torch.linalg.cholesky(torch.cholesky_inverse(torch.linalg.cholesky(total)), upper=True)


def sparsegpt(
    weight: Tensor,
    sequences: list[Tensor],
    sparsity: float = 0.0,
    nm: tuple[int, int] | None = None,
    dtype: torch.dtype = torch.float64,
    block: int = 128,
) -> tuple[Tensor, Tensor]:
    """The published algorithm: (weights after it, mask), in `dtype`."""
    weight = weight.to(dtype).clone()
    total, dead = damped(hessian(sequences, dtype))
    weight[:, dead] = 0
    factor = factor_in_three_steps(total)
    mask = torch.zeros(weight.shape, dtype=torch.bool)
    for start in range(0, weight.shape[1], block):
        stop = min(start + block, weight.shape[1])
        inner, errors, u = (
            weight[:, start:stop].clone(),
            torch.zeros(len(weight), stop - start, dtype=dtype),
            factor[start:stop, start:stop],
        )
        chosen = torch.zeros(inner.shape, dtype=torch.bool)
        if nm is None and sparsity:
            score = inner**2 / u.diagonal() ** 2
            chosen = score <= score.flatten().sort().values[int(score.numel() * sparsity)]
        for i in range(stop - start):
            if nm and i % nm[1] == 0:
                score = inner[:, i : i + nm[1]] ** 2 / u.diagonal()[i : i + nm[1]] ** 2
                chosen.scatter_(1, i + score.sort(dim=1, stable=True).indices[:, : nm[0]], True)
            kept = torch.where(chosen[:, i], 0.0, inner[:, i])
            errors[:, i] = (inner[:, i] - kept) / u[i, i]
            inner[:, i:] -= errors[:, i, None] * u[i, i:]
            inner[:, i] = kept
        weight[:, start:stop], mask[:, start:stop] = inner, chosen
        weight[:, stop:] -= errors @ factor[start:stop, stop:]
    return weight, mask


def obs_states(weight: Tensor, total: Tensor, mask: Tensor) -> Iterator[Tensor]:
    """Optimal Brain Surgeon with a given mask, left to right, without blocks or factors, float64.

    Yields the weights before each column is settled, and at the end those after the last. Each column is taken out of
    the explicit inverse Hessian by Gaussian elimination once it is settled.
    """
    weight, inverse = weight.double().clone(), torch.linalg.inv(total.double())
    for i in range(weight.shape[1]):
        yield weight
        change = torch.where(mask[:, i], weight[:, i], 0.0) / inverse[i, i]
        weight[:, i:] -= torch.outer(change, inverse[i, i:])
        weight[:, i].masked_fill_(mask[:, i], 0)
        inverse[i + 1 :, i + 1 :] -= torch.outer(inverse[i + 1 :, i], inverse[i, i + 1 :]) / inverse[i, i]
    yield weight


def obs_sweep(weight: Tensor, total: Tensor, mask: Tensor) -> Tensor:
    """The weights after the last column, see `obs_states`."""
    *_, last = obs_states(weight, total, mask)
    return last


@torch.no_grad()
def prune_with_whole_network(model: nn.Module, tokens: Tensor, solve) -> dict[str, Tensor]:
    """For each layer the whole model is run on one window at a time, and each linear is solved from its own float32
    inputs.

    `solve(weight [out, in], sequences [[tokens, in], …]) -> mask` changes the weight in place.
    """
    masks = {}
    for index, layer in enumerate(model.model.layers):
        named = {name: module for name, module in layer.named_modules() if isinstance(module, nn.Linear)}
        seen: dict[str, list[Tensor]] = {name: [] for name in named}
        hooks = [
            module.register_forward_hook(lambda _, args, __, to=seen[name]: to.append(args[0][0].float()))
            for name, module in named.items()
        ]
        for window in tokens:
            model(window[None], use_cache=False)
        for hook in hooks:
            hook.remove()
        for name, module in named.items():
            masks[f"layers.{index}.{name}"] = solve(module.weight.data, seen[name])
    return masks


@torch.no_grad()
def layer_states(model: nn.Module, tokens: Tensor) -> list[Tensor]:
    """What each decoder layer puts out when the model runs as usual, [samples, length, width] each."""
    states: list[Tensor] = []

    def keep(_, __, output) -> None:
        states.append(output[0] if isinstance(output, tuple) else output)

    hooks = [layer.register_forward_hook(keep) for layer in model.model.layers]
    model(tokens, use_cache=False)
    for hook in hooks:
        hook.remove()
    return states


def pruning_error(dense: np.ndarray, pruned: np.ndarray) -> float:
    """Eq. 1 on states [tokens, width] of one layer: the mean squared difference over the squared mean norm."""
    mean_norm = np.mean([np.sqrt((h.astype(np.float64) ** 2).sum()) for h in dense])
    return float(np.mean((dense.astype(np.float64) / mean_norm - pruned.astype(np.float64) / mean_norm) ** 2))


def snr_db(dense: np.ndarray, pruned: np.ndarray) -> float:
    """Eq. 2 on states [tokens, width] of one layer, in decibels."""
    dense, pruned = dense.astype(np.float64), pruned.astype(np.float64)
    return float(10 * np.log10((dense**2).sum() / ((dense - pruned) ** 2).sum()))
