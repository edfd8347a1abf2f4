"""Who answers the tasks of a study: the same scores from another program, under an id of its own."""

from dataclasses import replace

import pytest
import torch
from cells import cell

from calibprune.errors import ParameterError
from calibprune.study.cells import Cell
from calibprune.study.study import Study


@pytest.fixture
def settings(tiny_settings, tmp_path, monkeypatch) -> dict:
    monkeypatch.setenv("CALIBPRUNE_CACHE", str(tmp_path / "cache"))
    return tiny_settings | {
        "methods": ["wanda", "magnitude"],
        "languages": ["de"],
        "metrics": ["perplexity", "snr_db"],
        "tasks": ["continuation"],
        "task_limit": 4,
        "store": str(tmp_path / "results"),
    }


def test_another_backend_is_another_cell_and_the_study_itself_is_what_it_was():
    asked = cell(tasks=("continuation_de",), task_limit=4, numerics=5)
    assert asked.task_backend == "local" and "task_backend" not in asked.configuration()
    assert asked.id == "912206ace2b62adb"  # as of the version that had no other backend
    others = [replace(asked, task_backend=name) for name in ("accelerate", "vllm")]
    assert len({asked.id, *(other.id for other in others)}) == 3
    assert [Cell.of(other.configuration()).id for other in (asked, *others)] == [one.id for one in (asked, *others)]
    # without tasks nobody answers
    assert replace(cell(), task_backend="vllm").id == cell().id


def test_a_study_by_accelerate_has_the_scores_of_a_study_by_itself(settings, tmp_path):
    local = Study(**settings).run(progress=False)
    study = Study(**settings, task_backend="accelerate")
    found = study.run(progress=False)
    # of each model the items; perplexities are the study's own in both
    assert found.equals(local)
    assert (found["task"] == "continuation").sum() >= 3
    assert len(list((study.store.root / "cells").iterdir())) == 6
    assert not [path for path in (tmp_path / "cache" / "exported").iterdir() if path.suffix != ".lock"]


def test_what_a_backend_needs_is_asked_before_anything_is_computed(settings, monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    study = Study(**settings, task_backend="vllm")
    with pytest.raises(ParameterError, match="task_backend vllm: needs a GPU"):
        study.run(progress=False)
    assert not list(study.store.root.glob("cells/*/cell.json"))


def test_a_backend_that_nobody_knows(settings):
    with pytest.raises(ParameterError, match="task_backend: unknown task backend 'llama.cpp'.*local, accelerate, vllm"):
        Study(**settings, task_backend="llama.cpp")
