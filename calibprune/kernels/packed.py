"""Masks with eight weights a byte: packing, counting, and how far sets of masks overlap.

Column j of a mask's row is bit j mod 8, counted from the least significant, of byte j div 8 (numpy's bitorder
"little"). The bits after the last column are 0.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from calibprune.kernels.device import takes_kernels

BLOCK = 8192  # words of eight bytes: the blocks of seven groups and what comes of them fit into a core's second cache


def pack(mask: Tensor) -> Tensor:
    """bool [out, in] -> uint8 [out, ⌈in / 8⌉], on the CPU; a mask on a GPU is packed there (`packed_triton`), and an
    eighth of it is copied.
    """
    if takes_kernels(mask):
        from calibprune.kernels import packed_triton

        return packed_triton.pack(mask).cpu()
    return torch.from_numpy(np.packbits(mask.cpu().numpy(), axis=-1, bitorder="little"))


class Overlaps(NamedTuple):
    """Numbers of bits, int64: in all masks of a group [G], in any of them [G], and in all masks of two groups [G,
    G].
    """

    all: np.ndarray
    any: np.ndarray
    both: np.ndarray


def overlaps(groups: Sequence[Sequence[Tensor]]) -> Overlaps:
    """Intersections and unions of groups of masks, and the intersections of the groups' intersections, in one pass over
    memory.

    Bits are counted by numpy on a CPU, in int64; masks on a GPU are counted there (`packed_triton`).

    Args:
        groups: at least one group of at least one mask; uint8 tensors of one shape and device, from `pack`.
    """
    if takes_kernels(groups[0][0]):
        from calibprune.kernels import packed_triton

        flat = torch.stack([mask.reshape(-1) for masks in groups for mask in masks])
        any_, both = packed_triton.count_overlaps(
            torch.nn.functional.pad(flat, (0, -flat.shape[1] % 4)), [len(masks) for masks in groups]
        )
        return Overlaps(both.diagonal().cpu().numpy().copy(), any_.cpu().numpy(), both.cpu().numpy())
    words = [[_words(mask) for mask in masks] for masks in groups]
    size, length = len(words), len(words[0][0])
    any_, both = np.zeros(size, np.int64), np.zeros((size, size), np.int64)
    scratch = np.empty((2 * size, min(BLOCK, length)), np.uint64)
    bits = np.empty(scratch.shape, np.uint8)
    for start in range(0, length, BLOCK):
        width = min(BLOCK, length - start)
        stable, work = scratch[:size, :width], scratch[size:, :width]
        for group, masks in enumerate(words):
            blocks = [mask[start : start + width] for mask in masks]
            _fold(np.bitwise_and, blocks, stable[group])
            _fold(np.bitwise_or, blocks, work[group])
        any_ += _counts(work, bits)
        for group in range(size):
            np.bitwise_and(stable[group], stable[group:], out=work[group:])
            both[group, group:] += _counts(work[group:], bits)
    return Overlaps(both.diagonal().copy(), any_, np.triu(both) + np.triu(both, 1).T)


def _fold(operation: np.ufunc, blocks: list[np.ndarray], out: np.ndarray) -> None:
    first, *rest = blocks
    operation(first, rest[0] if rest else first, out=out)  # of one mask and itself both operations give the mask
    for block in rest[1:]:
        operation(out, block, out=out)


def _counts(words: np.ndarray, bits: np.ndarray) -> np.ndarray:
    """Set bits of each row of words [rows, width]; `bits` is scratch space."""
    counted = np.bitwise_count(words, out=bits[: len(words), : words.shape[1]])
    return counted.sum(axis=1, dtype=np.uint32)  # numpy adds up bytes fastest in 32 bits


def _words(packed: Tensor) -> np.ndarray:
    """The bytes of a packed mask as words of eight, uint64; the last word is filled up with zeros, which copies the
    mask.
    """
    flat = packed.contiguous().view(-1).numpy()
    if short := -len(flat) % 8:
        flat = np.concatenate([flat, np.zeros(short, np.uint8)])
    return flat.view(np.uint64)
