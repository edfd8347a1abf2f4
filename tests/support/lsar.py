"""Embeddings taken apart as Eq. 7 of the paper writes it, part by part; the package only computes the parts' norms."""

from torch import Tensor

from calibprune.metrics.subspace import Changes, language_subspace


def separate(embeddings: Tensor, basis: Tensor) -> tuple[Tensor, Tensor]:
    """(Language-agnostic part, language-specific part) of embeddings [..., d]; together they are the embeddings."""
    basis = basis.to(embeddings.dtype)
    specific = embeddings @ basis @ basis.T
    return embeddings - specific, specific


def feature_changes(dense: Tensor, pruned: Tensor, rank: int) -> Changes:
    """Means over texts of how far parts and whole of embeddings [L, n, d] moved, float64 [L] each; each side with the
    subspace of its own means.
    """
    sides = dense.double(), pruned.double()
    parts = [separate(side, language_subspace(side.mean(dim=1).T, rank)[0]) for side in sides]
    differences = [a - b for a, b in zip(*parts, strict=True)] + [(dense - pruned).double()]
    return Changes(*(difference.norm(dim=-1).mean(dim=1) for difference in differences))
