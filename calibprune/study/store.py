"""Records and provenance on disk: one folder a cell, which exists whole or not at all."""

import contextlib
import errno
import json
import shutil
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import MappingProxyType

import pandas as pd
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from calibprune.errors import StoreError, quoted
from calibprune.files import check_names_fit, file_sha256, held, results_folder, whole_folder
from calibprune.study.cells import Cell

COLUMNS = {
    "model": "str",
    "method": "str",
    "sparsity": "float64",
    "pattern": "str",
    "calibration": "str",
    "calibration_tokens": "int64",
    "seed": "int64",
    "metric": "str",
    "source": "str",
    "task": "str",
    "language": "str",
    "layer": "Int64",
    "component": "str",
    "value": "float64",
    "stderr": "float64",
    "n": "int64",
}
RECORDS = "records.parquet"
CELL = "cell.json"


class Store:
    """The folder that keeps a study's results: `<store>/cells/<id>/` with `records.parquet`, `cell.json` and larger
    arrays as safetensors.

    Args:
        root: the folder, as the parameter `store` names it (`files.results_folder`).

    Raises:
        ParameterError: as `results_folder`. StoreError: a path that is too long, or a link to nothing.
    """

    def __init__(self, root: str | Path) -> None:
        self.root = results_folder(root)
        with self._writable():
            check_names_fit(self.root / "cells" / f".{'0' * 16}.00000000")
        if self.root.is_symlink() and not self.root.exists():  # results that are elsewhere would be computed again
            raise StoreError(
                f"{self.root}: is a link to {self.root.readlink()}, which is not there; make that folder, or choose "
                f"another store"
            )

    def folder(self, cell: Cell) -> Path:
        return self.root / "cells" / cell.id

    def has(self, cell: Cell) -> bool:
        """Raises StoreError where that cannot be known."""
        try:
            return (self.folder(cell) / CELL).is_file()
        except OSError as error:
            raise StoreError(f"{self.root}: cannot be read ({error.strerror}); choose another store") from None

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
        with self._writable():
            target = self.folder(cell)
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.rmtree(target, ignore_errors=True)  # what is left of a cell that somebody damaged
            with whole_folder(target, scratch=_scratch(cell)) as scratch:
                records[list(COLUMNS)].astype(COLUMNS).to_parquet(scratch / RECORDS, index=False)
                for name, tensors in artifacts.items():
                    save_file(
                        {key: tensor.contiguous() for key, tensor in tensors.items()}, self._artifact(scratch, name)
                    )
                content = {
                    "id": cell.id,
                    "configuration": cell.configuration(),
                    **provenance,
                    "records_sha256": file_sha256(scratch / RECORDS),
                    "artifacts_sha256": {name: file_sha256(self._artifact(scratch, name)) for name in artifacts},
                }
                (scratch / CELL).write_text(json.dumps(content, indent=1, ensure_ascii=False), encoding="utf-8")

    def records(self, cell: Cell) -> pd.DataFrame:
        """A cell's records, verified.

        Raises:
            StoreError: they are damaged.
        """
        path = self.folder(cell) / RECORDS
        try:
            if file_sha256(path) == self.provenance(cell)["records_sha256"]:
                return pd.read_parquet(path).astype(COLUMNS)
        except (OSError, KeyError, ValueError):  # a ValueError for what is no Parquet file
            pass
        raise self._damaged(path)

    @contextlib.contextmanager
    def artifact(self, cell: Cell, name: str) -> Iterator[safe_open]:
        """One of a cell's artifacts, verified and opened: `keys()` and `get_tensor(key)`, a tensor in memory at a time.

        Raises:
            StoreError: the cell has no such artifact, or it is damaged.
        """
        path = self._artifact(self.folder(cell), name)
        known = self.provenance(cell).get("artifacts_sha256", {})
        if name not in known:
            raise StoreError(
                f"{self.folder(cell)}: {cell.title} was computed without {quoted(name)}; it has "
                f"{', '.join(known) or 'no artifacts'}"
            )
        try:
            whole = file_sha256(path) == known[name]
            opened = safe_open(path, "pt") if whole else None
        except (OSError, SafetensorError):
            opened = None
        if opened is None:
            raise self._damaged(path)
        with opened as tensors:
            yield tensors

    def provenance(self, cell: Cell) -> dict:
        """What `cell.json` holds: id, configuration, versions, commit, device, seconds, peak memory, date.

        Raises:
            StoreError: it is damaged, or another cell's.
        """
        path = self.folder(cell) / CELL
        try:
            known = json.loads(path.read_text(encoding="utf-8"))
        except (OSError, ValueError):
            raise self._damaged(path) from None
        whole = isinstance(known, dict) and isinstance(known.get("records_sha256"), str)
        if not whole or known.get("id") != cell.id or not isinstance(known.get("artifacts_sha256", {}), dict):
            raise self._damaged(path)
        return known

    def checksums(self, cell: Cell) -> str:
        """Of a cell's records and artifacts, as text; raises StoreError as `provenance`."""
        known = self.provenance(cell)
        return json.dumps([known["records_sha256"], known.get("artifacts_sha256", {})])

    @contextlib.contextmanager
    def claim(self, cell: Cell, wait: bool) -> Iterator[bool]:
        """Whether this process may compute the cell; the claim ends with the block, or with the process however it
        ends.

        Raises:
            StoreError: the store cannot be written, which is tried before anything is computed.
        """
        locks = self.root / "claims"
        with self._writable():
            locks.mkdir(parents=True, exist_ok=True)
            (locks / cell.id).touch()
        with held(locks / cell.id, wait) as mine:
            if mine:
                self._forget_scratch(cell)
                with self._writable():
                    attempt = self.folder(cell).with_name(f"{_scratch(cell)}attempt")
                    attempt.mkdir(parents=True)
                    attempt.rmdir()
            yield mine

    def _artifact(self, folder: Path, name: str) -> Path:
        return folder / f"{name}.safetensors"

    def _forget_scratch(self, cell: Cell) -> None:
        for scratch in (self.root / "cells").glob(f"{_scratch(cell)}*"):  # of a process that was killed while writing
            shutil.rmtree(scratch, ignore_errors=True)

    def _damaged(self, path: Path) -> StoreError:
        return StoreError(f"{path}: damaged or cut short; delete the folder {path.parent} and run the study again")

    @contextlib.contextmanager
    def _writable(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            space = "free some space, or " if error.errno in (errno.ENOSPC, errno.EDQUOT) else ""
            raise StoreError(
                f"{self.root}: cannot be written ({error.strerror or error}); {space}choose another store"
            ) from None


def _scratch(cell: Cell) -> str:
    """How the names of folders begin in which a cell is being written."""
    return f".{cell.id}."
