"""A cell that nobody computes: for tests of how cells are kept."""

from dataclasses import replace
from typing import Any

from calibprune.schemes import Sparsity
from calibprune.study.cells import Cell, Evaluation


def cell(seed: int = 0, **changes: Any) -> Cell:
    """A model pruned with Wanda in German, measured in German and Swahili; `changes` are fields of `Cell`."""
    made = Cell(
        "tiny",
        "wanda",
        Sparsity(0.5),
        ("de",),
        seed,
        "chromium",
        4,
        16,
        ("de", "sw"),
        (Evaluation("chromium", 2, 16),),
        ("perplexity",),
        None,
        (),
        None,
        False,
        "float32",
        "languages",
        {"model": "files-sha256:0", "chromium": "0", "calibration": "0"},
    )
    return replace(made, **changes)
