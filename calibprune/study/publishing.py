"""Packs a finished study as a shelf that is small enough for a repository: records, scores of single items and derived
tables, without masks and neurons, and a manifest that names every file.
"""

import json
import shutil
from collections.abc import Iterable
from pathlib import Path
from typing import Any, NamedTuple

from calibprune import provenance
from calibprune.errors import ParameterError, StoreError
from calibprune.files import file_sha256, results_folder, whole_folder
from calibprune.study import derived
from calibprune.study.cells import NUMERICS, Cell
from calibprune.study.kept import CELL, LEFT_OUT, RECORDS, Kept, artifact_file, read_mapping
from calibprune.study.store import Store
from calibprune.study.study import Study

MANIFEST = "manifest.json"
SMALL = ("items",)
"""The artifacts that are published; the others are too large, and what pages show of them is in derived tables."""
WHERE = {"store", "shelves", "device", "data_mirror"}
"""Parameters that say where a study was computed and kept, which the manifest leaves out."""
NAMED = 5
"""How many of several files are named."""


class Published(NamedTuple):
    """What was packed: numbers of cells and derived tables, and bytes."""

    cells: int
    tables: int
    bytes: int


def publish(study: Study, folder: str | Path, limit: int, fixed: Iterable[Path] = ()) -> Published:
    """Pack a study whose cells are all computed, in its store or on its shelves, with the derived tables that were made
    of them, the newest version of each.

    Args:
        folder: new or empty; a relative path is taken as that of a store (`files.results_folder`).
        limit: in bytes.
        fixed: files whose checksums the manifest keeps, such as the claims that were fixed before the run.

    Raises:
        ParameterError: the folder holds something, it would be larger than the limit, or a fixed file is not there.
        StoreError: cells are missing or damaged, or the folder cannot be written.
    """
    target, store, cells = results_folder(folder), study.store, study.cells()
    if target.exists() and (not target.is_dir() or any(target.iterdir())):
        raise ParameterError(f"{target}: holds something already; give a new or empty folder, or delete it first")
    kept_fixed = {str(path): _checksum(path) for path in fixed}
    _check(store, cells)
    try:
        with whole_folder(target) as scratch:
            for cell in cells:
                _pack_cell(store.where(cell), cell, scratch)
            tables = _tables(store, cells)
            for identifier, (place, _) in tables.items():
                name = Path(derived.DERIVED) / identifier
                (scratch / name).mkdir(parents=True)
                for file in (derived.TABLE, derived.FRAME):
                    shutil.copyfile(place.root / name / file, scratch / name / file)
            files = {
                path.relative_to(scratch).as_posix(): {"bytes": path.stat().st_size, "sha256": file_sha256(path)}
                for path in sorted(scratch.rglob("*"))
                if path.is_file()
            }
            manifest = _manifest(study, cells, tables) | {"fixed": kept_fixed, "files": files}
            (scratch / MANIFEST).write_text(json.dumps(manifest, indent=1, ensure_ascii=False), encoding="utf-8")
            size = sum(about["bytes"] for about in files.values()) + (scratch / MANIFEST).stat().st_size
            if size > limit:
                raise ParameterError(
                    f"{target}: would have {_mb(size)}, more than {_mb(limit)} ({_shares(files)}); ask less of the "
                    f"study, or raise the limit with --limit-mb"
                )
    except OSError as error:
        raise StoreError(
            f"{target}: cannot be written ({error.strerror or error}); make room or allow it, or give another folder"
        ) from None
    return Published(len(cells), len(tables), size)


def flaws(root: Path) -> list[str]:
    """What of a folder differs from its manifest, a line each; nothing where it has no manifest.

    Raises:
        StoreError: the folder cannot be read.
    """
    if not (root / MANIFEST).is_file():
        return []
    files = read_mapping(root / MANIFEST).get("files")
    if not isinstance(files, dict):
        return [f"{MANIFEST} is damaged"]
    kept = Kept(root)
    found = [name for name, about in files.items() if not _is_whole(kept, name, about)]
    there = (path for kind in (Cell.kept_in, derived.DERIVED) for path in (root / kind).rglob("*") if path.is_file())
    added = sorted({path.relative_to(root).as_posix() for path in there} - set(files))
    lines = [(found, f"are missing or other than {MANIFEST} says"), (added, f"are not in {MANIFEST}")]
    return [f"{len(names)} files {what}: {_listed(names)}" for names, what in lines if names]


def _check(store: Store, cells: list[Cell]) -> None:
    """Raises StoreError where a cell is missing or damaged."""
    missing = [cell for cell in cells if not store.has(cell)]
    if missing:
        raise StoreError(
            f"{store.root}: {len(missing)} of {len(cells)} cells are not computed, {missing[0].title} for one; run "
            f"calibprune study first"
        )
    for cell in cells:
        if flaw := store.where(cell).flaw(cell.id):
            raise StoreError(f"{store.where(cell).folder(cell)}: {flaw}; delete that folder and run calibprune study")


def _pack_cell(place: Kept, cell: Cell, scratch: Path) -> None:
    """A cell without its large artifacts, whose checksums are kept."""
    source, target = place.folder(cell), Kept(scratch).folder(cell)
    target.mkdir(parents=True)
    known = read_mapping(source / CELL)
    artifacts = known.get("artifacts_sha256", {})
    shutil.copyfile(source / RECORDS, target / RECORDS)
    for name in artifacts:
        if name in SMALL:
            shutil.copyfile(artifact_file(source, name), artifact_file(target, name))
    known["artifacts_sha256"] = {name: sha256 for name, sha256 in artifacts.items() if name in SMALL}
    left_out = {name: sha256 for name, sha256 in artifacts.items() if name not in SMALL} | known.get(LEFT_OUT, {})
    if left_out:
        known[LEFT_OUT] = left_out
    (target / CELL).write_text(json.dumps(known, indent=1, ensure_ascii=False), encoding="utf-8")


def _tables(store: Store, cells: list[Cell]) -> dict[str, tuple[Kept, dict]]:
    """Whole tables that were made of the results of these cells: id -> where it is, and its `table.json`. Of several
    versions of a table the newest.
    """
    results = {cell.id: store.checksums(cell) for cell in cells}
    newest: dict[tuple, tuple[str, Kept, dict]] = {}
    for place in store.places:
        for identifier in place.ids(derived.DERIVED):
            if derived.flaw(place, identifier):
                continue
            known = derived.content(place, identifier)
            if any(results.get(cell) != made_of for cell, made_of in known["cells"].items()):
                continue
            key = known["name"], *known["cells"]
            if key not in newest or newest[key][2]["version"] < known["version"]:
                newest[key] = identifier, place, known
    return {identifier: (place, known) for identifier, place, known in newest.values()}


def _manifest(study: Study, cells: list[Cell], tables: dict[str, tuple[Kept, dict]]) -> dict[str, Any]:
    known = {cell.id: study.store.provenance(cell) for cell in cells}
    seconds = sum(one["seconds_prune"] + one["seconds_measure"] for one in known.values())
    return {
        "date": provenance.now(),
        "commit": provenance.commit(),
        "versions": provenance.versions(),
        "numerics": NUMERICS,
        "parameters": study.parameters.model_dump(mode="json", exclude=WHERE),
        "seconds": round(seconds, 1),
        "machines": list(dict.fromkeys(str(one.get("machine", "unknown")) for one in known.values())),
        "commits": list(dict.fromkeys(str(one.get("commit", "unknown")) for one in known.values())),
        "cells": {cell.id: cell.title for cell in cells},
        "derived": {
            identifier: {name: table[name] for name in ("name", "version")} for identifier, (_, table) in tables.items()
        },
    }


def _checksum(path: Path) -> str:
    try:
        return file_sha256(path)
    except OSError as error:
        raise ParameterError(f"{path}: cannot be read ({error.strerror}); correct --fixed, or leave it out") from None


def _shares(files: dict[str, dict]) -> str:
    """`records.parquet 3.1 MB, items.safetensors 14.0 MB, …`: what the bytes are of, the most first."""
    sums: dict[str, int] = {}
    for name, about in files.items():
        sums[Path(name).name] = sums.get(Path(name).name, 0) + about["bytes"]
    return ", ".join(f"{name} {_mb(size)}" for name, size in sorted(sums.items(), key=lambda one: -one[1]))


def _is_whole(kept: Kept, name: str, about: Any) -> bool:
    """Whether a file is as a manifest, which may be a stranger's, says."""
    sha256 = about.get("sha256") if isinstance(about, dict) else None
    if not isinstance(sha256, str) or not sha256 or "\0" in name:
        return False
    return not kept.flaw_of_file(kept.root / name, sha256)


def _listed(names: list[str]) -> str:
    names = [name if name.isprintable() else repr(name) for name in names]
    return ", ".join(names[:NAMED]) + (", …" if len(names) > NAMED else "")


def _mb(size: float) -> str:
    return f"{size / 1e6:.1f} MB"
