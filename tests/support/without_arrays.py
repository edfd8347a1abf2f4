"""A shelf as a published run is: the cells of a store and what was derived from them, without large arrays."""

import json
import shutil
from pathlib import Path

from calibprune.study.kept import CELL, LEFT_OUT


def shelf_without_arrays(root: Path, target: Path) -> str:
    """Copy a store, leave out every artifact, and return the shelf's name."""
    shutil.copytree(root, target)
    for folder in (target / "cells").iterdir():
        known = json.loads((folder / CELL).read_text(encoding="utf-8"))
        cost = {"seconds_prune": 1, "seconds_measure": 1, "peak_memory_gb": 1}
        known = cost | known | {LEFT_OUT: known["artifacts_sha256"], "artifacts_sha256": {}}
        (folder / CELL).write_text(json.dumps(known), encoding="utf-8")
        for path in folder.glob("*.safetensors"):
            path.unlink()
    return str(target)
