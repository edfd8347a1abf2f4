"""Packed masks: nothing is lost, padding does not count, and overlaps are those of Python's sets."""

from itertools import product

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from calibprune.kernels import packed
from calibprune.kernels.packed import overlaps, pack


def random_mask(rows: int, columns: int, seed: int = 0, density: float = 0.5) -> torch.Tensor:
    return torch.rand(rows, columns, generator=torch.Generator().manual_seed(seed)) < density


def unpack(bits: torch.Tensor, columns: int) -> torch.Tensor:
    return torch.from_numpy(np.unpackbits(bits.numpy(), axis=-1, count=columns, bitorder="little").view(bool))


def count(bits: torch.Tensor) -> int:
    """How many bits are set, as the package counts them."""
    return int(overlaps([[bits]]).any[0])


def pruned(mask: torch.Tensor) -> set[int]:
    return set(mask.flatten().nonzero().flatten().tolist())


@given(rows=st.integers(1, 9), columns=st.integers(1, 70), seed=st.integers(0, 9))
def test_unpacking_gives_the_mask_back(rows, columns, seed):
    mask = random_mask(rows, columns, seed)
    bits = pack(mask)
    assert (bits.dtype, bits.shape) == (torch.uint8, (rows, -(-columns // 8)))
    assert torch.equal(unpack(bits, columns), mask)
    assert count(bits) == int(mask.sum())


def test_the_first_column_is_the_lowest_bit_and_padding_is_zero():
    mask = torch.zeros(2, 11, dtype=torch.bool)
    mask[0, 0] = mask[0, 7] = mask[1, 9] = True
    assert pack(mask).tolist() == [[0b10000001, 0], [0, 0b10]]
    assert pack(torch.ones(1, 11, dtype=torch.bool)).tolist() == [[255, 0b111]]


def test_masks_of_other_memory_layouts():
    mask = random_mask(24, 40)
    assert torch.equal(unpack(pack(mask.T), 24), mask.T)
    bits = pack(mask)
    assert count(bits[1:, 1:]) == int(mask[1:, 8:].sum()), (
        "neither whole words nor an address that is a multiple of eight"
    )
    assert count(bits[:0]) == 0


@pytest.mark.parametrize("shape", [(1, 3), (5, 19), (40, 64), (33, 100)])
@pytest.mark.parametrize("seeds", [(1,), (2, 2), (3, 3, 3, 3), (1, 4, 2)])
def test_overlaps_against_python_sets(shape, seeds, monkeypatch):
    monkeypatch.setattr(packed, "BLOCK", 5)  # several blocks and a last one that is shorter
    masks = [
        [random_mask(*shape, seed=10 * group + seed, density=0.7) for seed in range(number)]
        for group, number in enumerate(seeds)
    ]
    found = overlaps([[pack(mask) for mask in group] for group in masks])
    sets = [[pruned(mask) for mask in group] for group in masks]
    stable = [set.intersection(*group) for group in sets]
    assert found.all.tolist() == [len(each) for each in stable]
    assert found.any.tolist() == [len(set.union(*group)) for group in sets]
    assert found.both.tolist() == [[len(a & b) for b in stable] for a in stable]


def test_blocks_do_not_change_the_counts(monkeypatch):
    groups = [[pack(random_mask(64, 512, seed=10 * group + seed)) for seed in range(3)] for group in range(3)]
    expected = overlaps(groups)
    for block, field in product((1, 7, 511, 512, 513), ("all", "any", "both")):
        monkeypatch.setattr(packed, "BLOCK", block)
        assert np.array_equal(getattr(overlaps(groups), field), getattr(expected, field))
        assert count(groups[0][0]) == int(np.unpackbits(groups[0][0].numpy()).sum())


def test_a_full_mask_of_the_largest_block_does_not_overflow():
    full = torch.full((packed.BLOCK, 8), 255, dtype=torch.uint8)
    found = overlaps([[full, full]])
    assert found.all.tolist() == found.any.tolist() == found.both[0].tolist() == [64 * packed.BLOCK]
    assert count(full) == 64 * packed.BLOCK


def test_masks_are_not_changed():
    masks = [pack(random_mask(6, 30, seed)) for seed in range(3)]
    kept = [mask.clone() for mask in masks]
    overlaps([masks, masks[:1]])
    assert all(map(torch.equal, masks, kept))
