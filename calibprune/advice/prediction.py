"""`advise`: the loss that each calibration text would cost in each language, predicted and not measured."""

import copy
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from calibprune.advice.error import DIAGONAL, GRAM, Size, sizes
from calibprune.errors import ModelError, ParameterError, one_of
from calibprune.kernels.norms import add_column_squares
from calibprune.languages import mixture
from calibprune.methods import Method, pruner
from calibprune.models.families import decoder, evaluating, linears
from calibprune.schemes import Sparsity
from calibprune.walk.dense import statistics_by_text
from calibprune.walk.layerwise import check_prunable
from calibprune.walk.outputs import checked_windows
from calibprune.walk.solving import Plan, check_and_retry, try_without_waiting


class Ranked(NamedTuple):
    """A calibration text for one target.

    Attributes:
        calibration: a language or a mixture.
        loss: what it is predicted to lose.
        ratio: that against the best of the candidates, 1 for the best itself.
    """

    calibration: str
    loss: float
    ratio: float


@dataclass(frozen=True)
class Advice:
    """Predicted losses of calibration texts (candidates) in languages (targets).

    A loss is ‖ΔW X‖² / ‖W X‖²: how much the output of a matrix W changes on the target's text, against its size, where
    the matrix is pruned with the candidate's statistic. It is a prediction from errors of single matrices of the dense
    model, not a measured perplexity.

    Attributes:
        candidates, targets: calibration texts, such as "de" or "ar+en", and languages.
        method, sparsity: what the model would be pruned with.
        exact: whether with Gram matrices; else with their diagonals.
        matrices: `layers.<i>.<component>` of each matrix.
        by_matrix: float64 [candidates, targets, matrices].
        tokens: how many tokens were read.
        seconds: of the walk and of all masks.
    """

    candidates: tuple[str, ...]
    targets: tuple[str, ...]
    method: str
    sparsity: Sparsity
    exact: bool
    matrices: tuple[str, ...]
    by_matrix: Tensor
    tokens: int
    seconds: float

    @property
    def losses(self) -> Tensor:
        """The mean over matrices, float64 [candidates, targets]."""
        return self.by_matrix.mean(dim=2)

    def ranked(self, target: str) -> list[Ranked]:
        """The candidates for a target, the best first.

        Raises:
            ParameterError: a target that there is no prediction for.
        """
        if target not in self.targets:
            raise ParameterError(one_of("target", target, self.targets))
        losses = self.losses[:, self.targets.index(target)].tolist()
        best = min(losses)
        ranks = sorted(zip(self.candidates, losses, strict=True), key=lambda pair: pair[1])
        return [Ranked(name, loss, loss / best if best else 1.0) for name, loss in ranks]

    def rows(self) -> Iterator[dict[str, Any]]:
        """A long table: `calibration, language, layer, component, value` for each candidate, target and matrix, and
        with layer None and an empty component for the whole model.
        """
        places = [(int(layer), component) for _, layer, component in (name.split(".", 2) for name in self.matrices)]
        whole = self.losses.tolist()
        for a, calibration in enumerate(self.candidates):
            for b, language in enumerate(self.targets):
                where = {"calibration": calibration, "language": language}
                yield where | {"layer": None, "component": "", "value": whole[a][b]}
                for (layer, component), value in zip(places, self.by_matrix[a, b].tolist(), strict=True):
                    yield where | {"layer": layer, "component": component, "value": value}


@torch.no_grad()
def advise(
    model: nn.Module,
    calibration: Mapping[str, Tensor],
    candidates: Sequence[str],
    targets: Sequence[str],
    method: str = "wanda",
    sparsity: float | str | Sparsity = 0.5,
    exact: bool = False,
    evaluation: Mapping[str, Tensor] | None = None,
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> Advice:
    """Predict from one walk over the dense model what pruning with each candidate's text loses in each target language.

    The walk sums up the statistic of every language. Each matrix is then solved, in a copy, from every candidate's
    statistic, and its error is computed on every target's. Nothing is evaluated, and the model stays as it is. The
    statistic of a mixture is the mean of its languages' statistics for a token.

    All layers get the inputs that the dense model gives them, whereas in pruning the layers before are pruned: errors
    do not build up here, and what a layer makes of the errors before it is not in the prediction.

    Args:
        calibration: by language, the windows [samples, length] that it would be calibrated with; those of every
            candidate's languages.
        candidates: languages, and mixtures such as "ar+en".
        targets: languages in which the loss is predicted; names of texts of `evaluation`.
        method: the name of a method that prunes and reads text.
        sparsity: a fraction in [0, 1) or a pattern such as "2:4".
        exact: whether errors are computed with the targets' Gram matrices, in² numbers for each matrix and language,
            instead of their diagonals. They always are for a method whose own statistic is another than Wanda's, such
            as SparseGPT, which changes the weights that stay as well.
        evaluation: by language, the windows that errors are computed on. By default those of `calibration`, on which
            the target's own mask looks better than it is on other text.
        progress: called with (layers done, layers) after each layer.

    Raises:
        ParameterError: fewer than two candidates, no target, a language without windows, or as `prune`. ModelError: as
            `prune`.
    """
    started = time.perf_counter()
    pattern = Sparsity.of(sparsity)
    chosen = method_that_reads(method)
    exact = bool(exact or chosen.accumulate is not add_column_squares)
    evaluation = calibration if evaluation is None else evaluation
    candidates, targets = check_names(candidates, targets)
    size = GRAM if exact else DIAGONAL
    texts = _Texts(model)
    read = [[texts.add(calibration, code, chosen.accumulate) for code in mixture(name)] for name in candidates]
    plans = [Plan(chosen, len(texts.windows[of[0]]), pattern, None) for of in read]
    targeted = [texts.add(evaluation, code, size.accumulate) for code in targets]
    check_prunable(model, pattern, None)
    matrices, losses = [], []
    layers = decoder(model).layers
    with evaluating(model):
        for i, shared in enumerate(statistics_by_text(model, texts.windows, texts.accumulates)):
            components = dict(linears(layers[i]))
            for totals, names in shared:
                named = {f"layers.{i}.{name}": components[name] for name in names}
                statistics = [_mean([totals[p] for p in of], [texts.tokens[p] for p in of]) for of in read]
                losses += _losses(plans, named, statistics, [totals[p] for p in targeted], size)
                matrices += named
            progress(i + 1, len(layers))
    return Advice(
        candidates,
        targets,
        method,
        pattern,
        exact,
        tuple(matrices),
        torch.stack(losses, dim=2),
        sum(texts.tokens),
        time.perf_counter() - started,
    )


class _Texts:
    """The texts that are read, each once, with what is summed up of it."""

    def __init__(self, model: nn.Module) -> None:
        self._model = model
        self._known: dict[tuple[int, Any], int] = {}
        self.windows: list[Tensor] = []
        self.accumulates: list[Callable] = []

    def add(self, texts: Mapping[str, Tensor], language: str, accumulate: Callable) -> int:
        """The number of the text. Raises ParameterError where there is none, or none that the model can read."""
        if language not in texts:
            raise ParameterError(one_of("language of the tokens", language, texts))
        key = id(texts[language]), accumulate
        if key not in self._known:
            self._known[key] = len(self.windows)
            self.windows.append(checked_windows(self._model, texts[language]))
            self.accumulates.append(accumulate)
        return self._known[key]

    @property
    def tokens(self) -> list[int]:
        return [windows.numel() for windows in self.windows]


def method_that_reads(name: str) -> Method:
    """The method of that name, which prunes and reads text. Raises ParameterError where there is none."""
    method = pruner(name)
    if method.accumulate is None:
        raise ParameterError(f"method {name} uses no text, so that all calibration languages are the same to it")
    return method


def check_names(candidates: Sequence[str], targets: Sequence[str]) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Candidates and targets. Raises ParameterError for names that are none, twice there, or too few."""
    for names, few, line in (
        (candidates, 2, "candidates {}: give two or more to choose from, each once"),
        (targets, 1, "targets {}: give one language or more, each once"),
    ):
        # mixtures in another order are the same text
        distinct = {frozenset(str(name).split("+")) for name in names}
        if isinstance(names, str) or len(names) < few or len(distinct) < len(names):
            raise ParameterError(
                line.format(names if isinstance(names, str) else ", ".join(map(str, names)) or "(none)")
            )
    for name in candidates:
        mixture(name)
    return tuple(candidates), tuple(targets)


def _mean(totals: list[Any], tokens: list[int]) -> Any:
    """The statistic of a mixture: the mean of its languages' for a token, times the tokens of the first."""
    if len(totals) == 1:
        return totals[0]
    if not all(isinstance(total, Tensor) for total in totals):
        raise ParameterError("candidates: the statistic of this method is no tensor, so that languages cannot be mixed")
    return sum(total * (tokens[0] / number) for total, number in zip(totals, tokens, strict=True)) / len(totals)


def _losses(
    plans: list[Plan], linears: dict[str, nn.Linear], statistics: list[Any], targets: list[Tensor], size: Size
) -> list[Tensor]:
    """For each of some matrices that read one tensor the losses, float64 [candidates, targets]."""
    dense = {name: linear.weight.float() for name, linear in linears.items()}
    whole = {name: sizes(size.of_change(weight), targets) for name, weight in dense.items()}
    for name, found in whole.items():
        if not bool((found > 0).all()):
            raise ModelError(f"{name}: its outputs are all zero or undefined on a target's text; check the weights")
    losses: dict[str, list[Tensor]] = {name: [] for name in linears}
    for plan, statistic in zip(plans, statistics, strict=True):
        copies = {name: copy.deepcopy(linear) for name, linear in linears.items()}
        check_and_retry(plan, [try_without_waiting(plan, statistic, copies)])
        for name, changed in copies.items():
            change = size.of_change(dense[name] - changed.weight.float())
            losses[name].append((sizes(change, targets) / whole[name]).cpu())
    return [torch.stack(found) for found in losses.values()]
