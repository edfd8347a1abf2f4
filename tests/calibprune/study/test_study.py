"""Whole studies of a tiny model: schema, determinism, resuming, several processes, and faults."""

import gzip
import os
import shutil
import signal
from multiprocessing.process import BaseProcess
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import safetensors.torch
import study_process
import torch
import yaml
from study_process import PATIENCE
from tiny_models import tiny

import calibprune
from calibprune.errors import CalibpruneError, CorpusError, ModelError, ParameterError, StoreError
from calibprune.metrics import fidelity as fidelity_module
from calibprune.metrics.fidelity import Trace, fidelity
from calibprune.metrics.neurons import counting
from calibprune.study import measurements
from calibprune.study import runner as bench_module
from calibprune.study.measurements import Found
from calibprune.study.store import COLUMNS
from calibprune.study.study import Study


@pytest.fixture
def settings(tiny_checkpoint, tiny_texts, tmp_path):
    """Eight cells: dense, magnitude, two methods calibrated in two languages and a mixture."""
    return {
        "models": [str(tiny_checkpoint)],
        "methods": ["magnitude", "wanda", "sparsegpt"],
        "languages": ["de", "sw"],
        "calibration_mixtures": ["de+sw"],
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


@pytest.fixture
def params(settings, tmp_path):
    path = tmp_path / "study.yaml"
    path.write_text(yaml.safe_dump(settings))
    return path


def run(settings, **changes) -> pd.DataFrame:
    return Study(**{**settings, **changes}).run(progress=False)


def stamps(study: Study) -> dict[str, int]:
    return {cell.id: (study.store.folder(cell) / "records.parquet").stat().st_mtime_ns for cell in study.cells()}


def also_gzipped(source: str) -> str:
    """The same texts as another source."""
    folder = Path(source.removeprefix("file:")).parent
    for path in folder.glob("*.txt"):
        (folder / f"{path.name}.gz").write_bytes(gzip.compress(path.read_bytes()))
    return source + ".gz"


def spied_traces(monkeypatch) -> list[torch.Tensor]:
    """The windows of every trace of a dense model that is made from now on."""
    made, of = [], Trace.of
    monkeypatch.setattr(Trace, "of", lambda model, tokens: made.append(tokens) or of(model, tokens))
    return made


@pytest.fixture
def start(params, tmp_path):
    """Starts the study in processes of their own; none outlives the test."""
    started = []

    def call(log: str, stop: str = "none", wait: Path | None = None) -> BaseProcess:
        (tmp_path / log).touch()
        started.append(study_process.start(params, tmp_path / log, stop, wait))
        return started[-1]

    yield call
    for process in started:
        process.kill()
        process.join()


def scratch(settings) -> list[Path]:
    return [path for path in Path(settings["store"], "cells").iterdir() if path.name.startswith(".")]


def test_the_records_are_tidy(settings):
    study = Study(**settings)
    frame = study.run(progress=False)
    assert {name: str(dtype) for name, dtype in frame.dtypes.items()} == COLUMNS
    assert len(study.cells()) == 8
    assert not frame.duplicated([name for name in COLUMNS if name not in ("value", "stderr", "n")]).any()
    dense, pruned = frame[frame["method"] == "dense"], frame[frame["method"] != "dense"]
    assert set(dense["metric"]) == {"perplexity"}
    assert set(dense["pattern"]) == {"dense"}
    assert set(
        zip(dense["calibration"], dense["calibration_tokens"], dense["sparsity"], dense["seed"], strict=True)
    ) == {("", 0, 0.0, 0)}
    assert set(pruned["metric"]) == {"perplexity", "snr_db", "pruning_error"}
    assert set(zip(pruned["sparsity"], pruned["pattern"], strict=True)) == {(0.5, "unstructured")}
    assert set(frame["language"]) == {"de", "sw"}
    magnitude = frame[frame["method"] == "magnitude"]
    assert set(zip(magnitude["calibration"], magnitude["calibration_tokens"], strict=True)) == {("", 0)}
    for method in ("wanda", "sparsegpt"):
        chosen = frame[frame["method"] == method]
        assert set(chosen["calibration"]) == {"de", "sw", "de+sw"}
        assert set(chosen["calibration_tokens"]) == {4 * 32}
    counts = pruned.groupby(["method", "calibration", "language", "metric"])["layer"].agg(
        lambda layers: layers.fillna(-1).tolist()
    )
    for (*_, metric), layers in counts.items():
        assert layers == ([-1] if metric == "perplexity" else [-1, 0, 1])
    perplexity = frame[frame["metric"] == "perplexity"]
    assert (perplexity["n"] == 3 * 23).all()
    assert (perplexity["stderr"] > 0).all()
    assert frame["value"].notna().all()


def test_the_mean_over_layers_is_the_models(settings):
    frame = run(settings, methods=["wanda"])
    for metric in ("snr_db", "pruning_error"):
        for _, rows in frame[frame["metric"] == metric].groupby(["calibration", "language"]):
            whole, layers = rows[rows["layer"].isna()], rows[rows["layer"].notna()]
            assert whole["value"].item() == pytest.approx(layers["value"].mean())


def test_the_records_are_what_the_public_functions_give(settings, tiny_texts):
    frame = run(settings, methods=["sparsegpt"])
    dense, tokenizer = calibprune.load(settings["models"][0], "cpu", "float32")
    pruned, _ = calibprune.load(settings["models"][0], "cpu", "float32")
    calibprune.prune(pruned, calibprune.windows(tokenizer, tiny_texts, ["de", "sw"], 4, 32), "sparsegpt", 0.5)
    tokens = calibprune.windows(tokenizer, tiny_texts, ["sw"], 3, 24, split="validation")
    measured = fidelity(dense, pruned, tokens)
    rows = frame[(frame["calibration"] == "de+sw") & (frame["language"] == "sw")]
    found = {
        metric: rows[rows["metric"] == metric]["value"].tolist() for metric in ("perplexity", "snr_db", "pruning_error")
    }
    assert found["perplexity"] == [measured.perplexity]
    assert found["snr_db"] == [measured.model_snr_db, *measured.snr_db]
    assert found["pruning_error"] == [measured.model_pruning_error, *measured.pruning_error]
    dense_rows = frame[(frame["method"] == "dense") & (frame["language"] == "sw")]
    assert dense_rows["value"].tolist() == [calibprune.perplexity(dense, tokens)]


def test_the_dense_side_may_be_too_large_to_keep(settings, monkeypatch):
    kept = run(settings)
    monkeypatch.setattr(bench_module, "TRACE_BYTES", 0)
    pd.testing.assert_frame_equal(run(settings, store=settings["store"] + "-2"), kept, check_exact=True)


def test_the_dense_side_is_kept_as_far_as_memory_goes(settings, monkeypatch):
    """Of two languages' layer outputs one fits: it is made once, the other language is walked for each cell."""
    kept = run(settings)
    made = spied_traces(monkeypatch)
    monkeypatch.setattr(
        bench_module, "TRACE_BYTES", Trace.nbytes_of(tiny("llama", num_hidden_layers=2), torch.ones(3, 24))
    )
    pd.testing.assert_frame_equal(run(settings, store=settings["store"] + "-2"), kept, check_exact=True)
    assert len(made) == 1


def test_where_only_the_perplexity_is_asked_the_dense_model_takes_no_part(settings, monkeypatch):
    made, compared = spied_traces(monkeypatch), []
    monkeypatch.setattr(measurements, "fidelity", lambda *_: compared.append(1))
    frame = run(settings, metrics=["perplexity"])
    assert set(frame["metric"]) == {"perplexity"} and len(frame) == 8 * 2
    assert not made and not compared
    monkeypatch.undo()
    beside = run(settings, store=settings["store"] + "-2")
    beside = beside[beside["metric"] == "perplexity"].reset_index(drop=True)
    pd.testing.assert_frame_equal(frame, beside, rtol=1e-6)


def test_windows_of_one_length_share_batches(settings, tiny_texts, monkeypatch):
    """Two languages and two sources, of which one has windows of another length."""
    other = also_gzipped(tiny_texts)
    settings |= {"evaluation_source": [tiny_texts, other], "methods": "wanda", "metrics": ["perplexity"]}
    batches = []
    losses = fidelity_module.window_losses
    monkeypatch.setattr(fidelity_module, "window_losses", lambda *of: batches.append(tuple(of[2].shape)) or losses(*of))
    run(settings, languages=["de", "sw"], calibration_mixtures=[], evaluation_samples={tiny_texts: 3, other: 2})
    assert batches == 3 * [(2 * 3 + 2 * 2, 24)]
    batches.clear()
    frame = run(
        settings,
        evaluation_length={tiny_texts: 24, other: 16},
        calibration_mixtures=[],
        store=settings["store"] + "-2",
    )
    assert batches == 3 * [(6, 24), (6, 16)]
    assert list(frame["language"].iloc[:4]) == ["de", "de", "sw", "sw"]
    assert list(frame["source"].iloc[:4]) == 2 * [tiny_texts, other]
    assert list(frame["n"].iloc[:4]) == 2 * [3 * 23, 3 * 15]
    model, tokenizer = calibprune.load(settings["models"][0], "cpu", "float32")
    for source, length in ((tiny_texts, 24), (other, 16)):
        for language in ("de", "sw"):
            tokens = calibprune.windows(tokenizer, source, [language], 3, length, split="validation")
            row = frame[(frame["method"] == "dense") & (frame["source"] == source) & (frame["language"] == language)]
            assert row["value"].item() == pytest.approx(calibprune.perplexity(model, tokens), rel=1e-6)


def test_neurons_are_counted_on_the_first_text_alone(settings, tiny_texts):
    """Where batches are shared by languages too: what a neuron does in one language is of that language."""
    other = also_gzipped(tiny_texts)
    study = Study(
        **settings
        | {"methods": "magnitude", "evaluation_source": [tiny_texts, other], "metrics": ["perplexity", "neurons"]}
    )
    frame = study.run(progress=False)
    assert list(zip(frame["language"], frame["source"], strict=True)) == 2 * [
        (language, source) for language in ("de", "sw") for source in (tiny_texts, other)
    ]
    dense, _ = study.cells()
    with study.store.artifact(dense, "neurons") as file:
        kept = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 - no mapping
    model, tokenizer = calibprune.load(settings["models"][0], "cpu", "float32")
    for language in ("de", "sw"):
        with counting(model) as activations:
            fidelity_module.measure_perplexity(
                model, calibprune.windows(tokenizer, tiny_texts, [language], 3, 24, split="validation")
            )
        assert torch.equal(kept[f"{language}.probability"], activations.probabilities)
        assert torch.equal(kept[f"{language}.mean_abs"], activations.mean_abs)


def test_bit_for_bit_again(settings):
    first, again = run(settings), run(settings, store=settings["store"] + "-again")
    pd.testing.assert_frame_equal(first, again, check_exact=True)


def test_the_order_of_cells_does_not_change_numbers(settings):
    """Nothing of one pruning is left in the next."""
    whole = run(settings)
    alone = run(settings, methods=["sparsegpt"], calibration_mixtures=[], store=settings["store"] + "-alone")
    chosen = whole[whole["method"].isin(["dense", "sparsegpt"]) & (whole["calibration"] != "de+sw")].reset_index(
        drop=True
    )
    pd.testing.assert_frame_equal(chosen, alone, check_exact=True)


def test_a_second_run_computes_nothing(settings, monkeypatch):
    study = Study(**settings)
    first, before = study.run(progress=False), stamps(study)
    monkeypatch.setattr(bench_module, "load", lambda *_: pytest.fail("a model was loaded"))
    again = Study(**settings)
    pd.testing.assert_frame_equal(again.run(progress=False), first, check_exact=True)
    assert stamps(again) == before


def test_more_of_a_study_computes_only_what_is_new(settings):
    study = Study(**{**settings, "methods": ["wanda"]})
    study.run(progress=False)
    before = stamps(study)
    more = Study(**{**settings, "methods": ["wanda"], "seeds": [0, 1], "sparsity": [0.5, "2:4"]})
    frame = more.run(progress=False)
    assert before.items() <= stamps(more).items()
    assert len(more.cells()) == 1 + 2 * 3 * 2
    assert set(frame["pattern"]) == {"dense", "unstructured", "2:4"}
    wanda = frame[(frame["method"] == "wanda") & (frame["metric"] == "perplexity")]
    assert (wanda.groupby(["calibration", "language", "pattern"])["value"].nunique() == 2).all(), (
        "seeds draw other windows"
    )


def test_edited_text_or_weights_are_computed_anew(settings, tiny_texts, tiny_checkpoint, tmp_path):
    texts, model = tmp_path / "texts", shutil.copytree(tiny_checkpoint, tmp_path / "model")
    shutil.copytree(Path(tiny_texts.removeprefix("file:")).parent, texts)
    changed = settings | {"models": [str(model)], "evaluation_source": [f"file:{texts}/{{language}}.txt"]}
    before = {cell.id for cell in Study(**changed).cells()}
    (texts / "de.txt").write_text((texts / "de.txt").read_text() + "\n\none more text, which is not like the others")
    after = {cell.id for cell in Study(**changed).cells()}
    assert not before & after


def test_provenance_has_a_row_a_cell(settings):
    study = Study(**settings)
    assert study.provenance().empty
    study.run(progress=False)
    known = study.provenance()
    assert len(known) == 8
    columns = {
        "id",
        "model",
        "method",
        "sparsity",
        "pattern",
        "calibration",
        "calibration_tokens",
        "seed",
        "seconds_prune",
        "seconds_measure",
        "peak_memory_gb",
    }
    assert columns | {"date", "machine", "device", "dtype", "versions", "commit"} <= set(known.columns)
    assert set(known["id"]) == {cell.id for cell in study.cells()}
    assert (known["dtype"] == "float32").all()
    assert (known.loc[known["method"] == "dense", "seconds_prune"] == 0).all()
    assert (known.loc[known["method"] == "sparsegpt", "seconds_prune"] > 0).all()
    assert known["peak_memory_gb"].between(0.05, 100).all()
    assert known["versions"].map(lambda versions: versions["torch"]).eq(torch.__version__).all()


@pytest.mark.parametrize("stop", ["compute:2", "write:4"])
def test_a_killed_study_resumes_to_identical_records(settings, params, start, tmp_path, stop):
    process = start("begun", stop)
    process.join(PATIENCE)
    assert process.exitcode == -signal.SIGKILL
    study = Study.from_yaml(params)
    done = [cell for cell in study.cells() if study.store.has(cell)]
    assert len(done) == len((tmp_path / "begun").read_text().split()) - 1
    assert len(scratch(settings)) == (1 if stop.startswith("write") else 0)
    before = {cell.id: (study.store.folder(cell) / "records.parquet").stat().st_mtime_ns for cell in done}
    resumed = study.run(progress=False)
    assert before.items() <= stamps(study).items()
    assert not scratch(settings)
    pd.testing.assert_frame_equal(resumed, run(settings, store=settings["store"] + "-uninterrupted"), check_exact=True)


@pytest.mark.parametrize("stop", ["none", "compute:2"])
def test_two_processes_compute_each_cell_once_and_the_death_of_one_does_no_harm(
    settings, params, start, tmp_path, stop
):
    (tmp_path / "wait").mkdir()
    one, two = start("first", wait=tmp_path / "wait"), start("second", stop, tmp_path / "wait")
    one.join(PATIENCE)
    two.join(PATIENCE)
    assert one.exitcode == 0
    assert two.exitcode == (0 if stop == "none" else -signal.SIGKILL)
    study = Study.from_yaml(params)
    first, second = ((tmp_path / log).read_text().split() for log in ("first", "second"))
    begun = first + second
    assert second, "the second process never got a cell"
    assert set(begun) == {cell.id for cell in study.cells()}
    lost = 0 if stop == "none" else 1  # begun by the killed process, and again by the other
    assert len(begun) == len(set(begun)) + lost
    pd.testing.assert_frame_equal(
        study.run(progress=False), run(settings, store=settings["store"] + "-alone"), check_exact=True
    )


def test_records_cut_short(settings):
    study = Study(**settings)
    study.run(progress=False)
    path = study.store.folder(study.cells()[2]) / "records.parquet"
    path.write_bytes(path.read_bytes()[:-100])
    with pytest.raises(StoreError, match="records.parquet: damaged or cut short; delete the folder") as caught:
        study.run(progress=False)
    assert "\n" not in str(caught.value)
    shutil.rmtree(path.parent)
    assert len(study.run(progress=False)) > 0


def test_a_disk_that_fills_up_keeps_the_cells_before(settings, monkeypatch):
    written, to_parquet = [], pd.DataFrame.to_parquet

    def filling(self, path, **options):
        if len(written) == 3:
            raise OSError(28, "No space left on device")
        written.append(path)
        return to_parquet(self, path, **options)

    monkeypatch.setattr(pd.DataFrame, "to_parquet", filling)
    study = Study(**settings)
    with pytest.raises(StoreError, match=r"cannot be written \(No space left on device\); free some space"):
        study.run(progress=False)
    assert sum(map(study.store.has, study.cells())) == 3
    assert not scratch(settings)


@pytest.mark.parametrize(
    ("changes", "error", "words"),
    [
        ({"models": ["no-such-model"]}, CalibpruneError, "unknown model 'no-such-model'"),
        ({"calibration_length": 65}, ParameterError, "window length 65: LlamaForCausalLM reads at most 64 tokens"),
        ({"evaluation_length": 100}, ParameterError, "window length 100: LlamaForCausalLM reads at most 64 tokens"),
        ({"calibration_samples": 5000}, CorpusError, "5000 are asked for"),
        ({"evaluation_samples": 5000}, CorpusError, "5000 are asked for"),
        ({"calibration_samples": 1}, ParameterError, "calibration_samples: 1 windows are too few for the mixture"),
        ({"sparsity": ["3:7"]}, ParameterError, "not a multiple of 7"),
        ({"sparsity": [0.5, "3:7"]}, ParameterError, "not a multiple of 7"),
        ({"bits": [4], "group_size": 7}, ParameterError, "not a multiple of it"),
        ({"metrics": "subspace", "parallel_samples": 10**5}, ParameterError, "ask for at most"),
        ({"device": "tpu9"}, CalibpruneError, "device 'tpu9'"),
        ({"dtype": "int8"}, CalibpruneError, "dtype 'int8'"),
    ],
)
def test_what_cannot_be_computed_is_said_in_one_line_before_anything_is(settings, changes, error, words):
    with pytest.raises(error) as caught:
        run(settings, **changes)
    assert words in str(caught.value)
    assert "\n" not in str(caught.value)
    assert not list(Path(settings["store"]).glob("cells/*"))


def test_ids_depend_on_what_decides_the_numbers_and_on_nothing_else(settings):
    def ids(**changes):
        return [cell.id for cell in Study(**{**settings, **changes}).cells()]

    assert ids() == ids(store="elsewhere")
    assert len(set(ids())) == 8
    for changes in (
        {"evaluation_length": 16},
        {"evaluation_samples": 2},
        {"dtype": "bfloat16"},
        {"languages": ["de"], "calibration_mixtures": []},
        {"metrics": ["snr_db"]},
    ):
        assert not set(ids()) & set(ids(**changes)), changes
    calibrated = {"seeds": [1]}, {"calibration_length": 16}, {"calibration_samples": 5}
    for changes in calibrated:
        assert ids()[:2] == ids(**changes)[:2], "dense and magnitude see no calibration text"
        assert not set(ids()[2:]) & set(ids(**changes)[2:])


@pytest.fixture
def own_model(settings, tmp_path):
    """The settings with a model whose files may be changed, in a folder named as in the hub's cache."""
    folder = shutil.copytree(settings["models"][0], tmp_path / "models" / "snapshots" / "last")
    return settings | {"models": [str(folder)], "methods": ["wanda"], "calibration_mixtures": [], "languages": ["de"]}


def replace_weights(settings, change) -> None:
    """Change the output layer of the study's model, in place."""
    file = Path(settings["models"][0]) / "model.safetensors"
    weights = safetensors.torch.load_file(file)
    change(weights["lm_head.weight"])
    file.write_bytes(safetensors.torch.save(weights, {"format": "pt"}))


def test_results_of_other_weights_are_not_served(own_model):
    first = run(own_model)
    replace_weights(own_model, lambda head: head.mul_(0.5))
    again = run(own_model)
    pd.testing.assert_frame_equal(again, run(own_model, store=own_model["store"] + "-2"), check_exact=True)
    assert not set(first["value"]) & set(again.loc[again["metric"] == "perplexity", "value"])


@pytest.mark.parametrize("name", ["chat_template.jinja", "generation_config.json", "tokenizer.json", "merges.txt"])
def test_what_stands_beside_the_weights_is_in_the_ids(own_model, name):
    ids = [cell.id for cell in Study(**own_model).cells()]
    file = Path(own_model["models"][0]) / name
    file.write_text((file.read_text() if file.exists() else "") + " ")
    assert not set(ids) & {cell.id for cell in Study(**own_model).cells()}


def test_weights_that_change_before_they_are_loaded(own_model, monkeypatch):
    study = Study(**own_model)
    loaded = bench_module.load

    def late(*arguments):
        replace_weights(own_model, lambda head: head.mul_(0.5))
        return loaded(*arguments)

    monkeypatch.setattr(bench_module, "load", late)
    with pytest.raises(ModelError, match="its files changed since the study began; run it again"):
        study.run(progress=False)
    assert not list(Path(study.store.root, "cells").iterdir())


def test_text_that_changes_while_it_is_measured(own_model, tiny_texts, tmp_path, monkeypatch):
    texts = shutil.copytree(Path(tiny_texts.removeprefix("file:")).parent, tmp_path / "texts")
    source = f"file:{texts}/{{language}}.txt"
    study = Study(**own_model | {"evaluation_source": source})
    measured = bench_module.measure_texts

    def late(*arguments):
        measured(*arguments)
        (texts / "de.txt").write_text((texts / "sw.txt").read_text())

    monkeypatch.setattr(bench_module, "measure_texts", late)
    with pytest.raises(CorpusError, match=r"dense: the text of file:.* changed meanwhile; run the study again"):
        study.run(progress=False)
    assert not list(Path(study.store.root, "cells").iterdir())


def test_a_result_that_is_no_number_is_an_error_with_the_cells_name(own_model):
    replace_weights(own_model, lambda head: head.mul_(1e6))
    with pytest.raises(ModelError) as caught:
        run(own_model)
    assert str(caught.value).startswith(f"{own_model['models'][0]} dense: perplexity: the mean loss is ")
    assert not list(Path(own_model["store"], "cells").iterdir())


def test_nothing_pruned_is_an_infinite_ratio(own_model):
    frame = run(own_model, sparsity=0)
    values = {metric: set(rows["value"]) for metric, rows in frame[frame["method"] == "wanda"].groupby("metric")}
    assert values["snr_db"] == {np.inf}
    assert values["pruning_error"] == {0.0}


@pytest.mark.parametrize(("value", "infinite"), [(np.nan, True), (np.nan, False), (np.inf, False), (-np.inf, True)])
def test_what_is_no_result_is_not_kept(value, infinite):
    with pytest.raises(ModelError, match=r"^some metric of udhr de layers\.3: \S+ is no result"):
        Found().add("some metric", value, 5, source="udhr", language="de", layer=3, infinite=infinite)


def test_from_yaml_with_other_values(params):
    study = Study.from_yaml(params, sparsity=0.6, languages="sw", calibration_mixtures=[])
    assert [str(cell.sparsity) for cell in study.cells()] == ["0", "0.6", "0.6", "0.6"]
    with pytest.raises(ParameterError, match="unknown parameter 'language'; did you mean 'languages'"):
        Study.from_yaml(params, language="sw")


def test_two_sources_and_metrics_of_choice(settings, tiny_texts):
    other = also_gzipped(tiny_texts)
    frame = run(
        settings,
        methods="wanda",
        evaluation_source=[tiny_texts, other],
        evaluation_samples={tiny_texts: 3, other: 2},
        metrics=["snr_db"],
    )
    assert set(frame["metric"]) == {"snr_db"}
    assert dict(frame.groupby("source")["n"].first()) == {tiny_texts: 3 * 24, other: 2 * 24}
    assert np.isfinite(frame["value"]).all()


def test_the_working_folder_is_left_alone(settings, tmp_path, monkeypatch):
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    run(settings, methods=["wanda"])
    assert os.listdir() == []
