"""What the faults happen to: a study of the tiny checkpoint."""

import pytest


@pytest.fixture
def settings(tiny_checkpoint, tiny_texts, tmp_path):
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
        "store": str(tmp_path / "results"),
        "shelves": [],
    }
