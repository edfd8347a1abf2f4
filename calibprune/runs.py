"""What was run, from the provenance of the cells themselves."""

import pandas as pd

from calibprune.grid import METHODS, calibration_rank, setting

CELL = ["model", "method", "sparsity", "pattern", "calibration", "seed"]
MEASURED = ["seconds_prune", "seconds_measure", "peak_memory_gb"]


def what_was_run(provenance: pd.DataFrame) -> pd.DataFrame:
    """A study in a few lines, columns `what` and `value` (text).

    `provenance` has one row a cell (Study.provenance()): model, method, sparsity, pattern, calibration, seed,
    calibration_tokens, seconds_prune, seconds_measure, peak_memory_gb, date, and any further columns (machine, device,
    dtype, versions, commit, checksums). Of these every one that is the same or takes few values is listed as it is.
    """
    dates = sorted(str(date) for date in provenance["date"].dropna())
    lines = [
        ("cells", f"{len(provenance)}"),
        ("models", distinct(provenance["model"])),
        ("methods", distinct(METHODS.get(name, name) for name in provenance["method"])),
        (
            "sparsity",
            distinct(setting(*pair) for pair in zip(provenance["sparsity"], provenance["pattern"], strict=True)),
        ),
        ("calibration", distinct(sorted(provenance["calibration"], key=calibration_rank))),
        ("seeds of the calibration draw", distinct(provenance.loc[provenance["calibration"] != "", "seed"])),
        ("calibration tokens", distinct(provenance.loc[provenance["calibration"] != "", "calibration_tokens"])),
        ("time pruning", duration(provenance["seconds_prune"].sum())),
        ("time measuring", duration(provenance["seconds_measure"].sum())),
        ("peak memory", f"{provenance['peak_memory_gb'].max():.1f} GB"),
        ("from", dates[0] if dates else ""),
        ("to", dates[-1] if dates else ""),
    ]
    for name in provenance.columns.difference([*CELL, *MEASURED, "calibration_tokens", "date", "id"], sort=False):
        lines.append((name.replace("_", " "), distinct(provenance[name])))
    return pd.DataFrame([line for line in lines if line[1]], columns=["what", "value"])


def cell_table(provenance: pd.DataFrame) -> pd.DataFrame:
    """One row a cell: what it is, how long it took, its memory, date and id, in the order of the study."""
    return pd.DataFrame(
        {
            "model": provenance["model"],
            "method": provenance["method"].map(lambda name: METHODS.get(name, name)),
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


def distinct(values) -> str:
    """The different values as text, empty ones left out, in order of appearance."""
    return ", ".join(dict.fromkeys(text(value) for value in values if text(value)))


def text(value) -> str:
    """A value as one would write it: mappings as `name value`, missing ones as nothing."""
    if isinstance(value, dict):
        return ", ".join(f"{name} {text(part)}" for name, part in sorted(value.items()))
    if isinstance(value, (list, tuple)):
        return ", ".join(map(text, value))
    return "" if value is None or pd.isna(value) else str(value)


def duration(seconds: float) -> str:
    """`41 s`, `3 min 5 s`, `2 h 10 min`."""
    whole = round(float(seconds))
    if whole < 60:
        return f"{whole} s"
    minutes, rest = divmod(whole, 60)
    return f"{minutes} min {rest} s" if minutes < 60 else f"{minutes // 60} h {minutes % 60} min"
