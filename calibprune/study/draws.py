"""The windows that a cell is calibrated and measured on, by the arguments that `corpora.windows` takes."""

from typing import NamedTuple

from calibprune.study.cells import Cell


class Draw(NamedTuple):
    """Windows of a text, as `windows` takes them."""

    source: str
    languages: tuple[str, ...]
    samples: int
    length: int
    seed: int
    split: str


def draws(cell: Cell) -> list[Draw]:
    """All windows of a cell: those of its calibration, if it has one, and those it is measured on."""
    size = cell.calibration_samples, cell.calibration_length
    text = Draw(cell.calibration_source, cell.calibration, *size, cell.seed, "calibration")
    measured = [
        Draw(evaluation.source, (language,), evaluation.samples, evaluation.length, 0, "validation")
        for evaluation in cell.evaluations
        for language in cell.languages
    ]
    return [text, *measured] if cell.calibration else measured
