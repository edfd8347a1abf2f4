"""The method in one picture: one matrix, two texts, two masks."""

import numpy as np
import seaborn

from calibbook.shared.figure import Picture, panels
from calibbook.teaching.by_hand import FIRST, SECOND, WEIGHT, by_calibprune

TEXTS = {"one language": FIRST, "another": SECOND}
HALF = 0.5


def method_picture() -> Picture:
    """Wanda on the matrix of the laboratory: sizes of weights, norms of inputs, their products, and what is removed
    of each row; a line for each of two texts.
    """
    figure, axes = panels(4 * len(TEXTS), 4, 3.0, 1.9, margin=(0.0, 0.3))
    sizes, said, gone = np.abs(WEIGHT), [], []
    for place, (name, tokens) in enumerate(TEXTS.items()):
        norms = np.linalg.norm(tokens, axis=0)
        mask = by_calibprune("wanda", WEIGHT, tokens, HALF).gone
        gone.append(mask)
        shown = (("size of the weight", sizes), (f"norm of the input: {name}", norms[None]), ("score", sizes * norms))
        row = axes[4 * place : 4 * place + 4]
        for axis, (title, values) in zip(row, shown, strict=False):
            fmt = ".2g" if values.max() < 1 else ".0f"
            seaborn.heatmap(values, ax=axis, cmap="cividis_r", cbar=False, annot=True, fmt=fmt, annot_kws={"size": 7})
            axis.set_title(title, fontsize=9)
        seaborn.heatmap(mask, ax=row[-1], cmap="Greys", cbar=False, linewidths=0.5, linecolor="#999999")
        row[-1].set_title("removed: half of each row", fontsize=9)
        for axis in row:
            axis.set(xticks=[], yticks=[])
        said.append(f"{name}: strongest input {norms.argmax() + 1}, weakest {norms.argmin() + 1}")
    both, either = int((gone[0] & gone[1]).sum()), int((gone[0] | gone[1]).sum())
    alt = (
        f"Wanda on a matrix of {WEIGHT.shape[0]} outputs and {WEIGHT.shape[1]} inputs, for two texts: the size of each "
        f"weight times the norm of its input is its score, and in each row the lower half of the scores is removed. "
        f"{'; '.join(said)}. Of the {either} weights that one of the texts removes, both remove {both}."
    )
    return Picture(figure, alt)
