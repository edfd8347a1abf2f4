"""The command line: what it writes, and that every bad input ends with one line, a status and nothing half-written."""

import csv
import io
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
import transformers as hf
import yaml
from rich.console import Console

from calibprune import __version__, cli, commands, corpora, methods
from calibprune.methods import pruners
from calibprune.models import loading
from calibprune.saving import making
from calibprune.study import progress
from calibprune.study.parameters import Parameters

COMMAND = [sys.executable, "-m", "calibprune"]


@pytest.fixture
def params(tiny_checkpoint, tiny_texts, tmp_path):
    values = {
        "models": [str(tiny_checkpoint)],
        "methods": ["wanda"],
        "languages": ["de", "sw"],
        "calibration_source": tiny_texts,
        "calibration_samples": 4,
        "calibration_length": 32,
        "evaluation_source": [tiny_texts],
        "evaluation_samples": 3,
        "evaluation_length": 24,
        "device": "cpu",
        "dtype": "float32",
        "store": str(tmp_path / "results"),
    }
    path = tmp_path / "study.yaml"
    path.write_text(yaml.safe_dump(values))
    return path


@pytest.fixture
def run(monkeypatch, capfd):
    """Runs a command line in this process: (status, output, lines on standard error)."""

    def call(*arguments) -> tuple[int, str, list[str]]:
        monkeypatch.setattr(sys, "argv", ["calibprune", *map(str, arguments)])
        monkeypatch.setenv("COLUMNS", "200")
        capfd.readouterr()
        with pytest.raises(SystemExit) as ended:
            cli.main()
        out, err = capfd.readouterr()
        code = ended.value.code
        if isinstance(code, str):  # what the interpreter does with it
            code, err = 1, f"{err}{code}\n"
        return code or 0, out, err.splitlines()

    return call


def assert_last_line(lines, words) -> None:
    """One line of failure; before it nothing but what was begun (where that was a model, its loading came first)."""
    *progress, last = lines
    assert all(" … " in line for line in progress), lines
    assert last.startswith("calibprune: ")
    for word in words:
        assert str(word) in last, last


@pytest.fixture
def fails(run):
    def call(*arguments, words=()) -> None:
        status, _, lines = run(*arguments)
        assert status not in (0, None)
        assert_last_line(lines, words)

    return call


def pruning(model, texts, output, **options) -> list[str]:
    values = {
        "source": texts,
        "calibration": "de",
        "samples": 4,
        "length": 32,
        "device": "cpu",
        "dtype": "float32",
        "output": output,
    } | options
    return [
        "prune",
        model,
        *(part for name, value in values.items() if value is not None for part in (f"--{name}", value)),
    ]


def test_a_study_and_its_cells(run, params, tmp_path):
    status, out, lines = run("cells", params)
    assert (status, lines) == (0, [])
    assert out.count(" no ") == 3
    assert "0 of 3 cells done" in out
    status, out, lines = run("study", params)
    assert status == 0
    assert f"of 3 cells in {tmp_path / 'results' / 'cells'}" in out
    assert len([line for line in lines if "wanda 0.5" in line]) == 2, "a line a cell where there is no terminal"
    status, out, _ = run("cells", params)
    assert out.count(" yes ") == 3
    assert "3 of 3 cells done" in out
    status, _, lines = run("study", params)
    assert (status, lines) == (0, []), "the second time there is nothing to compute"


def test_a_study_says_what_its_tasks_lack(capsys):
    asked = Parameters.of({"models": ["x"], "languages": ["de", "vi"], "tasks": ["knowledge", "facts_de"]})
    commands._say_what_tasks_lack(asked)
    assert capsys.readouterr().err == "knowledge: has no questions in vi, so that it is not measured there\n"


def test_what_a_cell_is_whether_it_comes_out_again_and_what_is_wrong(run, fails, params, tmp_path, monkeypatch):
    monkeypatch.setenv("CALIBPRUNE_CACHE", str(tmp_path / "cache"))
    run("study", params)
    store = tmp_path / "results"
    identifier = next(path.name for path in (store / "cells").iterdir())
    status, out, lines = run("show", identifier[:8], "--store", store)
    assert (status, lines) == (0, [])
    for words in (identifier, "every checksum holds", "numerics", "version of torch", "seconds measure", "machine"):
        assert words in out
    status, out, _ = run("verify", "--against", store, "--device", "cpu")
    assert status == 0 and "3 of 3 cells are the same" in out
    assert out.splitlines()[0].startswith("3 cells to compute again, which took ")
    (store / "cells" / identifier / "records.parquet").write_bytes(b"")
    status, out, _ = run("verify", identifier, "--store", store, "--device", "cpu")
    assert status == 1 and "0 of 1 cells are the same" in out and "not at all" in out
    status, out, _ = run("doctor", "--store", store)
    assert status == 1 and f"cell {identifier}: the checksum of records.parquet is wrong: delete" in out
    fails("show", "zz", "--store", store, words=["'zz'", "no cell"])
    fails("verify", identifier, "--random", 2, "--store", store, words=["not both"])
    fails("verify", "--against", tmp_path / "none", words=["none", "no folder and no archive"])


def test_a_finished_study_is_packed(run, fails, params, tmp_path):
    fails("publish", tmp_path / "shelf", params, words=["3 of 3 cells are not computed", "calibprune study"])
    fails("publish", tmp_path / "shelf", params, params, words=["two files have the same name"])
    run("study", params)
    fails("publish", tmp_path / "shelf", params, "--limit-mb", 0.001, words=["more than 0.0 MB", "--limit-mb"])
    status, out, lines = run("publish", tmp_path / "shelf", params)
    assert (status, lines) == (0, [])
    assert f"{tmp_path / 'shelf'}: 3 cells, 0 derived tables, 0." in out and "build the book first" in out
    status, out, _ = run("verify", "--against", tmp_path / "shelf", "--device", "cpu")
    assert status == 0 and "3 of 3 cells are the same" in out


def test_a_cell_of_a_stranger_sends_nothing_to_the_terminal(run, params, tmp_path):
    run("study", params)
    path = next((tmp_path / "results" / "cells").glob("*/cell.json"))
    path.write_text(path.read_text().replace('"commit": "', '"commit": "\\u001b[31m'))
    _, out, _ = run("show", path.parent.name, "--store", tmp_path / "results")
    assert "[31m" in out and "\x1b" not in out
    path.write_text(path.read_text().replace('"machine": "', '"machine": "\\u001b[32m'))
    _, out, _ = run("verify", path.parent.name, "--store", tmp_path / "results", "--device", "cpu")
    assert out.count("[32m") == 2 and "\x1b" not in out, "in what is announced, and in what differs"


@pytest.mark.parametrize(("method", "sparsity"), [("wanda", "0.5"), ("sparsegpt", "2:4"), ("magnitude", "0.25")])
def test_prune_writes_a_checkpoint(run, tiny_checkpoint, tiny_texts, tmp_path, method, sparsity):
    text = dict.fromkeys(("source", "calibration", "samples", "length")) if method == "magnitude" else {}
    options = {"method": method, "sparsity": sparsity, "calibration": "de+sw"} | text
    status, out, _ = run(*pruning(tiny_checkpoint, tiny_texts, tmp_path / "new" / "out", **options))
    assert status == 0
    assert str(tmp_path / "new" / "out") in out
    model = hf.AutoModelForCausalLM.from_pretrained(tmp_path / "new" / "out")
    dense = hf.AutoModelForCausalLM.from_pretrained(tiny_checkpoint)
    for name, weight in model.named_parameters():
        zeros = float((weight == 0).float().mean())
        if "_proj" in name:
            assert zeros == pytest.approx(0.25 if method == "magnitude" else 0.5, abs=0.01), name
        else:
            assert torch.equal(weight, dense.get_parameter(name))
    card = (tmp_path / "new" / "out" / "README.md").read_text()
    assert method in card
    assert f"| sparsity | {sparsity} |" in card
    assert ("| calibration | de+sw |" in card) == (method != "magnitude")
    assert hf.AutoTokenizer.from_pretrained(tmp_path / "new" / "out").bos_token_id == 256


@pytest.mark.parametrize("format", ["compressed-tensors", "dense"])
def test_quantize_writes_a_checkpoint(run, tiny_checkpoint, tiny_texts, tmp_path, format):
    options = {"method": None, "sparsity": None, "group-size": "8", "bits": "4", "format": format}
    status, out, _ = run("quantize", *pruning(tiny_checkpoint, tiny_texts, tmp_path / "out", **options)[1:])
    assert status == 0
    assert "quantized to 4 bits" in out
    model = hf.AutoModelForCausalLM.from_pretrained(tmp_path / "out", dtype="float32")
    for name, weight in model.named_parameters():
        if "_proj" in name:
            assert max(len(group.unique()) for group in weight.reshape(-1, 8)) <= 8
            assert len(weight.unique()) > 16
    assert "--bits 4" in (tmp_path / "out" / "README.md").read_text()


@pytest.mark.parametrize("format", ["compressed-tensors", "dense"])
def test_prune_rounds_in_the_same_sweep(run, tiny_checkpoint, tiny_texts, tmp_path, format):
    options = {"method": "sparsegpt", "sparsity": "2:4", "group-size": "8", "bits": "4", "format": format}
    status, out, _ = run(*pruning(tiny_checkpoint, tiny_texts, tmp_path / "out", **options))
    assert status == 0
    assert "to 2:4 and rounded to 4 bits" in out
    model = hf.AutoModelForCausalLM.from_pretrained(tmp_path / "out", dtype="float32")
    for name, weight in model.named_parameters():
        if "_proj" in name:
            assert bool(((weight.reshape(-1, 4) == 0).sum(1) >= 2).all()), "two of every four are zero"
            assert max(len(group.unique()) for group in weight.reshape(-1, 8)) <= 5, (
                "at most four values in a group of eight, and zero"
            )
            assert len(weight.unique()) > 16
    assert (
        f"--sparsity 2:4 --bits 4 --group-size 8 --symmetric --format {format}"
        in (tmp_path / "out" / "README.md").read_text()
    )


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"method": "wanda", "bits": "4"}, ["bits 4", "'wanda'", "sparsegpt"]),
        ({"method": "sparsegpt", "bits": "1"}, ["bits 1", "2 to 8"]),
        ({"method": "sparsegpt", "bits": "4", "group-size": "7"}, ["group_size 7"]),
        ({"method": "sparsegpt", "format": "compressed-tensors"}, ["format compressed-tensors", "bits", "dense"]),
        ({"format": "gguf"}, ["gguf", "dense"]),
    ],
)
def test_bad_options_of_rounding(fails, tiny_checkpoint, tiny_texts, tmp_path, options, words):
    grouped = {"group-size": "8"} if "bits" in options else {}
    fails(*pruning(tiny_checkpoint, tiny_texts, tmp_path / "out", **grouped | options), words=words)
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"bits": "9"}, ["bits 9"]),
        ({"group-size": "7"}, ["group_size 7"]),
        ({"format": "gguf"}, ["gguf", "dense"]),
        ({"samples": "0"}, ["0"]),
    ],
)
def test_bad_options_of_quantize(fails, tiny_checkpoint, tiny_texts, tmp_path, options, words):
    values = {"method": None, "sparsity": None, "group-size": "8"} | options
    fails("quantize", *pruning(tiny_checkpoint, tiny_texts, tmp_path / "out", **values)[1:], words=words)
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--group-size", "64"], ["--group-size has no effect without --bits", "leave it out"]),
        (["--group-size", "128"], ["--group-size"]),
        (["--no-symmetric"], ["--no-symmetric"]),
        (["--group-size", "64", "--symmetric"], ["--group-size, --symmetric have no effect", "leave them out"]),
        (["--calibration", "de"], ["--calibration has no effect with method magnitude, which uses no text"]),
        (["--calibration", ""], ["--calibration"]),
        (["--samples", "4", "--length=16", "--seed", "0"], ["--samples, --length, --seed have no effect"]),
        (["--source", "udhr"], ["--source"]),
    ],
)
def test_options_without_effect_are_named(fails, tiny_checkpoint, tmp_path, options, words):
    fails("prune", tiny_checkpoint, "--method", "magnitude", "--output", tmp_path / "out", *options, words=words)
    assert not (tmp_path / "out").exists()


def test_text_for_a_quantizer_that_uses_none(fails, monkeypatch, tiny_checkpoint, tmp_path):
    monkeypatch.setitem(methods.METHODS, "nearest", methods.METHODS["gptq"]._replace(accumulate=None))
    command = ["quantize", tiny_checkpoint, "--output", tmp_path / "out", "--method", "nearest", "--seed", "1"]
    fails(*command, words=["--seed has no effect with method nearest"])


def advising(model, texts, **options) -> list[str]:
    values = {
        "target": "es",
        "candidates": "es,de,en+sw",
        "source": texts,
        "samples": 3,
        "length": 32,
        "target-samples": 2,
        "device": "cpu",
        "dtype": "float32",
    } | options
    return [
        "advise",
        model,
        *(part for name, value in values.items() if value is not None for part in (f"--{name}", value)),
    ]


@pytest.mark.parametrize("options", [{}, {"method": "sparsegpt", "sparsity": "2:4"}])
def test_advise_ranks_candidates_for_every_target(run, tiny_checkpoint, tiny_texts, tmp_path, options):
    table = tmp_path / "losses.csv"
    command = advising(tiny_checkpoint, tiny_texts, table=table, **options)
    status, out, lines = run(*command, "--target", "ru, sw")
    assert status == 0
    assert len(lines) == 1, "the model and what is asked, where there is no terminal"
    assert "these are no measured perplexities" in out
    with table.open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 3 * 3 * (1 + 2 * 7)
    ranked = re.findall(r"│ (\S+) +│ +([\d.]+) +│ +([\d.]+) +│", out)
    for target in ("es", "ru", "sw"):
        assert f"calibration for {target}, {options.get('method', 'wanda')} {options.get('sparsity', '0.5')}" in out
        whole = {
            row["calibration"]: float(row["value"]) for row in rows if (row["language"], row["layer"]) == (target, "")
        }
        shown, ranked = ranked[:3], ranked[3:]
        assert [name for name, _, _ in shown] == sorted(whole, key=whole.get)
        for name, loss, ratio in shown:
            assert float(loss) == pytest.approx(whole[name], abs=1e-4)
            assert float(ratio) == pytest.approx(whole[name] / min(whole.values()), abs=1e-3)
    assert not ranked
    if not options:
        status, out, _ = run(*command, "--exact", "--target", "ru")
        assert status == 0
        with table.open(encoding="utf-8", newline="") as file:
            exact = list(csv.DictReader(file))
        assert [row["value"] for row in exact] != [row["value"] for row in rows[: len(exact)]]


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"target": "fr"}, ["targets: ", "no text in 'fr'"]),
        ({"target": "de+es"}, ["targets: language 'de+es' is no code"]),
        ({"target": ","}, ["targets (none): give one language or more"]),
        ({"target": None}, ["--target"]),
        ({"candidates": "es,de,es+fr"}, ["candidates: ", "no text in 'fr'"]),
        ({"candidates": "es"}, ["candidates es: give two or more"]),
        ({"candidates": "es,de,es"}, ["candidates es, de, es", "each once"]),
        ({"candidates": "es,de+en,en+de"}, ["candidates es, de+en, en+de", "each once"]),
        ({"target-samples": 0}, ["text of the targets: samples 0"]),
        ({"candidates": None}, ["--candidates"]),
        ({"samples": 5000}, ["calibration windows", "5000 are asked for"]),
        ({"target-samples": 5000}, ["validation windows", "5000 are asked for"]),
        ({"length": 65}, ["window length 65", "at most 64 tokens"]),
        ({"source": "no such"}, ["'no such'", ", ".join(corpora.names())]),
        ({"method": "magnitude"}, ["method magnitude uses no text"]),
        ({"method": "gptq"}, ["'gptq' does not prune"]),
        ({"sparsity": "1.5"}, ["sparsity '1.5'"]),
        ({"sparsity": "3:7"}, ["sparsity 3:7", "not a multiple of 7"]),
        ({"table": "/no/such/folder/t.csv"}, ["/no/such/folder/t.csv", "a folder that exists"]),
    ],
)
def test_bad_options_of_advise(fails, tiny_checkpoint, tiny_texts, options, words):
    fails(*advising(tiny_checkpoint, tiny_texts, **options), words=words)


def test_the_text_in_numbers(run, tiny_checkpoint, tiny_texts):
    status, out, _ = run("corpora", tiny_texts, "--tokenizer", tiny_checkpoint)
    assert status == 0
    assert len([line for line in out.splitlines() if "calibration" in line or "validation" in line]) == 14
    assert f"{32 * 120:,}" in out


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"method": "no such"}, ["unknown method 'no such'", ", ".join(pruners())]),
        ({"sparsity": "1.5"}, ["sparsity '1.5'", "[0, 1)"]),
        ({"sparsity": "4:2"}, ["sparsity 4:2", "0 < n < m"]),
        ({"sparsity": "3:7"}, ["sparsity 3:7", "not a multiple of 7"]),
        ({"calibration": "fra"}, ["has no text in 'fra'", "it has ar, de, en"]),
        ({"calibration": None}, ["--calibration"]),
        ({"source": "no such"}, ["'no such'", ", ".join(corpora.names())]),
        ({"source": "file:/no/such.txt"}, ["/no/such.txt"]),
        ({"samples": 0}, ["samples 0"]),
        ({"samples": 5000}, ["5000 are asked for"]),
        ({"samples": "many"}, ["--samples", "integer"]),
        ({"length": 65}, ["window length 65", "at most 64 tokens"]),
        ({"seed": -1}, ["seed -1"]),
        ({"device": "tpu9"}, ["device 'tpu9'"]),
        ({"dtype": "int8"}, ["dtype 'int8'"]),
        ({"colour": "red"}, ["--colour"]),
    ],
)
def test_bad_options_of_prune(fails, tiny_checkpoint, tiny_texts, tmp_path, options, words):
    fails(*pruning(tiny_checkpoint, tiny_texts, tmp_path / "out", **options), words=words)
    assert list(tmp_path.iterdir()) == []


def test_bad_models_of_prune(fails, tiny_texts, tmp_path):
    (tmp_path / "empty").mkdir()
    fails(
        *pruning("no-such-model", tiny_texts, tmp_path / "out"), words=["unknown model 'no-such-model'", "gemma3-270m"]
    )
    fails(*pruning(tmp_path / "empty", tiny_texts, tmp_path / "out"), words=["no config.json"])
    assert not (tmp_path / "out").exists()


def test_an_output_that_exists(fails, tiny_checkpoint, tiny_texts, tmp_path):
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "notes.txt").write_text("mine")
    fails(*pruning(tiny_checkpoint, tiny_texts, tmp_path / "out"), words=[tmp_path / "out", "already exists"])
    fails(*pruning(tiny_checkpoint, tiny_texts, tmp_path / "out" / "notes.txt" / "below"), words=["notes.txt"])
    assert (tmp_path / "out" / "notes.txt").read_text() == "mine"


@pytest.mark.parametrize("command", ["prune", "quantize"])
@pytest.mark.parametrize("output", [".", "x" * 300, "notes.txt/below", "notes.txt", "~nouser/out"])
def test_the_output_is_looked_at_before_the_model(fails, tmp_path, monkeypatch, command, output):
    def loaded(*_):
        raise AssertionError("the model was loaded first")

    monkeypatch.setattr(making, "load", loaded)
    monkeypatch.chdir(tmp_path)
    (tmp_path / "notes.txt").write_text("mine")
    remedies = {"~nouser/out": "write the path in full", "x" * 300: "File name too long; correct it"}
    remedy = remedies.get(output, "choose another --output")
    fails(command, "gemma3-270m", "--calibration", "de", "--output", output, words=[output, remedy])
    assert [path.name for path in tmp_path.iterdir()] == ["notes.txt"]


def test_a_full_disk_is_known_before_the_model_is_pruned(fails, tiny_checkpoint, tiny_texts, tmp_path, monkeypatch):
    def pruned(*_, **__):
        raise AssertionError("the model was pruned first")

    monkeypatch.setattr(making.layerwise, "prune", pruned)
    monkeypatch.setattr("shutil.disk_usage", lambda path: SimpleNamespace(total=10**9, free=1000))
    fails(*pruning(tiny_checkpoint, tiny_texts, tmp_path / "out"), words=["are free", "free some space"])
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"language": ["de"]}, ["unknown parameter 'language'", "did you mean 'languages'"]),
        ({"sparsity": 2}, ["sparsity", "2", "[0, 1)"]),
        ({"methods": [["wanda"]]}, ["methods", "unknown method"]),
        ({"models": ["no-such-model"]}, ["unknown model 'no-such-model'"]),
        ({"evaluation_length": 100}, ["window length 100", "at most 64"]),
        ({"evaluation_source": ["file:/no/such.txt"]}, ["/no/such.txt"]),
    ],
)
def test_bad_parameter_files(run, params, change, words):
    params.write_text(yaml.safe_dump(yaml.safe_load(params.read_text()) | change))
    status, _, lines = run("study", params)
    assert status == 1
    assert_last_line(lines, words)


def test_one_line_says_what_was_read_of_own_text(tiny_checkpoint, tmp_path):
    (tmp_path / "de.txt").write_text("\n".join([f"Zeile {chr(97 + i)}" for i in range(10)] + ["zeile A!"]))
    source = f"file:{tmp_path}/{{language}}.txt"
    ended = subprocess.run(
        [*COMMAND, "corpora", source, "--tokenizer", tiny_checkpoint], capture_output=True, text=True
    )
    kept = "11 texts read, 10 kept (8 for calibration, 2 for validation)"
    reason = "left out: 1 the same as another but for case, digits and punctuation"
    assert ended.stderr.splitlines() == [f"{source}, de: {kept}; {reason}"]


def test_bad_files_and_commands(fails, tmp_path):
    (tmp_path / "binary.yaml").write_bytes(b"\xff\xfe\0")
    fails("study", tmp_path / "none.yaml", words=["none.yaml", "cannot be read"])
    fails("study", tmp_path / "binary.yaml", words=["binary.yaml", "not valid YAML"])
    fails("cells", tmp_path, words=[tmp_path])
    fails("no-such-command", words=["no-such-command"])
    fails("study", words=["params"])


@pytest.mark.parametrize("content", [b"", b"\0\1\2binary", b"\xff\xfe"])
def test_text_files_that_are_no_text(fails, tiny_checkpoint, tmp_path, content):
    (tmp_path / "text.txt").write_bytes(content)
    fails(*pruning(tiny_checkpoint, f"file:{tmp_path / 'text.txt'}", tmp_path / "out"), words=["text.txt"])
    assert not (tmp_path / "out").exists()


def test_a_damaged_cell_is_listed_as_one_and_the_others_are_too(run, params, tmp_path):
    run("study", params)
    broken = next((tmp_path / "results" / "cells").glob("*/cell.json"))
    broken.write_text("[" * 100_000)
    status, out, lines = run("cells", params)
    assert status == 0 and "2 of 3 cells done" in out
    assert out.count(" yes ") == 2 and out.count(" damaged ") == 1
    assert len(lines) == 1 and str(broken) in lines[0]


def test_a_damaged_or_read_only_store(fails, run, params, tmp_path):
    run("study", params)
    records = next((tmp_path / "results" / "cells").glob("*/records.parquet"))
    records.write_bytes(records.read_bytes()[:50])
    fails("study", params, words=[records, "damaged or cut short", "delete the folder"])
    params.write_text(params.read_text().replace(str(tmp_path / "results"), str(params)))
    fails("study", params, words=[params, "cannot be written"])


def test_without_arguments_there_is_help(run):
    _, out, lines = run()
    text = "\n".join([out, *lines])
    assert all(command in text for command in ("study", "cells", "prune", "corpora"))
    status, out, lines = run("prune", "--help")
    assert (status, lines) == (0, [])
    assert "--calibration" in out


def test_without_the_packages_of_the_study_one_line_says_what_to_install():
    code = "import sys; sys.modules[sys.argv.pop(1)] = None; from calibprune.cli import main; main()"
    for package, command in (("typer", []), ("rich", ["corpora"]), ("pydantic", ["study", "params/smoke.yaml"])):
        ended = subprocess.run([sys.executable, "-c", code, package, *command], capture_output=True, text=True)
        assert ended.returncode == 1
        assert ended.stderr == (
            f"calibprune: the package {package} is not installed: run pip install 'calibprune[study]'\n"
        )


def test_python_m_is_the_same_program():
    ended = subprocess.run([*COMMAND, "study", "none.yaml"], capture_output=True, text=True)
    assert (ended.returncode, ended.stdout, ended.stderr.count("\n")) == (1, "", 1)  # no traceback
    assert ended.stderr.startswith("calibprune: none.yaml: cannot be read")


def test_the_version(run):
    assert run("--version") == (0, f"calibprune {__version__}\n", [])
    assert "--version" in run("--help")[1]


def test_names_that_look_like_markup_are_shown_as_they_are(run, params, tiny_checkpoint, tmp_path):
    name = tmp_path / "[bold]model :car: [1;2]"
    name.symlink_to(tiny_checkpoint)
    params.write_text(yaml.safe_dump(yaml.safe_load(params.read_text()) | {"models": [str(name)], "languages": "de"}))
    _, _, lines = run("study", params)
    assert len([line for line in lines if str(name) in line]) == 2
    _, out, _ = run("cells", params)
    assert "[bold]model :car: [1;2]" in re.sub(r"[\s│]+", " ", out)


def test_names_that_look_like_markup_on_a_terminal(monkeypatch):
    shown = io.StringIO()
    monkeypatch.setattr(
        progress, "Console", lambda **options: Console(**options, file=shown, force_terminal=True, width=200)
    )
    with progress.StudyProgress(1) as bar:
        bar.begin("[red]model[/red] :car:")
    assert "[red]model[/red] :car:" in shown.getvalue()


def test_help_names_every_source(run, monkeypatch):
    monkeypatch.setenv("COLUMNS", "400")
    _, out, _ = run("prune", "--help")
    assert all(name in out for name in corpora.names())


@pytest.mark.parametrize(
    ("command", "words"),
    [
        (
            ["prune", "gemma3-270m", "--calibration", "de"],
            "no checkpoint was written, and the same command starts over",
        ),
        (["quantize", "gemma3-270m", "--calibration", "de"], "no checkpoint was written, and the same command starts"),
        (["fetch"], "what was complete is kept, and the same command does the rest"),
        (["corpora"], "the same command starts over"),
    ],
)
def test_ctrl_c_says_what_is_true_of_the_command(run, tmp_path, monkeypatch, command, words):
    def interrupted(*_, **__):
        raise KeyboardInterrupt

    monkeypatch.setattr(making, "load", interrupted)
    monkeypatch.setattr(corpora, "fetch_udhr", interrupted)
    monkeypatch.setattr(loading, "load_tokenizer", interrupted)
    output = ["--output", tmp_path / "out"] if len(command) > 1 else []
    status, _, lines = run(*command, *output)
    assert status == 130
    assert lines[-1].startswith(f"calibprune: interrupted; {words}")
    assert list(tmp_path.iterdir()) == []


def test_ctrl_c_says_that_it_goes_on_where_it_was(params, tmp_path):
    asleep = tmp_path / "asleep"  # the signal comes while the second cell is computed, wherever that is on this machine
    code = f"""
import pathlib, signal, sys, time
from calibprune import cli
from calibprune.study import runner
signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell that runs this in the background has it ignored
compute, calls = runner.Runner.compute, []
def slowed(*arguments):
    calls.append(arguments)
    if len(calls) == 2:
        pathlib.Path({str(asleep)!r}).touch()
        time.sleep(120)
    return compute(*arguments)
runner.Runner.compute = slowed
cli.main()
"""
    process = subprocess.Popen(
        [sys.executable, "-c", code, "study", params], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    deadline = time.monotonic() + 300
    while not asleep.exists():
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < deadline
        time.sleep(0.05)
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=300)
    assert process.returncode == 130
    assert errors.splitlines()[-1] == "calibprune: interrupted; the same command goes on where it was"
    assert "Traceback" not in errors
    cells = Path(tmp_path, "results", "cells")
    assert len(list(cells.iterdir())) == 1
    assert not [name for name in os.listdir(cells) if name.startswith(".")]
