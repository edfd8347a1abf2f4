"""Where a number comes from: versions, commit, machine and memory."""

import importlib.metadata
import os
import platform
import resource
import subprocess
import sys
from collections.abc import Mapping
from contextlib import suppress
from datetime import UTC, datetime
from functools import lru_cache
from pathlib import Path
from typing import Any

import torch

PACKAGES = ("calibprune", "torch", "transformers", "tokenizers", "numpy", "scipy", "pandas")


def now() -> str:
    """The time in UTC to the second, ISO 8601."""
    return datetime.now(UTC).isoformat(timespec="seconds")


def peak_memory_gb() -> float:
    """The largest resident memory of this process so far, in 10⁹ bytes."""
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit / 1e9


@lru_cache
def versions() -> dict[str, str]:
    """Python's version and those of the packages that the numbers depend on, where they are installed."""
    found = {"python": platform.python_version()}
    for name in PACKAGES:
        with suppress(importlib.metadata.PackageNotFoundError):  # scipy and pandas come with the study's extra
            found[name] = importlib.metadata.version(name)
    return found


@lru_cache
def commit() -> str:
    """The commit of this repository, with "+changes" where the working tree differs; "" outside a repository."""
    here = Path(__file__).resolve().parent

    def git(*arguments: str) -> str:
        return subprocess.run(
            ["git", "-C", here, *arguments], capture_output=True, text=True, check=True
        ).stdout.strip()

    try:
        if Path(git("rev-parse", "--show-toplevel")) != here.parent:
            return ""
        changed = git("status", "--porcelain", "--untracked-files=no", ".")
        return git("rev-parse", "--short=12", "HEAD") + ("+changes" if changed else "")
    except (OSError, subprocess.CalledProcessError):
        return ""


@lru_cache
def machine(device: str) -> dict[str, str]:
    """The processor and the device that computed, in words."""
    name = torch.cuda.get_device_name(device) if device.startswith("cuda") else "CPU"
    return {"machine": f"{_processor()}, {os.cpu_count()} cores", "device": name, "system": platform.system()}


def where(known: Mapping[str, Any]) -> str:
    """What computed a cell, in words, from its provenance's `machine` and `device`: the processor, or the GPU and the
    processor beside it.
    """
    processor, device = str(known.get("machine", "an unknown machine")), known.get("device", "CPU")
    return processor if device == "CPU" else f"{device} ({processor})"


def _processor() -> str:
    try:
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    except OSError:
        pass
    return platform.processor() or platform.machine()
