"""Parameters to cells: one pruned or dense model each, and what is measured on it."""

import hashlib
import json
from dataclasses import dataclass, field
from itertools import product

from .corpora import fingerprint as text_fingerprint
from .methods import METHODS
from .models import fingerprint as model_fingerprint
from .models import resolve_device, resolve_dtype
from .parameters import Parameters, mixture
from .sparsity import Sparsity

NUMERICS = 1  # raise by hand when results would change


@dataclass(frozen=True)
class Evaluation:
    """Windows that a cell is measured on: `samples` of `length` tokens of the source's validation split, for each language."""

    source: str
    samples: int
    length: int


@dataclass(frozen=True)
class Cell:
    """One model, dense or pruned, and its measurements: the unit of work, of caching and of resuming.

    `calibration` holds the languages of the calibration text; it is empty for the dense model and for a method that needs no data.
    """

    model: str
    method: str
    sparsity: Sparsity
    calibration: tuple[str, ...]
    seed: int
    calibration_source: str
    calibration_samples: int
    calibration_length: int
    languages: tuple[str, ...]
    evaluations: tuple[Evaluation, ...]
    metrics: tuple[str, ...]
    dtype: str
    fingerprints: dict[str, str] = field(hash=False, compare=False)

    @property
    def dense(self) -> bool:
        return self.method == "dense"

    @property
    def calibration_tokens(self) -> int:
        return self.calibration_samples * self.calibration_length if self.calibration else 0

    def configuration(self) -> dict:
        """Everything that decides what the numbers are, as plain values; what does not apply to a cell is left out."""
        values = {
            "model": self.model,
            "method": self.method,
            "languages": list(self.languages),
            "evaluations": [vars(evaluation) for evaluation in self.evaluations],
            "metrics": list(self.metrics),
            "dtype": self.dtype,
            "numerics": NUMERICS,
            "fingerprints": self.fingerprints,
        }
        if not self.dense:
            values |= {"sparsity": str(self.sparsity)}
        if self.calibration:
            values |= {
                "calibration": list(self.calibration),
                "seed": self.seed,
                "calibration_source": self.calibration_source,
                "calibration_samples": self.calibration_samples,
                "calibration_length": self.calibration_length,
            }
        return values

    @property
    def id(self) -> str:
        """The hash of the configuration, 16 hexadecimal digits."""
        return hashlib.sha256(json.dumps(self.configuration(), sort_keys=True).encode()).hexdigest()[:16]

    @property
    def title(self) -> str:
        parts = [self.model, self.method]
        if not self.dense:
            parts.append(str(self.sparsity))
        if self.calibration:
            parts += ["+".join(self.calibration), f"seed {self.seed}"]
        return " ".join(parts)


def cells_of(parameters: Parameters) -> list[Cell]:
    """All cells of a study, the dense model of each family first.

    Raises:
        ParameterError, ModelError, CorpusError: a name or a size that cannot be used.
    """
    p = parameters
    evaluations = tuple(
        Evaluation(source, p.of_evaluation("evaluation_samples", source), p.of_evaluation("evaluation_length", source))
        for source in p.evaluation_source
    )
    dtype = str(resolve_dtype(p.dtype, resolve_device(p.device))).removeprefix("torch.")
    texts = [mixture(code) for code in [*p.languages, *p.calibration_mixtures]]

    def cell(model: str, method: str, sparsity: Sparsity, calibration: tuple[str, ...], seed: int) -> Cell:
        fingerprints = {"model": model_fingerprint(model)}
        for source in dict.fromkeys(evaluation.source for evaluation in evaluations):
            fingerprints[source] = text_fingerprint(source, sorted(p.languages))
        if calibration:
            fingerprints["calibration"] = text_fingerprint(p.calibration_source, sorted(calibration))
        return Cell(
            model, method, sparsity, calibration, seed, p.calibration_source, p.calibration_samples, p.calibration_length,
            tuple(p.languages), evaluations, tuple(p.metrics), dtype, fingerprints,
        )  # fmt: skip

    cells = []
    for model in p.models:
        cells.append(cell(model, "dense", Sparsity(0.0), (), 0))
        for method, sparsity in product(p.methods, p.sparsity):
            if METHODS[method].accumulate is None:
                cells.append(cell(model, method, sparsity, (), 0))
            else:
                cells += [cell(model, method, sparsity, text, seed) for text, seed in product(texts, p.seeds)]
    return cells
