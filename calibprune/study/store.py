"""Where a study keeps its cells, each of which is there whole or not at all, and the shelves it reads beside that."""

import contextlib
import errno
import json
import os
import shutil
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType

import pandas as pd
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from calibprune.errors import StoreError, out_of_memory
from calibprune.files import check_names_fit, file_sha256, held, results_folder, whole_folder
from calibprune.study.cells import Cell
from calibprune.study.kept import CELL, COLUMNS, RECORDS, Entry, Kept, artifact_file


class Store:
    """The folder that keeps a study's results, `<store>/cells/<id>/`, and what was derived from them (derived.py). What
    it lacks is read from shelves, which are never written: whoever asks for a cell need not know where it is.

    Args:
        root: the folder, as the parameter `store` names it (`files.results_folder`).
        shelves: in which order to look.

    Raises:
        ParameterError: as `results_folder`. StoreError: a path that is too long, or a link to nothing.
    """

    def __init__(self, root: str | Path, shelves: Sequence[Kept] = ()) -> None:
        self.root = results_folder(root)
        self.own = Kept(self.root)
        self.places = (self.own, *shelves)
        with self._writable():
            check_names_fit(self.root / "cells" / f".{'0' * 16}.00000000")
        if self.root.is_symlink() and not self.root.exists():  # results that are elsewhere would be computed again
            raise StoreError(
                f"{self.root}: is a link to {self.root.readlink()}, which is not there; make that folder, or choose "
                f"another store"
            )

    def folder(self, entry: Entry) -> Path:
        """Where the store itself keeps a cell, or a table that was derived from cells."""
        return self.own.folder(entry)

    def where(self, cell: Cell) -> Kept:
        """What a cell is read from: the store's own folder, or the first shelf that has the cell where that has it
        not.

        Raises:
            StoreError: as `has`.
        """
        return next((place for place in self.places if place.has(cell)), self.own)

    def has(self, cell: Cell) -> bool:
        """Whether the store or a shelf has the cell. Raises StoreError where that cannot be known."""
        return any(place.has(cell) for place in self.places)

    def records(self, cell: Cell) -> pd.DataFrame:
        """As `Kept.records`."""
        return self.where(cell).records(cell)

    def artifact(self, cell: Cell, name: str) -> contextlib.AbstractContextManager[safe_open]:
        """As `Kept.artifact`."""
        return self.where(cell).artifact(cell, name)

    def provenance(self, cell: Cell) -> dict:
        """As `Kept.provenance`."""
        return self.where(cell).provenance(cell)

    def checksums(self, cell: Cell) -> str:
        """As `Kept.checksums`."""
        return self.where(cell).checksums(cell)

    def write(
        self,
        cell: Cell,
        records: pd.DataFrame,
        provenance: dict,
        artifacts: Mapping[str, Mapping[str, Tensor]] = MappingProxyType({}),
    ) -> None:
        """Keep a cell's records (columns `COLUMNS`), where they come from, and its artifacts; all or nothing.

        Args:
            artifacts: arrays too large for records, for example {"masks": {"layers.0.mlp.down_proj": uint8 tensor}}: a
                file a name.

        Raises:
            StoreError: the store cannot be written.
        """
        with self.written(cell) as scratch:
            records[list(COLUMNS)].astype(COLUMNS).to_parquet(scratch / RECORDS, index=False)
            for name, tensors in artifacts.items():
                save_file({key: tensor.contiguous() for key, tensor in tensors.items()}, artifact_file(scratch, name))
            content = {
                "id": cell.id,
                "configuration": cell.configuration(),
                **provenance,
                "records_sha256": file_sha256(scratch / RECORDS),
                "artifacts_sha256": {name: file_sha256(artifact_file(scratch, name)) for name in artifacts},
            }
            (scratch / CELL).write_text(json.dumps(content, indent=1, ensure_ascii=False), encoding="utf-8")

    @contextlib.contextmanager
    def written(self, entry: Entry) -> Iterator[Path]:
        """A folder to write into, which is that of a cell or of a derived table when the block ends, and nowhere if it
        fails. What was there is replaced.

        Raises:
            StoreError: the store cannot be written.
        """
        with self._writable():
            target = self._inside(self.folder(entry))
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.rmtree(target, ignore_errors=True)  # what is left of one that somebody damaged
            # a process that lost its claim, since it could not be seen to live, finds that another computed the same
            with contextlib.suppress(FileExistsError), whole_folder(target, scratch=_scratch(entry)) as scratch:
                yield scratch

    @contextlib.contextmanager
    def claim(self, entry: Entry, wait: bool) -> Iterator[bool]:
        """Whether this process may compute a cell or a derived table; the claim ends with the block, or with the
        process however it ends (`files.held`).

        Raises:
            StoreError: the store cannot be written, which is tried before anything is computed.
        """
        locks = self.root / "claims"
        with self._writable():
            self._inside(self.folder(entry))
            lock = self._inside(locks / entry.id)
            locks.mkdir(parents=True, exist_ok=True)
            lock.touch()
        with contextlib.ExitStack() as claimed:
            with self._writable():
                mine = claimed.enter_context(held(lock, wait))
            if mine:
                self._forget_scratch(entry)
                with self._writable():
                    attempt = self.folder(entry).with_name(f"{_scratch(entry)}attempt")
                    attempt.mkdir(parents=True)
                    attempt.rmdir()
            yield mine

    def _inside(self, path: Path) -> Path:
        """The path itself. Raises StoreError where a link in the store leads it to somewhere else, which somebody may
        have put there who does not own what would be written over.
        """
        if not self.own.holds(path):
            raise StoreError(
                f"{path}: leads out of the store, to {os.path.realpath(path)}; take the link away, or choose another "
                f"store"
            )
        return path

    def _forget_scratch(self, entry: Entry) -> None:
        for scratch in self.folder(entry).parent.glob(
            f"{_scratch(entry)}*"
        ):  # of a process that was killed while writing
            shutil.rmtree(scratch, ignore_errors=True)

    @contextlib.contextmanager
    def _writable(self) -> Iterator[None]:
        try:
            yield
        except (OSError, SafetensorError) as error:  # the latter has the system's own as text
            if out_of_memory(error):
                raise MemoryError from None
            reason = getattr(error, "strerror", None) or " ".join(str(error).split())
            full = next((text for text in map(os.strerror, (errno.ENOSPC, errno.EDQUOT)) if text in reason), "")
            space = "free some space, or " if full else ""
            raise StoreError(
                f"{self.root}: cannot be written ({full or reason}); {space}choose another store"
            ) from None


def _scratch(entry: Entry) -> str:
    """How the names of folders begin in which a cell or a derived table is being written."""
    return f".{entry.id}."
