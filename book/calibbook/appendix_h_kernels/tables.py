"""Tables of what the benchmarks measured, beside targets and counted operations."""

import ast
import re
import statistics
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pandas as pd

from calibbook.appendix_h_kernels.comparisons import COMPARISONS, TARGETS, Comparison
from calibbook.appendix_h_kernels.results import NOT_MEASURED, Machine, as_asked, missing, verdict
from calibbook.checkout import ROOT
from calibbook.shared.words import duration, fixed, listed
from calibprune.study.planning.counts import Count, Peak, Shape, stages, steps

KERNELS = ROOT / "calibprune" / "kernels"


def published_peaks() -> list[Peak]:
    """What the makers of GPUs state, see the column `source` of gpu_peaks.csv."""
    return [
        Peak(row.name, row.sixteen_bit_tflops * 1e12, row.float32_tflops * 1e12, row.memory_gb_per_second * 1e9)
        for row in _gpu_peaks().itertuples(index=False)
    ]


def peaks(machines: Iterable[Machine]) -> pd.DataFrame:
    """Speeds of arithmetic and memory, and where each line comes from."""
    measured = [machine.peak for machine in machines if machine.peak]
    sources = [*_gpu_peaks()["source"], *["measured by benchmarks/kernels.py"] * len(measured)]
    return pd.DataFrame(
        [
            {
                "machine": peak.name,
                "16-bit products (TFLOP/s)": peak.sixteen_bit / 1e12,
                "float32 (TFLOP/s)": peak.float32 / 1e12,
                "memory (GB/s)": peak.memory / 1e9,
                "source": source,
            }
            for peak, source in zip([*published_peaks(), *measured], sources, strict=True)
        ]
    )


def counted(shape: Shape, samples: int, length: int, machines: Iterable[Machine]) -> pd.DataFrame:
    """Operations and bytes of every step, and the time that it takes at least: on GPUs by their data sheets, on
    measured machines by their peaks.
    """
    known = [*published_peaks(), *(machine.peak for machine in machines if machine.peak)]
    return pd.DataFrame(
        [
            {"step": name, "operations": power(count.operations), "bytes": power(count.bytes)}
            | {f"at least, {peak.name}": duration(count.seconds(peak)) for peak in known}
            for name, count in steps(shape, samples, length).items()
        ]
    )


def staged(machine: Machine) -> pd.DataFrame:
    """Seconds of whole runs and, on a CPU, of their parts, beside the least that operations and bytes need at the
    machine's measured peaks.
    """
    lines = []
    for row in machine.rows:
        detail = row["detail"]
        if not machine.peak or "stages" not in detail:
            continue
        least = stages(Shape(*detail["shape"]), detail["samples"], detail["length"], detail["method"])
        taken = detail["stages"] | {"whole run": statistics.median(row["sides"]["ours"])}
        least["whole run"] = Count.sum(list(least.values()))
        for part, seconds in taken.items():
            bound = least[part].seconds(machine.peak)
            line = {"run": COMPARISONS[row["key"]].what, "size": row["size"], "part": part}
            lines.append(
                line | {"takes": duration(seconds), "at least": duration(bound), "times that": seconds / bound}
            )
    return pd.DataFrame(lines)


def against_targets(machines: list[Machine]) -> pd.DataFrame:
    """Every target on every machine where it was measured as asked, or one line that says why it was not."""
    return pd.DataFrame([line for target in TARGETS for line in _lines(target, machines)])


def measured(machine: Machine) -> pd.DataFrame:
    """Every row of a machine, whatever its size: medians of the sides, and what comes of them.

    `alike` is the share of weights that both sides leave with the same value, where they solve the same matrix.
    """
    return pd.DataFrame(
        [
            {
                "what": COMPARISONS[row["key"]].what,
                "size": row["size"],
                **{side: _median(row, side) for side in ("ours", "peer", "limit")},
                "repeats": min(
                    (len(row["sides"][side]) for side in ("ours", "peer") if row["sides"].get(side)), default=0
                ),
                "result": _result(row),
                "alike (%)": 100 * row["detail"]["same"] if "same" in row["detail"] else None,
            }
            for row in machine.rows
        ]
    )


def origin(machine: Machine) -> str:
    """When a machine's rows were measured, from which commits and with which versions, in a sentence."""
    versions = [f"{name} {version}" for row in machine.rows for name, version in row["versions"].items()]
    days, commits = (
        sorted(row["date"][:10] for row in machine.rows),
        [row["commit"] or "unknown" for row in machine.rows],
    )
    return (
        "; ".join(
            f"{what}: {', '.join(dict.fromkeys(values))}"
            for what, values in (("Dates", days), ("commits", commits), ("with", versions))
        )
        + "."
    )


def kernels(folder: Path = KERNELS) -> pd.DataFrame:
    """The files of `calibprune/kernels`: what each is for, in its own words, and where the Triton kernels are that it
    launches on a GPU.
    """
    sources = {path.stem: path.read_text(encoding="utf-8") for path in sorted(folder.glob("[!_]*.py"))}
    on_gpus = {name for name, source in sources.items() if "@triton.jit" in source}
    return pd.DataFrame(
        [
            {
                "file": f"{name}.py",
                "what it does": " ".join((ast.get_docstring(ast.parse(source)) or "").partition("\n\n")[0].split()),
                "on a GPU": listed(f"{other}.py" for other in sorted(on_gpus) if re.search(rf"\b{other}\b", source))
                or "torch",
            }
            for name, source in sources.items()
            if name not in on_gpus
        ]
    )


def power(value: float) -> str:
    """A large number as text."""
    return fixed(value, decimals=0)


def _gpu_peaks() -> pd.DataFrame:
    return pd.read_csv(Path(__file__).with_name("gpu_peaks.csv"))


def _lines(target: Comparison, machines: list[Machine]) -> list[dict[str, Any]]:
    line = {"what": target.what, "against": target.against, "size": target.size, "target": target.aim}
    asked = as_asked(target, machines)
    if not asked:
        return [line | {"measured": None, "machine": "–", "verdict": missing(target, machines)}]
    return [
        line | {"size": row["size"], "measured": row["value"], "machine": machine.name, "verdict": verdict(target, row)}
        for machine, row in asked
    ]


def _median(row: dict[str, Any], side: str) -> str:
    if side not in row["sides"]:
        return "–"
    middle = statistics.median(row["sides"][side])
    value = duration(middle) if row["unit"] == "s" else f"{middle:.3g} {row['unit']}"
    return f"{value} ({row['names'][side]})" if side in row["names"] else value


def _result(row: dict[str, Any]) -> str:
    if row["value"] is None:
        return f"{NOT_MEASURED}: {row['reason']}"
    return f"{row['value']:.3g} {COMPARISONS[row['key']].unit}"
