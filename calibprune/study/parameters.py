"""The parameters of a study: one flat set of names for every notebook and every file in params/."""

import difflib
from pathlib import Path
from typing import Annotated, Any

import yaml
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, PlainSerializer, ValidationError, field_validator

from calibprune.corpora import find_source
from calibprune.errors import CalibpruneError, ParameterError, one_of
from calibprune.languages import LANGUAGES, mixture
from calibprune.methods import pruner
from calibprune.metrics.registry import METRICS
from calibprune.schemes import BITS, Sparsity
from calibprune.tasks.catalogue import TaskSpec, resolve, select


def _as_list(value: Any) -> Any:
    return value if isinstance(value, (list, tuple)) else [value]


def _known(what: str, names) -> BeforeValidator:
    def check(value: Any) -> Any:
        if value not in list(names):  # a list compares with what cannot be hashed
            raise ValueError(one_of(what, value, names))
        return value

    return BeforeValidator(check)


def _pattern(value: Any) -> Sparsity:
    try:
        return Sparsity.of(value)
    except ParameterError as error:
        raise ValueError(str(error)) from None


def _pruner(value: Any) -> Any:
    try:
        pruner(str(value))
    except ParameterError as error:
        raise ValueError(str(error)) from None
    return value


def _distinct(values: list) -> list:
    if not values:
        raise ValueError("give at least one")
    if len(set(values)) != len(values):
        raise ValueError(f"{values} names something twice")
    return values


def _source(value: Any) -> Any:
    try:
        find_source(str(value))
    except CalibpruneError as error:
        raise ValueError(str(error)) from None
    return value


Several = BeforeValidator(_as_list)
Language = Annotated[str, _known("language", LANGUAGES)]
Source = Annotated[str, BeforeValidator(_source)]
Seed = Annotated[int, Field(ge=0, lt=2**32)]
Pattern = Annotated[Sparsity, BeforeValidator(_pattern), PlainSerializer(str)]


class Parameters(BaseModel):
    """What a study computes. A single value stands for a list of one; a mapping gives a value for each evaluation
    source.

    `sparsity` takes fractions and patterns ("2:4"); `sweep_sparsity` are further sparsities, for calibration in
    `sweep_languages` alone; `methods` prune; `bits` are those that every method which only rounds, such as GPTQ, rounds
    to, with `group_size` inputs sharing a scale;
    `calibration_mixtures` are texts such as "ar+en" beside the single languages; `seeds` are draws of calibration
    windows, and `mask_seeds` further draws of which only the masks are kept; `parallel_source` and `parallel_samples`
    are the sentences whose embeddings are compared; `tasks` are names of calibprune.tasks, `task_limit` the first items
    of each, `data_mirror` a folder to read their data from instead of the hub; `device`, `dtype` and `store` say where
    it is computed and kept, and do not change what it is. A relative `store` is taken from the top of the checkout that
    the current folder is in, and outside of a checkout from the current folder, by commands and notebooks alike; every
    other relative path from the current folder.
    """

    model_config = ConfigDict(extra="forbid", arbitrary_types_allowed=True)

    models: Annotated[list[str], Several] = ["gemma3-270m"]
    methods: Annotated[list[Annotated[str, BeforeValidator(_pruner)]], Several] = ["wanda", "sparsegpt"]
    sparsity: Annotated[list[Pattern], Several] = Field(default=[0.5], validate_default=True)
    sweep_sparsity: Annotated[list[Pattern], Several] = []
    sweep_languages: Annotated[list[Language], Several] = []
    bits: Annotated[list[Annotated[int, Field(ge=BITS[0], le=BITS[-1])]], Several] = []
    group_size: Annotated[int, Field(ge=1)] = 128
    languages: Annotated[list[Language], Several] = list(LANGUAGES)
    calibration_mixtures: Annotated[list[str], Several] = []
    seeds: Annotated[list[Seed], Several] = [0]
    mask_seeds: Annotated[list[Seed], Several] = []
    calibration_source: Source = "chromium"
    calibration_samples: Annotated[int, Field(ge=1)] = 32
    calibration_length: Annotated[int, Field(ge=2)] = 512
    evaluation_source: Annotated[list[Source], Several] = ["chromium"]
    evaluation_samples: Annotated[int, Field(ge=1)] | dict[str, Annotated[int, Field(ge=1)]] = 8
    evaluation_length: Annotated[int, Field(ge=2)] | dict[str, Annotated[int, Field(ge=2)]] = 512
    metrics: Annotated[list[Annotated[str, _known("metric", METRICS)]], Several] = [
        "perplexity",
        "snr_db",
        "pruning_error",
    ]
    parallel_source: Source = "chromium"
    parallel_samples: Annotated[int, Field(ge=1)] = 200
    tasks: Annotated[list[str], Several] = []
    task_limit: Annotated[int, Field(ge=1)] | None = None
    chat_template: bool = False
    data_mirror: str | None = None
    device: str = "auto"
    dtype: str = "auto"
    store: str = "results"

    @field_validator("models", "methods", "sparsity", "languages", "seeds", "evaluation_source", "metrics")
    @classmethod
    def _some_and_distinct(cls, values: list) -> list:
        return _distinct(values)

    @field_validator("mask_seeds", "sweep_sparsity", "sweep_languages", "bits", "tasks")
    @classmethod
    def _perhaps_none_but_distinct(cls, values: list) -> list:
        return _distinct(values) if values else values

    @field_validator("calibration_mixtures")
    @classmethod
    def _mixtures(cls, values: list[str]) -> list[str]:
        for value in values:
            try:
                mixture(value)
            except ParameterError as error:
                raise ValueError(str(error)) from None
        return values

    def of_evaluation(self, name: str, source: str) -> int:
        """`evaluation_samples` or `evaluation_length` for one source.

        Raises:
            ParameterError: a mapping without that source.
        """
        value = getattr(self, name)
        if not isinstance(value, dict):
            return value
        if source not in value:
            raise ParameterError(
                f"{name}: no value for the evaluation source {source!r}; the mapping has {', '.join(value)}"
            )
        return value[source]

    def task_specs(self) -> list[TaskSpec]:
        """The tasks in the study's languages, with their data checked where these are local.

        Raises:
            ParameterError: an unknown task, one for a language that the study does not have, or data that are not there
            or wrong.
        """
        return resolve(self.tasks, self.languages, self.data_mirror) if self.tasks else []

    @classmethod
    def of(cls, values: dict[str, Any], where: str = "parameters") -> "Parameters":
        """Validated parameters.

        Raises:
            ParameterError: one line naming the first wrong parameter, its value and what is allowed.
        """
        try:
            checked = cls.model_validate(values)
        except ValidationError as error:
            raise ParameterError(f"{where}: {_first_line(error)}") from None
        for source in checked.evaluation_source:
            checked.of_evaluation("evaluation_samples", source)
            checked.of_evaluation("evaluation_length", source)
        try:
            select(checked.tasks, checked.languages, checked.data_mirror is not None)
        except ParameterError as error:
            raise ParameterError(f"{where}: tasks: {error}") from None
        return checked

    @classmethod
    def from_yaml(cls, path: str | Path) -> "Parameters":
        """Parameters from a YAML file; raises ParameterError as `of` and `read_parameters`."""
        return cls.of(read_parameters(path), str(path))


def read_parameters(path: str | Path) -> dict[str, Any]:
    """The mapping in a YAML file of parameters, as it stands there.

    Raises:
        ParameterError: the file cannot be read, is not YAML, or holds no mapping.
    """
    try:
        values = yaml.safe_load(Path(path).read_text(encoding="utf-8"))
    except OSError as error:
        raise ParameterError(
            f"{path}: cannot be read ({error.strerror}); the studies of this repository are in params/"
        ) from None
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise ParameterError(
            f"{path}: not valid YAML ({' '.join(str(error).split())[:120]}); correct the file"
        ) from None
    if not isinstance(values, dict):
        raise ParameterError(f"{path}: holds no parameters; write lines such as 'sparsity: 0.5'")
    return values


def _first_line(error: ValidationError) -> str:
    # of a union's errors, that of the branch that fitted furthest
    problem = max(error.errors(), key=lambda found: len(found["loc"]))
    name = ".".join(
        str(part)
        for part in problem["loc"]
        if isinstance(part, int) is False and not str(part).startswith(("constrained", "dict[", "int"))
    )
    if problem["type"] == "extra_forbidden":
        near = difflib.get_close_matches(name, Parameters.model_fields, n=1)
        return f"unknown parameter {name!r}; " + (
            f"did you mean {near[0]!r}?" if near else f"known are {', '.join(Parameters.model_fields)}"
        )
    message = problem["msg"].removeprefix("Value error, ")
    return (
        f"{name}: {message}"
        if problem["type"] == "value_error"
        else f"{name}: {problem['input']!r} is not allowed ({message})"
    )
