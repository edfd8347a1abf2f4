"""A method that somebody's own package brings is in every notebook, beside those that calibprune has."""

import re
from itertools import chain

import nbformat
import pytest
from byte_tokenizer import byte_tokenizer
from nbclient import NotebookClient
from nbformat.v4 import new_code_cell, new_notebook
from pages import said
from plugin import install
from tiny_models import tiny

from calibbook.checkout import ROOT
from calibbook.gate import fault

NOTEBOOKS = sorted(set((ROOT / "notebooks").glob("*.ipynb")) - {ROOT / "notebooks" / "appendix_h_kernels.ipynb"})
"""All but the one whose methods are those of recorded benchmarks."""
NAMES_OTHERS = ("beside_quotes(", "paper_table(", "in_short(", "show_rerun(", "show_tables(of_paper,")
"""Functions that name methods whatever the study has: in the paper's numbers and claims, or in the meaning of a
parameter.
"""
IN_WORDS = """from calibbook.shared.figure import Picture

Picture._repr_html_ = Picture.__repr__"""
"""What makes a figure show its alternative text alone, which is all that is read of it here."""
STUDY = {
    "methods": ["wanda", "random"],
    "sparsity": [0.5],
    "sweep_sparsity": [0.7],
    "sweep_samples": [1],
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
def executed(tmp_path_factory) -> dict[str, list]:
    """Notebook -> its code cells, executed where the package is installed.

    One kernel executes all notebooks: to start a kernel and to import what a notebook needs takes longer than the
    notebook.
    """
    folder = tmp_path_factory.mktemp("registry")
    tiny("llama", num_hidden_layers=2, max_position_embeddings=1024).save_pretrained(folder / "tiny-llama")
    byte_tokenizer().save_pretrained(folder / "tiny-llama")
    parameters = STUDY | {"models": [str(folder / "tiny-llama")], "store": str(folder / "results")}
    given = "\n".join(f"{name} = {value!r}" for name, value in parameters.items())
    cells = {path.stem: nbformat.read(path, as_version=4).cells for path in NOTEBOOKS}
    cells = {name: [cell for cell in found if cell.cell_type == "code"] for name, found in cells.items()}
    for first, *_ in cells.values():
        assert first.metadata.tags == ["parameters"]
        first.source = f"{first.source}\n{given}"
    together = new_notebook(cells=[new_code_cell(IN_WORDS), *chain(*cells.values())])
    for number, cell in enumerate(together.cells):
        cell.id = f"cell-{number}"
    environment = install(folder, random="other_methods:RANDOM", loud="other_methods:LOUD") | {"OMP_NUM_THREADS": "1"}
    client = NotebookClient(together, kernel_name="python3", resources={"metadata": {"path": ROOT}})
    client.execute(env=environment)
    assert fault(together) is None
    together.cells.pop(0)
    return {name: [together.cells.pop(0) for _ in found] for name, found in cells.items()}


@pytest.mark.parametrize("notebook", [path.stem for path in NOTEBOOKS])
def test_other_methods_are_wherever_those_of_calibprune_are(notebook, executed):
    """Cell by cell: tables say a method's label, and figures say it in their alternative text."""
    found = set()
    for cell in executed[notebook]:
        shown = said([cell])
        if not any(name in cell.source for name in NAMES_OTHERS):
            for known, other in (("Wanda", "Random"), ("GPTQ", "Loud")):
                assert (known in shown) <= (other in shown), f"{known} without {other}: {cell.source}"
                found |= {other} & set(re.findall(r"\w+", shown))
    # of one model there is nothing to compare, nor anything published of this study; the slides are a file of their own
    assert "Random" in found or notebook in ("04_5_model_sizes", "reproduced", "slides")
    assert "Loud" in found or notebook not in ("00_what_was_run", "04_6_quantization")
