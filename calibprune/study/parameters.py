"""The parameters of a study: one flat set of names for every notebook and every file in params/."""

import difflib
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, get_args, get_origin, get_type_hints

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from calibprune.errors import ParameterError, quoted
from calibprune.files import PUBLISHED
from calibprune.languages import PAPER_LANGUAGES, mixture
from calibprune.methods import METHODS
from calibprune.study.parameter_files import read_parameters
from calibprune.study.values import (
    BRANCHES,
    Allowed,
    Bits,
    Device,
    Dtype,
    Folder,
    Language,
    Length,
    Metric,
    Mixture,
    ModelName,
    Pattern,
    Positive,
    Pruner,
    Seed,
    Several,
    Source,
    TaskBackend,
    TaskName,
    Truth,
    by_family,
    by_source,
    distinct,
)
from calibprune.tasks.catalogue import TaskSpec, resolve, select
from calibprune.tasks.harness.exported import LOCAL

NUMERICS = 5  # raise by hand when results would change


class Parameters(BaseModel):
    """What a study computes: each field with its meaning; `allowed` says what it may be. A single value stands for a
    list of one.

    `device`, `dtype`, `store` and `shelves` say where it is computed and kept, and do not change what it is. A relative
    `store` or shelf is taken from the top of the checkout that the current folder is in, and outside of a checkout from
    the current folder, by commands and notebooks alike; every other relative path from the current folder.
    """

    model_config = ConfigDict(extra="forbid", arbitrary_types_allowed=True, use_attribute_docstrings=True)

    models: Annotated[list[ModelName], Several] = ["gemma3-270m"]
    """models that are pruned and quantized"""
    methods: Annotated[list[Pruner], Several] = ["wanda", "sparsegpt"]
    """methods that prune"""
    sparsity: Annotated[list[Pattern], Several] = Field(default=[0.5], validate_default=True)
    """how many of the weights are pruned"""
    sweep_sparsity: Annotated[list[Pattern], Several] = []
    """further sparsities, for calibration in the sweep languages alone"""
    sweep_languages: Annotated[list[Language], Several] = []
    """languages that calibrate at the further sparsities, and with the further amounts of text"""
    sweep_samples: Annotated[list[Positive], Several] = []
    """further amounts of calibration text, in windows, for calibration in the sweep languages alone"""
    bits: Annotated[list[Bits], Several] = []
    """bits that every method which only rounds, such as GPTQ, rounds to; none: no quantization"""
    group_size: Positive = 128
    """inputs of a quantized matrix that share a scale"""
    languages: Annotated[list[Language], Several] = list(PAPER_LANGUAGES)
    """languages to calibrate in"""
    evaluation_languages: Annotated[list[Language], Several] = []
    """languages to measure in; none: the calibration languages"""
    calibration_mixtures: Annotated[list[Mixture], Several] = []
    """calibration texts in several languages, in equal shares, beside the single ones"""
    seeds: Annotated[list[Seed], Several] = [0]
    """draws of calibration windows"""
    single_seeds: Annotated[list[Seed], Several] = []
    """further draws for calibration in one language alone"""
    mask_seeds: Annotated[list[Seed], Several] = []
    """further draws, of which only the masks are kept"""
    calibration_source: Source = "chromium"
    """where calibration text comes from"""
    calibration_samples: Positive = 32
    """windows of calibration text"""
    calibration_length: Length = 512
    """tokens of a calibration window"""
    evaluation_source: Annotated[list[Source], Several] = ["chromium"]
    """where evaluation text comes from; the first one is that of the main tables"""
    evaluation_samples: by_source(Positive) = 8
    """windows of evaluation text for each language; a mapping gives a number for each source"""
    evaluation_length: by_source(Length) = 512
    """tokens of an evaluation window; a mapping gives a number for each source"""
    metrics: Annotated[list[Metric], Several] = ["perplexity", "snr_db", "pruning_error"]
    """what is measured"""
    parallel_source: Source = "chromium"
    """where the parallel sentences come from whose embeddings are compared"""
    parallel_samples: Positive = 200
    """parallel sentences for each language"""
    tasks: Annotated[list[TaskName], Several] = []
    """tasks that the models are put to"""
    task_limit: by_family(Positive) = None
    """the first items of each task; none: all; a mapping gives a number for families, and asks all of the others"""
    chat_template: Truth = False
    """whether tasks are put in the model's chat format"""
    task_backend: TaskBackend = LOCAL
    """who answers the tasks: the study itself, or another program, for models larger than the memory of a GPU"""
    data_mirror: Folder | None = None
    """a folder to read the tasks' data from; none: the hub"""
    device: Device = "auto"
    """where it is computed"""
    dtype: Dtype = "auto"
    """numbers that the model is computed with"""
    numerics: Positive | None = None
    """version of the computation whose results are read; none: the present one, which alone can be computed"""
    store: Folder = "results"
    """where results are kept"""
    shelves: Annotated[list[Folder], Several] = [PUBLISHED]
    """folders or archives, laid out like a store, in which finished cells are looked up before they are computed"""

    @field_validator("models")
    @classmethod
    def _models(cls, values: list[str]) -> list[str]:
        return distinct(values, same=os.path.normpath)

    @field_validator("methods", "sparsity", "languages", "seeds", "evaluation_source", "metrics")
    @classmethod
    def _some_and_distinct(cls, values: list) -> list:
        return distinct(values)

    @field_validator(
        "evaluation_languages",
        "single_seeds",
        "mask_seeds",
        "sweep_sparsity",
        "sweep_languages",
        "sweep_samples",
        "bits",
        "tasks",
        "shelves",
    )
    @classmethod
    def _perhaps_none_but_distinct(cls, values: list) -> list:
        return distinct(values) if values else values

    @field_validator("calibration_mixtures")
    @classmethod
    def _mixtures(cls, values: list[str]) -> list[str]:
        return distinct(values, same=lambda value: frozenset(mixture(value))) if values else values

    @model_validator(mode="after")
    def _fit_each_other(self) -> "Parameters":
        self.evaluation_languages = self.evaluation_languages or list(self.languages)
        for name in ("sweep_sparsity", "sweep_samples"):
            if (values := getattr(self, name)) and not self.sweep_languages:
                raise ValueError(
                    f"{name}: {', '.join(map(str, values))} are calibrated in sweep_languages, which has none; name "
                    f"some, or leave {name} empty"
                )
        if self.sweep_languages and not {"sweep_sparsity", "sweep_samples"} & self.model_fields_set:
            raise ValueError(
                f"sweep_languages: {', '.join(self.sweep_languages)} calibrate at sweep_sparsity or with "
                f"sweep_samples, none of which is given; give one of them as well"
            )
        calibrated = any(METHODS[name].accumulate for name in self.methods)
        for name in ("sweep_sparsity", "sweep_samples"):
            if getattr(self, name) and not calibrated:
                raise ValueError(
                    f"{name}: {', '.join(self.methods)} uses no text, and the sweep is of methods that are "
                    f"calibrated; leave it out, or add such a method"
                )
        for text in self.calibration_mixtures if calibrated else ():
            if len(mixture(text)) > self.calibration_samples:
                raise ValueError(
                    f"calibration_samples: {self.calibration_samples} windows are too few for the mixture "
                    f"{quoted(text)}; give one for each of its languages at least"
                )
        for source in self.evaluation_source:
            for name in ("evaluation_samples", "evaluation_length"):
                self.of_evaluation(name, source)
        return self

    def seeds_of_singles(self) -> list[int]:
        """Draws for calibration in one language: `seeds`, then those of `single_seeds` that are none of them."""
        return list(dict.fromkeys([*self.seeds, *self.single_seeds]))

    def of_evaluation(self, name: str, source: str) -> int:
        """`evaluation_samples` or `evaluation_length` for one source.

        Raises:
            ValueError: a mapping without that source.
        """
        value = getattr(self, name)
        if not isinstance(value, dict):
            return value
        if source not in value:
            known = ", ".join(value) or "none"
            raise ValueError(f"{name}: no value for the evaluation source {quoted(source)}; the mapping has {known}")
        return value[source]

    def task_specs(self) -> list[TaskSpec]:
        """The tasks in the study's evaluation languages, with their data checked where these are local.

        Raises:
            ParameterError: an unknown task, one for a language that the study does not have, or data that are not there
            or wrong.
        """
        return resolve(self.tasks, self.evaluation_languages, self.data_mirror)

    @classmethod
    def of(cls, values: Mapping[str, Any], where: str = "parameters") -> "Parameters":
        """Validated parameters.

        Raises:
            ParameterError: one line naming the first wrong parameter, its value and what is allowed.
        """
        if not isinstance(values, Mapping):
            raise ParameterError(f"{where}: {quoted(values)} holds no parameters; give names and values")
        for name in values:
            if not isinstance(name, str):
                raise ParameterError(f"{where}: unknown parameter {quoted(name)}; names are words, such as 'sparsity'")
        try:
            checked = cls.model_validate(dict(values))
        except ValidationError as error:
            raise ParameterError(f"{where}: {_first_line(error)}") from None
        try:
            select(checked.tasks, checked.evaluation_languages, checked.data_mirror is not None)
        except ParameterError as error:
            raise ParameterError(f"{where}: tasks: {error}") from None
        return checked

    @classmethod
    def from_yaml(cls, path: str | Path) -> "Parameters":
        """Parameters from a YAML file; raises ParameterError as `of` and `read_parameters`."""
        return cls.of(read_parameters(path), str(path))


def meanings() -> dict[str, tuple[str, str]]:
    """Every parameter with what it means and what it may be, in words: the descriptions that users are shown."""
    kinds = get_type_hints(Parameters, include_extras=True)
    return {
        name: (field.description or "", " or ".join(dict.fromkeys(_allowed(kinds[name]))))
        for name, field in Parameters.model_fields.items()
    }


def _allowed(kind: Any) -> list[str]:
    """The words of the annotations in a type, outermost first; of a mapping those of its values."""
    own = [note.words for note in getattr(kind, "__metadata__", ()) if isinstance(note, Allowed)]
    inner = get_args(kind)
    if get_origin(kind) is dict:
        inner = inner[1:]
    return own or [words for part in inner for words in _allowed(part)]


def _first_line(error: ValidationError) -> str:
    """The first wrong parameter in one line: its name, with the key of a mapping, and what is wrong."""
    problem = error.errors()[0]
    name = ".".join(str(part) for part in problem["loc"] if not isinstance(part, int) and part not in BRANCHES)
    if problem["type"] == "extra_forbidden":
        near = difflib.get_close_matches(name, Parameters.model_fields, n=1)
        return f"unknown parameter {quoted(name)}; " + (
            f"did you mean {near[0]!r}?" if near else f"known are {', '.join(Parameters.model_fields)}"
        )
    message = problem["msg"].removeprefix("Value error, ")
    if problem["type"] != "value_error":
        message = f"{quoted(problem['input'])} is not allowed ({message})"
    return f"{name}: {message}" if name else message
