"""Log-likelihoods of answers, with every beginning that several sequences share computed once.

The answers to a question share its context, and questions on one passage share the passage. Sequences with a common
beginning become one tree (a trie of their tokens), which is written down in depth-first order and goes through the
model in a single forward pass, without a key-value cache. Each token gets its depth in the tree as position id and an
attention mask that lets it see its ancestors alone: its own sequence up to there, and nothing of the other branches.
So every sequence gets exactly what it would get by itself.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import accumulate
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from calibprune.errors import ModelError
from calibprune.forward import quicker
from calibprune.forward.cross_entropy import POSITIONS, answer_losses
from calibprune.models.families import decoder, device_of
from calibprune.walk.outputs import check_tokens

BATCH_TOKENS = 2048
# pairs of tokens in attention that take about as long as one token in everything else; measured on Gemma 3 270M, more
# on larger models
WORTH = 2048
LARGEST = 8192  # tokens in a tree, whose masks have the square of it
OPEN = 2**31 - 1


class Asked(NamedTuple):
    """What is to be scored: an answer after all tokens but the last of a sequence which ends with it."""

    inputs: tuple[int, ...]
    answer: tuple[int, ...]


class Score(NamedTuple):
    """ln p of an answer, and whether each of its tokens is the most probable one (of equals the first)."""

    log_likelihood: float
    greedy: bool


class Tree:
    """Tokens in depth-first order, their depths, and the end of each token's descendants, which follow it without a
    gap.
    """

    def __init__(self) -> None:
        self.tokens: list[int] = []
        self.depths: list[int] = []
        self.ends: list[int] = []
        self.members: list[tuple[int, list[int]]] = []  # the number of a sequence, and the places of its tokens
        self.branches = False

    def gain(self, shared: int, length: int) -> bool:
        """Whether a sequence that has its first `shared` tokens in common with the last one costs less in this tree
        than in one of its own.
        """
        size = len(self.tokens) + length - shared
        return size <= LARGEST and shared * WORTH >= size**2 - len(self.tokens) ** 2 - length**2

    def add(self, number: int, sequence: Sequence[int], shared: int) -> None:
        """A sequence that has its first `shared` tokens, and no more, in common with the last one added."""
        size = len(self.tokens)
        path = self.members[-1][1] if self.members else []
        self.branches |= shared < len(path)
        for place in path[shared:]:
            self.ends[place] = size
        added = len(sequence) - shared
        self.tokens += sequence[shared:]
        self.depths += range(shared, len(sequence))
        self.ends += [OPEN] * added
        self.members.append((number, path[:shared] + list(range(size, size + added))))


def grow(sequences: Sequence[tuple[int, ...]]) -> list[Tree]:
    """The trees of some sequences, which are all different; none is empty."""
    trees: list[Tree] = []
    last: tuple[int, ...] = ()
    for number in sorted(range(len(sequences)), key=sequences.__getitem__):
        sequence = sequences[number]  # which, in this order, has most in common with the one before it
        shared = _common(last, sequence)
        if not trees or not trees[-1].gain(shared, len(sequence)):
            trees.append(Tree())
            shared = 0
        trees[-1].add(number, sequence, shared)
        last = sequence
    return trees


def _common(a: Sequence[int], b: Sequence[int]) -> int:
    return next((i for i, (x, y) in enumerate(zip(a, b, strict=False)) if x != y), min(len(a), len(b)))


def batches(trees: list[Tree], batch_tokens: int = BATCH_TOKENS) -> Iterator[list[Tree]]:
    """Trees of about one size together, the largest first; a batch has about `batch_tokens` tokens with its padding, or
    one tree.
    """
    batch: list[Tree] = []
    for tree in sorted(trees, key=lambda tree: -len(tree.tokens)):
        if batch and (len(batch) + 1) * len(batch[0].tokens) > batch_tokens:
            yield batch
            batch = []
        batch.append(tree)
    if batch:
        yield batch


@torch.no_grad()
def final_states(model: nn.Module, trees: list[Tree]) -> Tensor:
    """Final normed states [trees, longest, width] in the model's dtype; what follows the end of a tree means
    nothing.
    """
    with quicker(model, None):
        return decoder(model)(**_arguments(model, trees), use_cache=False).last_hidden_state


def _arguments(model: nn.Module, trees: list[Tree]) -> dict[str, Any]:
    device = device_of(model)
    tokens = _padded([tree.tokens for tree in trees], 0, device)
    # padding at the end is seen by none; the model's own masks need less memory, or none
    if not any(tree.branches for tree in trees):
        return {"input_ids": tokens}
    depths, ends = (
        _padded([tree.depths for tree in trees], 0, device),
        _padded([tree.ends for tree in trees], OPEN, device),
    )
    places = torch.arange(tokens.shape[1], device=device)
    ancestors = (places <= places[:, None]) & (places[:, None] < ends[:, None, :])
    return {"input_ids": tokens, "position_ids": depths, "attention_mask": _masks(model, ancestors, depths)}


def _masks(model: nn.Module, ancestors: Tensor, depths: Tensor) -> Tensor | dict[str, Tensor]:
    """Additive masks [trees, 1, queries, keys] in the form that the architecture takes: one, or one for each type of
    layer.

    A sliding window is counted in depths: what a token sees are its nearest ancestors and itself, `sliding_window` in
    all.
    """
    window = getattr(model.config, "sliding_window", None)

    def additive(kind: str) -> Tensor:
        seen = (
            ancestors & (depths[:, :, None] - depths[:, None, :] < window) if kind == "sliding_attention" else ancestors
        )
        return torch.zeros(seen.shape, dtype=model.dtype, device=seen.device).masked_fill_(
            ~seen, torch.finfo(model.dtype).min
        )[:, None]

    if types := getattr(model.config, "layer_types", None):
        return {kind: additive(kind) for kind in set(types)}
    return additive("sliding_attention" if window else "full_attention")


def _padded(rows: list[list[int]], filler: int, device: torch.device) -> Tensor:
    longest = max(map(len, rows))
    return torch.tensor([row + [filler] * (longest - len(row)) for row in rows], device=device)


def finite(model: nn.Module, states: Tensor) -> Tensor:
    """The states or losses, unless ModelError."""
    if not bool(states.isfinite().all()):
        raise ModelError(
            f"{type(model).__name__}: its states are not finite, so that it predicts nothing; check how "
            f"it was pruned, or use float32"
        )
    return states


class Needed(NamedTuple):
    """What the output layer is asked for: states [positions, width] of a batch and, for each token of some answers in
    turn, its place in them.
    """

    numbers: list[int]
    states: Tensor
    rows: Tensor


@torch.no_grad()
def score(model: nn.Module, asked: Sequence[Asked], progress: Callable[[int], None] = lambda done: None) -> list[Score]:
    """The score of each answer; each position goes through the output layer once, and only if an answer's token follows
    it.

    Args:
        asked: each different from all others; an answer is not longer than its inputs.
        progress: called with the number of answers scored since the last call.

    Raises:
        ModelError: states or losses that are not finite. ParameterError: tokens that the model has no embedding for.
    """
    check_tokens(model, 0, max((max(*inputs, *answer) for inputs, answer in asked), default=0))
    alike: dict[tuple[int, ...], list[int]] = {}
    for number, (inputs, _) in enumerate(asked):
        alike.setdefault(inputs, []).append(number)
    numbers = list(alike.values())
    scores: dict[int, Score] = {}
    for parts in _pooled(_needed(model, batch, asked, numbers) for batch in batches(grow(list(alike)))):
        found = _scores(model, asked, parts)
        scores |= found
        progress(len(found))
    return [scores[number] for number in range(len(asked))]


def _needed(model: nn.Module, batch: list[Tree], asked: Sequence[Asked], numbers: list[list[int]]) -> Needed:
    states = final_states(model, batch)
    members = [
        (n, row, path) for row, tree in enumerate(batch) for sequence, path in tree.members for n in numbers[sequence]
    ]
    places = [row * states.shape[1] + place for n, row, path in members for place in path[-len(asked[n].answer) :]]
    positions, rows = torch.tensor(places, device=states.device).unique(return_inverse=True)
    return Needed([n for n, _, _ in members], finite(model, states.flatten(0, 1)[positions]), rows)


def _pooled(parts: Iterable[Needed]) -> Iterator[list[Needed]]:
    """Enough positions for the output layer, whose weights are read once however few there are."""
    pool: list[Needed] = []
    for part in parts:
        pool.append(part)
        if sum(len(part.states) for part in pool) >= POSITIONS:
            yield pool
            pool = []
    if pool:
        yield pool


def _scores(model: nn.Module, asked: Sequence[Asked], parts: list[Needed]) -> dict[int, Score]:
    numbers = [n for part in parts for n in part.numbers]
    starts = accumulate([len(part.states) for part in parts], initial=0)
    rows = torch.cat([part.rows + start for part, start in zip(parts, starts, strict=False)])
    targets = torch.tensor([token for n in numbers for token in asked[n].answer], device=rows.device)
    owners = torch.tensor([i for i, n in enumerate(numbers) for _ in asked[n].answer], device=rows.device)
    losses, greedy = answer_losses(model, torch.cat([part.states for part in parts]), rows, targets)
    finite(model, losses)
    totals = losses.new_zeros(len(numbers), dtype=torch.float64).index_add_(0, owners, losses.double())
    missed = torch.zeros_like(totals).index_add_(0, owners, (~greedy).double())
    return {
        n: Score(-total, not misses) for n, total, misses in zip(numbers, totals.tolist(), missed.tolist(), strict=True)
    }
