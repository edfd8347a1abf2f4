"""What `pip install` leaves of a package that brings methods: its metadata, in a folder that Python looks into."""

import os
from pathlib import Path

SUPPORT = Path(__file__).parent


def with_path(*folders: Path) -> dict[str, str]:
    """This process's environment, for others that also find modules in these folders and in this one."""
    before = os.environ.get("PYTHONPATH")
    return os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, [*map(str, folders), str(SUPPORT), before]))}


def install(folder: Path, **methods: str) -> dict[str, str]:
    """An environment for processes in which a package with these methods, name -> "module:object", is installed.

    The modules are those of this folder.
    """
    metadata = folder / "other_methods-1.0.dist-info"
    metadata.mkdir(parents=True)
    (metadata / "METADATA").write_text("Metadata-Version: 2.1\nName: other-methods\nVersion: 1.0\n")
    lines = [f"{name} = {value}" for name, value in methods.items()]
    (metadata / "entry_points.txt").write_text("\n".join(["[calibprune.methods]", *lines, ""]))
    return with_path(folder)
