"""Language-specific and language-agnostic parts of sentence embeddings (LSAR; Section 5.1 and Appendix D.2 of the
paper).
"""

from collections.abc import Sequence
from numbers import Integral
from typing import NamedTuple

import torch
from torch import Tensor

from calibprune.errors import ParameterError, quoted
from calibprune.metrics.base import Metric

METRIC = Metric("subspace", "Language subspace", models=("languages",))


class Changes(NamedTuple):
    """How far embeddings moved: means over samples of Euclidean norms, float64 [..., languages]."""

    agnostic: Tensor
    specific: Tensor
    total: Tensor


def language_subspace(mean_embeddings: Tensor, rank: int) -> tuple[Tensor, Tensor]:
    """The directions along which languages differ, and the signal they share (Xie et al. 2022, Algorithm 1; Eq. 3 to 6
    of the paper).

    The mean over languages is taken along the language axis: the paper writes 1/d before M1, where with M in R^{d×L}
    the factor is 1/L. M'⁻¹ is the pseudo-inverse. Computed in float64.

    Args:
        mean_embeddings: [d, L], a column a language.
        rank: number of directions, 1 to L − 1.

    Returns:
        (basis [d, rank] with orthonormal columns, mu [d] orthogonal to them), float64. Mu is the point nearest to the
        origin in the flat through the columns of the rank-`rank` approximation; zero where that flat runs through the
        origin.

    Raises:
        ParameterError: fewer than two languages, a rank outside 1 to L − 1, values that are not finite, or means that
        differ along
            fewer than `rank` directions.
    """
    means = _checked_means(mean_embeddings)
    _check_ranks([rank], means.shape[1])
    centre = means.mean(dim=1, keepdim=True)
    directions = _directions(means, rank)
    approximation = centre + directions @ (directions.T @ (means - centre))
    ones = means.new_ones(means.shape[1])
    solution = torch.linalg.pinv(approximation).T @ ones  # the least x with M'ᵀx = 1: mu / ‖mu‖²
    mu = solution / solution.square().sum()
    if not torch.allclose(approximation.T @ solution, ones, rtol=0, atol=1e-6):
        mu = torch.zeros_like(solution)  # no such x: the flat runs through the origin
    basis = torch.linalg.svd(approximation - mu[:, None], full_matrices=False).U[:, :rank]
    return basis, mu


def feature_changes_by_rank(dense: Tensor, pruned: Tensor, ranks: Sequence[int] | None = None) -> Changes:
    """How far pruning moved the two parts of the embeddings and the whole ones (Figures 1 and 4 to 7 of the paper).

    With an orthonormal basis B of the subspace, the language-specific part of an embedding e is BBᵀe and the agnostic
    part the rest (Eq. 7). Each side is separated with the subspace of its own mean embeddings (Appendix D.2.2: one
    projection a model, fitted on the samples it is used on).

    The basis of Eq. 6 spans the same directions as that of Eq. 3, and the leading directions of a rank are those of
    every higher one. So with both sides' directions in one orthonormal basis Q of at most 2(L − 1) columns, every
    part's norm follows from the coordinates in Q and the norm of the whole difference, and no part is written out.

    Args:
        dense, pruned: sentence embeddings of one layer [L, n, d]: the same n texts in L languages.
        ranks: numbers of language-specific directions, by default 1 to L − 1.

    Returns:
        for each rank and language the mean over samples of ‖difference‖ of the agnostic parts, the specific parts and
        the embeddings, float64 [ranks, L].

    Raises:
        ParameterError: shapes that differ, and as `language_subspace`.
    """
    if dense.ndim != 3 or dense.shape != pruned.shape or not dense.shape[1]:
        raise ParameterError(
            f"embeddings of shapes {list(dense.shape)} and {list(pruned.shape)}: give the same parallel "
            f"texts for both, [languages, texts, width]"
        )
    ranks = list(range(1, len(dense))) if ranks is None else list(ranks)
    means = [_checked_means(torch.stack([_mean(texts) for texts in side], dim=1)) for side in (dense, pruned)]
    _check_ranks(ranks, len(dense))
    bases = [_directions(side, max(ranks)) for side in means]
    frame = torch.linalg.qr(torch.cat(bases, dim=1)).Q
    in_frame = [frame.T @ basis for basis in bases]  # [q, directions] each
    difference = torch.empty_like(dense[0])  # written anew for each language: fresh memory would cost as much again
    result = torch.zeros(3, len(ranks), len(dense), dtype=torch.float64, device=dense.device)
    for language, sides in enumerate(zip(dense, pruned, strict=True)):
        coordinates = [(texts @ frame.to(texts.dtype)).double() for texts in sides]  # [n, q]
        whole = torch.linalg.vector_norm(torch.sub(*sides, out=difference), dim=1).double()
        moved = coordinates[0] - coordinates[1]
        outside = (whole.square() - moved.square().sum(dim=1)).clamp_(min=0)
        for number, rank in enumerate(ranks):
            parts = [c @ basis[:, :rank] @ basis[:, :rank].T for c, basis in zip(coordinates, in_frame, strict=True)]
            specific = parts[0] - parts[1]
            agnostic = (outside + (moved - specific).square().sum(dim=1)).sqrt()
            norms = (agnostic, torch.linalg.vector_norm(specific, dim=1), whole)
            result[:, number, language] = torch.stack([norm.mean() for norm in norms])
    return Changes(*result)


def feature_sizes_by_rank(embeddings: Tensor, ranks: Sequence[int] | None = None) -> Changes:
    """How large the two parts and the whole embeddings of one model are: what `feature_changes_by_rank` is to be read
    against.

    Args:
        embeddings: sentence embeddings of one layer [L, n, d].

    Returns:
        means over samples of the norms, float64 [ranks, L]. Raises ParameterError as `language_subspace`.
    """
    ranks = list(range(1, len(embeddings))) if ranks is None else list(ranks)
    means = _checked_means(torch.stack([_mean(texts) for texts in embeddings], dim=1))
    _check_ranks(ranks, len(embeddings))
    directions = _directions(means, max(ranks)).to(embeddings.dtype)
    # [L, n, ranks]
    along = (embeddings @ directions).double().square().cumsum(dim=-1)[..., [rank - 1 for rank in ranks]]
    whole = torch.linalg.vector_norm(embeddings, dim=-1).double()[..., None].expand_as(along)
    parts = ((whole.square() - along).clamp_(min=0).sqrt(), along.sqrt(), whole)
    return Changes(*(part.mean(dim=1).T for part in parts))


def _mean(texts: Tensor) -> Tensor:
    """The mean embedding, float64 [d], of [n, d]."""
    # torch sums in a cascade: as good as a sum in float64 of float32 numbers, and ten times as fast
    return texts.mean(dim=0).double()


def _directions(means: Tensor, rank: int) -> Tensor:
    """The leading left singular vectors of the centred means (Eq. 3), [d, rank]."""
    left, values, _ = torch.linalg.svd(means - means.mean(dim=1, keepdim=True), full_matrices=False)
    negligible = torch.linalg.matrix_norm(means) * max(means.shape) * torch.finfo(means.dtype).eps
    if len(values) < rank or values[rank - 1] <= negligible:
        found = int((values > negligible).sum())
        raise ParameterError(
            f"rank {rank}: the languages' mean embeddings differ along {found} directions only; choose a smaller rank"
        )
    return left[:, :rank]


def _checked_means(means: Tensor) -> Tensor:
    if not isinstance(means, Tensor) or means.is_meta:
        shown = "one on meta" if isinstance(means, Tensor) else type(means).__name__
        raise ParameterError(f"mean embeddings: give a tensor [width, languages], not {shown}")
    if means.ndim != 2 or means.shape[1] < 2:
        raise ParameterError(
            f"mean embeddings of shape {list(means.shape)}: give one column for each of at least two "
            f"languages, [width, languages]"
        )
    if not bool(means.isfinite().all()):
        raise ParameterError("mean embeddings: some values are not finite; check the model's outputs")
    return means.double()


def _check_ranks(ranks: Sequence[int], languages: int) -> None:
    for rank in ranks:
        if not isinstance(rank, Integral) or isinstance(rank, bool) or rank not in range(1, languages):
            raise ParameterError(
                f"rank {quoted(rank)}: {languages} languages differ along at most {languages - 1} directions; "
                f"choose 1 to {languages - 1}"
            )
