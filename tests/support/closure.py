"""What an installation brings: the distributions that a requirement needs, found among the installed ones."""

import importlib.metadata
import re
import tomllib
from functools import cache
from importlib.metadata import Distribution
from pathlib import Path

from packaging.requirements import Requirement

from calibbook.checkout import ROOT

PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]


def canonical(name: str) -> str:
    """A distribution's name as indexes compare it."""
    return re.sub(r"[-_.]+", "-", name).lower()


def needed(*extras: str) -> list[Requirement]:
    """The checkout's own requirements, with those of `extras`."""
    lines = [*PROJECT["dependencies"], *(line for extra in extras for line in PROJECT["optional-dependencies"][extra])]
    return [found for found in map(Requirement, lines) if found.marker is None or found.marker.evaluate()]


def closure(requirements: list[Requirement]) -> dict[str, Distribution]:
    """The installed distributions that `requirements` bring with them, by canonical name.

    Raises:
        PackageNotFoundError: one is not installed.
    """
    found, seen, waiting = {}, set(), list(requirements)
    while waiting:
        requirement = waiting.pop()
        name, extras = canonical(requirement.name), frozenset(requirement.extras)
        if (name, extras) in seen:
            continue
        seen.add((name, extras))
        found[name] = importlib.metadata.distribution(name)
        for line in found[name].requires or []:
            inner = Requirement(line)
            if inner.marker is None or any(inner.marker.evaluate({"extra": extra}) for extra in ("", *extras)):
                waiting.append(inner)
    return found


def link(distributions: dict[str, Distribution], folder: Path) -> None:
    """Fills `folder` with links to the distributions' modules and metadata and to nothing else.

    A folder that a distribution has for itself is one link; one that several share is a folder of links.
    """
    owners = _owners()
    for name, distribution in distributions.items():
        for path in distribution.files or []:
            if ".." in path.parts:  # a program, outside the modules' folder
                continue
            part = path.parts[0] if owners[path.parts[0]] == {name} else str(path)
            target = folder / part
            if not target.is_symlink():
                target.parent.mkdir(parents=True, exist_ok=True)
                target.symlink_to(Path(distribution.locate_file(part)))


@cache
def _owners() -> dict[str, set[str]]:
    """For every file and folder that stands among the installed modules, the distributions that have a part in it."""
    owners: dict[str, set[str]] = {}
    for distribution in importlib.metadata.distributions():
        name = canonical(distribution.metadata["Name"])
        for part in {path.parts[0] for path in distribution.files or []}:
            owners.setdefault(part, set()).add(name)
    return owners
