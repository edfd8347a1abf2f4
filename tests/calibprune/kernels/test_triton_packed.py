"""The kernels for packed masks against numpy's bits and Python's sets."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from triton_device import DEVICE

pytest.importorskip("triton", reason="triton is an optional extra")

from calibprune.kernels import packed, packed_triton


def random_mask(rows: int, columns: int, seed: int, density: float = 0.5) -> torch.Tensor:
    return (torch.rand(rows, columns, generator=torch.Generator().manual_seed(seed)) < density).to(DEVICE)


@settings(deadline=None, max_examples=30)
@given(rows=st.integers(1, 5), columns=st.integers(1, 70), seed=st.integers(0, 9), block=st.sampled_from([2, 16, 128]))
def test_packing_is_that_of_the_cpu(rows, columns, seed, block):
    mask = random_mask(rows, columns, seed)
    bits = packed_triton.pack(mask, block)
    assert torch.equal(bits.cpu(), packed.pack(mask.cpu()))


def test_masks_of_other_memory_layouts():
    mask = random_mask(24, 40, 0)
    assert torch.equal(packed_triton.pack(mask.T).cpu(), packed.pack(mask.T.cpu()))


@settings(deadline=None, max_examples=12)
@given(
    rows=st.integers(1, 5),
    quads=st.integers(1, 12),
    sizes=st.lists(st.integers(1, 3), min_size=1, max_size=3),
    block=st.sampled_from([32, 128]),
    seed=st.integers(0, 9),
)
def test_overlaps_are_those_of_the_cpu(rows, quads, sizes, block, seed):
    groups = [
        [packed.pack(random_mask(rows, 32 * quads, 100 * seed + 10 * group + i, 0.8).cpu()) for i in range(size)]
        for group, size in enumerate(sizes)
    ]
    flat = torch.stack([mask.view(-1) for masks in groups for mask in masks]).to(DEVICE)
    any_, both = packed_triton.count_overlaps(flat, sizes, block)
    expected = packed.overlaps(groups)
    np.testing.assert_array_equal(any_.cpu().numpy(), expected.any)
    np.testing.assert_array_equal(both.cpu().numpy(), expected.both)
    np.testing.assert_array_equal(both.diagonal().cpu().numpy(), expected.all)


def test_full_words_are_counted():
    full = torch.full((2, 32768), 255, dtype=torch.uint8, device=DEVICE)
    any_, both = packed_triton.count_overlaps(full, [2])
    assert any_.tolist() == both[0].tolist() == [8 * 32768]
