"""Cells as they are kept on disk, read and verified: `<root>/cells/<id>/` with `records.parquet`, `cell.json` and
larger arrays as safetensors.
"""

import contextlib
import hashlib
import json
import math
import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import ClassVar, Protocol

import pandas as pd
import pyarrow.parquet as parquet
from pyarrow import ArrowException
from safetensors import SafetensorError, safe_open

from calibprune.errors import StoreError, out_of_memory, quoted
from calibprune.files import file_sha256, known_sha256, nbytes_of_text
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
LEFT_OUT = "left_out_sha256"
"""In a `cell.json` of a published run, the checksums of the artifacts that are not there."""
ID = re.compile(r"[0-9a-f]{16}")
ARTIFACT = re.compile(r"[A-Za-z0-9_-]{1,64}")
"""The name of an artifact: it becomes a file's, and names no folder."""
COST = ("seconds_prune", "seconds_measure", "peak_memory_gb")
"""Numbers that every `cell.json` has."""
MOST_ROWS = 10_000_000
"""Rows of a cell's records; a file that claims more is not read."""
MOST_BYTES = 2**26
"""Bytes of a `cell.json`; a larger one is not read."""
MOST_TEXT = 2**30
"""Bytes of all texts in a cell's records; a file whose texts are longer, written out, is not read."""


class Entry(Protocol):
    """What has a folder of its own, `<root>/<kept_in>/<id>/`: a cell, or a table that was derived from cells."""

    kept_in: ClassVar[str]

    @property
    def id(self) -> str: ...


class Kept:
    """The cells below one folder, which another computer may have written.

    Args:
        root: holds `cells/`, and may hold `derived/` (derived.py).
        name: what errors and provenance call it; empty for a study's own store.
    """

    def __init__(self, root: Path, name: str = "") -> None:
        self.root = root
        self.name = name

    def folder(self, entry: Entry) -> Path:
        return self.root / entry.kept_in / entry.id

    def ids(self, kept_in: str = Cell.kept_in) -> list[str]:
        """Of all cells here, or of what else has a folder in `kept_in`; also of those that are damaged.

        Raises:
            StoreError: the folder cannot be read.
        """
        try:
            found = [path.name for path in (self.root / kept_in).iterdir()]
        except (FileNotFoundError, NotADirectoryError):
            return []
        except OSError as error:
            raise self.unreadable(error) from None
        return sorted(filter(ID.fullmatch, found))

    def cell(self, identifier: str) -> Cell:
        """The cell of an id, made of the configuration that is kept with it.

        Raises:
            StoreError: it is not here, damaged, or has a configuration that this version of calibprune does not know.
        """
        path = self._folder(identifier) / CELL
        configuration = self._content(identifier)["configuration"]
        try:
            found = Cell.of(configuration)
        except (KeyError, TypeError, ValueError):
            found = None
        if found is None or found.id != identifier:
            raise StoreError(
                f"{path}: its configuration is none of this version of calibprune; use the version that computed it"
            )
        return found

    def has(self, cell: Cell) -> bool:
        """Raises StoreError where that cannot be known."""
        try:
            return (self.folder(cell) / CELL).is_file()
        except OSError as error:
            raise self.unreadable(error) from None

    def records(self, cell: Cell) -> pd.DataFrame:
        """A cell's records, verified.

        Raises:
            StoreError: they are damaged.
        """
        path = self.folder(cell) / RECORDS
        known = self.provenance(cell)["records_sha256"]
        frame = None if self.flaw_of_file(path) else read_frame(path, known)
        try:
            if frame is not None:
                return frame.astype(COLUMNS)
        except (KeyError, ValueError):
            pass
        raise self._damaged(path)

    @contextlib.contextmanager
    def artifact(self, cell: Cell, name: str) -> Iterator[safe_open]:
        """One of a cell's artifacts, verified and opened: `keys()` and `get_tensor(key)`, a tensor in memory at a time.

        Raises:
            StoreError: the cell has no such artifact, or it is damaged.
        """
        path = artifact_file(self.folder(cell), name)
        known = self.provenance(cell).get("artifacts_sha256", {})
        if name not in known:
            elsewhere = "; take this shelf out of `shelves`, and the study computes it" if self.name else ""
            raise StoreError(
                f"{self.folder(cell)}: {cell.title} is here without {quoted(name)}; it has "
                f"{', '.join(known) or 'no artifacts'}{elsewhere}"
            )
        try:
            whole = not self.flaw_of_file(path) and file_sha256(path) == known[name]
            opened = safe_open(path, "pt") if whole else None
        except (OSError, SafetensorError) as error:
            if out_of_memory(error):
                raise MemoryError from None
            opened = None
        if opened is None:
            raise self._damaged(path)
        with opened as tensors:
            yield tensors

    def provenance(self, cell: Cell) -> dict:
        """What `cell.json` holds: id, configuration, versions, commit, device, seconds, peak memory, date; and `shelf`,
        the name of what it was read from, empty for a study's own store.

        Raises:
            StoreError: it is damaged, or another cell's.
        """
        return self._content(cell.id) | {"shelf": self.name}

    def checksums(self, cell: Cell) -> str:
        """Of a cell's records and artifacts, as text, the same where a published run left artifacts out; raises
        StoreError as `provenance`.
        """
        known = self.provenance(cell)
        left_out = known.get(LEFT_OUT, {})
        artifacts = known.get("artifacts_sha256", {}) | (left_out if isinstance(left_out, dict) else {})
        return json.dumps([known["records_sha256"], artifacts], sort_keys=True)

    def flaw(self, identifier: str) -> str:
        """The first file of a cell that is damaged, missing or not its own, and why; empty for one that is whole. Every
        file is read for it, once a process for each state of it.

        Raises:
            StoreError: the folder cannot be read.
        """
        folder = self._folder(identifier)
        if flaw := self.flaw_of_file(folder / CELL):
            return flaw
        try:
            known = self._content(identifier)
        except StoreError:
            return f"{CELL} is damaged"
        if _id_of(known["configuration"]) != identifier:
            return f"{CELL} holds the configuration of another cell"
        for name in COST:
            if type(known.get(name)) not in (int, float) or not 0 <= known[name] < math.inf:
                return f"{CELL} has no number {name}"
        for name in known.get("artifacts_sha256", {}):
            if not ARTIFACT.fullmatch(name):
                return f"{CELL} names the artifact {quoted(name)}"
        wanted = {RECORDS: known["records_sha256"]}
        wanted |= {artifact_file(folder, name).name: sha for name, sha in known.get("artifacts_sha256", {}).items()}
        for name, sha256 in wanted.items():
            if flaw := self.flaw_of_file(folder / name, sha256):
                return flaw
        return ""

    def flaw_of_file(self, path: Path, sha256: str = "") -> str:
        """Why a file below this folder is not to be used: missing, a link to somewhere else, or of another checksum
        where one is given; empty for one that is whole.

        Raises:
            StoreError: the folder cannot be read.
        """
        try:
            if not self.holds(path):
                return f"{path.name} is a link to somewhere else"
            if not path.is_file():
                return f"{path.name} is missing"
            return f"the checksum of {path.name} is wrong" if sha256 and known_sha256(path) != sha256 else ""
        except OSError as error:
            raise self.unreadable(error) from None

    def holds(self, path: Path) -> bool:
        """Whether a path below the folder, there or not, is led nowhere else by a link."""
        real, root = map(os.path.realpath, (path, self.root))  # unlike Path.resolve, no exception for a circle
        return Path(real).is_relative_to(root)

    def _folder(self, identifier: str) -> Path:
        return self.root / Cell.kept_in / identifier

    def _content(self, identifier: str) -> dict:
        path = self._folder(identifier) / CELL
        known = {} if self.flaw_of_file(path) else read_mapping(path)
        if (
            not isinstance(known.get("records_sha256"), str)
            or known.get("id") != identifier
            or not isinstance(known.get("artifacts_sha256", {}), dict)
        ):
            raise self._damaged(path)
        if not isinstance(known.get("configuration"), dict):
            raise self._damaged(path)
        return known

    def _damaged(self, path: Path) -> StoreError:
        if self.name:
            return StoreError(f"{path}: damaged or cut short; copy the shelf {self.name} again")
        return StoreError(f"{path}: damaged or cut short; delete the folder {path.parent} and run the study again")

    def unreadable(self, error: OSError) -> StoreError:
        """What is said of a folder of cells that cannot be read."""
        what = "leave this shelf out" if self.name else "choose another store"
        return StoreError(f"{self.root}: cannot be read ({error.strerror}); {what}")


def _is_small(path: Path) -> bool:
    """Whether the records of a file are as many, and their texts as long, as a cell's can be."""
    known = parquet.read_metadata(path)
    if known.num_rows > MOST_ROWS:
        return False
    columns = [known.schema.column(place) for place in range(known.num_columns)]
    texts = sorted({column.path.partition(".")[0] for column in columns if column.physical_type == "BYTE_ARRAY"})
    table = parquet.read_table(path, columns=texts, read_dictionary=texts)
    return sum(map(nbytes_of_text, table.columns)) <= MOST_TEXT


def read_mapping(path: Path) -> dict:
    """The mapping in a JSON file; empty where it cannot be read, is too large or holds none."""
    try:
        if path.stat().st_size > MOST_BYTES:
            return {}
        known = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        return {}
    return known if isinstance(known, dict) else {}


def read_frame(path: Path, sha256: str) -> pd.DataFrame | None:
    """The frame in a Parquet file; None where it cannot be read, is too large or has another checksum."""
    try:
        if file_sha256(path) == sha256 and _is_small(path):
            return pd.read_parquet(path)
    except MemoryError:  # Arrow's too, which is no fault of the file
        raise
    except (OSError, ValueError, ArrowException):  # the last two for what is no Parquet file
        pass
    return None


def artifact_file(folder: Path, name: str) -> Path:
    """Where an artifact is kept in a cell's folder."""
    return folder / f"{name}.safetensors"


def _id_of(configuration: dict) -> str:
    """As `Cell.id`, of a configuration that was read."""
    return hashlib.sha256(json.dumps(configuration, sort_keys=True).encode()).hexdigest()[:16]
