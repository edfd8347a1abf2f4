"""Cells in groups: each in exactly one, of one model, and `study --group` and `--cells` compute these alone."""

from types import SimpleNamespace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from calibprune.errors import ParameterError
from calibprune.study.planning import groups
from calibprune.study.runner import work
from calibprune.study.study import Study


def some_cells(counts: dict[str, int], tokens: int = 1000):
    """As many cells of each model; only what a cell's work is of."""
    return [
        SimpleNamespace(
            id=f"{model}{number}",
            model=model,
            calibration_tokens=tokens * (1 + number % 3),
            languages=("de",),
            evaluations=(),
            parallel=None,
            tasks=(),
        )
        for model, count in counts.items()
        for number in range(count)
    ]


@given(
    counts=st.lists(st.integers(1, 12), min_size=1, max_size=4),
    share=st.floats(0, 1),
    mixed=st.randoms(use_true_random=False),
)
def test_every_cell_is_in_one_group_and_no_group_mixes_models(counts, share, mixed):
    cells = some_cells({chr(97 + i): count for i, count in enumerate(counts)})
    mixed.shuffle(cells)
    number = len(counts) + round(share * (len(cells) - len(counts)))
    found = groups.split(cells, number)
    assert len(found) == number and all(found)
    assert sorted(cell.id for group in found for cell in group) == sorted(cell.id for cell in cells)
    assert all(len({cell.model for cell in group}) == 1 for group in found)


def test_groups_have_about_as_much_work_each():
    cells = some_cells({"a": 60, "b": 20})
    found = groups.split(cells, 8)
    loads = [sum(map(work, group)) for group in found]
    assert sum(group[0].model == "b" for group in found) == 2
    assert max(loads) <= min(loads) + 2 * max(map(work, cells))


@pytest.mark.parametrize(
    ("number", "words"), [(1, "5 cells of 2 models"), (6, "choose 2 to 5 groups"), (0, "0 groups")]
)
def test_as_many_groups_as_cells_and_no_fewer_than_models(number, words):
    with pytest.raises(ParameterError, match=words):
        groups.split(some_cells({"a": 3, "b": 2}), number)


def test_a_job_takes_the_minutes_that_are_asked_for():
    cells = some_cells({"a": 30, "b": 10})
    assert groups.how_many(cells, lambda cell: 600.0, minutes=20) == 15 + 5
    assert groups.how_many(cells, lambda cell: 1.0, minutes=20) == 2  # a model is loaded all the same
    assert groups.how_many(cells, lambda cell: 7200.0, minutes=20) == 40
    assert groups.how_many(cells, lambda cell: 0.0, minutes=20) == 2  # all is done
    assert groups.how_many(cells, lambda cell: None) == 3 + 1


@pytest.mark.parametrize("text", ["0/2", "3/2", "1", "1/", "a/b", "-1/2", "1/2/3", "²/3"])
def test_a_group_that_is_none(text):
    with pytest.raises(ParameterError, match="group"):
        groups.of_text(text, some_cells({"a": 3}))


@pytest.fixture
def settings(tiny_checkpoint, tiny_texts, tmp_path):
    return {
        "models": [str(tiny_checkpoint)],
        "methods": ["magnitude", "wanda"],
        "languages": ["de", "sw"],
        "calibration_source": tiny_texts,
        "calibration_samples": 2,
        "calibration_length": 16,
        "evaluation_source": [tiny_texts],
        "evaluation_samples": 2,
        "evaluation_length": 16,
        "metrics": ["perplexity"],
        "device": "cpu",
        "dtype": "float32",
        "store": str(tmp_path / "results"),
    }


def test_a_run_computes_only_the_cells_of_its_group(settings):
    study = Study(**settings)
    cells = study.cells()
    first, second = (groups.of_text(f"{k}/2", cells) for k in (1, 2))
    frame = study.run(only=second, progress=False)
    assert [cell for cell in cells if study.store.has(cell)] == second
    assert len(frame) == sum(len(study.store.records(cell)) for cell in second)
    study.run(only=first, progress=False)
    assert all(map(study.store.has, cells))
    assert first + second == cells


def test_cells_are_chosen_by_their_ids(settings):
    cells = Study(**settings).cells()
    assert groups.of_ids([cells[2].id, cells[0].id], cells) == [cells[0], cells[2]]
    assert groups.of_ids([f"{cells[2].id[:12]}…", cells[0].id[:12]], cells) == [cells[0], cells[2]]
    alike = [SimpleNamespace(id="abcd0"), SimpleNamespace(id="abcd1"), SimpleNamespace(id="abcd12")]
    assert groups.of_ids(["abcd1"], alike) == [alike[1]]
    with pytest.raises(ParameterError, match="cell 'abcd…': 3 cells of this study begin so"):
        groups.of_ids(["abcd…"], alike)
    with pytest.raises(ParameterError, match="cell 'abc': is none of this study"):
        groups.of_ids(["abc"], alike)
    with pytest.raises(ParameterError, match="cell 'ffff': is none of this study"):
        groups.of_ids([cells[0].id, "ffff"], cells)
