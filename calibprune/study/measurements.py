"""What is measured on one model, as rows of the tidy frame and as arrays too large for it."""

import math
from collections.abc import Callable, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, field
from typing import NamedTuple

from torch import Tensor, nn

from calibprune.errors import ModelError
from calibprune.metrics.base import Metric
from calibprune.metrics.fidelity import Fidelity, Trace, fidelity, measure_perplexities, measure_perplexity
from calibprune.metrics.neurons import counting
from calibprune.metrics.registry import ON_TEXT
from calibprune.metrics.subspace import feature_changes_by_rank, feature_sizes_by_rank
from calibprune.tasks.catalogue import TaskSpec
from calibprune.tasks.harness.bridge import TaskResult


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


class Text(NamedTuple):
    """Windows [samples, length] of an evaluation source in one language; `neurons`: whether it is also counted on them
    how often each neuron is active (artifact "neurons", see `metrics.neurons`).
    """

    source: str
    language: str
    tokens: Tensor
    neurons: bool = False


def measure_texts(
    model: nn.Module,
    reference: Callable[[Text], nn.Module | Trace] | None,
    texts: Sequence[Text],
    metrics: tuple[str, ...],
    found: Found,
    progress: Callable[[int], None],
) -> None:
    """Every metric that is read from a pass over text, for each of the texts in turn.

    Texts on which nothing of the dense model is read and no neurons are counted share batches.

    Args:
        reference: for a text, the dense model or its layers' outputs; None where `model` is the dense one. It is asked
            only where one of the metrics compares layers.
        progress: called with the number of tokens that were read since the last call.
    """
    asked = [metric for name, metric in ON_TEXT.items() if name in metrics]
    compares = reference is not None and any(metric.compares for metric in asked)
    own = [compares or text.neurons for text in texts]
    shared = [text.tokens for text, alone in zip(texts, own, strict=True) if asked and not alone]
    perplexities = iter(measure_perplexities(model, shared, progress))
    for text, alone in zip(texts, own, strict=True):
        if alone:
            passed = _own_pass(model, reference(text) if compares else None, text, asked, found)
            progress(text.tokens.numel())
        elif asked:
            passed = Fidelity.of(next(perplexities), text.tokens.numel())
        else:
            progress(text.tokens.numel())  # nothing is asked of this text
        where = {"source": text.source, "language": text.language}
        for metric in asked:
            reading = metric.read(passed)
            found.add(metric.name, reading.value, reading.n, stderr=reading.stderr, infinite=metric.infinite, **where)
            for layer, value in enumerate(reading.layers):
                found.add(metric.name, value, reading.n, layer=layer, infinite=metric.infinite, **where)


def _own_pass(
    model: nn.Module, reference: nn.Module | Trace | None, text: Text, asked: list[Metric], found: Found
) -> Fidelity:
    """A pass over one text alone, beside the dense model where there is a reference."""
    sums = {metric.name: metric.sums for metric in asked if metric.sums}
    with counting(model) if text.neurons else nullcontext() as activations:
        if reference is None:
            passed = Fidelity.of(measure_perplexity(model, text.tokens), text.tokens.numel())
        else:
            passed = fidelity(reference, model, text.tokens, sums)
    if text.neurons:
        found.add_tensors(
            "neurons",
            {
                f"{text.language}.probability": activations.probabilities,
                f"{text.language}.mean_abs": activations.mean_abs,
            },
        )
    return passed


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
    evaluate: Callable[..., list[TaskResult]],
    specs: list[TaskSpec],
    items_of: Callable[[str], int | None],
    chat: bool,
    found: Found,
    progress: Callable[[float], None],
) -> None:
    """Scores of the harness's tasks; those of single items are the artifact "items", keys `family.language.metric`,
    [items].

    Args:
        evaluate: a function of tasks.harness.bridge, with all that says which model answers.
        items_of: how many items of a family's tasks are asked, the first ones; None for all.
        progress: called with the share of the items that was done since the last call.
    """
    done = 0

    def step(now: int, total: int) -> None:
        nonlocal done
        progress((now - done) / total)
        done = now

    named = {spec.name: spec for spec in specs}
    limits = {spec.name: items_of(spec.family) for spec in specs}
    for result in evaluate([spec.config for spec in specs], limits, chat, progress=step):
        task = named[result.task]
        found.add(result.metric, result.value, result.n, task=task.family, language=task.language, stderr=result.stderr)
        found.add_tensors("items", {f"{task.family}.{task.language}.{result.metric}": result.items})
