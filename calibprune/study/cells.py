"""Parameters to cells: one pruned or dense model each, and what is measured on it."""

import hashlib
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from itertools import product
from typing import ClassVar

from calibprune.corpora import check_languages
from calibprune.corpora import fingerprint as text_fingerprint
from calibprune.errors import ParameterError
from calibprune.languages import mixture
from calibprune.methods import METHODS, quantizers
from calibprune.metrics.registry import METRICS
from calibprune.models.identity import fingerprint as model_fingerprint
from calibprune.models.loading import resolve_device, resolve_dtype
from calibprune.schemes import Grid, Sparsity
from calibprune.study.parameters import NUMERICS, Parameters
from calibprune.tasks.catalogue import TaskSpec
from calibprune.tasks.catalogue import fingerprint as task_fingerprint
from calibprune.tasks.harness.exported import LOCAL

PARTS = ("languages", "mixtures", "draws", "sweep", "amounts", "quantization")
"""The parts of a study: dense models and those calibrated in one language (or in none); in several; further draws of
which only the masks are kept; further sparsities; further amounts of calibration text; and models that are quantized
instead."""


@dataclass(frozen=True)
class Evaluation:
    """Windows that a cell is measured on: `samples` of `length` tokens of the source's validation split, for each
    language.
    """

    source: str
    samples: int
    length: int


@dataclass(frozen=True)
class Cell:
    """One model, dense or pruned, and its measurements: the unit of work, of caching and of resuming.

    `languages` are those that it is measured in. `calibration` holds the languages of the calibration text; it is empty
    for the dense model and for a method that needs no data. `part` is the first part of the study that needs the cell.
    `parallel` is the text that sentence embeddings are taken of, None where they are not asked for. `grid` is what
    weights are rounded to, None where they are not. `task_limit` is how many items of each task are asked, None for
    all; where families differ, (family, number) of those that are not asked in full. `task_backend` is who answers:
    others than the study itself round elsewhere, which can change a score, so that theirs is another cell. `numerics`
    is that of the version that computes it: a cell of another than the present one can be read from a store or a shelf,
    and not be computed.
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
    parallel: tuple[str, int] | None
    tasks: tuple[str, ...]
    task_limit: int | tuple[tuple[str, int], ...] | None
    chat_template: bool
    dtype: str
    part: str
    fingerprints: dict[str, str] = field(hash=False, compare=False)
    grid: Grid | None = None
    task_backend: str = LOCAL
    numerics: int = NUMERICS
    kept_in: ClassVar[str] = "cells"

    @classmethod
    def of(cls, configuration: Mapping) -> "Cell":
        """The cell that has this `configuration`, which was read from a file; `part` is not known then.

        Raises:
            KeyError, TypeError, ValueError: it is the configuration of no cell.
        """
        values = dict(configuration)
        try:
            sparsity = Sparsity.of(values.get("sparsity", 0.0))
        except ParameterError as error:
            raise ValueError(str(error)) from None
        parallel, limit = values.get("parallel"), values.get("task_limit")
        found = cls(
            model=values["model"],
            method=values["method"],
            sparsity=sparsity,
            calibration=tuple(values.get("calibration", ())),
            seed=values.get("seed", 0),
            calibration_source=values.get("calibration_source", ""),
            calibration_samples=values.get("calibration_samples", 0),
            calibration_length=values.get("calibration_length", 0),
            languages=tuple(values.get("languages", ())),
            evaluations=tuple(Evaluation(**evaluation) for evaluation in values.get("evaluations", ())),
            metrics=tuple(values["metrics"]),
            parallel=tuple(parallel) if parallel else None,
            tasks=tuple(values.get("tasks", ())),
            task_limit=tuple(limit.items()) if isinstance(limit, Mapping) else limit,
            chat_template=values.get("chat_template", False),
            dtype=values["dtype"],
            part="",
            fingerprints=dict(values["fingerprints"]),
            grid=Grid(**values["grid"]) if "grid" in values else None,
            task_backend=values.get("task_backend", LOCAL),
            numerics=values["numerics"],
        )
        texts = [found.model, found.method, found.calibration_source, found.dtype, found.task_backend]
        texts += [*found.calibration, *found.languages, *found.metrics, *found.tasks, *found.fingerprints.values()]
        texts += [evaluation.source for evaluation in found.evaluations]
        numbers = [found.seed, found.calibration_samples, found.calibration_length, found.numerics]
        numbers += [size for evaluation in found.evaluations for size in (evaluation.samples, evaluation.length)]
        if found.parallel:
            source, samples = found.parallel
            texts, numbers = [*texts, source], [*numbers, samples]
        if isinstance(limit, Mapping):
            texts, numbers = [*texts, *limit], [*numbers, *limit.values()]
        elif limit is not None:
            numbers.append(limit)
        if not all(type(text) is str for text in texts) or not all(type(number) is int for number in numbers):
            raise TypeError("a text or a number of the configuration is none")
        return found

    @property
    def dense(self) -> bool:
        return self.method == "dense"

    @property
    def pattern(self) -> str:
        """What was done to the weights: "dense", "unstructured", "2:4", "4-bit"."""
        if self.grid:
            return self.grid.pattern
        return "dense" if self.dense else self.sparsity.pattern

    @property
    def calibration_tokens(self) -> int:
        return self.calibration_samples * self.calibration_length if self.calibration else 0

    def configuration(self) -> dict:
        """Everything that decides what the numbers are, as plain values; what does not apply to a cell is left out."""
        values = {
            "model": self.model,
            "method": self.method,
            "metrics": list(self.metrics),
            "dtype": self.dtype,
            "numerics": self.numerics,
            "fingerprints": self._fingerprints_that_matter(),
        }
        if self.grid:
            values |= {"grid": self.grid._asdict()}
        elif not self.dense:
            values |= {"sparsity": str(self.sparsity)}
        if self.evaluations or self.parallel:
            values |= {
                "languages": list(self.languages),
                "evaluations": [vars(evaluation) for evaluation in self.evaluations],
            }
        if self.calibration:
            values |= {
                "calibration": list(self.calibration),
                "seed": self.seed,
                "calibration_source": self.calibration_source,
                "calibration_samples": self.calibration_samples,
                "calibration_length": self.calibration_length,
            }
        if self.parallel:
            values |= {"parallel": list(self.parallel)}
        if self.tasks:
            limit = dict(self.task_limit) if isinstance(self.task_limit, tuple) else self.task_limit
            values |= {"tasks": list(self.tasks), "task_limit": limit, "chat_template": self.chat_template}
            values |= {"task_backend": self.task_backend} if self.task_backend != LOCAL else {}
        return values

    def _fingerprints_that_matter(self) -> dict[str, str]:
        used = {
            "model",
            "calibration",
            *(evaluation.source for evaluation in self.evaluations),
            *(f"task {name}" for name in self.tasks),
        }
        used |= {self.parallel[0]} if self.parallel else set()
        return {name: value for name, value in self.fingerprints.items() if name in used}

    def items_of(self, family: str) -> int | None:
        """How many items of a family's tasks are asked in each language; None for all."""
        return dict(self.task_limit).get(family) if isinstance(self.task_limit, tuple) else self.task_limit

    @property
    def id(self) -> str:
        """The hash of the configuration, 16 hexadecimal digits."""
        return hashlib.sha256(json.dumps(self.configuration(), sort_keys=True).encode()).hexdigest()[:16]

    @property
    def title(self) -> str:
        parts = [self.model, self.method]
        if not self.dense:
            parts.append(self.pattern if self.grid else str(self.sparsity))
        if self.calibration:
            parts += ["+".join(self.calibration), f"seed {self.seed}"]
        return " ".join(parts)


def cells_of(parameters: Parameters, fingerprint_of: Callable[[str], str] = model_fingerprint) -> list[Cell]:
    """All cells of a study, the dense model of each family first.

    Each is measured by those of the study's metrics that are taken of such a model (`Metric.models`). Of further draws
    only the masks are kept, without evaluation text and tasks; models at further sparsities and of further amounts of
    calibration text answer no tasks either.

    Args:
        fingerprint_of: names the weights behind a model's name; by default the model is located or fetched for it.

    Raises:
        ParameterError, ModelError, CorpusError: a name or a size that cannot be used.
    """
    p = parameters
    calibrated = [name for name in p.methods if METHODS[name].accumulate is not None]
    if calibrated or p.bits:
        mixed = [code for text in p.calibration_mixtures for code in mixture(text)] if calibrated else []
        check_languages(p.calibration_source, list(dict.fromkeys([*p.languages, *mixed, *p.sweep_languages])))
    cells = []
    for model in p.models:
        base = _dense(p, model, fingerprint_of)
        cells.append(base)

        def pruned(
            method: str,
            sparsity: Sparsity,
            text: tuple[str, ...],
            seed: int,
            part: str = "languages",
            base: Cell = base,
            **changes,
        ) -> Cell:
            metrics = _taken_of(part if text else "uncalibrated", p.metrics)
            changes |= {
                "metrics": metrics,
                "parallel": (p.parallel_source, p.parallel_samples) if "subspace" in metrics else None,
                "fingerprints": base.fingerprints
                | ({"calibration": text_fingerprint(p.calibration_source, sorted(text))} if text else {}),
            }
            return replace(base, method=method, sparsity=sparsity, calibration=text, seed=seed, part=part, **changes)

        for method, sparsity in product(p.methods, p.sparsity):
            if method in calibrated:
                cells += [
                    pruned(method, sparsity, (language,), seed)
                    for language, seed in product(p.languages, p.seeds_of_singles())
                ]
                texts = map(mixture, p.calibration_mixtures)
                cells += [pruned(method, sparsity, text, seed, "mixtures") for text, seed in product(texts, p.seeds)]
            else:
                cells.append(pruned(method, sparsity, (), 0))
        draws = []
        if _taken_of("draws", p.metrics):
            draws = [seed for seed in p.mask_seeds if seed not in p.seeds_of_singles()]
        for method, sparsity, language, seed in product(calibrated, p.sparsity, p.languages, draws):
            cells.append(pruned(method, sparsity, (language,), seed, "draws", evaluations=(), tasks=()))
        further = [sparsity for sparsity in p.sweep_sparsity if sparsity not in p.sparsity]
        for method, sparsity, language, seed in product(calibrated, further, p.sweep_languages, p.seeds):
            cells.append(pruned(method, sparsity, (language,), seed, "sweep", tasks=()))
        amounts = [samples for samples in p.sweep_samples if samples != p.calibration_samples]
        for method, sparsity, language, samples, seed in product(
            calibrated, p.sparsity, p.sweep_languages, amounts, p.seeds
        ):
            cells.append(pruned(method, sparsity, (language,), seed, "amounts", tasks=(), calibration_samples=samples))
        for (method, how), bits in product(quantizers().items(), p.bits):
            grid = Grid.of(bits, p.group_size)
            for text, seed in product(((code,) for code in p.languages), p.seeds) if how.accumulate else [((), 0)]:
                cells.append(pruned(method, Sparsity(0.0), text, seed, "quantization", grid=grid))
    return cells


def what_changed(cell: Cell, tasks: list[TaskSpec]) -> list[str]:
    """Which of the texts and tasks that a cell was measured with are no longer those that its id names; `tasks` are the
    cell's.

    Raises:
        ParameterError, CorpusError: a text or a task that is no longer there.
    """
    sources = {evaluation.source for evaluation in cell.evaluations} | ({cell.parallel[0]} if cell.parallel else set())
    now = {source: text_fingerprint(source, sorted(cell.languages)) for source in sources}
    now |= {f"task {task.name}": task_fingerprint(task) for task in tasks}
    if cell.calibration:
        now["calibration"] = text_fingerprint(cell.calibration_source, sorted(cell.calibration))
    return sorted(name for name, value in now.items() if value != cell.fingerprints.get(name))


def _taken_of(models: str, names: list[str]) -> tuple[str, ...]:
    """Those of the metrics that are taken of these models: "dense", "uncalibrated", or one of `PARTS`."""
    return tuple(name for name in names if models in METRICS[name].models)


def _dense(p: Parameters, model: str, fingerprint_of: Callable[[str], str]) -> Cell:
    """The cell of the dense model, with everything that its pruned copies share."""
    evaluations = tuple(
        Evaluation(source, p.of_evaluation("evaluation_samples", source), p.of_evaluation("evaluation_length", source))
        for source in p.evaluation_source
    )
    sources = dict.fromkeys([*p.evaluation_source, *([p.parallel_source] if "subspace" in p.metrics else [])])
    tasks = p.task_specs()
    fingerprints = {
        "model": fingerprint_of(model),
        **{source: text_fingerprint(source, sorted(p.evaluation_languages)) for source in sources},
        **{f"task {task.name}": task_fingerprint(task) for task in tasks},
    }
    dtype = str(resolve_dtype(p.dtype, resolve_device(p.device))).removeprefix("torch.")
    return Cell(
        model,
        "dense",
        Sparsity(0.0),
        (),
        0,
        p.calibration_source,
        p.calibration_samples,
        p.calibration_length,
        tuple(p.evaluation_languages),
        evaluations,
        _taken_of("dense", p.metrics),
        None,
        tuple(task.name for task in tasks),
        _limit(p, tasks),
        p.chat_template,
        dtype,
        "languages",
        fingerprints,
        numerics=p.numerics or NUMERICS,
        task_backend=p.task_backend,
    )


def _limit(p: Parameters, tasks: list[TaskSpec]) -> int | tuple[tuple[str, int], ...] | None:
    """`Cell.task_limit`: a mapping that says of these tasks what a number would say is that number."""
    if not isinstance(p.task_limit, dict):
        return p.task_limit
    limits = {family: p.task_limit.get(family) for family in sorted({task.family for task in tasks})}
    if len(set(limits.values())) <= 1:
        return next(iter(limits.values()), None)
    return tuple((family, number) for family, number in limits.items() if number is not None)
