"""When a cell that was computed again is the same."""

import math

import pandas as pd
import pytest
import torch

from calibprune.study.comparing import compare_records, compare_tensors, same_bits, same_tensors
from calibprune.study.kept import COLUMNS


def records(**changes) -> pd.DataFrame:
    """Two rows: a perplexity of the model, and a pruning error of a layer."""
    row = {name: "" if kind == "str" else 1 for name, kind in COLUMNS.items()} | {"method": "dense"}
    rows = [
        row | {"metric": "perplexity", "source": "chromium", "language": "de", "layer": None, "value": 20.0} | changes,
        row | {"metric": "pruning_error", "source": "chromium", "language": "de", "layer": 0, "value": 0.5},
    ]
    return pd.DataFrame(rows).astype(COLUMNS)


WANDA, SPARSEGPT = {"method": "wanda"}, {"method": "sparsegpt"}


def test_bits():
    assert same_bits(records(stderr=math.nan), records(stderr=math.nan))
    assert not same_bits(records(), records(value=math.nextafter(20.0, 21)))
    assert not same_bits(records(), records(n=2))
    assert not same_bits(records(), records().iloc[:1])


@pytest.mark.parametrize(
    ("before", "after", "same"),
    [
        ({}, {}, True),
        ({}, {"value": 20.39}, True),
        ({}, {"value": 20.41}, False),
        ({}, {"value": math.inf}, False),
        ({"value": math.inf}, {"value": math.inf}, True),
        ({}, {"language": "sw"}, False),
        (WANDA, WANDA | {"value": 21.99}, True),
        (WANDA, WANDA | {"value": 22.01}, False),
        (SPARSEGPT, SPARSEGPT | {"value": 31.99}, True),
        (SPARSEGPT, SPARSEGPT | {"value": 32.01}, False),
        (WANDA | {"metric": "snr_db"}, WANDA | {"metric": "snr_db", "value": 20.99}, True),
        (WANDA | {"metric": "snr_db"}, WANDA | {"metric": "snr_db", "value": 21.01}, False),
        (SPARSEGPT | {"metric": "snr_db"}, SPARSEGPT | {"metric": "snr_db", "value": 23.99}, True),
        ({"metric": "damping"}, {"metric": "perplexity", "language": "sw"}, False),
        ({"metric": "another", "value": 1.0}, {"metric": "another", "value": 1.04}, True),
        ({"metric": "another", "value": 1.0}, {"metric": "another", "value": 1.06}, False),
        (
            {"metric": "acc", "task": "facts", "n": 8, "value": 0.5},
            {"metric": "acc", "task": "facts", "n": 8, "value": 0.625},
            True,
        ),
        (
            {"metric": "acc", "task": "facts", "n": 8, "value": 0.5},
            {"metric": "acc", "task": "facts", "n": 8, "value": 0.75},
            False,
        ),
        (
            WANDA | {"metric": "acc", "task": "facts", "n": 8, "value": 0.5},
            WANDA | {"metric": "acc", "task": "facts", "n": 8, "value": 0.75},
            True,
        ),
        (
            {"metric": "acc", "task": "facts", "n": 400, "value": 0.5},
            {"metric": "acc", "task": "facts", "n": 400, "value": 0.56},
            False,
        ),
    ],
)
def test_tolerances_of_records(before, after, same):
    found = compare_records(records(**before), records(**after))
    assert (found.excess <= 1) == same, found


def test_the_worst_value_is_named():
    found = compare_records(records(), records(value=25.0))
    assert found.what == "perplexity chromium de: 20, now 25" and found.excess == pytest.approx(12.5)
    assert "only before" in compare_records(records(), records().iloc[1:]).what


@pytest.mark.parametrize("off, same", [(1.03, True), (1.05, False)])
def test_many_values_may_not_all_be_off_by_as_much_as_one_may(off, same):
    """A single perplexity of a model that was pruned with Wanda may be off by a tenth, half of them by 4%."""
    before = pd.concat([records(**WANDA, language=code).iloc[:1] for code in ("ar", "de", "en", "es", "ru")])
    after = before.assign(value=before["value"] * off)
    found = compare_records(before, after)
    assert (found.excess <= 1) == same, found
    assert same or found.what.startswith("perplexity chromium: half of 5 values are more than 50%")
    assert compare_records(before.iloc[:4], after.iloc[:4]).excess <= 1  # too few to have a middle


def test_where_nothing_differs_that_is_said():
    assert compare_records(records(), records()) == ("every value is the same", 0)
    nothing = records().iloc[:0]  # as of a cell of which only the masks are kept
    assert compare_records(nothing, nothing).excess == 0
    assert compare_records(nothing, records()).excess == math.inf


def test_damping_may_be_absent():
    both = records(metric="damping", layer=1, component="mlp.down_proj")
    assert compare_records(both, both.iloc[1:]).excess == 0


def test_tensors():
    one = {"a": torch.tensor([1.0, math.nan])}
    assert same_tensors(one, {"a": torch.tensor([1.0, math.nan])})
    assert not same_tensors(one, {"a": torch.tensor([1.0, 2.0])})
    assert not same_tensors(one, {"b": one["a"]})
    assert not same_tensors({"a": torch.zeros(2)}, {"a": torch.zeros(2, dtype=torch.float64)})
    assert same_tensors({"a": torch.tensor(1.0, dtype=torch.bfloat16)}, {"a": torch.tensor(1.0, dtype=torch.bfloat16)})


def test_masks_agree_by_their_bits():
    mask = torch.zeros(100, 100, dtype=torch.uint8)
    other = mask.clone()
    other.view(-1)[:50] = 0b11111111  # 400 of 80,000
    assert compare_tensors("masks", {"a": mask}, {"a": other}, "wanda").excess == pytest.approx(1)
    other.view(-1)[50] = 1
    assert compare_tensors("masks", {"a": mask}, {"a": other}, "wanda").excess > 1
    assert compare_tensors("masks", {"a": mask}, {"a": mask[:9]}, "wanda").excess == math.inf
    assert compare_tensors("masks", {"a": mask}, {}, "wanda").excess == math.inf


def test_items_and_other_arrays():
    items = torch.tensor([0.0, 1.0] * 4)
    flipped = items.clone()
    flipped[0] = 1
    assert compare_tensors("items", {"a": items}, {"a": flipped}, "dense").excess == pytest.approx(1)
    assert compare_tensors("items", {"a": items}, {"a": 1 - items}, "dense").excess == pytest.approx(8)
    few, many = items, items.repeat(50)
    assert compare_tensors("items", {"a": few}, {"a": 1 - few}, "sparsegpt").excess == pytest.approx(8 / 3)
    assert compare_tensors("items", {"a": many}, {"a": 1 - many}, "sparsegpt").excess == pytest.approx(5)
    sizes = torch.full((4,), 2.0)
    assert compare_tensors("neurons", {"a": sizes}, {"a": sizes * 1.04}, "dense").excess == pytest.approx(0.8)
    assert compare_tensors("neurons", {"a": sizes * 0}, {"a": sizes}, "dense").excess == math.inf
