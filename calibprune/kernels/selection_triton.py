"""Which scores are lowest, on a GPU: in each row, in groups of a row, and in a whole matrix below one threshold."""

import torch
import triton
import triton.language as tl
from torch import Tensor

GROUP_ELEMENTS = 4096  # of groups in a row that a program ranks
CHUNK = 2048  # of a row that a program counts or marks, where one threshold is for a whole matrix
BINS = tl.constexpr(256)  # values of the byte that a pass counts
PASSES = 4  # bytes of a score


def lowest_per_row(values: Tensor, k: int, norms: Tensor | None = None) -> Tensor:
    """Mark the k lowest of each row, of equal ones the first; bool [rows, columns].

    Args:
        values: scores float32 [rows, columns], or with `norms` weights of any floating dtype, in which the marked
            entries become 0 in place.
        k: 1 to columns; at most 65,536 columns, since a program holds a row in registers.
        norms: float32 [columns]; the score is then |weight| · norm, in float32.
    """
    rows, columns = values.shape
    mask = torch.empty(values.shape, dtype=torch.bool, device=values.device)
    block = max(triton.next_power_of_2(columns), 16)
    warps = min(max(block // 512, 1), 32)
    with torch.cuda.device_of(values):
        _rows[(rows,)](
            *_arguments(values, norms, mask),
            k,
            columns,
            values.stride(0),
            WEIGHTS=norms is not None,
            BLOCK=block,
            num_warps=warps,
        )
    return mask


def lowest_in_groups(
    values: Tensor, n: int, m: int, norms: Tensor | None = None, elements: int = GROUP_ELEMENTS
) -> Tensor:
    """Mark the n lowest of every m consecutive columns, of equal ones the first; bool [rows, columns]. Arguments as
    `lowest_per_row`.
    """
    rows, columns = values.shape
    mask = torch.empty(values.shape, dtype=torch.bool, device=values.device)
    width = triton.next_power_of_2(m)
    groups = max(elements // width, 1)
    grid = (rows, triton.cdiv(columns // m, groups))
    with torch.cuda.device_of(values):
        _groups[grid](
            *_arguments(values, norms, mask),
            n,
            columns,
            values.stride(0),
            WEIGHTS=norms is not None,
            M=m,
            WIDTH=width,
            GROUPS=groups,
        )
    return mask


def lowest_of_all(score: Tensor, rank: int, chunk: int = CHUNK) -> Tensor:
    """Mark every entry not above the one of this rank (from 0) in ascending order, bool of the shape of score.

    Four passes find the entry of this rank byte by byte, the highest first. Each counts, for every value of the next
    byte, the entries whose bytes before are those found so far; which these are, every program works out from the
    counts of the earlier passes, so that the host need not wait. Counts are whole numbers, so the order in which they
    are added does not matter.

    Args:
        score: float32 [rows, columns], fewer than 2³¹ entries.
    """
    if score.stride(1) != 1:
        score = score.contiguous()
    mask = torch.empty(score.shape, dtype=torch.bool, device=score.device)
    rows, columns, stride = (1, score.numel(), 0) if score.is_contiguous() else (*score.shape, score.stride(0))
    counts = torch.zeros(PASSES, BINS.value, dtype=torch.int32, device=score.device)
    chunks = triton.cdiv(columns, chunk)
    with torch.cuda.device_of(score):
        for number in range(PASSES):
            _count[(rows * chunks,)](score, counts, rank, columns, stride, chunks, PASS=number, BLOCK=chunk)
        _mark[(rows * chunks,)](
            score, counts, mask.view(torch.uint8), rank, columns, stride, chunks, PASSES=PASSES, BLOCK=chunk
        )
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
    # Bisection: fewer than k keys are not above `low`, `count` keys, at least k, are not above `high`. Where no key is
    # tied with the k-th lowest it ends as soon as `high` lies between that and the next, after 16 steps or so.
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
def _groups(
    values,
    norms,
    mask,
    n,
    columns,
    stride,
    WEIGHTS: tl.constexpr,
    M: tl.constexpr,
    WIDTH: tl.constexpr,
    GROUPS: tl.constexpr,
):
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


@triton.jit
def _keys(score, columns, stride, chunks, BLOCK: tl.constexpr):
    """The bits of a chunk of a row as uint32 in the order of the scores; and where they stand in a contiguous matrix,
    and which of them there are.
    """
    row = (tl.program_id(0) // chunks).to(tl.int64)
    column = tl.program_id(0) % chunks * BLOCK + tl.arange(0, BLOCK)
    inside = column < columns
    value = tl.load(score + row * stride + column, mask=inside, other=0.0)
    return ordered(value).to(tl.uint32, bitcast=True) ^ 0x80000000, row * columns + column, inside


@triton.jit
def _narrow(counts, rank, PASSES: tl.constexpr):
    """The leading bytes of the entry of this rank, from the counts of as many passes."""
    bin_ = tl.arange(0, BINS)
    prefix = tl.full((), 0, tl.uint32)
    for number in tl.static_range(PASSES):
        count = tl.load(counts + number * BINS + bin_)
        byte = tl.sum((tl.cumsum(count, axis=0) <= rank).to(tl.int32), axis=0)
        rank -= tl.sum(tl.where(bin_ < byte, count, 0), axis=0)
        prefix = (prefix << 8) | byte.to(tl.uint32)
    return prefix


@triton.jit
def _count(score, counts, rank, columns, stride, chunks, PASS: tl.constexpr, BLOCK: tl.constexpr):
    key, _, agrees = _keys(score, columns, stride, chunks, BLOCK)
    if PASS > 0:
        agrees = agrees & ((key >> (32 - 8 * PASS)) == _narrow(counts, rank, PASS))
    byte = ((key >> (24 - 8 * PASS)) & 255).to(tl.int32)
    found = tl.histogram(byte, BINS, mask=agrees)
    tl.atomic_add(counts + PASS * BINS + tl.arange(0, BINS), found, mask=found > 0, sem="relaxed")


@triton.jit
def _mark(score, counts, mask, rank, columns, stride, chunks, PASSES: tl.constexpr, BLOCK: tl.constexpr):
    key, place, inside = _keys(score, columns, stride, chunks, BLOCK)
    tl.store(mask + place, (key <= _narrow(counts, rank, PASSES)).to(tl.uint8), mask=inside)
