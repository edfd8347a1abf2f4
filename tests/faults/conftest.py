"""What the faults happen to: a study of the tiny checkpoint."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest
import torch

from calibprune.files import file_sha256
from calibprune.study.study import Study


@pytest.fixture(scope="session")
def tiny_study(tiny_checkpoint, tiny_texts) -> dict:
    """Five cells with records, masks and neurons: dense, and two methods calibrated in two languages."""
    return {
        "models": [str(tiny_checkpoint)],
        "methods": ["wanda", "sparsegpt"],
        "languages": ["de", "sw"],
        "calibration_source": tiny_texts,
        "calibration_samples": 4,
        "calibration_length": 32,
        "evaluation_source": [tiny_texts],
        "evaluation_samples": 3,
        "evaluation_length": 24,
        "metrics": ["perplexity", "snr_db", "masks", "neurons"],
        "device": "cpu",
        "dtype": "float32",
        "shelves": [],
    }


@pytest.fixture
def settings(tiny_study, tmp_path) -> dict:
    """The study with a store of the test's own, in which nothing is."""
    return tiny_study | {"store": str(tmp_path / "results")}


@pytest.fixture(scope="session")
def undisturbed(tiny_study, tmp_path_factory) -> tuple[Path, pd.DataFrame]:
    """The store of the study that nothing happened to, which tests copy, and its records."""
    folder = tmp_path_factory.mktemp("undisturbed") / "results"
    torch.set_num_threads(1)
    return folder, Study(**tiny_study, store=str(folder)).run(progress=False)


@pytest.fixture
def finished(undisturbed, settings) -> Study:
    """The study, all of whose cells are done, in a store of the test's own."""
    shutil.copytree(undisturbed[0], settings["store"])
    return Study(**settings)


@pytest.fixture
def published() -> Callable[[Path], None]:
    """Gives a cell's folder the checksums of what is in it, as somebody would who publishes what he likes."""

    def publish(folder: Path) -> None:
        known = json.loads((folder / "cell.json").read_text())
        known["records_sha256"] = file_sha256(folder / "records.parquet")
        known["artifacts_sha256"] = {path.stem: file_sha256(path) for path in folder.glob("*.safetensors")}
        (folder / "cell.json").write_text(json.dumps(known))

    return publish
