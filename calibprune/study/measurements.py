"""What is measured on one model, as rows of the tidy frame and as arrays too large for it."""

import math
from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import dataclass, field

from torch import Tensor, nn

from calibprune.errors import ModelError
from calibprune.metrics.fidelity import Fidelity, Trace, fidelity
from calibprune.metrics.neurons import counting
from calibprune.metrics.registry import ON_TEXT
from calibprune.metrics.subspace import feature_changes_by_rank, feature_sizes_by_rank
from calibprune.tasks.catalogue import TaskSpec


@dataclass
class Found:
    """What was measured so far: `rows` of the tidy frame, without what names the cell, and `artifacts`, name -> key ->
    tensor.
    """

    rows: list[dict] = field(default_factory=list)
    artifacts: dict[str, dict[str, Tensor]] = field(default_factory=dict)

    def add(
        self,
        metric: str,
        value: float,
        n: int,
        *,
        language: str,
        source: str = "",
        task: str = "",
        layer: int | None = None,
        component: str = "",
        stderr: float = math.nan,
        infinite: bool = False,
    ) -> None:
        """Keep a value, over `n` tokens or items.

        Args:
            stderr: NaN where it is not known.
            infinite: whether infinity is a right answer.

        Raises:
            ModelError: a value that is no result.
        """
        if not math.isfinite(value) and not (infinite and value == math.inf):
            of = " ".join(filter(None, [source or task, language, "" if layer is None else f"layers.{layer}"]))
            raise ModelError(f"{metric} of {of}: {value} is no result; check the model's weights, or use a wider dtype")
        self.rows.append(
            {
                "metric": metric,
                "source": source,
                "task": task,
                "language": language,
                "layer": layer,
                "component": component,
                "value": value,
                "stderr": stderr,
                "n": n,
            }
        )

    def add_damping(self, name: str, damping: float, tokens: int) -> None:
        """That the Hessian of a matrix, `layers.<i>.<component>`, needed more than the usual damping; `n` is the number
        of calibration tokens.
        """
        _, layer, component = name.split(".", 2)
        self.add("damping", damping, tokens, language="", layer=int(layer), component=component)

    def add_tensors(self, artifact: str, tensors: dict[str, Tensor]) -> None:
        self.artifacts.setdefault(artifact, {}).update(tensors)


def measure_text(
    model: nn.Module,
    reference: nn.Module | Trace | None,
    tokens: Tensor,
    metrics: tuple[str, ...],
    text: tuple[str, str],
    neurons: bool,
    found: Found,
) -> None:
    """One pass over windows [samples, length]: every metric that is read from it, and how active the neurons are.

    Args:
        reference: the dense model or its layers' outputs; None where `model` is the dense one.
        text: evaluation source and language.
        neurons: also count how often each neuron is active (artifact "neurons", see `metrics.neurons`).
    """
    source, language = text
    asked = [metric for name, metric in ON_TEXT.items() if name in metrics]
    sums = {metric.name: metric.sums for metric in asked if metric.sums}
    with counting(model) if neurons else nullcontext() as activations:
        passed = Fidelity.of_dense(model, tokens) if reference is None else fidelity(reference, model, tokens, sums)
    if neurons:
        found.add_tensors(
            "neurons",
            {f"{language}.probability": activations.probabilities, f"{language}.mean_abs": activations.mean_abs},
        )
    where = {"source": source, "language": language}
    for metric in asked:
        reading = metric.read(passed)
        found.add(metric.name, reading.value, reading.n, stderr=reading.stderr, infinite=metric.infinite, **where)
        for layer, value in enumerate(reading.layers):
            found.add(metric.name, value, reading.n, layer=layer, infinite=metric.infinite, **where)


def measure_subspace(source: str, dense: Tensor, pruned: Tensor, languages: tuple[str, ...], found: Found) -> None:
    """How far language-agnostic and language-specific features moved, per layer and language, for every rank of the
    subspace.

    The sizes of the dense model's own features are kept beside them, since layers differ in scale by orders of
    magnitude. One language alone has no subspace, and nothing is kept.

    Args:
        dense, pruned: sentence embeddings [languages, layers, sentences, width] of the same parallel text.
    """
    ranks = range(1, len(languages))
    for layer in range(dense.shape[1]) if ranks else ():
        moved = feature_changes_by_rank(dense[:, layer], pruned[:, layer], ranks)
        sizes = feature_sizes_by_rank(dense[:, layer], ranks)
        for what, of_rank in (("delta", moved), ("size", sizes)):
            for number, language in enumerate(languages):
                where = {"source": source, "language": language, "layer": layer}
                found.add(f"{what}_total", float(of_rank.total[0, number]), dense.shape[2], **where)
                for part, values in (("agnostic", of_rank.agnostic), ("specific", of_rank.specific)):
                    for rank, value in zip(ranks, values[:, number].tolist(), strict=True):
                        found.add(f"{what}_{part}", value, dense.shape[2], component=f"rank {rank}", **where)


def measure_tasks(
    model: nn.Module,
    tokenizer,
    specs: list[TaskSpec],
    limit: int | None,
    chat: bool,
    found: Found,
    progress: Callable[[float], None],
) -> None:
    """Scores of the harness's tasks; those of single items are the artifact "items", keys `family.language.metric`,
    [items].

    Args:
        progress: called with the share of the items that was done since the last call.
    """
    from calibprune.tasks.harness.bridge import evaluate  # the harness takes seconds to import

    done = 0

    def step(now: int, total: int) -> None:
        nonlocal done
        progress((now - done) / total)
        done = now

    named = {spec.name: spec for spec in specs}
    for result in evaluate(model, tokenizer, [spec.config for spec in specs], limit, chat, progress=step):
        task = named[result.task]
        found.add(result.metric, result.value, result.n, task=task.family, language=task.language, stderr=result.stderr)
        found.add_tensors("items", {f"{task.family}.{task.language}.{result.metric}": result.items})
