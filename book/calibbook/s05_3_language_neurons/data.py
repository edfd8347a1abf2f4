"""From recorded activations to what Section 5.3 looks at: neurons in groups of the dense model's entropy over languages
(LAPE).
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import torch
from torch import Tensor

from calibbook.shared.frames import METHODS, setting
from calibbook.shared.languages import name_label, text_label
from calibprune.errors import ParameterError
from calibprune.metrics import neurons as metric
from calibprune.study.cells import Cell
from calibprune.study.store import Store

GROUP = 0.02  # of all neurons
SHOWN = 0.30  # of all neurons, those of lowest entropy
OTHER_TEXTS = 10


@dataclass(frozen=True)
class OfModel:
    """Something about the neurons of the model of a cell."""

    cell: Cell

    @property
    def languages(self) -> tuple[str, ...]:
        return self.cell.languages

    @property
    def source(self) -> str:
        return self.cell.evaluations[0].source

    @property
    def tokens(self) -> int:
        """Tokens read in each language of `source`."""
        return self.cell.evaluations[0].samples * self.cell.evaluations[0].length

    @property
    def calibration(self) -> str:
        return "+".join(self.cell.calibration)

    @property
    def sparsity(self) -> str:
        """`50%`, `2:4`, empty for the dense model."""
        return "" if self.cell.dense else setting(self.cell.sparsity.fraction, self.cell.sparsity.pattern)


@dataclass(frozen=True)
class Activations(OfModel):
    """How often and how strongly each neuron of one model is active, in each language.

    probability: float32 [layers, neurons, languages], the share of tokens at which the output of the gate's
    non-linearity is above zero; mean_abs: float32, the same shape, the mean over tokens of that output's size.
    """

    probability: Tensor
    mean_abs: Tensor

    @cached_property
    def entropy(self) -> np.ndarray:
        """LAPE in nats, float64 [layers * neurons]; NaN for a neuron that is never active."""
        return metric.lape(self.probability).numpy().ravel()

    @cached_property
    def layer(self) -> np.ndarray:
        """The layer of each neuron, int [layers * neurons]."""
        layers, neurons, _ = self.probability.shape
        return np.repeat(np.arange(layers), neurons)

    def often(self, language: str | None = None) -> np.ndarray:
        """Activation probability [layers * neurons] in one language; [layers * neurons, languages] without."""
        return self._flat(self.probability, language)

    def strength(self, language: str | None = None) -> np.ndarray:
        """Mean absolute output, in the shapes of `often`."""
        return self._flat(self.mean_abs, language)

    def _flat(self, values: Tensor, language: str | None) -> np.ndarray:
        flat = values.double().numpy().reshape(-1, len(self.languages))
        return flat if language is None else flat[:, self.languages.index(language)]


def missing(cells: Sequence[Cell]) -> str:
    """Why there is nothing to show, in a sentence; empty where there is."""
    found = [cell for cell in cells if "neurons" in cell.metrics]
    if not found:
        return "Neurons were not looked at in this study: add `neurons` to `metrics`."
    if all(cell.dense for cell in found):
        return "No model of this study was pruned with calibration text: add a method that calibrates to `methods`."
    if len(found[0].languages) < 2:
        return (
            "Entropy over languages needs at least two of them, and this study measures one: add to `languages`, or to "
            "`evaluation_languages` where they are named apart."
        )
    return ""


def recorded(cells: Sequence[Cell]) -> list[Cell]:
    """Those whose neurons were looked at. Raises ParameterError where there is nothing to compare (see `missing`)."""
    if missing(cells):
        raise ParameterError(missing(cells))
    return [cell for cell in cells if "neurons" in cell.metrics]


def models(cells: Sequence[Cell]) -> list[str]:
    return list(dict.fromkeys(cell.model for cell in recorded(cells)))


def methods(cells: Sequence[Cell]) -> list[str]:
    """Methods whose neurons were looked at, SparseGPT, the paper's, first."""
    return sorted(
        {cell.method for cell in recorded(cells) if not cell.dense}, key=lambda name: (name != "sparsegpt", name)
    )


def dense_cell(cells: Sequence[Cell], model: str) -> Cell:
    """The dense model, whose entropies sort the neurons of its pruned copies."""
    return next(cell for cell in recorded(cells) if cell.dense and cell.model == model)


def calibrated(cells: Sequence[Cell], model: str, method: str) -> list[Cell]:
    """The pruned copies of every single calibration language, at the study's main sparsities; all draws."""
    return [cell for cell in recorded(cells) if (cell.model, cell.method, cell.part) == (model, method, "languages")]


def swept(cells: Sequence[Cell], model: str, method: str) -> list[Cell]:
    """The dense cell, then every sparsity of one calibration language, ascending; the first draw.

    The language is the first one of the sweep over sparsities, or the study's first where there was no sweep.
    """
    pruned = [cell for cell in recorded(cells) if (cell.model, cell.method) == (model, method)]
    first = next((cell for cell in pruned if cell.part == "sweep"), pruned[0])
    same = [cell for cell in pruned if cell.calibration == first.calibration and cell.seed == first.seed]
    return [dense_cell(cells, model), *sorted(same, key=lambda cell: (cell.sparsity.fraction, cell.sparsity.pattern))]


def tested_on(cells: Sequence[Cell]) -> str:
    """Which models Figure 3 and the paper's claims are about, in a sentence; empty where there are none."""
    if missing(cells):
        return ""
    model, method = models(cells)[0], methods(cells)[0]
    pruned = OfModel(swept(cells, model, method)[-1])
    draws = {cell.seed for cell in calibrated(cells, model, method)}
    several = f", the first of {len(draws)}" if len(draws) > 1 else ""
    text = text_label(pruned.calibration) if "+" in pruned.calibration else name_label(pruned.calibration)
    return f"The paper's claims are tested on models calibrated in {text}, on one draw of calibration text{several}."


def read(store: Store, cell: Cell) -> Activations:
    """A cell's artifact "neurons". Raises StoreError if it is missing or damaged."""
    with store.artifact(cell, "neurons") as tensors:
        probability, mean_abs = (
            torch.stack([tensors.get_tensor(f"{language}.{kind}") for language in cell.languages], dim=-1)
            for kind in ("probability", "mean_abs")
        )
    return Activations(cell, probability, mean_abs)


def title(model: OfModel, sparsity: bool = True) -> str:
    """`gemma3-270m, SparseGPT, 50%, calibrated in DE`, perhaps without the sparsity."""
    parts = [model.cell.model, METHODS.get(model.cell.method, model.cell.method), model.sparsity if sparsity else ""]
    return ", ".join(
        [part for part in parts if part]
        + ([f"calibrated in {text_label(model.calibration)}"] if model.calibration else [])
    )


def lead_language(pruned: OfModel) -> str:
    """The calibration language if it was measured in, as in the paper's Figure 3; else the first language that was."""
    return pruned.calibration if pruned.calibration in pruned.languages else pruned.languages[0]


def groups(dense: Activations) -> list[np.ndarray]:
    """The 30% of neurons of lowest entropy in the dense model, lowest first, 2% of all neurons a group: index arrays
    into [layers * neurons].
    """
    return [members.numpy() for members in metric.groups(torch.from_numpy(dense.entropy), GROUP, SHOWN).members]


def other_texts(dense: Activations, draws: int = OTHER_TEXTS) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """What the dense model itself might show on other texts of the same length: (probability [neurons, languages],
    entropy [neurons]).

    Each count of active tokens is drawn from its posterior predictive distribution, beta-binomial with Jeffreys' prior.
    That takes tokens for independent, which they are not, so it says rather too little of the spread between texts.
    Fixed random stream.
    """
    stream = np.random.default_rng(0)
    n = dense.tokens
    counts = np.rint(n * dense.probability.double().numpy())
    for _ in range(draws):
        drawn = stream.binomial(n, stream.beta(counts + 0.5, n - counts + 0.5)) / n
        yield drawn.reshape(-1, len(dense.languages)), metric.lape(torch.from_numpy(drawn)).numpy().ravel()
