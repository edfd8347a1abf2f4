"""Order and gold positions of generated items: they look random, are the same everywhere, and are balanced in every
prefix.
"""

from collections.abc import Iterable
from itertools import permutations

from calibprune.corpora.base import digest

OPTIONS = 4
_ORDERS = tuple(permutations(range(OPTIONS)))


def shuffled(names: Iterable[str], salt: str) -> list[str]:
    """The names in an order that depends on the names and the salt alone, so that the first few are a fair sample of
    all.
    """
    return sorted(names, key=lambda name: digest(salt, name))


def gold_positions(count: int, salt: str) -> list[int]:
    """The position, 0 to 3, of the right answer of each item: each position once in every four items."""
    blocks = (_ORDERS[int(digest(salt, str(block)), 16) % len(_ORDERS)] for block in range(-(-count // OPTIONS)))
    return [position for block in blocks for position in block][:count]


def with_gold(distractors: list[str], gold: str, position: int) -> list[str]:
    """The choices in their order: the distractors with the gold one put in at its position."""
    return [*distractors[:position], gold, *distractors[position:]]
