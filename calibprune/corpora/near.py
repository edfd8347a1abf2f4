"""Groups texts that say nearly the same."""

import re

import numpy as np

SHARED_WORDS = 0.6  # "This setting is on" and "This setting is off", not any two messages about passwords


def families(texts: list[str]) -> list[int]:
    """For each text, the position of the first text of its family.

    Two texts whose sets of words have a Jaccard index of at least 0.6 are of one family, and so are those
    that a chain of such pairs connects. Made for a few thousand short texts: memory grows with their square.
    """
    words = [sorted(set(re.findall(r"\w+", text.casefold()))) for text in texts]
    columns = {word: i for i, word in enumerate(sorted({w for some in words for w in some}))}
    present = np.zeros((len(texts), len(columns)), np.float32)
    for row, some in enumerate(words):
        present[row, [columns[word] for word in some]] = 1
    shared = present @ present.T
    sizes = present.sum(1)
    either = sizes[:, None] + sizes[None, :] - shared
    first, second = np.nonzero(np.triu(shared >= SHARED_WORDS * np.maximum(either, 1), 1))

    parent = list(range(len(texts)))

    def root(i: int) -> int:
        while parent[i] != i:
            parent[i] = i = parent[parent[i]]
        return i

    for a, b in zip(first.tolist(), second.tolist(), strict=True):
        a, b = root(a), root(b)
        parent[max(a, b)] = min(a, b)
    return [root(i) for i in range(len(texts))]
