"""One threshold for a whole matrix on a GPU: radix selection, a byte of the bits after another, which the host does not wait for."""

import torch
import triton
import triton.language as tl
from torch import Tensor

from .select_triton import ordered

BINS = tl.constexpr(256)
PASSES = 4
BLOCK = 2048


def lowest_of_all(score: Tensor, rank: int, block: int = BLOCK) -> Tensor:
    """Mark every entry not above the one of this rank (from 0) in ascending order, bool of the shape of score.

    Each of four passes counts the next 8 bits of the entries that agree with the wanted one so far; every program finds out for itself
    from the counts of the passes before which these are. Counts are whole numbers, so the order of their sums does not matter.

    Args:
        score: float32 [rows, columns], columns of a row contiguous, fewer than 2³¹ entries.
    """
    if score.stride(1) != 1:
        score = score.contiguous()
    mask = torch.empty(score.shape, dtype=torch.bool, device=score.device)
    rows, columns, stride = (1, score.numel(), 0) if score.is_contiguous() else (*score.shape, score.stride(0))
    counts = torch.zeros(PASSES, 256, dtype=torch.int32, device=score.device)
    chunks = triton.cdiv(columns, block)
    with torch.cuda.device_of(score):
        for number in range(PASSES):
            _count[(rows * chunks,)](score, counts, rank, columns, stride, chunks, PASS=number, BLOCK=block)
        _mark[(rows * chunks,)](score, counts, mask.view(torch.uint8), rank, columns, stride, chunks, PASSES=PASSES, BLOCK=block)
    return mask


@triton.jit
def _keys(score, columns, stride, chunks, BLOCK: tl.constexpr):
    """The bits of a chunk of a row as uint32 in the order of the scores; and where they stand in a contiguous matrix, and which of them there are."""
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
