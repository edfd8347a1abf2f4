"""Which texts are of similar length in every language at once."""

import numpy as np


def similar(texts: list[dict[str, str]]) -> np.ndarray:
    """How far the lengths of two texts are apart: the greatest ratio of their characters over all languages, as a
    natural logarithm.

    Args:
        texts: n texts, each by language.

    Returns:
        float64 [n, n], symmetric, 0 on the diagonal.
    """
    logs = np.log([[len(text[language]) for language in sorted(text)] for text in texts])
    return np.abs(logs[:, None] - logs[None, :]).max(-1)
