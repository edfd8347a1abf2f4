"""Records and provenance on disk: one folder a cell, which exists whole or not at all."""

import contextlib
import json
import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pandas as pd

from .cells import Cell
from .errors import StoreError
from .locks import held
from .models import file_sha256

COLUMNS = {
    "model": "str", "method": "str", "sparsity": "float64", "pattern": "str", "calibration": "str", "calibration_tokens": "int64", "seed": "int64",
    "metric": "str", "source": "str", "task": "str", "language": "str", "layer": "Int64", "component": "str",
    "value": "float64", "stderr": "float64", "n": "int64",
}  # fmt: skip
RECORDS = "records.parquet"
CELL = "cell.json"


class Store:
    """The folder that keeps a study's results: `<store>/cells/<id>/` with `records.parquet` and `cell.json`."""

    def __init__(self, root: str | Path) -> None:
        self.root = Path(root).expanduser()

    def folder(self, cell: Cell) -> Path:
        return self.root / "cells" / cell.id

    def has(self, cell: Cell) -> bool:
        return (self.folder(cell) / CELL).is_file()

    def write(self, cell: Cell, records: pd.DataFrame, provenance: dict) -> None:
        """Keep a cell's records (columns `COLUMNS`) and where they come from; both or nothing.

        Raises:
            StoreError: the store cannot be written.
        """
        with self._writable():
            target = self.folder(cell)
            target.parent.mkdir(parents=True, exist_ok=True)
            scratch = Path(tempfile.mkdtemp(dir=target.parent, prefix=f".{cell.id}."))
            try:
                records[list(COLUMNS)].astype(COLUMNS).to_parquet(scratch / RECORDS, index=False)
                content = {"id": cell.id, "configuration": cell.configuration(), **provenance, "records_sha256": file_sha256(scratch / RECORDS)}
                (scratch / CELL).write_text(json.dumps(content, indent=1, ensure_ascii=False), encoding="utf-8")
                scratch.chmod(0o755)  # mkdtemp's folders are their owner's alone
                shutil.rmtree(target, ignore_errors=True)  # what is left of a cell that somebody damaged
                os.replace(scratch, target)
            except BaseException:
                shutil.rmtree(scratch, ignore_errors=True)
                raise

    def records(self, cell: Cell) -> pd.DataFrame:
        """A cell's records, verified.

        Raises:
            StoreError: they are damaged.
        """
        path = self.folder(cell) / RECORDS
        try:
            if file_sha256(path) == self.provenance(cell)["records_sha256"]:
                return pd.read_parquet(path).astype(COLUMNS)
        except (OSError, KeyError):
            pass
        raise self._damaged(path)

    def provenance(self, cell: Cell) -> dict:
        """What `cell.json` holds: id, configuration, versions, commit, device, seconds, peak memory, date.

        Raises:
            StoreError: it is damaged.
        """
        path = self.folder(cell) / CELL
        try:
            return json.loads(path.read_text(encoding="utf-8"))
        except (OSError, ValueError):
            raise self._damaged(path) from None

    @contextlib.contextmanager
    def claim(self, cell: Cell, wait: bool) -> Iterator[bool]:
        """Whether this process may compute the cell; the claim ends with the block, or with the process however it ends."""
        locks = self.root / "claims"
        with self._writable():
            locks.mkdir(parents=True, exist_ok=True)
            (locks / cell.id).touch()
        with held(locks / cell.id, wait) as mine:
            if mine:
                self._forget_scratch(cell)
            yield mine

    def _forget_scratch(self, cell: Cell) -> None:
        for scratch in (self.root / "cells").glob(f".{cell.id}.*"):  # of a process that was killed while writing
            shutil.rmtree(scratch, ignore_errors=True)

    def _damaged(self, path: Path) -> StoreError:
        return StoreError(f"{path}: damaged or cut short; delete the folder {path.parent} and run the study again")

    @contextlib.contextmanager
    def _writable(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            raise StoreError(f"{self.root}: cannot be written ({error.strerror or error}); free some space, or choose another store") from None
