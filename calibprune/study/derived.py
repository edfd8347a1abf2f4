"""Tables that are computed from the large arrays of cells, kept beside the cells: `<root>/derived/<id>/` with
`table.parquet` and `table.json`. A published run can hold them without the arrays, and no second build computes them.
"""

import hashlib
import json
import logging
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import pandas as pd

from calibprune import provenance
from calibprune.errors import StoreError
from calibprune.files import file_sha256
from calibprune.study.cells import Cell
from calibprune.study.kept import Kept, read_frame, read_mapping
from calibprune.study.store import Store

TABLE = "table.json"
FRAME = "table.parquet"
DERIVED = "derived"

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Derived:
    """What a derived table is: its name, the version of the code that computes it, and the cells it is made of, in the
    order of its rows.
    """

    name: str
    version: int
    cells: tuple[Cell, ...]
    kept_in: ClassVar[str] = DERIVED

    @property
    def id(self) -> str:
        """16 hexadecimal digits."""
        return _id(self.name, self.version, [cell.id for cell in self.cells])


def derived(
    store: Store, name: str, version: int, cells: Sequence[Cell], compute: Callable[[], pd.DataFrame]
) -> pd.DataFrame:
    """The table that `compute` makes of the artifacts of `cells`: from the store, or a shelf, where it is there whole,
    else computed and kept.

    A table is used for the cells that it was made of alone: where the store has a cell with other results, as after it
    was computed again on another machine, the table is computed again too. So a table of a shelf is never shown beside
    cells of one's own.

    Args:
        name: in words, such as "mask similarity".
        version: a number beside the code of `compute`, which is raised when the table would change.
        compute: called without arguments.

    Returns:
        the frame as it is read again: with a fresh index, and the same each time.

    Raises:
        StoreError: a cell was not computed, or is damaged; the store cannot be written; and what `compute` raises.
    """
    table = Derived(name, version, tuple({cell.id: cell for cell in cells}.values()))
    if lacking := next((cell for cell in table.cells if not store.has(cell)), None):
        raise StoreError(f"{store.root}: {lacking.title} was not computed; run the study first")
    made_of = {cell.id: store.checksums(cell) for cell in table.cells}
    found = _found(store, table, made_of, say=log.warning)
    if found is None:
        with store.claim(table, wait=True):
            found = _found(store, table, made_of)  # another process may have been first
            if found is None:
                _keep(store, table, made_of, compute)
                found = _found(store, table, made_of)
    if found is None:
        raise StoreError(f"{store.folder(table)}: the table {name} was damaged while it was written; run it again")
    return found


def content(kept: Kept, identifier: str) -> dict[str, Any]:
    """What `table.json` holds: id, name, version, `cells` (id -> checksums of the results it was made of), seconds,
    date, commit, versions and checksum.

    Raises:
        StoreError: it is damaged, or another table's.
    """
    path = kept.root / DERIVED / identifier / TABLE
    known = read_mapping(path)
    made_of = known.get("cells")
    kinds = {"name": str, "version": int, "cells": dict, "table_sha256": str, "seconds": (int, float)}
    whole = all(isinstance(known.get(field), kind) for field, kind in kinds.items())
    if not whole or _id(known["name"], known["version"], list(made_of)) != identifier:
        raise StoreError(f"{path}: damaged or cut short; delete the folder {path.parent}, and it is computed again")
    return known


def flaw(kept: Kept, identifier: str) -> str:
    """The first file of a table that is damaged, missing or not its own, and why; empty for one that is whole.

    Raises:
        StoreError: the folder cannot be read.
    """
    folder = kept.root / DERIVED / identifier
    if found := kept.flaw_of_file(folder / TABLE):
        return found
    try:
        known = content(kept, identifier)
    except StoreError:
        return f"{TABLE} is damaged"
    return kept.flaw_of_file(folder / FRAME, known["table_sha256"])


def _found(
    store: Store, table: Derived, made_of: dict[str, str], say: Callable[..., None] = log.debug
) -> pd.DataFrame | None:
    """The table from the first place that has it whole, made of these very results. One that is damaged is named."""
    for place in store.places:
        folder = place.folder(table)
        if not folder.is_dir():
            continue
        damage = flaw(place, table.id)
        if not damage:
            known = content(place, table.id)
            if known["cells"] != made_of:
                continue
            frame = read_frame(folder / FRAME, known["table_sha256"])
            if frame is not None:
                return frame
            damage = f"{FRAME} cannot be read"
        where = f"shelf {place.name}" if place.name else str(place.root)
        say("%s, table %s (%s): %s; it is not used, and computed again", where, table.id, table.name, damage)
    return None


def _keep(store: Store, table: Derived, made_of: dict[str, str], compute: Callable[[], pd.DataFrame]) -> None:
    started = time.perf_counter()
    frame = compute()
    seconds = round(time.perf_counter() - started, 3)
    with store.written(table) as scratch:
        frame.to_parquet(scratch / FRAME, index=False)
        known = {
            "id": table.id,
            "name": table.name,
            "version": table.version,
            "cells": made_of,
            "seconds": seconds,
            "date": provenance.now(),
            **provenance.machine("cpu"),
            "versions": provenance.versions(),
            "commit": provenance.commit(),
            "table_sha256": file_sha256(scratch / FRAME),
        }
        (scratch / TABLE).write_text(json.dumps(known, indent=1, ensure_ascii=False), encoding="utf-8")


def _id(name: str, version: int, cells: list[str]) -> str:
    return hashlib.sha256(json.dumps([name, version, cells]).encode()).hexdigest()[:16]
