"""Predictions of notebook (e) that are a formula, so that tests know the cost of every mixture."""

import pandas as pd
import torch

from calibbook.teaching.mixtures import Predictions

LANGUAGES = ("de", "en", "sw")


class Planted(Predictions):
    """A language loses by the square of the share that it does not have."""

    def __init__(self):
        super().__init__(LANGUAGES, {}, {"q": torch.tensor([[1.0, 1.0], [2.0, 2.0], [1.0, 0.0]])}, {})

    def ratios(self, shares):
        whole = sum(shares.values())
        return pd.Series({code: 1 + (1 - shares.get(code, 0) / whole) ** 2 for code in LANGUAGES})
