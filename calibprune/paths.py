"""The one place that knows where things are kept."""

import os
from pathlib import Path


def cache_dir() -> Path:
    """The user cache: converted models and fetched text.

    `CALIBPRUNE_CACHE` if set, else `calibprune` below `XDG_CACHE_HOME` or `~/.cache`. Not created here.
    """
    if explicit := os.environ.get("CALIBPRUNE_CACHE"):
        return Path(explicit).expanduser()
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache").expanduser() / "calibprune"
