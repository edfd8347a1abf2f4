"""How wide the hidden states of a study's models are."""

from collections.abc import Iterable

from calibprune.study.cells import Cell
from calibprune.study.store import Store


def hidden_widths(store: Store, cells: Iterable[Cell]) -> dict[str, int]:
    """By model, the number of features of a hidden state, as the computed cells tell it.

    Cells of before cell.json held it tell it by their masks, [out, in] of the matrix that writes the layer's output;
    where they have none either, the model is left out.

    Raises:
        StoreError: a cell that was not computed, or is damaged.
    """
    found: dict[str, int] = {}
    for cell in cells:
        if cell.model in found:
            continue
        known = store.provenance(cell)
        if "hidden_size" in known:
            found[cell.model] = known["hidden_size"]
        elif "masks" in known.get("artifacts_sha256", {}):
            with store.artifact(cell, "masks") as masks:
                down = next(name for name in masks.keys() if name.endswith("down_proj"))  # noqa: SIM118
                found[cell.model] = masks.get_slice(down).get_shape()[0]
    return found
