"""How wide the hidden states of a study's models are."""

from collections.abc import Iterable

from calibprune.study.cells import Cell
from calibprune.study.store import Store


def hidden_widths(store: Store, cells: Iterable[Cell]) -> dict[str, int]:
    """By model, the number of features of a hidden state, as the computed cells tell it.

    Raises:
        StoreError: a cell that was not computed, or is damaged.
    """
    return {cell.model: width for cell in cells if (width := store.provenance(cell).get("hidden_size"))}
