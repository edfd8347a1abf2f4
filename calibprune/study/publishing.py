"""Packs finished studies as a shelf that is small enough for a repository: records, scores of single items and derived
tables, without masks and neurons, and a manifest that names every file.
"""

import json
import shutil
from collections.abc import Iterable, Mapping
from itertools import product
from pathlib import Path
from typing import Any, NamedTuple

from calibprune import provenance
from calibprune.advice.tables import shorten_table
from calibprune.errors import ParameterError, StoreError
from calibprune.files import file_sha256, results_folder, whole_folder
from calibprune.study import derived
from calibprune.study.cells import Cell
from calibprune.study.kept import CELL, LEFT_OUT, RECORDS, Kept, artifact_file, read_mapping
from calibprune.study.store import Store
from calibprune.study.study import Study

MANIFEST = "manifest.json"
SMALL = ("items",)
"""The artifacts that are published; the others are too large, and what pages show of them is in derived tables."""
WHERE = {"store", "shelves", "device", "data_mirror"}
"""Parameters that say where a study was computed and kept, which the manifest leaves out."""
ADVICE = "advice"
"""Folder of a store with the tables that `calibprune advise --table` wrote, in a folder a model."""
NAMED = 5
"""How many of several files are named."""


class Published(NamedTuple):
    """What was packed: numbers of cells and derived tables, and bytes."""

    cells: int
    tables: int
    bytes: int


def publish(studies: Mapping[str, Study], folder: str | Path, limit: int, fixed: Iterable[Path] = ()) -> Published:
    """Pack studies whose cells are all computed, in their store or on their shelves, with the derived tables that were
    made of these cells, the newest version of each, and the predictions for their models that lie in `ADVICE`, those of
    whole models alone.

    Args:
        studies: by name; the book that comes with the shelf is of the first.
        folder: new or empty; a relative path is taken as that of a store (`files.results_folder`).
        limit: in bytes.
        fixed: files whose checksums the manifest keeps, such as the claims that were fixed before the run.

    Raises:
        ParameterError: the folder holds something, it would be larger than the limit, or a fixed file is not there.
        StoreError: cells are missing or damaged, or the folder cannot be written.
    """
    target = results_folder(folder)
    if target.exists() and (not target.is_dir() or any(target.iterdir())):
        raise ParameterError(f"{target}: holds something already; give a new or empty folder, or delete it first")
    kept_fixed = {str(path): _checksum(path) for path in fixed}
    cells = {name: study.cells() for name, study in studies.items()}
    for name, study in studies.items():
        _check(study.store, cells[name])
    try:
        with whole_folder(target) as scratch:
            packed = {cell.id: (study.store, cell) for name, study in studies.items() for cell in cells[name]}
            for store, cell in packed.values():
                _pack_cell(store.where(cell), cell, scratch)
            tables = _tables(packed)
            for identifier, (place, _) in tables.items():
                name = Path(derived.DERIVED) / identifier
                (scratch / name).mkdir(parents=True)
                for file in (derived.TABLE, derived.FRAME):
                    shutil.copyfile(place.root / name / file, scratch / name / file)
            for study in studies.values():
                _pack_advice(study, scratch)
            files = {
                path.relative_to(scratch).as_posix(): {"bytes": path.stat().st_size, "sha256": file_sha256(path)}
                for path in sorted(scratch.rglob("*"))
                if path.is_file()
            }
            manifest = {
                "date": provenance.now(),
                "commit": provenance.commit(),
                "versions": provenance.versions(),
                "studies": {name: _about(study, cells[name]) for name, study in studies.items()},
                "derived": {
                    identifier: {name: table[name] for name in ("name", "version")}
                    for identifier, (_, table) in tables.items()
                },
                "fixed": kept_fixed,
                "files": files,
            }
            (scratch / MANIFEST).write_text(json.dumps(manifest, indent=1, ensure_ascii=False), encoding="utf-8")
            size = sum(about["bytes"] for about in files.values()) + (scratch / MANIFEST).stat().st_size
            if size > limit:
                raise ParameterError(
                    f"{target}: would have {_mb(size)}, more than {_mb(limit)} ({_shares(files)}); ask less of the "
                    f"studies, or raise the limit with --limit-mb"
                )
    except OSError as error:
        raise StoreError(
            f"{target}: cannot be written ({error.strerror or error}); make room or allow it, or give another folder"
        ) from None
    return Published(len(packed), len(tables), size)


def published(root: Path) -> dict[str, dict[str, Any]]:
    """The studies that were packed, by name, the first of them that of the book: `parameters` as a study takes them,
    `numerics`, `cells` (id -> title), `seconds`, `machines`, `commits` and `dates`, of the oldest and the newest cell.

    Raises:
        StoreError: there is no manifest, or it is damaged.
    """
    found = _manifest(root).get("studies")
    kinds = {"parameters": dict, "numerics": int, "cells": dict, "seconds": (int, float), "machines": list}
    kinds |= {"commits": list, "dates": list}
    studies = found.values() if isinstance(found, dict) else []
    whole = all(isinstance(one, dict) and all(isinstance(one.get(k), v) for k, v in kinds.items()) for one in studies)
    if not studies or not whole:
        raise StoreError(f"{root / MANIFEST}: damaged or cut short; restore the folder {root}")
    return found


def fixed_files(root: Path) -> dict[str, str]:
    """The files that were fixed before a run was packed: name -> SHA-256. Raises StoreError as `published`."""
    found = _manifest(root).get("fixed", {})
    if not isinstance(found, dict) or not all(isinstance(sha256, str) for sha256 in found.values()):
        raise StoreError(f"{root / MANIFEST}: damaged or cut short; restore the folder {root}")
    return found


def _manifest(root: Path) -> dict[str, Any]:
    path = root / MANIFEST
    if not path.is_file():
        raise StoreError(f"{root}: holds no published run, {MANIFEST} is missing; restore the folder")
    return read_mapping(path)


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


def _tables(packed: Mapping[str, tuple[Store, Cell]]) -> dict[str, tuple[Kept, dict]]:
    """Whole tables that were made of the results of these cells: id -> where it is, and its `table.json`. Of several
    versions of a table the newest.
    """
    results = {identifier: store.checksums(cell) for identifier, (store, cell) in packed.items()}
    places = {place.root: place for store, _ in packed.values() for place in store.places}
    newest: dict[tuple, tuple[str, Kept, dict]] = {}
    for place in places.values():
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


def _pack_advice(study: Study, scratch: Path) -> None:
    """Raises StoreError for a file in `ADVICE` that is no table of predictions."""
    for place, model in product(study.store.places, study.parameters.models):
        for path in sorted((place.root / ADVICE / Path(model).name).glob("*.csv")):
            target = scratch / path.relative_to(place.root)
            if not target.exists():
                target.parent.mkdir(parents=True, exist_ok=True)
                shorten_table(path, target)


def _about(study: Study, cells: list[Cell]) -> dict[str, Any]:
    """What the manifest says of a study. Its numbers and its numerics are named, whatever machine reads it."""
    known = [study.store.provenance(cell) for cell in cells]
    named = {"dtype": cells[0].dtype, "numerics": cells[0].numerics}
    dates = sorted(str(one["date"]) for one in known)
    return {
        "parameters": study.parameters.model_dump(mode="json", exclude=WHERE) | named,
        "numerics": cells[0].numerics,
        "seconds": round(sum(one["seconds_prune"] + one["seconds_measure"] for one in known), 1),
        "machines": list(dict.fromkeys(provenance.where(one) for one in known)),
        "commits": list(dict.fromkeys(str(one.get("commit", "unknown")) for one in known)),
        "dates": [dates[0], dates[-1]],
        "cells": {cell.id: cell.title for cell in cells},
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
