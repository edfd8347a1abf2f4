"""How much memory is free on a device, for deciding whether a model is loaded whole."""

import resource
from contextlib import suppress
from pathlib import Path

import psutil
import torch

CGROUPS = Path("/sys/fs/cgroup")


def free_memory(device: torch.device) -> int:
    """Bytes that this process may still take on a device: what is free there; on a CPU no more than the limits of its
    control group and of its address space (`ulimit -v`) leave.
    """
    if device.type == "cuda":
        return torch.cuda.mem_get_info(device)[0]
    return max(0, min(psutil.virtual_memory().available, *_limits()))


def _limits() -> list[int]:
    """What each limit of this process leaves."""
    found = [_left_by_groups()]
    process = psutil.Process()
    for limit, used in ((resource.RLIMIT_AS, "vms"), (resource.RLIMIT_DATA, "rss")):
        most, _ = resource.getrlimit(limit)
        if most != resource.RLIM_INFINITY:
            found.append(most - getattr(process.memory_info(), used))
    return found


def _left_by_groups() -> int:
    """What the control groups (version 2) that this process is in leave to it; those of containers are at the top."""
    left = psutil.virtual_memory().total
    with suppress(OSError, ValueError, IndexError):
        group = CGROUPS / Path("/proc/self/cgroup").read_text().strip().rpartition("::")[2].lstrip("/")
        for folder in (group, *group.parents):
            if not folder.is_relative_to(CGROUPS):
                break
            with suppress(OSError, ValueError):  # "max" is no limit
                left = min(left, int((folder / "memory.max").read_text()) - _in_use(folder))
    return left


def _in_use(folder: Path) -> int:
    """Bytes of a control group that cannot be let go: without the cache of files."""
    cached = dict(line.split() for line in (folder / "memory.stat").read_text().splitlines())
    return int((folder / "memory.current").read_text()) - int(cached.get("inactive_file", 0))
