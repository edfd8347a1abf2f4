"""Section 4.5: which models are compared, on what, with which verdicts, and what its page shows of one model and of
two.
"""

import shutil
from itertools import product

import numpy as np
import pandas as pd
import pytest
import yaml
from byte_tokenizer import byte_tokenizer
from frames import SEVEN, record, tidy
from pages import NOTEBOOKS, shown_by
from task_items import item_scores
from tiny_models import tiny

from calibbook.checkout import ROOT
from calibbook.s04_5_model_sizes import data
from calibbook.s04_5_model_sizes.claims import (
    DENSE_PREDICTS_PRUNED,
    PATTERN_ALIKE,
    RANKING_ALIKE,
    SIZES_DIFFER,
    WINNERS_ALIKE,
    dense_predicts_pruned,
    section_4_5,
)
from calibbook.s04_5_model_sizes.data import Pair, family, pairs, paper_squares, parameters_of, squares
from calibbook.s04_5_model_sizes.tables import same_verdicts, which_models
from calibbook.shared.claims import Claim, claims_frame
from calibbook.shared.draws import ONE_DRAW
from calibprune import Study

SMALL, LARGE = "meta-llama/Meta-Llama-3-8B-Instruct", "meta-llama/Meta-Llama-3-70B-Instruct"
AYA, NEWER = "CohereForAI/aya-23-8B", "meta-llama/Llama-3.1-8B-Instruct"
EMBEDDED = ["gemma3-270m", "smollm2-135m"]
(NOTEBOOK,) = (path for path in NOTEBOOKS if path.stem == "04_5_model_sizes")


def two_models(differ: float, models=(SMALL, LARGE), seeds=(0, 1, 2), noise=0.1, languages=SEVEN) -> pd.DataFrame:
    """Perplexities of two models with a pattern in common, and `differ` times as much of their own."""
    stream = np.random.default_rng(0)
    size = len(languages)
    common = stream.normal(size=(size, size)) + np.eye(size)
    rows = []
    for scale, model in enumerate(models, 1):
        pattern = scale * (common + differ * stream.normal(size=(size, size)))
        for seed, (i, text), (j, code) in product(seeds, enumerate(languages), enumerate(languages)):
            found = 50 * np.exp(-pattern[i, j] + scale * noise * stream.normal())
            rows.append(record(model, "wanda", 0.5, "unstructured", text, seed, "perplexity", "udhr", code, found))
    return pd.DataFrame(rows).astype({"layer": "Int64"})


def verdicts(frame, models=(SMALL, LARGE)) -> dict[str, str]:
    found = section_4_5(frame, {}, list(models))
    return dict(zip(found["claim"], found["verdict"], strict=True))


def test_sizes_of_a_family_are_told_from_families_and_the_smaller_comes_first():
    assert family(SMALL) == family(LARGE) != family(NEWER)
    assert family(AYA) == "aya-23" and family("/home/me/my-own-model/") == "my-own-model"
    assert pairs([LARGE, SMALL, AYA]) == [Pair(SMALL, LARGE, True), Pair(AYA, LARGE, False)]
    assert pairs([AYA, LARGE, SMALL]) == [
        Pair(AYA, LARGE, False),
        Pair(AYA, SMALL, False),
        Pair(SMALL, LARGE, True),
    ]
    (packaged,) = pairs(EMBEDDED)
    assert packaged == Pair("smollm2-135m", "gemma3-270m", False)
    assert "two families rather than two sizes" in which_models([packaged]) and which_models([]) == ""
    assert parameters_of("gemma3-270m") > parameters_of("smollm2-135m") > 1e8
    assert parameters_of("no such model") is None


def test_squares_hold_gains_of_what_two_models_have_in_common():
    frame = tidy(models=(SMALL, LARGE), seeds=(0, 1), mixtures=("de+en",), sources=("udhr",))
    frame = frame[~((frame["model"] == LARGE) & (frame["calibration"] == "sw"))]
    frame = frame[~((frame["model"] == SMALL) & (frame["language"] == "zh"))]
    frame = frame[~((frame["model"] == LARGE) & (frame["method"] == "sparsegpt"))]
    found = {one.measure: one for one in squares(frame, {}, Pair(SMALL, LARGE, True))}
    assert set(found) == {"perplexity", "snr_db", "pruning_error"}
    one = found["perplexity"]
    assert one.method == "wanda" and one.small.shape == one.large.shape == (6, 6)
    assert one.draws_of_small.shape == (1, 2, 6, 6)
    rows = frame[(frame["metric"] == "perplexity") & (frame["calibration"] == "de") & (frame["language"] == "ar")]
    mine = rows[rows["model"] == SMALL].query("method == 'wanda'").sort_values("seed")["value"]
    np.testing.assert_allclose(one.draws_of_small[0, :, 1, 0], -np.log(mine))
    assert one.small[1, 0] == pytest.approx(-np.log(mine).mean())


def test_squares_of_tasks_are_of_halves_of_their_items():
    scores = item_scores(models=(SMALL, LARGE), methods=("wanda",), seeds=2, items=10, mixtures=("de+en",))
    found = {one.measure: one for one in squares(tidy().head(0), scores, Pair(SMALL, LARGE, True))}
    assert set(found) == {"continuation", "knowledge"}
    one = found["knowledge"]
    assert one.draws_of_large.shape == (2, 2, 7, 7)
    column = next(name for name in scores if (*name[:2], *name[4:6]) == (LARGE, "wanda", "knowledge", "es"))
    items = scores[column]["de"]
    np.testing.assert_allclose(one.draws_of_large[1, :, 1, 3], items[:, 1::2].mean(axis=1))
    assert one.large[1, 3] == pytest.approx(items.mean())


def test_the_papers_table_3_is_compared_as_far_as_it_goes():
    found = list(paper_squares())
    assert [(one.method, one.small.shape) for one in found] == [("wanda", (6, 6)), ("sparsegpt", (5, 6))]
    assert found[0].pair.label == "Llama-3 8B of the paper and Aya-23 8B of the paper"
    assert found[0].small[2, 2] == pytest.approx(0.19, abs=0.02)  # English in English, about half of 38.3


def test_the_same_pattern_at_another_scale_is_found_and_no_difference():
    found = verdicts(two_models(differ=0.0))
    assert found[PATTERN_ALIKE] == found[RANKING_ALIKE] == found[WINNERS_ALIKE] == "held"
    assert found[SIZES_DIFFER] == "undecided"


def test_two_patterns_differ_of_sizes_and_not_of_families():
    apart = two_models(differ=3.0)
    assert verdicts(apart)[SIZES_DIFFER] == "held"
    assert "held" not in {verdicts(apart)[claim] for claim in (PATTERN_ALIKE, RANKING_ALIKE, WINNERS_ALIKE)}
    families = two_models(differ=3.0, models=(SMALL, AYA))
    found = section_4_5(families, {}, [SMALL, AYA]).set_index("claim")
    assert found.loc[SIZES_DIFFER, "verdict"] == "undecided" and found.loc[SIZES_DIFFER, "low"] > 0
    assert found["note"].str.contains("two families, not two sizes").all()


def test_one_draw_and_few_languages_decide_little():
    found = section_4_5(two_models(differ=3.0, seeds=(0,)), {}, [SMALL, LARGE]).set_index("claim")
    assert found.loc[SIZES_DIFFER, "verdict"] == "undecided" and ONE_DRAW in found.loc[SIZES_DIFFER, "note"]
    few = section_4_5(two_models(differ=0.0, languages=SEVEN[:2]), {}, [SMALL, LARGE])
    assert set(few["verdict"]) == {"undecided"} and len(few) == 4
    assert section_4_5(two_models(differ=0.0, models=(SMALL,)), {}, [SMALL]).empty


def test_models_that_are_better_dense_are_better_pruned_or_not():
    order = [SMALL, LARGE, AYA, NEWER]

    def scores(models, dense):
        found = item_scores(models=models, methods=("wanda",), items=20, target=0.0)
        for column, by_text in found.items():
            best = order.index(column.model)
            right = dense(best) if column.method == "dense" else best + 2
            for text, items in by_text.items():
                by_text[text] = np.where(np.arange(20) < 2 * right, 1.0, 0.0)[None].repeat(len(items), axis=0)
        return found

    (held,) = dense_predicts_pruned(scores(order, lambda best: best + 4))
    assert (held.claim, held.verdict, held.statistic) == (DENSE_PREDICTS_PRUNED, "held", 1)
    assert held.p == pytest.approx(1 / 24) and held.n == 7 and held.model == "4 models"
    (against,) = dense_predicts_pruned(scores(order, lambda best: 9 - best))
    assert (against.verdict, against.statistic) == ("not held", -1)
    (few,) = dense_predicts_pruned(scores(order[:2], lambda best: best + 4))
    assert few.verdict == "undecided" and "2 models" in few.note
    assert few.what == "Meta-Llama-3-8B-Instruct 40.0% and 20.0% and Meta-Llama-3-70B-Instruct 50.0% and 30.0%"
    assert dense_predicts_pruned(scores(order[:1], lambda best: 1)) == []


def test_verdicts_of_two_models_are_counted_side_by_side():
    rows = [
        Claim("it is so", metric="perplexity", model=SMALL, method="wanda", verdict="held"),
        Claim("it is so", metric="perplexity", model=LARGE, method="wanda", verdict="not held"),
        Claim("it is so", metric="snr_db", model=SMALL, method="wanda", verdict="held"),
        Claim("it is so", metric="snr_db", model=LARGE, method="wanda", verdict="held"),
        Claim("it is so", metric="snr_db", model=SMALL, method="sparsegpt", verdict="held"),
    ]
    (line,) = same_verdicts(claims_frame(rows), [Pair(SMALL, LARGE, True)]).to_dict("records")
    assert (line["first"], line["second"]) == ("2 held", "1 held, 1 not held")
    assert (line["same verdict"], line["contradict each other"]) == ("1 of 2", "1 of 2 decided")
    assert same_verdicts(claims_frame(rows), []).empty


@pytest.mark.parametrize(
    ("file", "others"),
    [
        ("published", ["smollm2-135m"]),
        ("embedded", ["embedded-smollm2"]),
        ("smoke", []),
        ("gemma3-270m", []),
        ("llama3-8b", ["aya23-35b", "aya23-8b", "llama3-70b", "llama31-8b"]),
        ("aya23-35b", ["aya23-8b", "llama3-70b", "llama3-8b", "llama31-8b"]),
    ],
)
def test_files_that_ask_the_same_of_other_models(file, others, tmp_path):
    study = Study.from_yaml(ROOT / "params" / f"{file}.yaml", store=str(tmp_path), shelves=[])
    found = data.other_studies(study)
    assert [other.file for other in found] == [f"params/{other}.yaml" for other in others]
    assert all(other.missing and other.study is None for other in found)


ASKED = {
    "methods": ["wanda"],
    "sparsity": [0.5],
    "sweep_sparsity": [],
    "sweep_samples": [],
    "sweep_languages": [],
    "bits": [],
    "languages": ["de", "sw"],
    "calibration_mixtures": [],
    "seeds": [0],
    "mask_seeds": [],
    "calibration_samples": 2,
    "calibration_length": 32,
    "evaluation_source": ["chromium"],
    "evaluation_samples": 1,
    "evaluation_length": 32,
    "metrics": ["perplexity"],
    "tasks": ["knowledge"],
    "task_limit": 2,
}


@pytest.fixture
def two_files(tmp_path, monkeypatch):
    """A study of one tiny model, and a parameter file that asks the same of another."""
    for seed, name in enumerate(("tiny-1m", "tiny-2m")):
        tiny("llama", seed=seed, num_hidden_layers=1, max_position_embeddings=1024).save_pretrained(tmp_path / name)
        byte_tokenizer().save_pretrained(tmp_path / name)
    (tmp_path / "params").mkdir()
    other = ASKED | {"models": str(tmp_path / "tiny-2m")}
    (tmp_path / "params" / "other.yaml").write_text(yaml.safe_dump(other | {"seeds": [0, 1]}))
    (tmp_path / "params" / "longer.yaml").write_text(yaml.safe_dump(other | {"calibration_length": 33}))
    (tmp_path / "params" / "broken.yaml").write_text("models: [")
    monkeypatch.setattr(data, "ROOT", tmp_path)
    return ASKED | {"models": str(tmp_path / "tiny-1m"), "store": str(tmp_path / "results")}


def test_the_page_of_one_model_says_what_is_missing_and_reads_it_once_it_is_there(two_files, tmp_path):
    shown = shown_by(NOTEBOOK, two_files)
    assert "This run has one model, tiny-1m" in shown and "0 of its 5 models are done" in shown
    assert "calibprune study params/other.yaml" in shown and "longer.yaml" not in shown
    Study(**two_files | {"models": str(tmp_path / "tiny-2m"), "seeds": [0, 1]}).run("languages", progress=False)
    shown = shown_by(NOTEBOOK, two_files)
    assert "tiny-1m and tiny-2m: two sizes of one family" in shown and "params/other.yaml" in shown
    assert PATTERN_ALIKE in shown and "2 models: it takes 4" in shown and "Table 4.5-1" in shown
    assert "two models: it takes" not in shown and "Nothing to show" not in shown
    shutil.rmtree(tmp_path / "tiny-2m")
    assert "params/other.yaml" in shown_by(NOTEBOOK, two_files)


def test_a_study_of_two_models_needs_no_other_file(two_files, tmp_path):
    models = [str(tmp_path / name) for name in ("tiny-1m", "tiny-2m")]
    shown = shown_by(NOTEBOOK, two_files | {"models": models, "tasks": []})
    assert "two sizes of one family" in shown and "measured no multiple-choice task" in shown
