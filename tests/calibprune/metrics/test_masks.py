"""Stable masks and IoUs, equations 8 and 9, against Python sets and known values."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from calibprune.errors import ParameterError
from calibprune.kernels.packed import pack
from calibprune.metrics.masks import expected_iou, mask_iou, pairwise, stable_mask, within_iou

ROWS, COLUMNS = 30, 45  # columns that do not fill their last byte


def random_mask(seed: int, density: float = 0.5, rows: int = ROWS, columns: int = COLUMNS) -> torch.Tensor:
    return torch.rand(rows, columns, generator=torch.Generator().manual_seed(seed)) < density


def pruned(mask: torch.Tensor) -> set[int]:
    return set(mask.flatten().nonzero().flatten().tolist())


@pytest.mark.parametrize("form", [lambda mask: mask, pack], ids=["bool", "packed"])
@given(seed=st.integers(0, 50), number=st.integers(1, 4), density=st.sampled_from([0.1, 0.5, 0.9]))
def test_against_python_sets(form, seed, number, density):
    masks = [random_mask(10 * seed + i, density) for i in range(number)]
    sets = [pruned(mask) for mask in masks]
    stable = set.intersection(*sets)
    assert torch.equal(stable_mask(list(map(form, masks))), form(torch.stack(masks).all(dim=0)))
    assert within_iou(list(map(form, masks))) == pytest.approx(len(stable) / len(set.union(*sets)))
    assert mask_iou(form(masks[0]), form(masks[-1])) == pytest.approx(len(sets[0] & sets[-1]) / len(sets[0] | sets[-1]))


@pytest.mark.parametrize("form", [lambda mask: mask, pack], ids=["bool", "packed"])
def test_known_values(form):
    mask, nothing = random_mask(0), torch.zeros(ROWS, COLUMNS, dtype=torch.bool)
    assert mask_iou(form(mask), form(mask)) == 1
    assert mask_iou(form(mask), form(~mask)) == 0
    assert mask_iou(form(mask), form(nothing)) == 0
    assert math.isnan(mask_iou(form(nothing), form(nothing)))
    assert within_iou([form(mask)]) == 1


@pytest.mark.parametrize("form", [lambda mask: mask, pack], ids=["bool", "packed"])
def test_independent_masks_have_the_expected_iou(form):
    one, two, three = (random_mask(seed, density, 1000, 1000) for seed, density in ((0, 0.5), (1, 0.5), (2, 0.3)))
    assert mask_iou(form(one), form(two)) == pytest.approx(1 / 3, abs=0.003)
    assert mask_iou(form(one), form(three)) == pytest.approx(expected_iou(0.5, 0.3), abs=0.003)
    assert within_iou([form(one), form(two), form(three)]) == pytest.approx(expected_iou(0.5, 0.5, 0.3), abs=0.003)
    stable = stable_mask([form(one), form(two)])
    assert mask_iou(stable, form(three)) == pytest.approx(expected_iou(0.25, 0.3), abs=0.003)


def test_expected_values():
    assert expected_iou(0.5, 0.5) == pytest.approx(1 / 3)
    assert expected_iou(0.5, 0.5, 0.5) == pytest.approx(1 / 7)
    assert expected_iou(1, 0.2) == pytest.approx(0.2)
    assert expected_iou(0.4) == pytest.approx(1)
    assert math.isnan(expected_iou(0, 0))


@pytest.mark.parametrize("densities", [(), (0.5, 1.2), (-0.1,), (math.nan, 0.5)])
def test_densities_that_are_none(densities):
    with pytest.raises(ParameterError, match=r"^mask densities .* 0 to 1$"):
        expected_iou(*densities)


def model_masks(seed: int) -> dict[str, torch.Tensor]:
    return {f"layers.{layer}.mlp.up_proj": random_mask(100 * seed + layer, columns=32 + layer) for layer in range(3)}


def test_masks_of_models_by_name():
    masks = [model_masks(seed) for seed in range(3)]
    stable, within, between = stable_mask(masks), within_iou(masks), mask_iou(masks[0], masks[1])
    assert list(stable) == list(within) == list(between) == list(masks[0])
    for name in stable:
        of_name = [mask[name] for mask in masks]
        assert torch.equal(stable[name], stable_mask(of_name))
        assert within[name] == within_iou(of_name)
        assert between[name] == mask_iou(*of_name[:2])


def test_all_pairs_of_one_matrix_at_once():
    masks = {
        language: [random_mask(10 * number + seed, 0.6) for seed in range(3)]
        for number, language in enumerate(("ar", "de", "en", "zh"))
    }
    found = pairwise({language: [pack(mask) for mask in seeds] for language, seeds in masks.items()})
    stable = [stable_mask(seeds) for seeds in masks.values()]
    assert found.languages == list(masks)
    assert found.within == pytest.approx([within_iou(seeds) for seeds in masks.values()])
    assert found.between == pytest.approx(np.array([[mask_iou(a, b) for b in stable] for a in stable]))
    assert found.pruned.tolist() == [int(mask.sum()) for mask in stable]


def test_pairs_where_nothing_is_pruned():
    nothing, some = torch.zeros(4, 2, dtype=torch.uint8), torch.ones(4, 2, dtype=torch.uint8)
    found = pairwise({"ar": [nothing], "de": [nothing, nothing], "en": [some]})
    assert np.array_equal(found.within, [math.nan, math.nan, 1], equal_nan=True)
    assert np.array_equal(found.between, [[math.nan, math.nan, 0], [math.nan, math.nan, 0], [0, 0, 1]], equal_nan=True)


@pytest.mark.parametrize("measure", [stable_mask, within_iou, lambda masks: mask_iou(*masks)])
@pytest.mark.parametrize(
    ("masks", "words"),
    [
        ([random_mask(0), random_mask(0, columns=44)], r"bool \[30, 45\] and bool \[30, 44\]"),
        ([random_mask(0), pack(random_mask(0))], r"bool \[30, 45\] and uint8 \[30, 6\]"),
        ([random_mask(0).float(), random_mask(0)], r"not torch.float32"),
        ([random_mask(0), random_mask(0).numpy()], r"not ndarray"),
        (
            [model_masks(0), model_masks(0) | {"layers.3.mlp.up_proj": random_mask(0)}],
            r"of another model .* 'layers.3.mlp.up_proj'",
        ),
        ([model_masks(0), random_mask(0)], r"single matrix"),
        ([random_mask(0), model_masks(0)], r"not dict"),
        (
            [model_masks(0), {name: mask[1:] for name, mask in model_masks(1).items()}],
            r"\[30, 32\] and bool \[29, 32\]",
        ),
    ],
)
def test_masks_that_cannot_be_compared(measure, masks, words):
    with pytest.raises(ParameterError, match=words) as caught:
        measure(masks)
    assert "\n" not in str(caught.value)


def test_no_mask_at_all():
    for measure in (stable_mask, within_iou):
        with pytest.raises(ParameterError, match="give at least one"):
            measure([])


@pytest.mark.parametrize(
    ("masks", "words"),
    [
        ({}, "at least one language"),
        ({"de": [pack(random_mask(0))], "sw": []}, "pruning masks of sw: give at least one"),
        ({"de": [random_mask(0)]}, "give packed ones"),
        ({"de": [pack(random_mask(0))], "sw": [pack(random_mask(0))[1:]]}, r"uint8 \[30, 6\] and uint8 \[29, 6\]"),
    ],
)
def test_pairs_that_cannot_be_compared(masks, words):
    with pytest.raises(ParameterError, match=words):
        pairwise(masks)
