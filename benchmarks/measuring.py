"""What the benchmarks share: sides that take turns, rows with targets, and the file of a machine that they are kept
in.
"""

import importlib.metadata
import json
import math
import re
import statistics
import time
import traceback
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import torch

from calibbook.appendix_h_kernels.comparisons import COMPARISONS
from calibbook.appendix_h_kernels.results import RESULTS
from calibprune import provenance
from calibprune.files import whole_file

PACKAGES = ("torch", "triton", "transformers", "llmcompressor")


class Side(NamedTuple):
    """One side of a comparison: what is timed, and what brings it to its first state beforehand, outside the time."""

    run: Callable[[], object]
    start: Callable[[], object] = lambda: None


def seconds(
    sides: Sequence[Side], repeats: int, device: str = "cpu", warm: bool = True, limit: float = math.inf
) -> list[list[float]]:
    """Seconds of every run of each side. The sides take turns, after a turn that does not count, where kernels are
    compiled and caches filled. No turn begins once `limit` seconds have passed, except the first that counts.
    """
    taken: list[list[float]] = [[] for _ in sides]
    began = time.perf_counter()
    for turn in range(repeats + warm):
        if turn > warm and time.perf_counter() - began > limit:
            break
        for side, times in zip(sides, taken, strict=True):
            side.start()
            synchronise(device)
            started = time.perf_counter()
            side.run()
            synchronise(device)
            if turn >= warm:
                times.append(time.perf_counter() - started)
    return taken


def turns(ours: Callable[[], object], theirs: Callable[[], object], repeats: int) -> tuple[float, float]:
    """Median seconds of the two sides, on the CPU and without a turn before."""
    first, second = seconds([Side(ours), Side(theirs)], repeats, warm=False)
    return statistics.median(first), statistics.median(second)


def synchronise(device: str) -> None:
    """Wait for a GPU to finish what it was given; launches return before."""
    if device.startswith("cuda"):
        torch.cuda.synchronize(device)


def row(
    key: str,
    size: str,
    as_asked: bool,
    value: float | None,
    sides: dict[str, list[float]],
    names: dict[str, str],
    unit: str = "s",
    reason: str = "",
    detail: dict[str, Any] | None = None,
) -> dict[str, Any]:
    """A row of results as `calibbook.appendix_h_kernels.results.Machine` describes it, which is also printed."""
    compared = COMPARISONS[key]
    about = "; ".join(
        f"{side}{f' ({names[side]})' if side in names else ''} {statistics.median(values):.4g} {unit}"
        for side, values in sides.items()
        if values
    )
    result = f"not measured: {reason}" if value is None else f"{value:.3g} {compared.unit}"
    meant = (
        ""
        if as_asked or compared.target is None
        else f", meant for {compared.size} on a {'GPU' if compared.device == 'cuda' else 'CPU'}"
    )
    alike = f"; {detail['same']:.2%} of the weights alike" if detail and "same" in detail else ""
    print(
        f"{compared.what}, {size}: {f'{about}; ' if about else ''}{result} (target: {compared.aim}{meant}){alike}",
        flush=True,
    )
    return {
        "key": key,
        "size": size,
        "as_asked": as_asked,
        "value": value,
        "reason": reason,
        "unit": unit,
        "sides": sides,
        "names": names,
        "detail": detail or {},
        "date": provenance.now(),
        "commit": provenance.commit(),
        "versions": versions(),
    }


def measured(
    keys: Sequence[str], measure: Callable[[str], list[dict[str, Any]]], keep: Callable[[list[dict[str, Any]]], object]
) -> list[dict[str, Any]]:
    """The rows of every key, each handed to `keep` as soon as it is there, so that nothing is lost where a run is cut
    off. One that fails is a row with its reason, and the others are measured all the same.
    """
    rows = []
    for key in keys:
        try:
            found = measure(key)
        except Exception as error:  # a kernel that does not run on a device may fail in any way
            traceback.print_exc()
            reason = f"{type(error).__name__}: {str(error).strip().partition(chr(10))[0][:200]}"
            found = [row(key, "", False, None, {}, {}, reason=reason, detail={"failed": True})]
        keep(found)
        rows += found
    return rows


def status(rows: Sequence[dict[str, Any]]) -> int:
    """The exit status of a script with these rows: 1 where one failed."""
    return int(any(row["detail"].get("failed") for row in rows))


def versions() -> dict[str, str]:
    """Of the packages that the times depend on, as far as they are installed."""
    found = {}
    for name in PACKAGES:
        try:
            found[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            continue
    return found


def heading(device: str, dtype: torch.dtype, repeats: int) -> None:
    print(
        f"{name_of(device)}, torch {torch.__version__}, {torch.get_num_threads()} threads, {dtype}, {repeats} repeats",
        flush=True,
    )


def name_of(device: str) -> str:
    """The GPU, or the processor with its number of cores."""
    machine = provenance.machine(device)
    return machine["device"] if device.startswith("cuda") else machine["machine"]


def write(
    rows: list[dict[str, Any]], device: str, peaks: dict[str, float] | None = None, folder: Path = RESULTS
) -> Path:
    """Put rows, and peaks if there are any, into the machine's file: those of the same key and size are replaced, the
    others stay.
    """
    name, host = name_of(device), provenance.machine(device)
    path = folder / f"{re.sub('[^a-z0-9]+', '-', name.lower()).strip('-')}.json"
    before = json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {"rows": [], "peaks": {}}
    new = {(row["key"], row["size"]): row for row in rows}
    kept = [row for row in before["rows"] if (row["key"], row["size"]) not in new]
    order = list(COMPARISONS)
    content = {
        "name": name,
        "device": torch.device(device).type,
        "host": host["machine"],
        "system": host["system"],
        "threads": torch.get_num_threads(),
        "peaks": before["peaks"] if peaks is None else peaks,
        "rows": sorted([*kept, *new.values()], key=lambda row: (order.index(row["key"]), row["size"])),
    }
    with whole_file(path) as file:
        json.dump(content, file, indent=1, ensure_ascii=False)
        file.write("\n")
    print(f"written to {path}")
    return path
