"""What is known of one cell, in lines: what it is, where it comes from, what it cost, and whether it is whole."""

import json
from typing import Any

from calibprune.study.kept import COST, Kept

ORIGIN = ("date", "commit", "machine", "device", "system")
CHECKSUMS = ("records_sha256", "artifacts_sha256")
GIVEN = ("id", "shelf", "configuration", "versions", "checksums", *COST, *ORIGIN, *CHECKSUMS)


def lines(kept: Kept, identifier: str) -> list[tuple[str, str]]:
    """(name, value) of everything that is kept of a cell.

    Raises:
        StoreError: its `cell.json` is damaged or missing, or of another version of calibprune.
    """
    cell = kept.cell(identifier)
    known = kept.provenance(cell)
    flaw = kept.flaw(identifier)
    return [
        ("cell", _text(cell.title)),
        ("id", identifier),
        ("kept in", str(kept.folder(cell))),
        ("whole", "yes, every checksum holds" if not flaw else f"no: {flaw}"),
        *_several("", known["configuration"]),
        *((name.replace("_", " "), _text(known[name])) for name in (*COST, *ORIGIN) if name in known),
        *_several("version of ", known.get("versions", {})),
        *((name.replace("_", " "), _text(value)) for name, value in known.items() if name not in GIVEN),
        ("SHA-256 of the records", _text(known["records_sha256"])),
        *_several("SHA-256 of ", known.get("artifacts_sha256", {})),
    ]


def _several(prefix: str, values: Any) -> list[tuple[str, str]]:
    """The entries of a mapping; those of a mapping in it with its name before theirs."""
    if not isinstance(values, dict):
        return [(prefix.strip(), _text(values))]
    found = []
    for name, value in values.items():
        if isinstance(value, dict):
            found += _several(f"{prefix}{name} ", value)
        else:
            found.append((_text(f"{prefix}{name}".replace("_", " ")), _text(value)))
    return found


def _text(value: Any) -> str:
    """A value as it is shown: in one line, and without characters that a terminal would obey."""
    if isinstance(value, list) and all(isinstance(one, str) for one in value):
        value = ", ".join(value)
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    return text if text.isprintable() else json.dumps(text)
