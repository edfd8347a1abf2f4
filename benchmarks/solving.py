"""SparseGPT and GPTQ against their published loops over columns, statistics given: one matrix, and all matrices of a
checkpoint.
"""

import statistics
from collections.abc import Callable
from pathlib import Path
from typing import Any

import textbook
import textbook_gptq
import torch
from measuring import Side, row
from setting import HALF, SAMPLES, Setting
from torch import Tensor, nn

import calibprune as cp
from calibprune.kernels.gram import add_gram, symmetric
from calibprune.methods import METHODS
from calibprune.models.families import context_length, decoder, linears
from calibprune.schemes import Grid, Sparsity
from calibprune.study.planning.counts import GEMMA_3_270M, LLAMA_3_8B, Count, factor, sweep
from calibprune.walk.inputs import capture
from calibprune.walk.layerwise import collect

BITS = 4
NAMES = {"peer": "loop over columns", "limit": "at the measured peaks"}


def alike(ours: list[Tensor], theirs: list[Tensor]) -> float:
    """The share of weights that both sides prune or both keep and, where nothing is pruned, that have the same
    value.
    """
    pruned = any(bool((matrix == 0).float().mean() > 0.4) for matrix in theirs)
    pairs = [((a != 0) == (b != 0)) if pruned else a.isclose(b, rtol=1e-3) for a, b in zip(ours, theirs, strict=True)]
    return sum(int(pair.sum()) for pair in pairs) / sum(pair.numel() for pair in pairs)


def solve(name: str, weights: list[Tensor], total: Tensor, sparsity: Sparsity | None, grid: Grid | None = None) -> None:
    """A method of the registry on matrices that read the same tensor, in place, from its statistic `total`."""
    method = METHODS[name]
    method.solve(weights, method.prepare(total, SAMPLES, grid, False).value, sparsity, grid)


def matrix_rows(at: Setting, key: str, ours: Callable, theirs: Callable, size: str, asked: bool) -> dict[str, Any]:
    """Solving one matrix, given its statistic: `ours(weight, total)` against `theirs(linear, hessian)`, which may
    change the Hessian.
    """
    weight, total = at.normal(at.rows, at.width), at.statistic()
    hessian = symmetric(total).mul_(2 / SAMPLES)
    work, linear, given = weight.clone(), nn.Linear(1, 1, bias=False), torch.empty_like(hessian)
    linear.weight = nn.Parameter(weight.clone(), requires_grad=False)
    linear.in_features, linear.out_features = at.width, at.rows

    def start_theirs() -> None:
        linear.weight.copy_(weight)
        given.copy_(hessian)

    sides = at.seconds(
        Side(lambda: ours(work, total), lambda: work.copy_(weight)), Side(lambda: theirs(linear, given), start_theirs)
    )
    least = Count.sum([factor(at.width), sweep(at.rows, at.width)]).seconds(at.peak)
    same = alike([work], [linear.weight])
    return row(
        key,
        size,
        asked,
        statistics.median(sides[1]) / statistics.median(sides[0]),
        {"ours": sides[0], "peer": sides[1], "limit": [least]},
        NAMES,
        detail={"same": same},
    )


def sparsegpt_matrix(at: Setting) -> dict[str, Any]:
    asked = at.on_a_gpu and at.shape is LLAMA_3_8B
    ours = lambda weight, total: solve("sparsegpt", [weight], total, HALF)  # noqa: E731
    return matrix_rows(at, "sparsegpt_matrix", ours, published, at.matrix, asked)


def published(linear: nn.Linear, hessian: Tensor) -> None:
    """SparseGPT's published solution of one matrix from its Hessian, which it changes."""
    side = textbook.Hessian(linear)
    side.total = hessian
    side.solve(linear, HALF.fraction)


def gptq_matrix(at: Setting) -> dict[str, Any]:
    grid = Grid.of(BITS, at.group_size)
    return matrix_rows(
        at,
        "gptq_matrix",
        lambda weight, total: solve("gptq", [weight], total, None, grid),
        lambda linear, hessian: textbook_gptq.solve(linear.weight, hessian, BITS, at.group_size),
        f"{at.matrix}, {BITS} bits, groups of {at.group_size}",
        False,
    )


@torch.no_grad()
def sparsegpt_model(at: Setting) -> dict[str, Any]:
    """All matrices of a checkpoint; the statistics are those of random tokens in the dense model."""
    model, _ = cp.load(at.checkpoint, at.device, at.dtype)
    length = min(512, context_length(model))
    tokens = torch.randint(0, model.config.vocab_size, (SAMPLES, length), generator=torch.Generator().manual_seed(0))
    inputs, given = capture(model, tokens), []
    for index, layer in enumerate(decoder(model).layers):
        components = dict(linears(layer))
        for total, names in collect(layer, index, inputs, add_gram):
            given.append((total, [components[name] for name in names]))
        inputs.advance(layer, index)
    fresh = [[linear.weight.clone() for linear in shared] for _, shared in given]
    hessians = []

    def start() -> None:
        for weights, (_, shared) in zip(fresh, given, strict=True):
            for weight, linear in zip(weights, shared, strict=True):
                linear.weight.copy_(weight)

    def start_theirs() -> None:
        start()
        hessians[:] = [[symmetric(total).mul_(2 / SAMPLES) for _ in shared] for total, shared in given]

    def ours() -> None:
        for total, shared in given:
            solve("sparsegpt", [linear.weight.data for linear in shared], total, HALF)

    def theirs() -> None:
        for (_, shared), copies in zip(given, hessians, strict=True):
            for linear, hessian in zip(shared, copies, strict=True):
                published(linear, hessian)

    sides = at.seconds(Side(ours, start), Side(theirs, start_theirs))
    solved = [linear.weight.clone() for _, shared in given for linear in shared]
    start()
    ours()
    same = alike([linear.weight for _, shared in given for linear in shared], solved)
    widths = [(len(total), [linear.out_features for linear in shared]) for total, shared in given]
    least = Count.sum([count for n, rows in widths for count in (factor(n), sweep(sum(rows), n))]).seconds(at.peak)
    asked = not at.on_a_gpu and at.checkpoint == GEMMA_3_270M.name
    return row(
        "sparsegpt_model",
        Path(at.checkpoint).name,
        asked,
        statistics.median(sides[1]) / statistics.median(sides[0]),
        {"ours": sides[0], "peer": sides[1], "limit": [least]},
        NAMES,
        detail={"same": same},
    )
