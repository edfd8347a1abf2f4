"""Perplexity, signal-to-noise ratio and pruning error (Section 4.1 and Appendix D.1 of the paper)."""

import math
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from ..errors import ParameterError
from ..families import decoder, device_of
from ..kernels.cross_entropy import token_losses
from ..layerwise import batches, check_windows, side_by_side


@dataclass
class Perplexity:
    """Perplexity exp(mean −ln p) over predicted tokens, with the standard error of the mean over windows by the delta method.

    All windows have the same number of predictions, so this is also exp of the mean of the windows' means.
    """

    value: float
    stderr: float
    n: int

    @classmethod
    def of(cls, losses: Tensor) -> "Perplexity":
        """From losses [windows, predictions] in nats."""
        means = losses.double().mean(dim=1)
        value = math.exp(means.mean())
        spread = float(means.std()) / math.sqrt(len(means)) if len(means) > 1 else math.nan
        return cls(value, value * spread, losses.numel())


@dataclass
class Fidelity:
    """How close a pruned model is to the dense one on the same tokens.

    Attributes:
        perplexity: the pruned model's perplexity.
        snr_db: for each decoder layer's output, Eq. 2, in decibels; infinite where nothing changed.
        pruning_error: for each decoder layer's output, Eq. 1.
        stderr: standard error of the perplexity over windows.
        n: number of predicted tokens.
    """

    perplexity: float
    snr_db: list[float]
    pruning_error: list[float]
    stderr: float
    n: int

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
    """Perplexity of windows [samples, length] under the model: exp of the mean of −ln p over the length − 1 predictions of every window.

    Raises:
        ParameterError: windows that the model cannot read.
    """
    return measure_perplexity(model, tokens).value


@torch.no_grad()
def measure_perplexity(model: nn.Module, tokens: Tensor) -> Perplexity:
    """`perplexity` with its standard error and number of predictions."""
    _check(model, tokens)
    losses = []
    for batch in batches(tokens.to(device_of(model))):
        states = decoder(model)(input_ids=batch, use_cache=False).last_hidden_state
        losses.append(_window_losses(model, states, batch))
    return Perplexity.of(torch.cat(losses))


@torch.no_grad()
def fidelity(dense: nn.Module, pruned: nn.Module, tokens: Tensor) -> Fidelity:
    """Walk the dense and the pruned model side by side through the same windows, once.

    With h the dense and h̃ the pruned output of a layer for one token, N tokens and d features, three sums a layer suffice: Σ‖h‖, Σ‖h‖² and
    Σ‖h − h̃‖². Eq. 1 is Σ‖h − h̃‖² / (N·d·μ²) with μ = Σ‖h‖/N; in Eq. 2 N, d and μ cancel: 10·log10(Σ‖h‖² / Σ‖h − h̃‖²).

    Args:
        dense, pruned: models of one architecture.
        tokens: LongTensor [samples, length].

    Raises:
        ParameterError: windows that the models cannot read, or models of different depth.
    """
    _check(dense, tokens)
    depth = len(decoder(dense).layers)
    if depth != len(decoder(pruned).layers):
        raise ParameterError(f"fidelity: the dense model has {depth} layers, the pruned one {len(decoder(pruned).layers)}; compare a model with its own pruned copy")
    sums = torch.zeros(depth, 3, dtype=torch.float64)
    losses = []
    for batch in batches(tokens.to(device_of(dense))):
        for layer, (h, pruned_h) in side_by_side([dense, pruned], batch):
            if layer < depth:
                sums[layer] += _sums(h, pruned_h)
            else:
                losses.append(_window_losses(pruned, pruned_h, batch))
    lengths, signal, noise = sums.T.tolist()
    width = dense.config.hidden_size
    measured = Perplexity.of(torch.cat(losses))
    return Fidelity(
        measured.value,
        [10 * math.log10(s / e) if e else math.inf for s, e in zip(signal, noise, strict=True)],
        [e * tokens.numel() / (width * length**2) for e, length in zip(noise, lengths, strict=True)],
        measured.stderr,
        measured.n,
    )


def _sums(h: Tensor, pruned: Tensor) -> Tensor:
    """Σ‖h‖, Σ‖h‖² and Σ‖h − h̃‖² over tokens, float64 [3], from states [batch, length, width]."""
    h = h.float()
    squares = torch.linalg.vector_norm(h, dim=-1).double()
    noise = torch.linalg.vector_norm(h - pruned, dim=-1).double()
    return torch.stack([squares.sum(), squares.square().sum(), noise.square().sum()]).cpu()


def _window_losses(model: nn.Module, states: Tensor, tokens: Tensor) -> Tensor:
    """Losses [windows, length − 1] in nats from final states [windows, length, width]."""
    predictions = states[:, :-1].flatten(0, 1)
    return token_losses(model, predictions, tokens[:, 1:].flatten()).view(len(tokens), -1).cpu()


def _check(model: nn.Module, tokens: Tensor) -> None:
    check_windows(model, tokens)
    if tokens.shape[1] < 2:
        raise ParameterError("evaluation windows: a window of one token predicts nothing; choose a length of at least 2")
