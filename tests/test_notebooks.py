"""Every notebook: its executed copy in the smoke book, which is of the real model; and executed by papermill as a
reader would, with a parameter file and single parameters replaced, among them the model by a tiny one.
"""

from pathlib import Path

import papermill
import pytest
import yaml
from byte_tokenizer import byte_tokenizer
from pages import said
from tiny_models import tiny

from calibbook.checkout import ROOT
from calibbook.gate import check

NOTEBOOKS = sorted((ROOT / "notebooks").glob("*.ipynb"))
SMOKE = yaml.safe_load((ROOT / "params" / "smoke.yaml").read_text())


def text_of(path: Path) -> str:
    return said(papermill.iorw.load_notebook_node(str(path)).cells)


@pytest.fixture
def tiny_study(tmp_path) -> dict:
    """What a reader replaces to run another model into a store of one's own."""
    tiny("llama", num_hidden_layers=2, max_position_embeddings=1024).save_pretrained(tmp_path / "tiny-llama")
    byte_tokenizer().save_pretrained(tmp_path / "tiny-llama")
    shown = {"metrics": ["perplexity", "snr_db", "pruning_error"], "tasks": []}  # all that this notebook shows
    return shown | {"models": str(tmp_path / "tiny-llama"), "group_size": 8, "store": str(tmp_path / "results")}


def run(notebook: Path, folder: Path, **parameters) -> str:
    output = folder / notebook.name
    papermill.execute_notebook(
        notebook, output, {**SMOKE, **parameters}, kernel_name="python3", progress_bar=False, cwd=ROOT
    )
    check(output)
    return text_of(output)


@pytest.mark.parametrize("notebook", NOTEBOOKS, ids=lambda path: path.stem)
def test_with_smoke_parameters(notebook, smoke_book):
    executed = smoke_book / "book" / "executed" / notebook.name
    check(executed)
    shown = text_of(executed)
    assert "gemma3-270m" in shown
    assert "Wanda" in shown and "SparseGPT" in shown


def test_with_another_sparsity(tiny_study, tmp_path):
    shown = run(
        ROOT / "notebooks" / "04_1_pruning_results.ipynb",
        tmp_path,
        **tiny_study,
        sparsity=0.6,
        methods="wanda",
        languages=["de"],
    )
    assert "60%" in shown


def test_with_other_languages_and_a_mixture(tiny_study, tmp_path):
    shown = run(
        ROOT / "notebooks" / "04_1_pruning_results.ipynb",
        tmp_path,
        **tiny_study,
        languages=["en", "zh"],
        methods=["wanda"],
        calibration_mixtures=["en+zh"],
        evaluation_source="chromium",
        evaluation_samples=1,
    )
    assert "en+zh" in shown.lower() or "EN+ZH" in shown


def test_an_unknown_value_stops_the_notebook_with_one_line(tiny_study, tmp_path):
    with pytest.raises(papermill.PapermillExecutionError, match="has no text in 'xx'"):
        run(ROOT / "notebooks" / "04_1_pruning_results.ipynb", tmp_path, **tiny_study, languages=["de", "xx"])
