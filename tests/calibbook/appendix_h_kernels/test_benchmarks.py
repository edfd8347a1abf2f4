"""The benchmarks of kernels and of whole models in tiny sizes, the files they write, and what Appendix H makes of them.

No test asks how long anything takes.
"""

import importlib.util
import json
import os
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest

from calibbook.appendix_h_kernels import figures as benchmark_figures
from calibbook.appendix_h_kernels import results as benchmark_results
from calibbook.appendix_h_kernels import tables as benchmarks
from calibbook.appendix_h_kernels.comparisons import AT_LEAST, COMPARISONS, TARGETS
from calibbook.appendix_h_kernels.results import Machine, read
from calibbook.checkout import ROOT
from calibprune.errors import StoreError
from calibprune.study.planning.counts import LLAMA_3_8B, Peak

BENCHMARKS = ROOT / "benchmarks"
KERNEL_ROWS = [
    "sparsegpt_matrix",
    "gram",
    "wanda_layer",
    "sparsegpt_model",
    "gptq_matrix",
    "masks_pack",
    "masks_overlap",
]
MODEL_ROWS = ["model_wanda", "model_sparsegpt", "model_gptq", "model_memory", "peer_sparsegpt", "peer_gptq"]


def run(script: str, *arguments: str) -> str:
    command = [sys.executable, BENCHMARKS / script, "--device", "cpu", *arguments]
    done = subprocess.run(command, capture_output=True, text=True, env=os.environ | {"OMP_NUM_THREADS": "1"})
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def written(tiny_checkpoint, tmp_path_factory) -> tuple[Path, str]:
    """A folder with this machine's results in tiny sizes, and what the two benchmarks printed."""
    folder = tmp_path_factory.mktemp("benchmarks")
    keep = ["--repeats", "2", "--group-size", "32", "--dtype", "float32", "--write", "--folder", str(folder)]
    sizes = ["--rows", "24", "--width", "160", "--tokens", "40", "--peak-size", "32"]
    shown = run("kernels.py", *sizes, "--checkpoint", str(tiny_checkpoint), *keep)
    heads = ["--heads", "4", "--key-heads", "2", "--head-width", "8"]
    model = ["--layers", "2", "--width", "32", "--mlp", "64", *heads, "--samples", "3", "--length", "16"]
    return folder, shown + run("model.py", *model, *keep)


def test_two_runs_at_once_are_timed_beside_one_alone(tiny_checkpoint, tiny_texts):
    sizes = ["--repeats", "1", "--samples", "2", "--length", "16"]
    command = [sys.executable, BENCHMARKS / "sharing.py", "--checkpoint", tiny_checkpoint, "--source", tiny_texts]
    done = subprocess.run([*command, *sizes], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    _, today, ours = done.stdout.splitlines()
    assert "GOMP_SPINCOUNT=300000" in today and "alone 1.00 of today's time" in today
    assert "calibprune's own choice: alone" in ours and "two at once" in ours


def row(key: str, value: float | None, as_asked: bool = True, reason: str = "", **more) -> dict:
    return {
        "key": key,
        "size": "some size",
        "as_asked": as_asked,
        "value": value,
        "reason": reason,
        "unit": "s",
        "sides": {"ours": [1.0, 2.0, 4.0]},
        "names": {},
        "detail": {},
        "date": "2026-01-02T03:04:05+00:00",
        "commit": "abc",
        "versions": {"torch": "2"},
    } | more


def machine(*rows: dict, device: str = "cuda", name: str = "a GPU", peak: Peak | None = None) -> Machine:
    return Machine(name, device, peak, list(rows))


def test_every_row_is_printed_and_kept_with_all_its_repeats(written):
    folder, shown = written
    (found,) = read(folder)
    assert found.device == "cpu" and found.peak is not None and min(found.peak[1:]) > 0
    assert sorted(row["key"] for row in found.rows) == sorted(KERNEL_ROWS + MODEL_ROWS)
    assert all(COMPARISONS[key].what in shown for key in KERNEL_ROWS + MODEL_ROWS)
    for row in found.rows:
        assert len(row["sides"]["ours"]) == 2 and min(row["sides"]["ours"]) > 0
        assert not row["as_asked"]
        assert row["date"] and row["versions"]["torch"]


def test_both_sides_solve_the_same_matrices_alike(written):
    (found,) = read(written[0])
    shares = {row["key"]: row["detail"]["same"] for row in found.rows if "same" in row["detail"]}
    assert set(shares) == {"sparsegpt_matrix", "sparsegpt_model", "gptq_matrix"}
    assert min(shares.values()) > 0.98


@pytest.mark.skipif(
    importlib.util.find_spec("llmcompressor") is not None, reason="llmcompressor is installed, so there is a number"
)
def test_a_peer_that_is_not_installed_is_said_to_be(written):
    folder, shown = written
    (found,) = read(folder)
    assert {row["value"] for row in found.rows if row["key"].startswith("peer_")} == {None}
    assert shown.count("not measured: llmcompressor is not installed") == 2


def test_ratios_are_those_of_medians(written):
    (found,) = read(written[0])
    by_key = {row["key"]: row for row in found.rows}
    ours, limit = (sum(by_key["model_wanda"]["sides"][side]) / 2 for side in ("ours", "limit"))
    assert by_key["model_wanda"]["value"] == pytest.approx(ours / limit)
    ours, peer = (sum(by_key["sparsegpt_matrix"]["sides"][side]) / 2 for side in ("ours", "peer"))
    assert by_key["sparsegpt_matrix"]["value"] == pytest.approx(peer / ours)


def test_whole_runs_stand_beside_their_least_time(written):
    (found,) = read(written[0])
    staged = benchmarks.staged(found)
    assert set(staged["part"]) == {"statistics", "solve", "propagate", "whole run"}
    assert len(staged) == 12
    assert (staged["times that"] > 0).all()
    assert benchmarks.staged(found._replace(peak=None)).empty


def test_every_row_of_a_machine_is_in_its_table(written):
    (found,) = read(written[0])
    table = benchmarks.measured(found)
    assert len(table) == len(found.rows)
    assert set(table["repeats"]) == {2}
    fewer = found._replace(rows=[found.rows[0] | {"sides": {"ours": [1.0, 2.0, 4.0], "peer": [3.0]}}])
    assert list(benchmarks.measured(fewer)["repeats"]) == [1]
    said = benchmarks.origin(found)
    assert found.rows[0]["date"][:10] in said and f"torch {found.rows[0]['versions']['torch']}" in said


def test_a_row_replaces_its_namesake_and_leaves_the_others(monkeypatch, tmp_path):
    monkeypatch.syspath_prepend(BENCHMARKS)
    import measuring

    rows = [row("gram", 0.5), row("gram", 0.6, size="another"), row("masks_pack", 2.0)]
    path = measuring.write(rows, "cpu", {"sixteen_bit": 1.0, "float32": 2.0, "memory": 3.0}, tmp_path)
    assert measuring.write([row("gram", 0.7)], "cpu", folder=tmp_path) == path
    (found,) = read(tmp_path)
    assert {(kept["key"], kept["size"]): kept["value"] for kept in found.rows} == {
        ("gram", "some size"): 0.7,
        ("gram", "another"): 0.6,
        ("masks_pack", "some size"): 2.0,
    }
    assert found.peak[1:] == (1.0, 2.0, 3.0)
    assert [entry.name for entry in tmp_path.iterdir()] == [path.name]
    umask = os.umask(0)
    os.umask(umask)
    assert path.stat().st_mode & 0o777 == 0o666 & ~umask


@pytest.fixture(scope="module")
def first(tiny_checkpoint, tiny_texts, tmp_path_factory) -> tuple[dict[str, list], str, Path]:
    """Rows by key of three parts of the first script on a GPU, what it printed, and its folder for temporary files."""
    folder, scratch = tmp_path_factory.mktemp("first"), tmp_path_factory.mktemp("scratch")
    environment = os.environ | {
        "PYTHON": sys.executable,
        "OMP_NUM_THREADS": "1",
        "WORKERS": "0",
        "CELL_ARGUMENTS": f"--checkpoint {tiny_checkpoint} --source {tiny_texts}",
        "TMPDIR": str(scratch),
    }
    command = [BENCHMARKS / "gpu_first.sh", "--tiny", "--folder", folder, "tests", "cells", "stream"]
    done = subprocess.run(command, capture_output=True, text=True, env=environment)
    assert done.returncode == 0, done.stderr
    (found,) = read(folder)
    by_key = {}
    for row in found.rows:
        by_key.setdefault(row["key"], []).append(row)
    return by_key, done.stdout, scratch


def test_the_first_script_on_a_gpu_runs_its_parts_and_keeps_their_rows(first):
    by_key, shown, _ = first
    assert "== tests" in shown and " passed" in shown
    assert set(by_key) == {"cell_weights", "cell_perplexity", "streamed", "streamed_read", "streamed_memory"}
    cells = [*by_key["cell_weights"], *by_key["cell_perplexity"]]
    assert len(cells) == 8, "two rows a method"
    assert all(row["value"] == 1 for row in cells), "a CPU agrees with itself"
    unknown = subprocess.run([BENCHMARKS / "gpu_first.sh", "everything"], capture_output=True, text=True)
    assert unknown.returncode == 2 and "everything" in unknown.stderr


def test_a_streamed_model_is_timed_beside_a_resident_one(first):
    by_key, shown, scratch = first
    rows = [row for key in ("streamed", "streamed_read", "streamed_memory") for row in by_key[key]]
    assert rows[0]["value"] == rows[0]["sides"]["ours"][0] / rows[0]["sides"]["peer"][0]
    assert not any(row["as_asked"] for row in rows), "the targets are for larger models"
    assert "2 layers of width 32" in shown
    assert not [path for path in scratch.iterdir() if not path.name.startswith("pytest-of-")], "nothing is left"


def test_a_row_that_fails_is_kept_with_its_reason_and_the_next_is_measured(monkeypatch):
    monkeypatch.syspath_prepend(BENCHMARKS)
    import measuring

    kept = []

    def measure(key: str) -> list[dict]:
        if key == "gram":
            raise RuntimeError("no such instruction\nand more")
        return [row(key, 2.0)]

    found = measuring.measured(["gram", "masks_pack"], measure, kept.append)
    assert kept == [found[:1], found[1:]], "each as soon as it is there"
    assert found[0]["value"] is None and found[0]["reason"] == "RuntimeError: no such instruction"
    assert list(benchmarks.measured(machine(*found))["repeats"]) == [0, 3]
    assert measuring.status(found) == 1 and measuring.status(found[1:]) == 0


def test_no_turn_begins_after_the_limit_but_the_first(monkeypatch):
    monkeypatch.syspath_prepend(BENCHMARKS)
    from measuring import Side, seconds

    assert [len(times) for times in seconds([Side(lambda: None)] * 2, 5, limit=0)] == [1, 1]


def test_sides_take_turns_from_their_first_state(monkeypatch):
    monkeypatch.syspath_prepend(BENCHMARKS)
    from measuring import Side, seconds

    seen = []
    sides = [Side(lambda name=name: seen.append(name), lambda name=name: seen.append(f"start {name}")) for name in "ab"]
    taken = seconds(sides, 2)
    assert seen == ["start a", "a", "start b", "b"] * 3  # a turn that does not count comes first
    assert [len(times) for times in taken] == [2, 2]


@pytest.mark.parametrize(
    "text", ["", "{}", "[]", '{"name": "x", "device": "cpu", "peaks": {}, "rows": [{"key": "unheard of"}]}']
)
def test_a_damaged_file_is_named(tmp_path, text):
    (tmp_path / "some-machine.json").write_text(text)
    with pytest.raises(StoreError, match="benchmark results some-machine.json"):
        read(tmp_path)


def test_without_any_results_every_target_is_not_measured(tmp_path):
    assert read(tmp_path / "nowhere") == []
    table = benchmarks.against_targets([])
    assert len(table) == len(TARGETS)
    gpu = pd.Series([target.device == "cuda" for target in TARGETS])
    assert set(table.loc[gpu, "verdict"]) == {"not measured: no GPU"}
    assert set(table.loc[~gpu, "verdict"]) == {"not measured: the benchmark was not run"}
    picture = benchmark_figures.against_targets([])
    assert f"0 reached, {len(TARGETS)} not measured, 0 missed." in picture.alt
    assert len(picture.figure.axes[0].get_yticks()) == len(TARGETS)


def test_targets_are_reached_or_missed():
    found = machine(
        row("sparsegpt_matrix", 20.0),
        row("model_wanda", 1.3),
        row("peer_gptq", None, reason="llmcompressor is not installed"),
    )
    by_key = dict(zip((target.key for target in TARGETS), benchmarks.against_targets([found])["verdict"], strict=True))
    assert by_key["sparsegpt_matrix"] == "reached"
    assert by_key["model_wanda"] == "missed"
    assert by_key["peer_gptq"] == "not measured: llmcompressor is not installed"
    assert by_key["gram"] == "not measured: the benchmark was not run"


@pytest.mark.parametrize("target", TARGETS, ids=lambda target: target.key)
def test_one_is_the_target_whichever_way_is_better(target):
    better, worse = (2, 0.5) if target.sense == AT_LEAST else (0.5, 2)
    assert target.share(target.target) == 1 and target.reached(target.target)
    assert target.share(better * target.target) == 2 and target.reached(better * target.target)
    assert target.share(worse * target.target) == 0.5 and not target.reached(worse * target.target)


def test_another_size_is_drawn_but_reaches_no_target():
    small = machine(row("sparsegpt_matrix", 30.0, as_asked=False), device="cpu", name="a CPU")
    assert "reached" not in set(benchmarks.against_targets([small])["verdict"])
    picture = benchmark_figures.against_targets([small])
    drawn = picture.figure.axes[0].patches
    assert [bar.get_hatch() for bar in drawn] == ["////"]
    assert drawn[0].get_x() + drawn[0].get_width() == pytest.approx(1.5)
    assert "In other sizes or on other devices: 1 measured, 1 of them at the target or beyond." in picture.alt


def test_a_missed_target_is_named_in_the_description_and_a_reached_one_counted():
    found = machine(row("sparsegpt_matrix", 20.0), row("model_wanda", 1.3))
    words = benchmark_figures.against_targets([found]).alt
    assert f"1 reached, {len(TARGETS) - 2} not measured, 1 missed (" in words and " of the target)." in words


def test_measured_peaks_join_those_of_data_sheets():
    slow = machine(device="cpu", name="a CPU", peak=Peak("a CPU", 1e12, 1e11, 1e10))
    assert list(benchmarks.peaks([slow])["machine"]) == ["NVIDIA H200 SXM", "NVIDIA A100 80 GB SXM", "a CPU"]
    table = benchmarks.counted(LLAMA_3_8B, 128, 8192, [slow]).set_index("step")
    assert table.loc["one whole forward pass", "at least, a CPU"] == "4 h 41 min"
    assert table.loc["one whole forward pass", "at least, NVIDIA H200 SXM"] == "17.1 s"


def test_every_kernel_says_what_it_does_and_where_its_gpu_side_is():
    table = benchmarks.kernels().set_index("file")
    assert (table["what it does"].str.len() > 20).all() and table["what it does"].str.endswith(".").all()
    assert table.loc["gram.py", "on a GPU"] == "gram_triton.py"
    assert table.loc["factor.py", "on a GPU"] == "torch"
    assert "gram_triton.py" not in table.index


def test_results_that_are_kept_in_the_repository_can_be_read():
    for path in benchmark_results.RESULTS.glob("*.json"):
        assert json.loads(path.read_text(encoding="utf-8"))["rows"]
    assert len(read()) == len(list(benchmark_results.RESULTS.glob("*.json")))
