"""What `benchmarks/kernels.py` and `benchmarks/model.py` measured: one file a machine, and whether a target was
reached.
"""

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any, NamedTuple

from calibbook.appendix_h_kernels.comparisons import COMPARISONS, GPU, Comparison
from calibbook.checkout import PUBLISHED
from calibprune.errors import StoreError
from calibprune.study.planning.counts import Peak

RESULTS = PUBLISHED / "benchmarks"
NOT_MEASURED = "not measured"


class Machine(NamedTuple):
    """A file of results.

    Attributes:
        name: the processor, or the GPU.
        device: "cuda" or "cpu".
        peak: the speeds that were measured, or None.
        rows: one mapping a row: key (of `COMPARISONS`), size (in words), as_asked (whether size and device are those
            the target is meant for), value (what the target is about; None with a `reason`), unit (of the sides), sides
            ({ours, peer, limit: every repeat}), names (of the sides), detail, date, commit, versions.
    """

    name: str
    device: str
    peak: Peak | None
    rows: list[dict[str, Any]]


def read(folder: Path = RESULTS) -> list[Machine]:
    """All machines with results, GPUs first; none where there is no folder.

    Raises:
        StoreError: a file that is not one of results.
    """
    found = []
    for path in sorted(folder.glob("*.json")):
        try:
            content = json.loads(path.read_text(encoding="utf-8"))
            name, device, peaks = content["name"], content["device"], content["peaks"]
            rows = [row for row in content["rows"] if COMPARISONS[row["key"]]]
            peak = Peak(name, *(float(peaks[what]) for what in Peak._fields[1:])) if peaks else None
        except (OSError, ValueError, KeyError, TypeError) as error:
            reason = f"{type(error).__name__}: {error}"
            raise StoreError(
                f"benchmark results {path.name} cannot be read ({reason}): measure again with --write, or "
                f"remove the file"
            ) from None
        found.append(Machine(name, device, peak, rows))
    return sorted(found, key=lambda machine: (machine.device != GPU, machine.name))


def as_asked(target: Comparison, machines: Iterable[Machine]) -> list[tuple[Machine, dict[str, Any]]]:
    """The rows that were measured on the device and with the size that a target is meant for."""
    return [
        (machine, row) for machine in machines for row in machine.rows if row["key"] == target.key and row["as_asked"]
    ]


def missing(target: Comparison, machines: Iterable[Machine]) -> str:
    """Why no row was measured as a target asks."""
    no_gpu = target.device == GPU and not any(machine.device == GPU for machine in machines)
    return f"{NOT_MEASURED}: {'no GPU' if no_gpu else 'the benchmark was not run'}"


def verdict(target: Comparison, row: dict[str, Any]) -> str:
    """`reached`, `missed`, or why there is no number."""
    if row["value"] is None:
        return f"{NOT_MEASURED}: {row['reason']}"
    return "reached" if target.reached(row["value"]) else "missed"
