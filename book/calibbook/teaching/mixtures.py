"""What a mixture of calibration texts is predicted to lose in each language, for any shares of a budget of windows.

The prediction is that of `calibprune.advice` for Wanda at 50%: errors of single matrices of the dense model. That
takes mixtures in equal shares, and walks for each question; here one walk keeps what each language brings, so that a
mixture in any shares is a weighted mean away.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

import pandas as pd
import torch
from torch import Tensor, nn

from calibbook.shared.html import Html, text_table
from calibbook.teaching.activations import wanda_gone
from calibprune.errors import ParameterError, one_of
from calibprune.kernels.norms import add_column_squares
from calibprune.models.families import decoder, evaluating, linears
from calibprune.walk.dense import statistics_by_text

Shares = Mapping[str, int]
"""How many windows each language has."""


class Measured(NamedTuple):
    """A mixture, and the perplexity in each language of the model that was pruned with it."""

    shares: Shares
    perplexities: Mapping[str, float]


@dataclass(frozen=True)
class Predictions:
    """What is known of a model and its texts after one walk.

    Attributes:
        languages: of the texts.
        weights: by matrix, the weights [out, in] as the model has them.
        calibration: by matrix, the mean of x² over the tokens that each language would be calibrated with, float32
            [languages, in].
        validation: by matrix, the same of the tokens that losses are computed on.
    """

    languages: tuple[str, ...]
    weights: dict[str, Tensor]
    calibration: dict[str, Tensor]
    validation: dict[str, Tensor]

    @classmethod
    def of(
        cls, model: nn.Module, calibration: dict[str, Tensor], validation: dict[str, Tensor], every: int = 1
    ) -> "Predictions":
        """Walk once through the model with windows [samples, length] of each language; of the layers only each
        `every`-th is kept.
        """
        languages = tuple(calibration)
        texts = [*calibration.values(), *(validation[code] for code in languages)]
        found: list[dict[str, Tensor]] = [{}, {}, {}]
        with evaluating(model):
            walked = statistics_by_text(model, texts, [add_column_squares] * len(texts))
            for number, (layer, shared) in enumerate(zip(decoder(model).layers, walked, strict=True)):
                if number % every:
                    continue
                components = dict(linears(layer))
                for totals, names in shared:
                    means = torch.stack([total / text.numel() for total, text in zip(totals, texts, strict=True)])
                    for name in names:
                        kept = (components[name].weight.detach(), *means.split(len(languages)))
                        for into, tensor in zip(found, kept, strict=True):
                            into[f"layers.{number}.{name}"] = tensor
        return cls(languages, *found)

    def losses(self, shares: Shares) -> pd.Series:
        """By language ‖ΔW X‖² / ‖W X‖², the mean over matrices, where Wanda prunes them with a mixture in these shares;
        of ‖·‖² with the diagonal of X Xᵀ alone.

        Raises:
            ParameterError: of a language nothing is known, or the shares are no shares.
        """
        if unknown := [code for code in shares if code not in self.languages]:
            raise ParameterError(one_of("language", unknown[0], self.languages))
        if min(shares.values(), default=0) < 0 or not sum(shares.values()):
            raise ParameterError(f"{dict(shares)} are no shares: give each language 0 windows or more, and one some")
        part = torch.tensor([float(shares.get(code, 0)) for code in self.languages])
        lost = torch.stack(list(self._lost(part / part.sum())))
        return pd.Series(lost.mean(dim=0).tolist(), index=self.languages)

    def _lost(self, part: Tensor) -> Iterator[Tensor]:
        for name, kept in self.weights.items():
            weight = kept.float()
            gone = wanda_gone(weight, (part @ self.calibration[name]).sqrt())
            energy = weight.square()
            whole = self.validation[name] @ energy.sum(dim=0)
            yield (self.validation[name] @ energy.mul_(gone).sum(dim=0)) / whole

    def ratios(self, shares: Shares) -> pd.Series:
        """`losses` over what each language would lose with all windows in its own language."""
        return self.losses(shares) / self._own

    @cached_property
    def _own(self) -> pd.Series:
        return pd.Series({code: self.losses({code: 1})[code] for code in self.languages})


def cost(ratios: pd.Series, usage: Mapping[str, float]) -> float:
    """The mean of the ratios over the users of a model, of whom a share speaks each language."""
    return float(sum(share * ratios[code] for code, share in usage.items()))


def mixed_windows(calibration: dict[str, Tensor], shares: Shares) -> Tensor:
    """The first windows of each language's draw, as many as its share."""
    return torch.cat([calibration[code][:count] for code, count in shares.items()])


def designs_table(
    predictions: Predictions, designs: Mapping[str, Shares], usage: Mapping[str, float], title: str
) -> Html:
    """The predicted ratios of some mixtures, a row each, and their mean over the users."""
    rows = []
    for name, shares in designs.items():
        ratios = predictions.ratios(shares)
        rows.append({"Mixture": name, **ratios.round(3), "users": round(cost(ratios, usage), 3)})
    note = (
        "Each number is the predicted loss divided by the loss with all windows in that language; 1 is as good. "
        "Last, the users' mean."
    )
    return text_table(pd.DataFrame(rows), title, note)
