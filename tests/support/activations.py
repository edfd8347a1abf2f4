"""Random activations with the correlations that those of a model have."""

import torch


def inputs(tokens: int, columns: int, seed: int = 0) -> torch.Tensor:
    """Correlated activations with columns of different size, as in a model."""
    random = torch.Generator().manual_seed(seed)
    mixing = torch.randn(columns, columns, generator=random) / columns**0.5 + torch.eye(columns)
    return torch.randn(tokens, columns, generator=random) @ mixing * (0.1 + 2 * torch.rand(columns, generator=random))
