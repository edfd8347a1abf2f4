"""A model in memory through tasks of the Evaluation Harness: scores item by item, with nothing printed and nothing
sent.
"""

import math
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from itertools import groupby
from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from calibprune.errors import CalibpruneError, ModelError, ParameterError
from calibprune.models.families import evaluating
from calibprune.tasks.harness.exported import answering, free


class TaskResult(NamedTuple):
    """One metric of one task.

    Attributes:
        task: the harness's name of it.
        metric: the harness's name of it ("acc", "acc_norm", "f1", "em", "exact_match", …), with ",filter" where a task
            filters in several ways.
        value: mean over the items.
        stderr: standard error of that mean, s/√n with the sample's s; NaN for a single item.
        n: number of items.
        items: score of each item in the order of the documents, float32 [n].
        ids: what the documents call themselves ("id" or "example_id"), or else their places from 0.
    """

    task: str
    metric: str
    value: float
    stderr: float
    n: int
    items: Tensor
    ids: list[str]

    @classmethod
    def of(cls, task: str, metric: str, scores: list[float], ids: list[str]) -> "TaskResult":
        values = torch.tensor(scores, dtype=torch.float64)
        stderr = float(values.std()) / math.sqrt(len(values)) if len(values) > 1 else math.nan
        return cls(task, metric, float(values.mean()), stderr, len(values), values.float(), ids)


def evaluate(
    model: nn.Module,
    tokenizer: Any,
    configs: list[Any],
    limit: int | Mapping[str, int | None] | None = None,
    chat: bool = False,
    seed: int = 0,
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> list[TaskResult]:
    """Run tasks on a model, the harness's way from documents to prompts to metrics, with the `Scorer` in between.

    Args:
        configs: tasks as the harness takes them: whole configurations, or `lm_eval.api.task.Task` objects.
        limit: how many documents of each task, the first ones; None for all. A mapping has a number for each task, and
            of those that it lacks all are asked.
        chat: whether prompts go through the tokenizer's chat template.
        seed: of the draw of examples, in tasks that show some.
        progress: called with (documents done, documents) of all tasks together; a document may be counted in fractions,
            rounded down.

    Returns:
        the tasks in their order, each with its metrics in the harness's order.

    Raises:
        ParameterError: a limit below 1; a task that cannot be built or evaluated, named.
        ModelError: an architecture that is not supported; a chat template is asked for and there is none.
    """
    _check(limit)
    from calibprune.tasks.harness.scorer import Scorer

    scorer = Scorer(model, tokenizer)
    if chat:
        scorer.apply_chat_template([{"role": "user", "content": "?"}])
    with evaluating(model):
        return _evaluate(scorer, configs, limit, chat, seed, progress)


def evaluate_exported(
    folder: Path,
    backend: str,
    dtype: str,
    configs: list[Any],
    limit: int | Mapping[str, int | None] | None = None,
    chat: bool = False,
    seed: int = 0,
    progress: Callable[[int, int], None] = lambda done, total: None,
    memory: dict[int | str, int] | None = None,
) -> list[TaskResult]:
    """As `evaluate`, of a checkpoint that `exported.exported` has written, answered by the harness's own classes.

    Args:
        backend, dtype, memory: as of `exported.answering`.
        progress: called once tasks of one kind are done.
    """
    _check(limit)
    model = answering(backend, folder, dtype, memory)
    try:
        if chat and not model.tokenizer.chat_template:
            raise ModelError(f"{folder}: no chat template; evaluate this model without one")
        return _evaluate(model, configs, limit, chat, seed, progress)
    finally:
        del model
        free()


def _check(limit: int | Mapping[str, int | None] | None) -> None:
    given = list(limit.values()) if isinstance(limit, Mapping) else [limit]
    if wrong := [number for number in given if number is not None and number < 1]:
        raise ParameterError(
            f"limit {wrong[0]}: give the number of documents of each task, at least 1, or leave it out for all"
        )


def _evaluate(
    model: Any,
    configs: list[Any],
    limit: int | Mapping[str, int | None] | None,
    chat: bool,
    seed: int,
    progress: Callable[[int, int], None],
) -> list[TaskResult]:
    """The tasks, put to a model of the harness's kind."""
    from calibprune.tasks.harness.scorer import Scorer, quiet_harness

    with quiet_harness(), _quiet_data():
        tasks = [_built(config, seed) for config in configs]
        names = [task.task_name for task in tasks]
        if doubled := sorted({name for name in names if names.count(name) > 1}):
            raise ParameterError(f"task {doubled[0]}: given twice; give each task once")
        limits = {name: limit.get(name) if isinstance(limit, Mapping) else limit for name in names}
        sizes = {task.task_name: min(len(task.eval_docs), limits[task.task_name] or math.inf) for task in tasks}
        done = 0
        results: dict[str, list[TaskResult]] = {}

        def kind(task: Any) -> tuple[str, int]:
            return task.OUTPUT_TYPE or "", limits[task.task_name] or 0

        # all requests of one kind in one call, so that batches are full
        for (_, most), alike in groupby(sorted(tasks, key=kind), kind):
            members = {task.task_name: task for task in alike}
            work = sum(sizes[name] for name in members)
            if ours := isinstance(model, Scorer):
                model.progress = lambda part, whole, done=done, work=work: progress(
                    done + work * part // whole, sum(sizes.values())
                )
            results |= _run(model, members, most or None, chat)
            done += work
            if not ours:
                progress(done, sum(sizes.values()))
    return [result for name in names for result in results[name]]


def _built(config: Any, seed: int) -> Any:
    from lm_eval.api.task import Task
    from lm_eval.tasks import TaskManager

    name = config.task_name if isinstance(config, Task) else config.get("task")
    with _as_parameter_error([name]):
        task = config if isinstance(config, Task) else TaskManager(include_defaults=False).load([config])["tasks"][name]
        if task.config.num_fewshot is None:
            task.set_config(key="num_fewshot", value=0)
        task.set_fewshot_seed(seed=seed)
    return task


def _run(model: Any, tasks: dict[str, Any], limit: int | None, chat: bool) -> dict[str, list[TaskResult]]:
    """The harness's own loop. Its `simple_evaluate` around it would ask git for a commit and a dozen programs for the
    machine's description.
    """
    from lm_eval.evaluator import evaluate

    with _as_parameter_error(list(tasks)):
        settings = {
            "apply_chat_template": chat,
            "fewshot_as_multiturn": True,
            "bootstrap_iters": 0,
            "log_samples": True,
        }
        found = evaluate(model, {"tasks": tasks}, limit=limit, **settings)
    return {name: list(_results(name, found["samples"][name], found["results"][name])) for name in tasks}


def _results(name: str, samples: list[dict[str, Any]], reported: dict[str, Any]) -> Iterator[TaskResult]:
    filters = list(dict.fromkeys(sample["filter"] for sample in samples))
    for kept in filters:
        mine = [sample for sample in samples if sample["filter"] == kept]
        ids = [_id(sample) for sample in mine]
        for metric in mine[0]["metrics"]:
            label = metric if len(filters) == 1 else f"{metric},{kept}"
            try:
                result = TaskResult.of(name, label, [float(sample[metric]) for sample in mine], ids)
            except (TypeError, ValueError):
                raise _no_mean(name, label) from None
            if not math.isclose(result.value, reported[f"{metric},{kept}"], abs_tol=1e-9):
                raise _no_mean(name, label)
            yield result


def _id(sample: dict[str, Any]) -> str:
    document = sample["doc"]
    return str(next((document[key] for key in ("id", "example_id") if document.get(key) is not None), sample["doc_id"]))


def _no_mean(name: str, metric: str) -> ParameterError:
    return ParameterError(f"task {name}: its metric {metric} is not a mean over documents; take another metric")


@contextmanager
def _as_parameter_error(names: list[str]) -> Iterator[None]:
    what = f"task {names[0]}" if len(names) == 1 else f"tasks {', '.join(names)}"
    try:
        yield
    except (CalibpruneError, MemoryError, torch.OutOfMemoryError):
        raise
    # the harness, datasets and templates each have classes of their own, and a task's functions may raise anything
    except Exception as error:
        reason = " ".join(f"{type(error).__name__}: {error}".split())
        reason = reason if len(reason) <= 200 else reason[:197] + "…"
        raise ParameterError(
            f"{what}: the harness cannot evaluate it ({reason}); check its configuration and data"
        ) from error


@contextmanager
def _quiet_data() -> Iterator[None]:
    """Without progress bars, and without the library `datasets` counting on the hub how often a local file is
    opened.
    """
    import datasets
    from lm_eval.api import task

    bars, counts, tqdm = datasets.are_progress_bars_disabled(), datasets.config.HF_UPDATE_DOWNLOAD_COUNTS, task.tqdm
    datasets.disable_progress_bars()
    datasets.config.HF_UPDATE_DOWNLOAD_COUNTS = False
    task.tqdm = lambda documents, **_: documents  # the harness's bar over documents has no switch
    try:
        yield
    finally:
        task.tqdm = tqdm
        datasets.config.HF_UPDATE_DOWNLOAD_COUNTS = counts
        if not bars:
            datasets.enable_progress_bars()
