"""A method that somebody's own package brings is in every notebook, beside those that calibprune has."""

import re
import subprocess
import sys

import papermill
import pytest
import yaml
from byte_tokenizer import byte_tokenizer
from plugin import install
from tiny_models import tiny

from calibbook.checkout import ROOT
from calibbook.gate import check

NOTEBOOKS = sorted(set((ROOT / "notebooks").glob("*.ipynb")) - {ROOT / "notebooks" / "appendix_h_kernels.ipynb"})
"""All but the one whose methods are those of recorded benchmarks."""
PAPER_ALONE = ("beside_quotes(", "paper_table(")
"""Functions whose tables have a row for each number that the paper states, and so its methods."""
STUDY = {
    "methods": ["wanda", "random"],
    "sparsity": [0.5],
    "sweep_sparsity": [0.7],
    "sweep_languages": ["de"],
    "bits": [4],
    "group_size": 8,
    "languages": ["de", "sw"],
    "calibration_mixtures": ["de+sw"],
    "mask_seeds": [0, 1],
    "calibration_samples": 4,
    "calibration_length": 64,
    "evaluation_samples": 2,
    "evaluation_length": 64,
    "metrics": ["perplexity", "snr_db", "pruning_error", "subspace", "masks", "neurons"],
    "parallel_samples": 8,
    "tasks": ["knowledge", "facts"],
    "task_limit": 4,
}


@pytest.fixture(scope="module")
def study(tmp_path_factory):
    """The parameters of a study whose cells are computed, and the environment in which the package is installed."""
    folder = tmp_path_factory.mktemp("registry")
    tiny("llama", num_hidden_layers=2, max_position_embeddings=1024).save_pretrained(folder / "tiny-llama")
    byte_tokenizer().save_pretrained(folder / "tiny-llama")
    parameters = STUDY | {"models": [str(folder / "tiny-llama")], "store": str(folder / "results")}
    (folder / "study.yaml").write_text(yaml.safe_dump(parameters))
    changed = install(folder, random="other_methods:RANDOM", loud="other_methods:LOUD") | {"OMP_NUM_THREADS": "1"}
    code = "from calibprune.cli import main; main()"
    subprocess.run([sys.executable, "-c", code, "study", folder / "study.yaml"], env=changed, check=True)
    return parameters, changed


@pytest.mark.parametrize("notebook", NOTEBOOKS, ids=lambda path: path.stem)
def test_other_methods_are_wherever_those_of_calibprune_are(notebook, study, tmp_path, monkeypatch):
    """Cell by cell: tables say a method's label, and figures say it in their alternative text."""
    parameters, environment = study
    for name in ("PYTHONPATH", "OMP_NUM_THREADS"):  # what a kernel inherits
        monkeypatch.setenv(name, environment[name])
    output = tmp_path / notebook.name
    papermill.execute_notebook(notebook, output, parameters, kernel_name="python3", progress_bar=False, cwd=ROOT)
    check(output)
    found = set()
    for cell in papermill.iorw.load_notebook_node(str(output)).cells:
        shown = "\n".join(str(out.get("data", out.get("text", ""))) for out in cell.get("outputs", ()))
        if not any(name in cell.source for name in PAPER_ALONE):
            for known, other in (("Wanda", "Random"), ("GPTQ", "Loud")):
                assert (known in shown) <= (other in shown), f"{known} without {other}: {cell.source}"
                found |= {other} & set(re.findall(r"\w+", shown))
    assert "Random" in found
    assert "Loud" in found or notebook.stem not in ("00_what_was_run", "04_6_quantization")
