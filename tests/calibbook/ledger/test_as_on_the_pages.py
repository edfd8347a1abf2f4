"""The ledger tests what each section's page tests, on the same records: no claim more, none less, no other number."""

import json

import pandas as pd
import pytest
from byte_tokenizer import byte_tokenizer
from tiny_models import tiny

from calibbook.checkout import ROOT
from calibbook.ledger.sections import SECTIONS
from calibprune import Study


@pytest.fixture(scope="module")
def parameters(tmp_path_factory) -> dict:
    """Two models, and every part that a section reads."""
    folder = tmp_path_factory.mktemp("pages")
    for name, layers in (("tiny-1m", 2), ("tiny-2m", 3)):
        tiny("llama", num_hidden_layers=layers, max_position_embeddings=1024).save_pretrained(folder / name)
        byte_tokenizer().save_pretrained(folder / name)
    return {
        "models": [str(folder / "tiny-1m"), str(folder / "tiny-2m")],
        "methods": ["wanda"],
        "sparsity": [0.5],
        "sweep_sparsity": [0.7],
        "sweep_samples": [],
        "sweep_languages": ["de"],
        "bits": [4],
        "group_size": 8,
        "languages": ["de", "en", "sw"],
        "calibration_mixtures": ["en+sw", "de+en+sw"],
        "seeds": [0],
        "single_seeds": [1],
        "mask_seeds": [0, 1],
        "calibration_samples": 3,
        "calibration_length": 32,
        "evaluation_source": ["chromium"],
        "evaluation_samples": 2,
        "evaluation_length": 32,
        "metrics": ["perplexity", "snr_db", "pruning_error", "subspace", "masks", "neurons"],
        "parallel_samples": 8,
        "tasks": ["knowledge", "facts"],
        "task_limit": 3,
        "device": "cpu",
        "dtype": "float32",
        "store": str(folder / "results"),
        "shelves": [],
    }


@pytest.fixture(scope="module")
def study(parameters) -> Study:
    found = Study(**parameters)
    found.run(progress=False)
    return found


def on_its_page(page: str, parameters: dict) -> pd.DataFrame:
    """What the notebook calls `tested`: its cells up to the one that computes it, executed."""
    names: dict = {}
    for cell in json.loads((ROOT / "notebooks" / f"{page}.ipynb").read_text(encoding="utf-8"))["cells"]:
        if cell["cell_type"] == "code":
            exec(compile("".join(cell["source"]), page, "exec"), names)
        if "parameters" in cell["metadata"].get("tags", ()):
            names |= parameters
        if "tested" in names:
            return names["tested"]
    raise AssertionError(f"{page}: no cell computes `tested`")


@pytest.mark.parametrize("section", SECTIONS, ids=[section.page for section in SECTIONS])
def test_a_section_is_tested_in_the_ledger_as_on_its_page(section, study, parameters):
    page = on_its_page(section.page, parameters)
    first, *_ = section.test(study, study.run(*section.parts, progress=False))
    assert len(page)
    pd.testing.assert_frame_equal(first.claims, page)
