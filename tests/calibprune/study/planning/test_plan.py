"""The plan of a study against the study itself, once it was run; and what it says where something was not measured."""

import json
import os
import sys
from statistics import fmean

import pytest
import yaml

from calibprune import cli, provenance
from calibprune.study.parameters import Parameters
from calibprune.study.planning import architecture, jobs, words
from calibprune.study.planning.counts import LLAMA_3_8B, ONE_PASS, steps
from calibprune.study.planning.plan import plan
from calibprune.study.planning.workload import kept, measuring_text, memory, pruning, rows, text_pass
from calibprune.study.runner import TRACE_BYTES
from calibprune.study.study import Study

LLAMA = "meta-llama/Meta-Llama-3-8B-Instruct"


@pytest.fixture
def settings(tiny_checkpoint, tiny_texts, tmp_path):
    """Nine cells, with everything that leaves an artifact but tasks."""
    return {
        "models": [str(tiny_checkpoint)],
        "methods": ["magnitude", "wanda"],
        "bits": [4],
        "group_size": 8,
        "languages": ["de", "sw"],
        "mask_seeds": [1],
        "calibration_source": tiny_texts,
        "calibration_samples": 2,
        "calibration_length": 16,
        "evaluation_source": [tiny_texts],
        "evaluation_samples": 2,
        "evaluation_length": 16,
        "metrics": ["perplexity", "snr_db", "masks", "neurons"],
        "device": "cpu",
        "dtype": "float32",
        "store": str(tmp_path / "results"),
    }


@pytest.fixture
def nothing(tmp_path):
    """A folder without benchmark results."""
    (tmp_path / "benchmarks").mkdir()
    return tmp_path / "benchmarks"


@pytest.fixture
def fast(nothing):
    """A machine, "Some GPU", with 10 µs for 10⁹ operations of anything."""
    shape = list(LLAMA_3_8B)
    made = []
    for method in ("wanda", "sparsegpt", "gptq"):
        for samples in (16, 128):
            ours = sum(pruning(LLAMA_3_8B, method, samples, 8192)) * 1e-14
            passes = 2 * steps(LLAMA_3_8B, samples, 8192)[ONE_PASS].operations * 1e-14
            detail = {"shape": shape, "samples": samples, "length": 8192, "method": method, "stages": {}}
            sides = {"ours": [ours], "limit": [passes]}
            made.append(
                {
                    "key": f"model_{method}",
                    "size": f"llama3-8b, {samples} × 8,192 tokens",
                    "value": 1.0,
                    "sides": sides,
                    "names": {"limit": "two plain passes"},
                    "detail": detail,
                }
            )
    content = {"name": "Some GPU", "device": "cuda", "rows": made}
    (nothing / "some-gpu.json").write_text(json.dumps(content))
    return nothing


def paper(**changes) -> Parameters:
    values = {
        "models": [LLAMA],
        "methods": ["wanda", "sparsegpt"],
        "languages": ["de", "en"],
        "calibration_source": "mc4",
        "calibration_samples": 128,
        "calibration_length": 8192,
        "evaluation_source": ["mc4"],
        "evaluation_samples": 128,
        "evaluation_length": 8192,
    }
    return Parameters.of(values | changes)


@pytest.fixture
def away(monkeypatch):
    """No hub, and nothing in its cache."""
    monkeypatch.setattr(architecture, "_from_the_hub", lambda name: None)
    monkeypatch.setattr(architecture, "_in_the_hubs_cache", lambda name: None)


def test_the_plan_of_a_study_that_was_run_is_what_it_left(settings, nothing):
    study = Study(**settings)
    study.run(progress=False)
    found = plan(study.parameters, benchmarks=nothing)
    assert [cell.id for cell in found.cells] == [cell.id for cell in study.cells()]
    assert [(row.cells, row.done, row.seconds, row.whole) for row in found.rows()] == [
        (row.cells, row.cells, 0.0, True) for row in found.rows()
    ]
    assert not found.unmeasured()
    model = found.models[settings["models"][0]].architecture
    for cell in found.cells:
        folder, bytes_of = study.store.folder(cell), kept(cell, model.shape)
        assert rows(cell, model.shape.layers) == len(study.store.records(cell))
        files = {path.stem: path.stat().st_size for path in folder.iterdir()}
        assert files["records"] + files["cell"] <= bytes_of.records < 2 * (files["records"] + files["cell"])
        for name, planned in (("masks", bytes_of.masks), ("neurons", bytes_of.artifacts)):
            # beside the tensors a file has their names and shapes
            assert planned <= files.get(name, 0) < planned + 3000 or planned == files.get(name, 0) == 0


def test_what_is_on_a_shelf_is_done(settings, nothing, tmp_path):
    Study(**settings).run(progress=False)
    elsewhere = Parameters.of(settings | {"store": str(tmp_path / "own"), "shelves": [settings["store"]]})
    found = plan(elsewhere, benchmarks=nothing)
    assert [row.done for row in found.rows()] == [row.cells for row in found.rows()]
    alone = plan(elsewhere.model_copy(update={"shelves": []}), benchmarks=nothing)
    assert not any(row.done for row in alone.rows())


def test_a_pipe_in_place_of_a_cell_is_passed_over(settings, nothing, tmp_path):
    place = tmp_path / "store" / "cells" / "0123456789abcdef"
    place.mkdir(parents=True)
    os.mkfifo(place / "cell.json")
    asked = Parameters.of(settings | {"store": str(tmp_path / "store")})
    assert not any(row.done for row in plan(asked, benchmarks=nothing).rows())


def test_missing_cells_take_what_recorded_ones_took(settings, nothing):
    study = Study(**settings)
    cells = study.cells()
    first = {}
    for cell in cells:  # one of each kind
        first.setdefault((cell.method, cell.part), cell)
    study.run(only=list(first.values()), progress=False)
    found = plan(study.parameters, benchmarks=nothing)
    assert sum(row.done for row in found.rows()) == len(first) < len(cells)
    assert not found.unmeasured()
    known = {kind: study.store.provenance(cell) for kind, cell in first.items()}
    # what is measured on rounded models and on those of a method without text is the same
    alike = known["gptq", "quantization"], known["magnitude", "languages"]
    expected = alike[0]["seconds_prune"] + fmean(one["seconds_measure"] for one in alike)
    for cell in cells:
        if cell.part == "quantization":
            assert found.cost(cell).seconds == pytest.approx(expected)
        assert found.cost(cell).seconds > 0 and not found.cost(cell).without


def test_seconds_of_another_machine_are_not_taken(settings, nothing, monkeypatch):
    study = Study(**settings)
    study.run(only=study.cells()[:3], progress=False)
    other = {"machine": "another, 2 cores", "device": "CPU", "system": "Linux"}
    monkeypatch.setattr(provenance, "machine", lambda device: other)
    found = plan(study.parameters, benchmarks=nothing)
    assert found.recorded.prune == found.recorded.measure == {}
    said = "\n".join(words.sentences(found))
    assert "No rates were measured on another, 2 cores" in said
    assert "not measured on another, 2 cores: pruning or rounding" in said and "with Wanda, in 3 cells" in said
    assert list(words.table(found))[-1][4] == "not measured"


def test_a_model_whose_weights_are_away_is_planned_by_its_sizes(fast, away, tmp_path):
    found = plan(paper(store=str(tmp_path)), "gpu", fast)
    (row,) = found.rows()
    model = architecture.KNOWN[LLAMA]
    passes = 2 * text_pass(model, 128, 8192) + 2 * text_pass(model, 128, 8192, logits=False)
    dense = 2 * text_pass(model, 128, 8192)
    pruned = [found.machine.pruning(model.shape, method, 128, 8192) for method in ("wanda", "sparsegpt")]
    assert row.seconds == pytest.approx(2 * sum(pruned) + (4 * passes + dense) * 1e-14, rel=1e-6)
    assert (row.cells, row.done, row.whole) == (5, None, True)
    said = "\n".join(words.sentences(found))
    assert "weights 16.1 GB in bfloat16" in said
    assert "resuming between two layers: 8.59 GB (128 × 8,192 tokens × 4,096 × 2 bytes)" in said
    assert "not on this machine" in said
    assert next(words.table(found))[3] == "not known"


def test_rates_of_wide_layers_are_the_least_that_narrow_ones_take(fast, tmp_path):
    """A GPU starts an operation of Gemma 3 270M and of Llama 3 8B in the same time."""
    narrow, wide = (
        plan(paper(models=[name], calibration_source="chromium", store=str(tmp_path)), "gpu", fast)
        for name in ("gemma3-270m", LLAMA)
    )
    assert list(narrow.unmeasured().values()) == [5]
    said = "\n".join(words.sentences(narrow))
    assert "Not in the hours, since it was not measured on Some GPU: starting operations one by one" in said
    assert not wide.unmeasured()
    processor = narrow.machine._replace(device="cpu")
    assert not processor.starting(narrow.models["gemma3-270m"].architecture.shape)


@pytest.mark.parametrize(
    "seconds, whole, shown",
    [(0, True, "0.00"), (0, False, "not measured"), (17, False, "not measured"), (18.1, False, "at least 0.01")],
)
def test_hours_in_words(seconds, whole, shown):
    assert words.hours(seconds, whole) == shown


def test_a_model_of_which_nothing_is_known_is_counted_in_cells_alone(fast, away, tmp_path):
    found = plan(paper(models=["nobody/nothing"], store=str(tmp_path)), "gpu", fast)
    (row,) = found.rows()
    assert (row.cells, row.done, row.seconds, row.whole, row.kept) == (5, None, 0, False, None)
    said = "\n".join(words.sentences(found))
    assert "hours, disk and memory are missing" in said and "whose sizes are not known" in said
    assert next(words.table(found))[3:] == ("not known", "not measured", "not known", "not known", "not known")


def test_tasks_and_sentences_are_not_guessed(fast, away, tmp_path):
    parameters = paper(
        store=str(tmp_path), tasks=["belebele"], metrics=["perplexity", "subspace"], parallel_source="belebele"
    )
    found = plan(parameters, "gpu", fast)
    assert found.unmeasured() == {"answers to 2 tasks": 5, "embeddings of 200 sentences in 2 languages": 4}
    assert next(words.table(found))[4].startswith("at least ")
    assert any("scores of single items" in line for line in words.sentences(found))


def test_the_dense_model_runs_beside_a_pruned_one_where_its_outputs_are_too_large_to_keep(away, tmp_path):
    model = architecture.KNOWN[LLAMA]
    cells = plan(paper(store=str(tmp_path), evaluation_samples=1, evaluation_length=2048)).cells
    dense, pruned = cells[:2]
    once = text_pass(model, 1, 2048)
    assert TRACE_BYTES == 2048 * 32 * 4096 * 2 * 2  # of both languages
    assert measuring_text(dense, model, 2) == measuring_text(pruned, model, 2) == 2 * once
    beside = text_pass(model, 1, 2048, logits=False)
    assert measuring_text(pruned, model, 4) == 2 * once + beside


def test_peak_memory_is_that_of_the_largest_cell(away, tmp_path):
    parameters = paper(store=str(tmp_path), models=["meta-llama/Meta-Llama-3-70B-Instruct"], dtype="bfloat16")
    found = plan(parameters)
    peak, measured = found.memory(parameters.models[0])
    assert not measured
    assert 141e9 + 137e9 < peak.resident < 330e9
    gram = 4 * (3 * 8192**2 + 28672**2)
    assert 2 * 1.7e9 + gram < peak.streamed < 40e9
    wanda = next(cell for cell in found.cells if cell.method == "wanda")
    assert memory(wanda, architecture.KNOWN[parameters.models[0]], 2).streamed < peak.streamed - gram


def test_a_job_asks_for_what_the_plan_knows(fast, away, tmp_path, monkeypatch):
    monkeypatch.setattr(jobs, "plan", lambda parameters, machine: plan(parameters, machine, fast))
    path = tmp_path / "p.yaml"
    path.write_text(yaml.safe_dump(paper(store=str(tmp_path / "results")).model_dump(mode="json", exclude_unset=True)))
    asked = jobs.jobs(path, "gpu", number=5)
    assert (asked.number, asked.open) == (5, [1, 2, 3, 4, 5])
    assert asked.resources["gpu"] == 1
    assert 16e3 < asked.resources["mem_mb"] < 30e3
    longest = max(plan(paper(), "gpu", fast).cost(cell).seconds for cell in plan(paper(), "gpu", fast).cells)
    assert asked.resources["runtime"] > longest / 60
    path.write_text(path.read_text() + "tasks: [belebele]\n")
    assert "runtime" not in jobs.jobs(path, "gpu", number=5).resources


def test_groups_that_are_done_have_no_job(settings, tmp_path):
    study = Study(**settings)
    path = tmp_path / "p.yaml"
    path.write_text(yaml.safe_dump(settings))
    study.run(only=study.cells()[:5], progress=False)
    asked = jobs.jobs(path, number=3)
    assert asked.number == 3 and 1 not in asked.open and 3 in asked.open


@pytest.mark.parametrize(
    ("count", "shown"),
    [
        (0, "0 B"),
        (999, "999 B"),
        (999.6, "1.00 kB"),
        (8_589_934_592, "8.59 GB"),
        (141e9, "141 GB"),
        (36.64e9, "36.6 GB"),
    ],
)
def test_bytes_in_words(count, shown):
    assert words.size(count) == shown


def test_the_commands(settings, tmp_path, monkeypatch, capsys):
    path = tmp_path / "p.yaml"
    path.write_text(yaml.safe_dump(settings))

    def call(*arguments) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["calibprune", *map(str, arguments)])
        monkeypatch.setenv("COLUMNS", "250")
        with pytest.raises(SystemExit) as ended:
            cli.main()
        return ended.value.code or 0, *capsys.readouterr()

    assert call("study", path, "--group", "2/3")[0] == 0
    done = [cell for cell in Study(**settings).cells() if Study(**settings).store.has(cell)]
    assert 0 < len(done) < 9
    code, out, _ = call("plan", path)
    assert code == 0 and "Hidden states that are kept" in out and "Jobs: " in out
    missing = next(cell for cell in Study(**settings).cells() if cell not in done)
    code, out, _ = call("study", path, "--cells", missing.id)
    assert code == 0 and "of 1 cells" in out and Study(**settings).store.has(missing)
    for arguments, said in (
        (("study", path, "--group", "1/2", "--cells", missing.id), "give one of them"),
        (("study", path, "--group", "4/3"), "group '4/3'"),
        (("study", path, "--cells", "0"), "is none of this study"),
        (("plan", path, "--machine", "abacus"), "unknown machine 'abacus'"),
    ):
        code, _, err = call(*arguments)
        assert code == 1 and said in err and len(err.splitlines()) == 1
