"""Packed masks on a GPU: the bits of a byte side by side, and counts of set bits by adding neighbouring fields."""

import torch
import triton
import triton.language as tl
from torch import Tensor

BLOCK = 1024


def pack(mask: Tensor, block: int = BLOCK) -> Tensor:
    """bool [rows, columns] -> uint8 [rows, ⌈columns / 8⌉], as `packed.pack` lays them out, on the mask's device."""
    mask = mask.contiguous()
    rows, columns = mask.shape
    packed = torch.empty(rows, triton.cdiv(columns, 8), dtype=torch.uint8, device=mask.device)
    if packed.numel():
        with torch.cuda.device_of(mask):
            _pack[(rows, triton.cdiv(packed.shape[1], block))](
                mask.view(torch.uint8), packed, columns, packed.shape[1], BLOCK=block
            )
    return packed


def count_overlaps(masks: Tensor, sizes: list[int], block: int = BLOCK) -> tuple[Tensor, Tensor]:
    """Numbers of set bits: in any mask of a group, int64 [groups], and in all masks of two groups, int64 [groups,
    groups], symmetric.

    Args:
        masks: uint8 [masks, bytes], a multiple of four bytes; one group after another.
        sizes: how many masks each group has.
    """
    words = masks.contiguous().view(torch.int32)
    number, length = len(sizes), words.shape[1]
    first = torch.tensor([sum(sizes[:group]) for group in range(number + 1)], dtype=torch.int32, device=masks.device)
    stable = torch.empty(number, length, dtype=torch.int32, device=masks.device)
    any_ = torch.zeros(number, dtype=torch.int64, device=masks.device)
    both = torch.zeros(number, number, dtype=torch.int64, device=masks.device)
    blocks = triton.cdiv(length, block)
    if blocks:
        with torch.cuda.device_of(masks):
            _fold[(blocks, number)](words, first, stable, any_, length, BLOCK=block)
            _pairs[(blocks, number, number)](stable, both, length, number, BLOCK=block)
    return any_, both


@triton.jit
def _pack(mask, packed, columns, bytes_, BLOCK: tl.constexpr):
    row = tl.program_id(0).to(tl.int64)
    byte = tl.program_id(1) * BLOCK + tl.arange(0, BLOCK)
    bit = tl.arange(0, 8)[None, :]
    column = byte[:, None] * 8 + bit
    marked = tl.load(mask + row * columns + column, mask=column < columns, other=0).to(tl.int32)
    tl.store(packed + row * bytes_ + byte, tl.sum(marked << bit, axis=1).to(tl.uint8), mask=byte < bytes_)


@triton.jit
def _set_bits(word):
    """How many bits of int32 words are set, summed over all of them."""
    word = word.to(tl.uint32, bitcast=True)
    word = word - ((word >> 1) & 0x55555555)
    word = (word & 0x33333333) + ((word >> 2) & 0x33333333)
    word = (word + (word >> 4)) & 0x0F0F0F0F
    return tl.sum(((word * 0x01010101) >> 24).to(tl.int32), axis=0).to(tl.int64)


@triton.jit
def _fold(words, first, stable, any_, length, BLOCK: tl.constexpr):
    place = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
    group = tl.program_id(1)
    inside = place < length
    all_, some = tl.full((BLOCK,), -1, tl.int32), tl.zeros((BLOCK,), tl.int32)
    begin, end = tl.load(first + group), tl.load(first + group + 1)
    words += begin.to(tl.int64) * length
    for _ in range(begin, end):
        word = tl.load(words + place, mask=inside, other=0)
        all_ = all_ & word
        some = some | word
        words += length
    tl.store(stable + group.to(tl.int64) * length + place, all_, mask=inside)
    tl.atomic_add(any_ + group, _set_bits(some), sem="relaxed")


@triton.jit
def _pairs(stable, both, length, groups, BLOCK: tl.constexpr):
    place = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
    inside = place < length
    one, other = tl.program_id(1), tl.program_id(2)
    if one <= other:
        left = tl.load(stable + one.to(tl.int64) * length + place, mask=inside, other=0)
        right = tl.load(stable + other.to(tl.int64) * length + place, mask=inside, other=0)
        found = _set_bits(left & right)
        tl.atomic_add(both + one * groups + other, found, sem="relaxed")
        if one < other:
            tl.atomic_add(both + other * groups + one, found, sem="relaxed")
