"""The lowest scores of rows and of groups in rows on a GPU: weights are read once and written once, and nothing is sorted."""

import torch
import triton
import triton.language as tl
from torch import Tensor

GROUP_ELEMENTS = 4096


def lowest_per_row(values: Tensor, k: int, norms: Tensor | None = None) -> Tensor:
    """Mark the k lowest of each row, of equal ones the first; bool [rows, columns].

    Args:
        values: scores float32 [rows, columns], or with `norms` weights of any floating dtype, in which the marked entries become 0 in place.
        k: 1 to columns; at most 65,536 columns, since a program holds a row in registers.
        norms: float32 [columns]; the score is then |weight| · norm, in float32.
    """
    rows, columns = values.shape
    mask = torch.empty(values.shape, dtype=torch.bool, device=values.device)
    block = max(triton.next_power_of_2(columns), 16)
    warps = min(max(block // 512, 1), 32)
    with torch.cuda.device_of(values):
        _rows[(rows,)](*_arguments(values, norms, mask), k, columns, values.stride(0), WEIGHTS=norms is not None, BLOCK=block, num_warps=warps)
    return mask


def lowest_in_groups(values: Tensor, n: int, m: int, norms: Tensor | None = None, elements: int = GROUP_ELEMENTS) -> Tensor:
    """Mark the n lowest of every m consecutive columns, of equal ones the first; bool [rows, columns]. Arguments as `lowest_per_row`."""
    rows, columns = values.shape
    mask = torch.empty(values.shape, dtype=torch.bool, device=values.device)
    width = triton.next_power_of_2(m)
    groups = max(elements // width, 1)
    grid = (rows, triton.cdiv(columns // m, groups))
    with torch.cuda.device_of(values):
        _groups[grid](*_arguments(values, norms, mask), n, columns, values.stride(0), WEIGHTS=norms is not None, M=m, WIDTH=width, GROUPS=groups)
    return mask


def _arguments(values: Tensor, norms: Tensor | None, mask: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    if values.stride(1) != 1:
        raise ValueError("the columns of a row must be contiguous")
    return values, values if norms is None else norms, mask.view(torch.uint8)


@triton.jit
def ordered(value):
    """Whole numbers, int32, in the order of float32 values; −0 and +0 are equal."""
    bits = (value + 0.0).to(tl.int32, bitcast=True)
    return bits ^ ((bits >> 31) & 0x7FFFFFFF)


@triton.jit
def _score(value, norms, column, inside, WEIGHTS: tl.constexpr):
    if WEIGHTS:
        value = tl.abs(value.to(tl.float32)) * tl.load(norms + column, mask=inside, other=0.0)
    return tl.where(inside, ordered(value), 0x7FFFFFFF)


@triton.jit
def _rows(values, norms, mask, k, columns, stride, WEIGHTS: tl.constexpr, BLOCK: tl.constexpr):
    row = tl.program_id(0).to(tl.int64)
    column = tl.arange(0, BLOCK)
    inside = column < columns
    value = tl.load(values + row * stride + column, mask=inside, other=0.0)
    key = _score(value, norms, column, inside, WEIGHTS)
    # Bisection: fewer than k keys are not above `low`, `count` keys, at least k, are not above `high`. Where no key is tied with the k-th lowest
    # it ends as soon as `high` lies between that and the next, after 16 steps or so.
    low = tl.min(key, axis=0) - 1
    high = tl.max(tl.where(inside, key, -0x7FFFFFFF), axis=0)
    count = tl.sum(inside.to(tl.int32), axis=0)
    while (low + 1 < high) & (count != k):
        middle = (low & high) + ((low ^ high) >> 1)  # without overflow
        below = tl.sum((key <= middle).to(tl.int32), axis=0)
        enough = below >= k
        high = tl.where(enough, middle, high)
        count = tl.where(enough, below, count)
        low = tl.where(enough, low, middle)
    pruned = key <= high
    if count != k:
        tied = key == high
        spare = k - tl.sum((key < high).to(tl.int32), axis=0)
        pruned = (key < high) | (tied & (tl.cumsum(tied.to(tl.int32), axis=0) <= spare))
    tl.store(mask + row * columns + column, pruned.to(tl.uint8), mask=inside)
    if WEIGHTS:
        tl.store(values + row * stride + column, tl.where(pruned, tl.zeros_like(value), value), mask=inside)


@triton.jit
def _groups(values, norms, mask, n, columns, stride, WEIGHTS: tl.constexpr, M: tl.constexpr, WIDTH: tl.constexpr, GROUPS: tl.constexpr):
    row = tl.program_id(0).to(tl.int64)
    group = tl.program_id(1) * GROUPS + tl.arange(0, GROUPS)
    place = tl.arange(0, WIDTH)[None, :]
    column = group[:, None] * M + place
    inside = (column < columns) & (place < M)
    value = tl.load(values + row * stride + column, mask=inside, other=0.0)
    key = _score(value, norms, column, inside, WEIGHTS)
    rank = tl.zeros((GROUPS, WIDTH), tl.int32)
    for i in range(M):
        other = tl.sum(tl.where(place == i, key, 0), axis=1)[:, None]
        rank += ((other < key) | ((other == key) & (i < place))).to(tl.int32)
    pruned = rank < n
    tl.store(mask + row * columns + column, pruned.to(tl.uint8), mask=inside)
    if WEIGHTS:
        tl.store(values + row * stride + column, tl.where(pruned, tl.zeros_like(value), value), mask=inside)
