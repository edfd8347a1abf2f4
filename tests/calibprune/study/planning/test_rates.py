"""Rates are found again from rows that were made of them, and what was not measured is not there."""

import json

import pytest

from calibprune.errors import ParameterError, StoreError
from calibprune.study.planning import rates
from calibprune.study.planning.counts import FIRST, GRAMS, LLAMA_3_8B, ONE_PASS, SECOND, Shape, steps
from calibprune.study.planning.workload import pruning

SPEED = {"forward": 0.002, "gram": 0.003, "wanda": 5.0, "sparsegpt": 0.06, "gptq": 0.07}
SMALL = Shape("small", 4, 64, 64, 32, 96)


def row(method, shape, samples, length, passes=True, stages=False):
    """A row as `benchmarks/model.py` writes it, of a machine with the speeds above."""
    step, work = steps(shape, samples, length), pruning(shape, method, samples, length)
    parts = {
        "statistics": SPEED["forward"] * step[FIRST].operations
        + (SPEED["gram"] * step[GRAMS].operations if method != "wanda" else 0),
        "solve": SPEED[method] * work.solve,
        "propagate": SPEED["forward"] * step[SECOND].operations,
    }
    sides = {"ours": [sum(parts.values()) / 1e12] * 3}
    if passes:
        sides["limit"] = [2 * SPEED["forward"] * step[ONE_PASS].operations / 1e12]
    return {
        "key": f"model_{method}",
        "size": f"{shape.name}, {samples:,} × {length:,} tokens",
        "value": 1.0,
        "sides": sides,
        "names": {"limit": "two plain passes"},
        "detail": {
            "shape": list(shape),
            "samples": samples,
            "length": length,
            "method": method,
            "stages": {name: seconds / 1e12 for name, seconds in parts.items()} if stages else {},
        },
    }


def written(folder, *rows, name="Some GPU", device="cuda"):
    folder.mkdir(exist_ok=True)
    path = folder / f"{name.lower().replace(' ', '-')}.json"
    path.write_text(json.dumps({"name": name, "device": device, "rows": list(rows)}))
    return rates.read(folder)[0]


def test_rates_are_found_from_runs_of_two_sizes(tmp_path):
    machine = written(
        tmp_path,
        *(row(method, LLAMA_3_8B, samples, 8192) for method in ("wanda", "sparsegpt") for samples in (16, 128)),
        row("gptq", LLAMA_3_8B, 16, 8192),
    )
    assert machine.rates == pytest.approx(SPEED, rel=1e-6)


def test_rates_are_found_from_the_stages_of_one_run(tmp_path):
    machine = written(tmp_path, row("sparsegpt", SMALL, 8, 128, passes=False, stages=True))
    assert machine.rates == pytest.approx({part: SPEED[part] for part in ("forward", "gram", "sparsegpt")}, rel=1e-6)


def test_another_size_takes_its_operations_and_the_same_one_what_was_measured(tmp_path):
    slow = row("wanda", SMALL, 8, 128)
    machine = written(tmp_path, row("wanda", LLAMA_3_8B, 128, 8192), slow)
    larger = row("wanda", LLAMA_3_8B._replace(layers=80), 64, 4096)["sides"]["ours"][0]
    assert machine.pruning(LLAMA_3_8B._replace(layers=80), "wanda", 64, 4096) == pytest.approx(larger, rel=1e-3)
    slow["sides"]["ours"] = [7.0, 9.0, 8.0]
    machine = written(tmp_path, row("wanda", LLAMA_3_8B, 128, 8192), slow)
    assert machine.pruning(SMALL._replace(name="by another name"), "wanda", 8, 128) == 8.0


def test_what_was_not_measured_has_no_seconds(tmp_path):
    machine = written(tmp_path, row("wanda", SMALL, 8, 128))
    assert machine.pruning(SMALL, "sparsegpt", 8, 128) is None
    assert machine.pruning(SMALL, "magnitude", 8, 128) is None
    nothing = rates.unmeasured("another", "cpu")
    assert nothing.passes(1e12) is None and nothing.pruning(SMALL, "wanda", 8, 128) is None


def test_peak_memory_belongs_to_its_sizes(tmp_path):
    size = f"{SMALL.name}, 8 × 128 tokens"
    memory = {"key": "model_memory", "size": size, "value": 2.5, "sides": {"ours": [2.5]}, "names": {}, "detail": {}}
    machine = written(tmp_path, row("wanda", SMALL, 8, 128), row("wanda", SMALL, 16, 128), memory)
    assert machine.peaks == {(SMALL[1:], 8, 128): 2.5e9}


def test_the_results_that_are_here_can_be_read():
    from calibbook.checkout import ROOT

    known = {machine.name: machine for machine in rates.read(ROOT / "book" / "results" / "benchmarks")}
    h200 = known["NVIDIA H200"]
    assert {"forward", "gram", "wanda", "sparsegpt", "gptq"} <= h200.rates.keys()
    for samples in (16, 128):  # the fit is near what it was fitted to
        for method in ("wanda", "sparsegpt"):
            measured = h200.runs[method, LLAMA_3_8B[1:], samples, 8192]
            assert h200._replace(runs={}).pruning(LLAMA_3_8B, method, samples, 8192) == pytest.approx(measured, rel=0.1)


def test_a_machine_is_chosen_by_a_part_of_its_name(tmp_path):
    machines = [rates.unmeasured(name, "cuda") for name in ("NVIDIA H100", "NVIDIA H200", "NVIDIA H200 NVL")]
    assert rates.choose(machines, "h100").name == "NVIDIA H100"
    assert rates.choose(machines, "nvidia h200").name == "NVIDIA H200"
    for name in ("h", "tpu"):
        with pytest.raises(ParameterError, match="unknown machine.*'NVIDIA H100', 'NVIDIA H200'"):
            rates.choose(machines, name)
    with pytest.raises(ParameterError, match="no benchmark results are here"):
        rates.choose([], "h100")


@pytest.mark.parametrize(
    "text", ["", "[]", '{"name": "x"}', '{"name": "x", "device": "cpu", "rows": [{}]}', "null", "[" * 100_000]
)
def test_a_file_that_holds_no_results(tmp_path, text):
    (tmp_path / "some.json").write_text(text)
    with pytest.raises(StoreError, match="some.json: benchmark results cannot be read"):
        rates.read(tmp_path)
