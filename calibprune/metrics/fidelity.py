"""Perplexity, signal-to-noise ratio and pruning error (Section 4.1 and Appendix D.1 of the paper)."""

import math
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import islice
from types import MappingProxyType

import torch
from torch import Tensor, nn

from calibprune.errors import ModelError, ParameterError
from calibprune.forward import quicker
from calibprune.forward.cross_entropy import token_losses
from calibprune.metrics.base import CALIBRATED, Metric, Reading
from calibprune.models.families import decoder, device_of, evaluating
from calibprune.walk.inputs import batches
from calibprune.walk.outputs import checked_windows, layer_outputs

LARGEST = math.log(sys.float_info.max)  # of a number in nats whose exp is finite


@dataclass
class Perplexity:
    """Perplexity exp(mean −ln p) over predicted tokens, with the standard error of the mean over windows by the delta
    method.

    All windows have the same number of predictions, so this is also exp of the mean of the windows' means.
    """

    value: float
    stderr: float
    n: int

    @classmethod
    def of(cls, losses: Tensor) -> "Perplexity":
        """From losses [windows, predictions] in nats.

        Raises:
            ModelError: a perplexity that is undefined, or too large for a number.
        """
        means = losses.double().mean(dim=1)
        nats = float(means.mean())
        if not nats < LARGEST:  # also where it is undefined
            raise ModelError(
                f"perplexity: the mean loss is {nats:.4g} nats a token, so that exp of it is no number; check the "
                f"weights, or use a wider dtype"
            )
        value = math.exp(nats)
        spread = float(means.std()) / math.sqrt(len(means)) if len(means) > 1 else math.nan
        return cls(value, value * spread, losses.numel())


@dataclass
class Fidelity:
    """How close a pruned model is to the dense one on the same tokens.

    Attributes:
        perplexity: the pruned model's perplexity.
        snr_db: for each decoder layer's output, Eq. 2, in decibels; infinite where nothing changed, so that of a
            model and itself all are. No value is undefined.
        pruning_error: for each decoder layer's output, Eq. 1.
        stderr: standard error of the perplexity over windows.
        n: number of predicted tokens.
        tokens: number of tokens read; the layers' values are over these.
        sums: by name, what the functions `sums` given to `fidelity` added up to, float64 [layers, k].
    """

    perplexity: float
    snr_db: list[float]
    pruning_error: list[float]
    stderr: float
    n: int
    tokens: int
    sums: dict[str, Tensor] = field(default_factory=dict, compare=False)

    @classmethod
    def of(cls, measured: Perplexity, tokens: int) -> "Fidelity":
        """A perplexity over so many tokens read; with nothing to compare there are no layers."""
        return cls(measured.value, [], [], measured.stderr, measured.n, tokens)

    @property
    def model_snr_db(self) -> float:
        """Mean over layers (the paper's model SNR)."""
        return math.fsum(self.snr_db) / len(self.snr_db)

    @property
    def model_pruning_error(self) -> float:
        """Mean over layers."""
        return math.fsum(self.pruning_error) / len(self.pruning_error)


@torch.no_grad()
def perplexity(model: nn.Module, tokens: Tensor) -> float:
    """Perplexity of windows [samples, length] under the model: exp of the mean of −ln p over the length − 1 predictions
    of every window.

    The model is in evaluation mode meanwhile.

    Raises:
        ParameterError: windows that the model cannot read. ModelError: an architecture that is not supported, or a
        perplexity that is not finite.
    """
    return measure_perplexity(model, tokens).value


@torch.no_grad()
def measure_perplexity(model: nn.Module, tokens: Tensor) -> Perplexity:
    """`perplexity` with its standard error and number of predictions."""
    return measure_perplexities(model, [tokens])[0]


@torch.no_grad()
def measure_perplexities(
    model: nn.Module, texts: Sequence[Tensor], progress: Callable[[int], None] = lambda tokens: None
) -> list[Perplexity]:
    """`measure_perplexity` of each of several texts, windows [samples, length].

    Windows of one length share batches, whichever text they are of: a few short windows alone are too few rows for
    quick matrix products.

    Args:
        progress: called after each batch with the number of tokens in it.
    """
    texts = [_checked(model, tokens) for tokens in texts]
    losses: dict[int, list[Tensor]] = {}
    with evaluating(model):
        for length in dict.fromkeys(tokens.shape[1] for tokens in texts):
            windows = torch.cat([tokens for tokens in texts if tokens.shape[1] == length])
            found = []
            for batch in batches(windows.to(device_of(model))):
                with quicker(model, length):
                    states = decoder(model)(input_ids=batch, use_cache=False).last_hidden_state
                found.append(window_losses(model, states, batch))
                progress(batch.numel())
            samples = [len(tokens) for tokens in texts if tokens.shape[1] == length]
            losses[length] = list(torch.cat(found).split(samples))
    return [Perplexity.of(losses[tokens.shape[1]].pop(0)) for tokens in texts]


@dataclass
class Trace:
    """A dense model's layer outputs on some windows, for comparing several pruned models with it.

    Attributes:
        outputs: for each batch of windows, for each layer, [batch, length, width] in the model's dtype.
        tokens: the windows, [samples, length].
    """

    outputs: list[list[Tensor]]
    tokens: Tensor

    @staticmethod
    def nbytes_of(model: nn.Module, tokens: Tensor) -> int:
        """How many bytes the trace of a model on these windows takes."""
        return tokens.numel() * len(decoder(model).layers) * model.config.hidden_size * model.dtype.itemsize

    @classmethod
    def of(cls, model: nn.Module, tokens: Tensor) -> "Trace":
        """Walk the model through windows [samples, length]. Takes tokens × layers × width numbers of memory."""
        tokens = _checked(model, tokens)
        with evaluating(model):
            return cls(
                [list(layer_outputs(model, batch))[:-1] for batch in batches(tokens.to(device_of(model)))],
                tokens.cpu(),
            )


@torch.no_grad()
def fidelity(
    dense: nn.Module | Trace,
    pruned: nn.Module,
    tokens: Tensor,
    sums: Mapping[str, Callable[[Tensor, Tensor], Tensor]] = MappingProxyType({}),
) -> Fidelity:
    """Walk the dense and the pruned model side by side through the same windows, once.

    With h the dense and h̃ the pruned output of a layer for one token, N tokens and d features, three sums a layer
    suffice: Σ‖h‖, Σ‖h‖² and Σ‖h − h̃‖². Eq. 1 is Σ‖h − h̃‖² / (N·d·μ²) with μ = Σ‖h‖/N; in Eq. 2 N, d and μ cancel:
    10·log10(Σ‖h‖² / Σ‖h − h̃‖²).

    Args:
        dense: the model before pruning, or its `Trace` on the same windows.
        pruned: a model of the same architecture. Both are in evaluation mode meanwhile.
        tokens: LongTensor [samples, length].
        sums: by name, `(dense, pruned) -> Tensor [k]`: further sums over a batch of a layer's outputs [batch, length,
            width], for `Fidelity.sums`.

    Raises:
        ParameterError: windows that the models cannot read, or a dense side of another depth or width or of other
        windows. ModelError: an architecture that is not supported, or a value that is undefined.
    """
    tokens = _checked(pruned, tokens)
    if isinstance(dense, Trace):
        if not torch.equal(dense.tokens, tokens.cpu()):
            raise ParameterError("fidelity: the dense side is a trace of other windows; make its own with Trace.of")
        with evaluating(pruned):
            return _side_by_side(dense, pruned, tokens, sums)
    _checked(dense, tokens)
    kinds = [model.config.model_type for model in (dense, pruned)]
    if kinds[0] != kinds[1]:
        raise ParameterError(
            f"fidelity: the dense model is a {kinds[0]} and the pruned one a {kinds[1]}; compare a model with its own "
            f"pruned copy"
        )
    with evaluating(dense), evaluating(pruned):
        return _side_by_side(dense, pruned, tokens, sums)


def _side_by_side(
    dense: nn.Module | Trace, pruned: nn.Module, tokens: Tensor, sums: Mapping[str, Callable[[Tensor, Tensor], Tensor]]
) -> Fidelity:
    depth = len(decoder(pruned).layers)
    totals = torch.zeros(depth, 3, dtype=torch.float64)
    further: dict[str, list[Tensor | float]] = {name: [0.0] * depth for name in sums}
    losses = []
    for number, batch in enumerate(batches(tokens.to(device_of(pruned)))):
        reference = (
            iter([*dense.outputs, []][number])
            if isinstance(dense, Trace)
            else islice(layer_outputs(dense, batch), len(decoder(dense).layers))
        )
        outputs = layer_outputs(pruned, batch)
        for layer in range(depth):
            h = next(reference, None)
            output = next(outputs)
            if h is None or h.shape != output.shape:
                raise ParameterError(
                    "fidelity: the dense side has other windows, another depth or another width; compare a model with "
                    "its own pruned copy"
                )
            totals[layer] += layer_sums(h, output)
            for name, add in sums.items():
                further[name][layer] += add(h, output).double().cpu()
        if next(reference, None) is not None:
            raise ParameterError(
                "fidelity: the dense side is deeper than the pruned one; compare a model with its own pruned copy"
            )
        losses.append(window_losses(pruned, next(outputs), batch))
    return of_sums(totals, further, losses, tokens.numel(), pruned.config.hidden_size)


def of_sums(
    totals: Tensor, further: Mapping[str, list[Tensor | float]], losses: list[Tensor], tokens: int, width: int
) -> Fidelity:
    """From what was added up over the batches of so many tokens.

    Args:
        totals: `layer_sums` of each layer, float64 [layers, 3].
        further: by name, a further sum of each layer.
        losses: of each batch, [windows, predictions] in nats.
        width: of the hidden states.

    Raises:
        ModelError: a value that is undefined.
    """
    measured = Perplexity.of(torch.cat(losses))
    for layer, (length, _, noise) in enumerate(totals.tolist()):
        if not (0 < length < math.inf and noise < math.inf):
            raise ModelError(
                f"layers.{layer}: its outputs are all zero, infinite or undefined, so that they cannot be compared; "
                f"check the weights, or use a wider dtype"
            )
    lengths, signal, noise = totals.T.tolist()
    return Fidelity(
        measured.value,
        [10 * math.log10(s / e) if e else math.inf for s, e in zip(signal, noise, strict=True)],
        [e * tokens / (width * length**2) for e, length in zip(noise, lengths, strict=True)],
        measured.stderr,
        measured.n,
        tokens,
        {name: torch.stack(values) for name, values in further.items()},
    )


def layer_sums(h: Tensor, pruned: Tensor) -> Tensor:
    """Σ‖h‖, Σ‖h‖² and Σ‖h − h̃‖² over tokens, float64 [3], from states [batch, length, width]."""
    h = h.float()
    squares = torch.linalg.vector_norm(h, dim=-1).double()
    noise = torch.linalg.vector_norm(h - pruned, dim=-1).double()
    return torch.stack([squares.sum(), squares.square().sum(), noise.square().sum()]).cpu()


def window_losses(model: nn.Module, states: Tensor, tokens: Tensor) -> Tensor:
    """Losses [windows, length − 1] in nats from final states [windows, length, width]."""
    predictions = states[:, :-1].flatten(0, 1)
    return token_losses(model, predictions, tokens[:, 1:].flatten()).view(len(tokens), -1).cpu()


def _checked(model: nn.Module, tokens: Tensor) -> Tensor:
    decoder(model)
    tokens = checked_windows(model, tokens)
    check_predicts(tokens)
    return tokens


def check_predicts(tokens: Tensor) -> None:
    """Raises ParameterError where windows [samples, length] hold one token each."""
    if tokens.shape[1] < 2:
        raise ParameterError(
            "evaluation windows: a window of one token predicts nothing; choose a length of at least 2"
        )


PERPLEXITY = Metric(
    "perplexity",
    "Perplexity",
    short="PPL",
    log=True,
    models=("dense", *CALIBRATED),
    read=lambda found: Reading(found.perplexity, found.n, found.stderr),
    compares=False,
)
SNR_DB = Metric(
    "snr_db",
    "Signal-to-noise ratio",
    short="SNR",
    unit="dB",
    lower_is_better=False,
    read=lambda found: Reading(found.model_snr_db, found.tokens, layers=found.snr_db),
    infinite=True,
)
PRUNING_ERROR = Metric(
    "pruning_error",
    "Pruning error",
    read=lambda found: Reading(found.model_pruning_error, found.tokens, layers=found.pruning_error),
)
