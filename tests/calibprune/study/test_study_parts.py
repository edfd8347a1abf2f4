"""The parts of a study, and what is measured inside the models: which cells there are, what each holds, and that the
public functions agree.
"""

import json

import pytest
import torch
from lsar import feature_changes, separate

import calibprune
from calibprune.errors import ParameterError
from calibprune.kernels.packed import pack
from calibprune.methods import METHODS
from calibprune.metrics.embeddings import sentence_embeddings
from calibprune.metrics.neurons import counting
from calibprune.metrics.subspace import language_subspace
from calibprune.study.cells import PARTS, Cell
from calibprune.study.store import COLUMNS
from calibprune.study.study import Study


@pytest.fixture(scope="module")
def parallel(tmp_path_factory):
    """A `file:` source whose texts have the same ids in three languages."""
    folder = tmp_path_factory.mktemp("parallel")
    for number, language in enumerate(("de", "en", "sw")):
        random = torch.Generator().manual_seed(number)
        letters = torch.randint(0, 6 + 8 * number, (60, 90), generator=random).tolist()
        rows = [{"id": str(i), "text": "".join(chr(97 + letter) for letter in text)} for i, text in enumerate(letters)]
        (folder / f"{language}.jsonl").write_text("\n".join(map(json.dumps, rows)))
    return f"file:{folder}/{{language}}.jsonl"


@pytest.fixture(scope="module")
def study(tiny_checkpoint, parallel, tmp_path_factory):
    """Three languages, one mixture, one further draw, one further sparsity, and everything measured but tasks."""
    study = Study(
        models=[str(tiny_checkpoint)],
        methods=["magnitude", "wanda", "sparsegpt"],
        sparsity=0.5,
        sweep_sparsity=[0.5, 0.7],
        sweep_languages=["de"],
        sweep_samples=[2, 4],
        bits=[4, 8],
        group_size=8,
        languages=["de", "en", "sw"],
        calibration_mixtures=["de+sw"],
        mask_seeds=[0, 1],
        calibration_source=parallel,
        calibration_samples=4,
        calibration_length=32,
        evaluation_source=[parallel],
        evaluation_samples=3,
        evaluation_length=24,
        metrics=["perplexity", "snr_db", "pruning_error", "subspace", "masks", "neurons"],
        parallel_source=parallel,
        parallel_samples=5,
        device="cpu",
        dtype="float32",
        store=str(tmp_path_factory.mktemp("store") / "results"),
    )
    study.run(progress=False)
    return study


def cell(study, part: str, method: str = "wanda", calibration: tuple[str, ...] = ("de",), seed: int = 0):
    return next(c for c in study.cells(part) if (c.method, c.calibration, c.seed) == (method, calibration, seed))


@pytest.fixture
def pruned(study, parallel):
    """The dense model, its copy pruned as the study's Wanda cell calibrated in German, its masks, and the tokenizer."""
    name = study.parameters.models[0]
    dense, tokenizer = calibprune.load(name, "cpu", "float32")
    copy, _ = calibprune.load(name, "cpu", "float32")
    result = calibprune.prune(copy, calibprune.windows(tokenizer, parallel, ["de"], 4, 32), "wanda", 0.5)
    return dense, copy, result.masks, tokenizer


def test_the_parts_are_the_whole(study):
    whole = study.cells()
    assert sorted(c.id for part in PARTS for c in study.cells(part)) == sorted(c.id for c in whole)
    assert len({c.id for c in whole}) == len(whole)
    assert {part: len(study.cells(part)) for part in PARTS} == {
        "languages": 2 + 2 * 3,
        "mixtures": 2,
        "draws": 2 * 3,
        "sweep": 2,
        "amounts": 2,
        "quantization": 2 * 3,
    }
    nothing = Study(**study.parameters.model_dump() | {"calibration_mixtures": []}).run("mixtures", progress=False)
    assert {name: str(dtype) for name, dtype in nothing.dtypes.items()} == COLUMNS and nothing.empty
    with pytest.raises(ParameterError, match="unknown part of a study 'all'"):
        study.cells("all")


def test_single_languages_may_have_more_draws_than_the_other_parts(study):
    more = Study(**study.parameters.model_dump() | {"single_seeds": [2, 0], "mask_seeds": [0, 1, 2]})
    seeds = {part: {c.seed for c in more.cells(part) if c.calibration} for part in PARTS}
    one_draw = ("mixtures", "sweep", "amounts", "quantization")
    assert seeds == {"languages": {0, 2}, "draws": {1}} | {part: {0} for part in one_draw}
    assert len(more.cells("languages")) == 2 + 2 * 3 * 2
    assert len(more.cells()) == len(study.cells()) + 2 * 3
    assert {c.id for c in study.cells()} <= {c.id for c in more.cells()}
    assert len({c.id for c in more.cells("languages")}) == len(more.cells("languages"))


def test_what_each_part_measures(study):
    frames = {part: study.run(part, progress=False) for part in PARTS}
    fidelity = {"perplexity", "snr_db", "pruning_error"}
    subspace = {f"{what}_{part}" for what in ("delta", "size") for part in ("total", "agnostic", "specific")}
    single = frames["languages"][frames["languages"]["calibration"] != ""]
    assert set(single["metric"]) == fidelity | subspace
    assert set(frames["languages"].query("method == 'magnitude'")["metric"]) == fidelity
    assert set(frames["mixtures"]["metric"]) == set(frames["sweep"]["metric"]) == fidelity
    assert set(frames["sweep"]["sparsity"]) == {0.7}
    assert set(frames["amounts"]["metric"]) == fidelity and set(frames["amounts"]["calibration_tokens"]) == {2 * 32}
    assert set(frames["amounts"]["method"]) == {"wanda", "sparsegpt"}
    assert frames["draws"].empty
    assert set(frames["quantization"]["metric"]) == fidelity
    assert set(frames["quantization"][["method", "sparsity", "pattern"]].itertuples(index=False, name=None)) == {
        ("gptq", 0.0, "4-bit"),
        ("gptq", 0.0, "8-bit"),
    }
    kept = {
        part: {name for c in study.cells(part) for name in study.store.provenance(c)["artifacts_sha256"]}
        for part in PARTS
    }
    assert kept == {
        "languages": {"masks", "neurons"},
        "mixtures": set(),
        "draws": {"masks"},
        "sweep": {"neurons"},
        "amounts": set(),
        "quantization": set(),
    }
    assert set(study.store.provenance(cell(study, "languages", "dense", ()))["artifacts_sha256"]) == {"neurons"}


def test_more_bits_are_nearer_to_the_dense_model(study):
    frame = study.run("languages", "quantization", progress=False)
    snr = frame.query("method == 'gptq' and metric == 'snr_db'").groupby("pattern")["value"].mean()
    assert snr["8-bit"] > snr["4-bit"] + 10
    configurations = [study.store.provenance(c)["configuration"] for c in study.cells("quantization")]
    assert {(c["grid"]["bits"], c["grid"]["group_size"]) for c in configurations} == {(4, 8), (8, 8)}
    assert not any("sparsity" in c for c in configurations)


def test_every_quantizer_is_asked_and_one_without_text_once(study, monkeypatch):
    before = study.cells("quantization")
    monkeypatch.setitem(METHODS, "plain", METHODS["gptq"]._replace(label="Plain", accumulate=None))
    added = [cell for cell in study.cells("quantization") if cell not in before]
    assert [(cell.method, cell.pattern, cell.calibration) for cell in added] == [
        ("plain", "4-bit", ()),
        ("plain", "8-bit", ()),
    ]
    assert len(study.cells("quantization")) == len(before) + 2


def test_a_hessian_that_needs_more_damping_is_in_the_records(study, monkeypatch):
    """Of each Hessian the factorisation with the usual damping fails, when it is tried and when it is repeated with
    care.
    """
    from calibprune.methods import hessian

    attempted, sure, seen = hessian.try_inverse_factor, hessian.inverse_factor, []

    def never_sound(matrix):
        factor, definite = attempted(matrix)
        return factor, torch.zeros_like(definite)

    def fails_first(matrix):
        seen.append(len(matrix))
        if len(seen) % 2:
            raise torch.linalg.LinAlgError("not positive definite")
        return sure(matrix)

    monkeypatch.setattr(hessian, "try_inverse_factor", never_sound)
    monkeypatch.setattr(hessian, "inverse_factor", fails_first)
    changed = study.parameters.model_dump() | {
        "methods": ["sparsegpt"],
        "languages": ["de"],
        "calibration_mixtures": [],
        "sweep_sparsity": [],
        "sweep_samples": [],
        "bits": [4],
        "mask_seeds": [0],
        "metrics": ["perplexity"],
        "seeds": [5],
    }
    frame = Study(**changed).run(progress=False)
    rows = frame[frame["metric"] == "damping"]
    layers, components = rows["layer"].nunique(), rows["component"].nunique()
    assert (rows["value"] - 0.1).abs().max() < 1e-9 and components == 7
    assert len(rows) == 2 * layers * components  # SparseGPT and GPTQ
    assert set(rows["method"]) == {"sparsegpt", "gptq"} and set(rows["n"]) == {4 * 32}
    assert not (study.run(progress=False)["metric"] == "damping").any()


def test_kept_masks_are_those_of_the_pruning(study, pruned):
    *_, masks, _ = pruned
    with study.store.artifact(cell(study, "languages"), "masks") as tensors:
        assert set(tensors.keys()) == set(masks)
        for name, mask in masks.items():
            assert torch.equal(tensors.get_tensor(name), pack(mask))
    with study.store.artifact(cell(study, "draws", seed=1), "masks") as others:
        assert not all(torch.equal(others.get_tensor(name), pack(mask)) for name, mask in masks.items())


def test_neurons_are_counted_on_the_evaluation_text(study, pruned, parallel):
    _, copy, _, tokenizer = pruned
    tokens = calibprune.windows(tokenizer, parallel, ["sw"], 3, 24, split="validation")
    with counting(copy) as activations:
        calibprune.perplexity(copy, tokens)
    with study.store.artifact(cell(study, "languages"), "neurons") as tensors:
        assert {key.partition(".")[0] for key in tensors.keys()} == {"de", "en", "sw"}  # noqa: SIM118  (safe_open is no mapping)
        assert torch.equal(tensors.get_tensor("sw.probability"), activations.probabilities)
        torch.testing.assert_close(tensors.get_tensor("sw.mean_abs"), activations.mean_abs)


def test_changes_of_features_are_those_of_the_public_functions(study, pruned, parallel):
    dense, copy, _, tokenizer = pruned
    texts = {language: calibprune.corpus(parallel, language, split="validation")[:5] for language in ("de", "en", "sw")}
    sides = [
        torch.stack([sentence_embeddings(model, tokenizer, texts[language]) for language in texts])
        for model in (dense, copy)
    ]
    frame = study.run("languages", progress=False)
    rows = frame[(frame["method"] == "wanda") & (frame["calibration"] == "de") & (frame["layer"] == 1)].set_index(
        ["metric", "component", "language"]
    )
    for rank in (1, 2):
        changes = feature_changes(sides[0][:, 1], sides[1][:, 1], rank)
        basis, _ = language_subspace(sides[0][:, 1].double().mean(dim=1).T, rank)
        sizes = [part.norm(dim=-1).mean(dim=1) for part in separate(sides[0][:, 1].double(), basis)]
        for number, language in enumerate(texts):
            for metric, expected in (
                ("delta_agnostic", changes.agnostic),
                ("delta_specific", changes.specific),
                ("size_agnostic", sizes[0]),
                ("size_specific", sizes[1]),
            ):
                found = rows.loc[(metric, f"rank {rank}", language), "value"]
                assert found == pytest.approx(float(expected[number]), rel=1e-4), (metric, rank, language)
            assert rows.loc[("delta_total", "", language), "value"] == pytest.approx(
                float(changes.total[number]), rel=1e-5
            )


def test_one_language_alone_has_no_subspace(study, tmp_path):
    settings = study.parameters.model_dump() | {
        "languages": ["de"],
        "evaluation_languages": ["de"],
        "calibration_mixtures": [],
        "methods": ["wanda"],
        "store": str(tmp_path),
    }
    assert set(Study(**settings).run("languages", progress=False)["metric"]) == {
        "perplexity",
        "snr_db",
        "pruning_error",
    }


def test_a_study_from_the_names_of_a_notebook():
    names = {"languages": ["de", "sw"], "sparsity": 0.6, "In": [], "open": open}
    assert Study.from_names(names).parameters == Study(languages=["de", "sw"], sparsity=0.6).parameters


def test_tasks_do_not_change_the_cells_of_further_draws(study):
    more = Study(**study.parameters.model_dump() | {"tasks": ["continuation"], "task_limit": 3})
    assert [c.id for c in more.cells("draws", "sweep")] == [c.id for c in study.cells("draws", "sweep")]
    assert not {c.id for c in more.cells("languages", "mixtures")} & {
        c.id for c in study.cells("languages", "mixtures")
    }


def test_a_limit_for_each_family_of_tasks(study):
    def dense(limit, tasks=("continuation", "knowledge", "facts")):
        given = study.parameters.model_dump() | {"tasks": list(tasks), "task_limit": limit}
        return Study(**given).cells("languages")[0]

    mixed = dense({"continuation": 3, "knowledge": 2})
    assert (mixed.items_of("continuation"), mixed.items_of("knowledge"), mixed.items_of("facts")) == (3, 2, None)
    assert mixed.configuration()["task_limit"] == {"continuation": 3, "knowledge": 2}
    again = Cell.of(json.loads(json.dumps(mixed.configuration())))
    assert again.id == mixed.id and again.items_of("knowledge") == 2 and len({again, mixed}) == 2  # hashable
    assert dense({"knowledge": 2, "continuation": 3}).id == mixed.id != dense({"continuation": 3, "knowledge": 4}).id
    assert dense({"continuation": 3, "knowledge": 3, "facts": 3}).id == dense(3).id
    assert dense({"passage": 1}).id == dense({}).id == dense(None).id
    assert dense({"facts": 5, "passage": 1}, ["facts"]).id == dense(5, ["facts"]).id
    with pytest.raises(TypeError):
        Cell.of(mixed.configuration() | {"task_limit": {"knowledge": "2"}})


def test_items_are_asked_up_to_the_limit_of_their_family(study, tmp_path):
    given = study.parameters.model_dump() | {
        "methods": ["magnitude"],
        "metrics": ["perplexity"],
        "sweep_sparsity": [],
        "sweep_samples": [],
        "sweep_languages": [],
        "bits": [],
        "tasks": ["knowledge", "facts"],
        "task_limit": {"knowledge": 3, "facts": 2},
        "store": str(tmp_path),
    }
    chosen = Study(**given)
    frame = chosen.run("languages", progress=False)
    assert frame[frame["task"] != ""].groupby("task")["n"].unique().map(list).to_dict() == {
        "facts": [2],
        "knowledge": [3],
    }
    with chosen.store.artifact(chosen.cells()[0], "items") as items:
        assert {key.split(".")[0]: len(items.get_tensor(key)) for key in items.keys()} == {  # noqa: SIM118
            "facts": 2,
            "knowledge": 3,
        }


def test_one_text_does_not_calibrate_in_several_languages(tiny_checkpoint, parallel):
    one = parallel.replace("{language}", "de")
    given = {"models": [str(tiny_checkpoint)], "evaluation_source": [parallel], "metrics": ["perplexity"]}
    with pytest.raises(ParameterError, match=r"one text for de and sw: write \{language\}"):
        Study(**given, methods=["wanda"], languages=["de", "sw"], calibration_source=one).cells()
    assert len(Study(**given, methods=["wanda"], languages=["de"], calibration_source=one).cells()) == 2
    assert len(Study(**given, methods=["magnitude"], languages=["de", "sw"], calibration_source=one).cells()) == 2


def test_a_text_in_another_file_of_a_folder_makes_another_cell(tiny_checkpoint, parallel, tmp_path):
    (tmp_path / "de").mkdir()
    for i in range(2):
        (tmp_path / "de" / f"{i}.txt").write_text("\n".join(f"{chr(97 + i)}{chr(97 + j)}" for j in range(9)))

    def ids():
        study = Study(
            models=[str(tiny_checkpoint)],
            methods=["wanda"],
            languages=["de"],
            calibration_source=f"file:{tmp_path}/{{language}}",
            evaluation_source=[parallel],
            metrics=["perplexity"],
        )
        return [cell.id for cell in study.cells()]

    dense, pruned = ids()
    assert ids() == [dense, pruned]
    (tmp_path / "de" / "1.txt").write_text("\n".join(f"z{chr(97 + j)}" for j in range(9)))
    assert ids()[0] == dense
    assert ids()[1] != pruned
