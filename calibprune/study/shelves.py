"""Shelves: finished cells of somebody else, or of another machine, which a study reads and never writes. A shelf is a
folder laid out like a store, or an archive of one; nothing on it is believed before its checksums were compared.
"""

import logging
import os
from collections.abc import Iterable
from pathlib import Path

from calibprune.errors import StoreError, quoted
from calibprune.files import PUBLISHED, results_folder
from calibprune.study.archives import unpacked
from calibprune.study.cells import Cell
from calibprune.study.kept import ID, Kept

log = logging.getLogger(__name__)


class Shelf(Kept):
    """A folder of cells that is only read. A cell that is damaged counts as missing, so that a study computes it where
    it is asked for; that is said once, in a line.
    """

    def __init__(self, root: Path, name: str) -> None:
        super().__init__(root, name)
        self._said: set[str] = set()

    def has(self, cell: Cell) -> bool:
        if not self.folder(cell).is_dir():
            return super().has(cell)  # False, or says why that cannot be known
        flaw = self.flaw(cell.id)
        if flaw and cell.id not in self._said:
            self._said.add(cell.id)
            log.warning(
                "shelf %s, cell %s: %s; it is not used; copy the shelf again, or let the study compute the cell",
                self.name,
                cell.id,
                flaw,
            )
        return not flaw


def open_shelves(names: Iterable[str], store: str | Path = "") -> list[Shelf]:
    """The shelves that the parameter `shelves` names, in its order. `PUBLISHED` may be missing, and the study's own
    `store` is no shelf of it.

    Raises:
        ParameterError: as `results_folder`. StoreError: no folder or archive has that name, the folder holds no cells,
            or the archive cannot be unpacked.
    """
    own = os.path.realpath(results_folder(store)) if store else ""
    return [shelf for name in dict.fromkeys(names) if (shelf := _opened(name, own))]


def _opened(name: str, own: str) -> Shelf | None:
    path = results_folder(name)
    if (name == PUBLISHED and not (path / "cells").is_dir()) or os.path.realpath(path) == own:
        return None
    try:
        if path.is_file():
            return Shelf(unpacked(path, name), name)
        if (path / "cells").is_dir():
            return Shelf(path, name)
        what = "holds no folder cells/" if path.is_dir() else "is no folder and no archive"
    except OSError as error:
        what = f"cannot be read ({error.strerror})"
    raise StoreError(f"shelf {name}: {path} {what}; name the folder or archive of a shelf, or leave it out")


def find(places: Iterable[Kept], prefix: str, folders: Iterable[str] = (Cell.kept_in,)) -> tuple[Kept, str]:
    """The id that begins with `prefix`, and the first of these places that has it.

    Args:
        folders: where to look in each place; by default among its cells alone.

    Raises:
        StoreError: there is none, or several.
    """
    text = prefix.strip().lower()
    found: dict[str, Kept] = {}
    places, folders = list(places), list(folders)
    for place in places:
        for identifier in [one for folder in folders for one in place.ids(folder)]:
            if text and identifier.startswith(text):
                found.setdefault(identifier, place)
    if len(found) > 1:
        raise StoreError(f"{quoted(prefix)} begins {len(found)} ids, {', '.join(list(found)[:4])}, …; give more of it")
    if not found:
        hint = "" if ID.fullmatch(text) else "; `calibprune cells FILE` lists the ids of a study"
        raise StoreError(f"{quoted(prefix)}: no cell in {_listed(places)} has an id that begins so{hint}")
    [(identifier, place)] = found.items()
    return place, identifier


def _listed(places: list[Kept]) -> str:
    return ", ".join(place.name or str(place.root) for place in places) or "no store"
