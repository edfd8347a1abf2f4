"""What was run, from the provenance of the cells themselves."""

import re

import pandas as pd

from calibbook.shared.frames import calibration_rank, is_quantized, method_label, setting
from calibbook.shared.html import Html, remark
from calibbook.shared.words import duration, fixed, listed
from calibprune import Study
from calibprune.files import PUBLISHED
from calibprune.provenance import where
from calibprune.study.parameters import NUMERICS

CELL = ["model", "method", "sparsity", "pattern", "calibration", "seed"]
CHECKSUM = re.compile(r"\b([0-9a-f]{12})[0-9a-f]{20,}\b")
MEASURED = ["seconds_prune", "seconds_measure", "peak_memory_gb"]


def what_was_run(provenance: pd.DataFrame) -> pd.DataFrame:
    """A study in a few lines, columns `what` and `value` (text).

    `provenance` has one row a cell (Study.provenance()): model, method, sparsity, pattern, calibration, seed,
    calibration_tokens, seconds_prune, seconds_measure, peak_memory_gb, date, and any further columns (machine, device,
    dtype, versions, commit, checksums). Of these every one that is the same or takes few values is listed as it is.
    """
    rounded = provenance["pattern"].map(is_quantized).any()
    dates = sorted(str(date) for date in provenance["date"].dropna())
    lines = [
        ("cells", f"{len(provenance)}"),
        ("models", distinct(provenance["model"])),
        ("methods", distinct(method_label(name) for name in provenance["method"])),
        (
            "sparsity or bits" if rounded else "sparsity",
            distinct(setting(*pair) for pair in zip(provenance["sparsity"], provenance["pattern"], strict=True)),
        ),
        ("calibration", distinct(sorted(provenance["calibration"], key=calibration_rank))),
        ("seeds of the calibration draw", distinct(provenance.loc[provenance["calibration"] != "", "seed"])),
        ("calibration tokens", distinct(provenance.loc[provenance["calibration"] != "", "calibration_tokens"])),
        ("time pruning and quantizing" if rounded else "time pruning", duration(provenance["seconds_prune"].sum())),
        ("time measuring", duration(provenance["seconds_measure"].sum())),
        ("peak memory", f"{fixed(provenance['peak_memory_gb'].max())} GB"),
        ("from", dates[0] if dates else ""),
        ("to", dates[-1] if dates else ""),
    ]
    for name in provenance.columns.difference([*CELL, *MEASURED, "calibration_tokens", "date", "id"], sort=False):
        lines += described(name.replace("_", " "), provenance[name])
    return pd.DataFrame([line for line in lines if line[1]], columns=["what", "value"])


def run_shown(study: Study, *parts: str, provenance: pd.DataFrame | None = None) -> Html:
    """The line that says which run a page shows: the published one, or one of this checkout.

    Args:
        parts: of the study, those that the page reads; all by default.
        provenance: of the cells that the page reads, where they are not all of the study.
    """
    known = study.provenance(*parts) if provenance is None else provenance
    if known.empty:
        return remark("This page shows no models: none is computed yet.")
    of_shelf = known["shelf"] if "shelf" in known else pd.Series("", index=known.index)
    kinds = {PUBLISHED: "published run", "": "run of this checkout"}
    said = [
        f"{len(part)} models of the {kinds.get(name, f'shelf {name}')}, computed {_when(part)} on {computed_on(part)}"
        for name, part in known.groupby(of_shelf.fillna(""), sort=False)
    ]
    asked = study.parameters.numerics or NUMERICS
    older = f" They are of version {asked} of the computation; this checkout has version {NUMERICS}."
    return remark(f"Shown: {listed(said)}.{older if asked != NUMERICS else ''}")


def _when(known: pd.DataFrame) -> str:
    """`on 2026-11-27`, or the first and the last day."""
    days = sorted({str(date)[:10] for date in known["date"].dropna()})
    return f"on {days[0]}" if len(days) == 1 else f"from {days[0]} to {days[-1]}" if days else "at an unknown time"


def cell_table(provenance: pd.DataFrame) -> pd.DataFrame:
    """One row a cell: what it is, how long it took, its memory, date and id, in the order of the study."""
    return pd.DataFrame(
        {
            "model": provenance["model"],
            "method": provenance["method"].map(method_label),
            "sparsity": [
                setting(*pair) or "–" for pair in zip(provenance["sparsity"], provenance["pattern"], strict=True)
            ],
            "calibration": provenance["calibration"].replace("", "none"),
            "seed": provenance["seed"],
            "tokens": provenance["calibration_tokens"],
            "seconds pruning": provenance["seconds_prune"].astype(float),
            "seconds measuring": provenance["seconds_measure"].astype(float),
            "peak memory (GB)": provenance["peak_memory_gb"].astype(float),
            "date": provenance["date"].astype(str).str[:16].str.replace("T", " "),
            "id": provenance["id"].astype(str).str[:8],
        }
    )


def computed_on(provenance: pd.DataFrame) -> str:
    """The processors and GPUs that computed cells, in words, from their provenance."""
    return distinct(where(row) for row in provenance[["machine", "device"]].to_dict("records"))


def distinct(values) -> str:
    """The different values as text, empty ones left out, in order of appearance."""
    return ", ".join(dict.fromkeys(text(value) for value in values if text(value)))


def described(name: str, values) -> list[tuple[str, str]]:
    """One line for a column, or one for each key of a column of mappings such as versions and checksums."""
    values = list(values)
    keys = dict.fromkeys(key for value in values if isinstance(value, dict) for key in value)
    if not keys:
        return [(name, distinct(values))]
    return [(f"{name}, {key}", distinct(value.get(key) for value in values if isinstance(value, dict))) for key in keys]


def text(value) -> str:
    """A value as one would write it: missing ones as nothing, long checksums by their first twelve digits."""
    if isinstance(value, (list, tuple, dict)):
        return str(value)
    if value is None or pd.isna(value):
        return ""
    return CHECKSUM.sub(r"\1…", str(value))
