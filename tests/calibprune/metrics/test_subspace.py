"""LSAR: planted directions are found, the parts add up, and the fast way gives what the definition gives."""

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from lsar import feature_changes, separate

from calibprune.errors import ParameterError
from calibprune.metrics.subspace import (
    feature_changes_by_rank,
    feature_sizes_by_rank,
    language_subspace,
)

WIDTH, LANGUAGES = 40, 7


def normal(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(*shape, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))


def orthonormal(columns: int, seed: int = 0, width: int = WIDTH) -> torch.Tensor:
    return torch.linalg.qr(normal(width, columns, seed=seed)).Q


def largest_angle(a: torch.Tensor, b: torch.Tensor) -> float:
    """Largest principal angle between the spans of two orthonormal bases, in radians."""
    return math.asin(min(1.0, float(torch.linalg.matrix_norm(a - b @ (b.T @ a), ord=2))))


def planted(rank: int, samples: int = 400, noise: float = 0.05, seed: int = 0) -> tuple[torch.Tensor, torch.Tensor]:
    """Embeddings [L, n, d] = what a text says + what its language adds, within a subspace, + noise; and the subspace's
    basis.
    """
    basis = orthonormal(rank, seed)
    said = normal(samples, WIDTH, seed=seed + 1) + 3 * normal(WIDTH, seed=seed + 2)
    scattered = normal(LANGUAGES, rank, seed=seed + 3)
    languages = torch.linalg.qr(scattered - scattered.mean(dim=0)).Q * torch.linspace(9, 4, rank) @ basis.T
    return said + languages[:, None] + noise * normal(LANGUAGES, samples, WIDTH, seed=seed + 4), basis


def means(embeddings: torch.Tensor) -> torch.Tensor:
    return embeddings.mean(dim=1).T


@pytest.mark.parametrize("rank", range(1, LANGUAGES))
def test_a_planted_subspace_is_found(rank):
    embeddings, truth = planted(rank)
    basis, mu = language_subspace(means(embeddings), rank)
    assert (basis.dtype, basis.shape, mu.shape) == (torch.float64, (WIDTH, rank), (WIDTH,))
    assert largest_angle(truth, basis) < 0.02
    assert largest_angle(basis, truth) < 0.02


@given(seed=st.integers(0, 100), languages=st.integers(2, 9), scale=st.sampled_from([1e-3, 1.0, 1e3]), data=st.data())
def test_orthonormal_columns_and_mu_orthogonal_to_them(seed, languages, scale, data):
    rank = data.draw(st.integers(1, languages - 1))
    matrix = normal(WIDTH, languages, seed=seed) * scale + normal(WIDTH, 1, seed=seed + 1)
    basis, mu = language_subspace(matrix, rank)
    assert torch.allclose(basis.T @ basis, torch.eye(rank, dtype=torch.float64), atol=1e-12)
    assert (basis.T @ mu).abs().max() <= 1e-6 * mu.norm()


@pytest.mark.parametrize("rank", [1, 3, LANGUAGES - 1])
def test_it_solves_the_stated_problem(rank):
    """No centre and subspace of this rank come nearer to the means (Eckart and Young), and mu is the nearest point of
    the flat to the origin.
    """
    matrix = means(planted(LANGUAGES - 1)[0])
    basis, mu = language_subspace(matrix, rank)
    rest = matrix - mu[:, None]
    left = torch.linalg.matrix_norm(rest - basis @ basis.T @ rest)
    values = torch.linalg.svdvals(matrix - matrix.mean(dim=1, keepdim=True))
    assert left == pytest.approx(float(values[rank:].norm()), abs=1e-9)
    centre = matrix.mean(dim=1)
    assert torch.allclose(mu, centre - basis @ basis.T @ centre, atol=1e-9)


def test_the_centre_is_the_mean_over_languages():
    """With 1/d instead of 1/L the shared part of the means would become a direction of its own, the first one."""
    matrix = means(planted(2)[0]) + 100 * normal(WIDTH, 1, seed=9)
    basis, _ = language_subspace(matrix, 2)
    assert largest_angle(basis, planted(2)[1]) < 0.02


@pytest.mark.parametrize("rank", [1, 4, LANGUAGES - 1])
def test_adding_one_vector_to_all_embeddings_moves_no_direction(rank):
    matrix, shift = means(planted(LANGUAGES - 1)[0]), 5 * normal(WIDTH, 1, seed=8)
    (before, _), (after, _) = language_subspace(matrix, rank), language_subspace(matrix + shift, rank)
    assert largest_angle(before, after) < 1e-9


@pytest.mark.parametrize("languages", [2, 5])
def test_a_flat_through_the_origin_has_no_mu(languages):
    matrix = normal(WIDTH, languages)
    matrix -= matrix.mean(dim=1, keepdim=True)
    basis, mu = language_subspace(matrix, languages - 1)
    assert mu.norm() < 1e-9
    assert torch.allclose(basis @ basis.T @ matrix, matrix, atol=1e-9)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_the_parts_add_up(dtype):
    embeddings = planted(3)[0].to(dtype)
    basis, _ = language_subspace(means(embeddings), 3)
    agnostic, specific = separate(embeddings, basis)
    close = {"rtol": 0, "atol": 1e-5 if dtype == torch.float32 else 1e-12}
    assert agnostic.dtype == specific.dtype == dtype
    torch.testing.assert_close(agnostic + specific, embeddings, **close)
    torch.testing.assert_close(agnostic @ basis.to(dtype), torch.zeros(*embeddings.shape[:2], 3, dtype=dtype), **close)
    torch.testing.assert_close(separate(specific, basis)[1], specific, **close)


def test_without_language_specific_parts_languages_have_one_mean():
    embeddings, _ = planted(LANGUAGES - 1)
    agnostic, _ = separate(embeddings, language_subspace(means(embeddings), LANGUAGES - 1)[0])
    assert torch.allclose(means(agnostic), means(agnostic)[:, :1].expand(-1, LANGUAGES), atol=1e-9)


def pair(dtype: torch.dtype = torch.float64, change: float = 0.3) -> tuple[torch.Tensor, torch.Tensor]:
    dense = planted(LANGUAGES - 1)[0]
    return dense.to(dtype), (
        dense + change * normal(*dense.shape, seed=20) + change * normal(LANGUAGES, 1, WIDTH, seed=21)
    ).to(dtype)


@pytest.mark.parametrize(("dtype", "close"), [(torch.float64, 1e-9), (torch.float32, 1e-4)])
@pytest.mark.parametrize("change", [1e-2, 0.3, 10.0])
def test_changes_are_those_of_the_definition(dtype, close, change):
    dense, pruned = pair(dtype, change)
    at_once = feature_changes_by_rank(dense, pruned)
    for rank in range(1, LANGUAGES):
        alone = feature_changes_by_rank(dense, pruned, [rank])
        for found, of_all, expected in zip(alone, at_once, feature_changes(dense, pruned, rank), strict=True):
            assert found.dtype == torch.float64
            assert found[0].tolist() == pytest.approx(expected.tolist(), rel=close)
            assert of_all[rank - 1].tolist() == pytest.approx(expected.tolist(), rel=close)


def test_each_side_has_its_own_subspace():
    """Where a rotation moves the language-specific directions alone, the pruned side's parts are those along its own
    directions.
    """
    dense, _ = planted(2, noise=0)
    pruned = dense @ orthonormal(WIDTH, seed=30).T
    together = torch.stack([means(dense), means(pruned)]).mean(dim=0)
    shared = [separate(side, language_subspace(together, 2)[0])[1] for side in (dense, pruned)]
    own = feature_changes_by_rank(dense, pruned, [2]).specific[0]
    assert own.tolist() == pytest.approx(feature_changes(dense, pruned, 2).specific.tolist())
    assert own.tolist() != pytest.approx((shared[0] - shared[1]).norm(dim=-1).mean(dim=1).tolist(), rel=0.05)


def test_nothing_changed():
    dense = planted(LANGUAGES - 1)[0]
    changes = feature_changes_by_rank(dense, dense.clone())
    assert all(float(part.abs().max()) < 1e-12 for part in changes)


@pytest.mark.parametrize("ranks", [None, [3], [2, 6]])
def test_sizes_of_the_parts(ranks):
    embeddings = planted(LANGUAGES - 1)[0]
    found = feature_sizes_by_rank(embeddings, ranks)
    for number, rank in enumerate(ranks or range(1, LANGUAGES)):
        parts = [*separate(embeddings, language_subspace(means(embeddings), rank)[0]), embeddings]
        for sizes, part in zip(found, parts, strict=True):
            assert sizes[number].tolist() == pytest.approx(part.norm(dim=-1).mean(dim=1).tolist())


@pytest.mark.parametrize("rank", [0, -1, LANGUAGES, 2.5])
def test_ranks_that_are_none(rank):
    dense, pruned = pair()
    for measure in (
        lambda: language_subspace(means(dense), rank),
        lambda: feature_changes_by_rank(dense, pruned, [rank]),
    ):
        with pytest.raises(ParameterError, match=rf"^rank {rank}: 7 languages .* choose 1 to 6$"):
            measure()


@pytest.mark.parametrize(
    ("matrix", "rank", "words"),
    [
        (normal(WIDTH, 1), 1, "at least two languages"),
        (normal(WIDTH), 1, "at least two languages"),
        (normal(WIDTH, 3).index_fill(1, torch.tensor(1), torch.nan), 1, "not finite"),
        (normal(WIDTH, 3).index_fill(0, torch.tensor(1), torch.inf), 1, "not finite"),
        (normal(WIDTH, 2).repeat(1, 2), 2, r"rank 2: .* differ along 1 directions only"),
        (normal(WIDTH, 1).repeat(1, 4), 1, r"rank 1: .* differ along 0 directions only"),
        (normal(2, 5), 3, r"rank 3: .* differ along 2 directions only"),
    ],
)
def test_means_without_such_a_subspace(matrix, rank, words):
    with pytest.raises(ParameterError, match=words) as caught:
        language_subspace(matrix, rank)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "shape", [(LANGUAGES, 399, WIDTH), (LANGUAGES - 1, 400, WIDTH), (LANGUAGES, 400, WIDTH - 1), (LANGUAGES, WIDTH)]
)
def test_samples_that_are_not_parallel(shape):
    dense, _ = pair()
    with pytest.raises(ParameterError, match=r"give the same parallel texts for both"):
        feature_changes_by_rank(dense, normal(*shape), [2])
    with pytest.raises(ParameterError, match=r"give the same parallel texts for both"):
        feature_changes_by_rank(dense[:, :0], dense[:, :0], [2])


def test_one_language_alone():
    dense, pruned = pair()
    with pytest.raises(ParameterError, match="at least two languages"):
        feature_changes_by_rank(dense[:1], pruned[:1])
