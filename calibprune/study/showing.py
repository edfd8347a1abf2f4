"""What is known of one cell, or of a table that was derived from cells, in lines: what it is, where it comes from, what
it cost, and whether it is whole.
"""

import json
from typing import Any

from calibprune.study import derived
from calibprune.study.kept import COST, LEFT_OUT, Kept

ORIGIN = ("date", "commit", "machine", "device", "system")
CHECKSUMS = ("records_sha256", "artifacts_sha256", LEFT_OUT)
GIVEN = ("id", "shelf", "configuration", "versions", "checksums", *COST, *ORIGIN, *CHECKSUMS)


def lines(kept: Kept, identifier: str) -> list[tuple[str, str]]:
    """(name, value) of everything that is kept of a cell, or of a derived table.

    Raises:
        StoreError: its `cell.json` or `table.json` is damaged or missing, or of another version of calibprune.
    """
    if (kept.root / derived.DERIVED / identifier).is_dir():
        return _of_table(kept, identifier)
    cell = kept.cell(identifier)
    known = kept.provenance(cell)
    return [
        ("cell", in_one_line(cell.title)),
        ("id", identifier),
        ("kept in", str(kept.folder(cell))),
        ("whole", _whole(kept.flaw(identifier))),
        *_several("", known["configuration"]),
        *((name.replace("_", " "), in_one_line(known[name])) for name in (*COST, *ORIGIN) if name in known),
        *_several("version of ", known.get("versions", {})),
        *((name.replace("_", " "), in_one_line(value)) for name, value in known.items() if name not in GIVEN),
        ("SHA-256 of the records", in_one_line(known["records_sha256"])),
        *_several("SHA-256 of ", known.get("artifacts_sha256", {})),
        *_several("not here, SHA-256 of ", known.get(LEFT_OUT, {})),
    ]


def _of_table(kept: Kept, identifier: str) -> list[tuple[str, str]]:
    known = derived.content(kept, identifier)
    return [
        ("table", in_one_line(known["name"])),
        ("id", identifier),
        ("kept in", str(kept.root / derived.DERIVED / identifier)),
        ("whole", _whole(derived.flaw(kept, identifier))),
        ("version of its code", in_one_line(known["version"])),
        ("made of the cells", in_one_line(list(known["cells"]))),
        *((name, in_one_line(known[name])) for name in ("seconds", *ORIGIN) if name in known),
        *_several("version of ", known.get("versions", {})),
        ("SHA-256 of the table", in_one_line(known["table_sha256"])),
    ]


def _whole(flaw: str) -> str:
    return f"no: {flaw}" if flaw else "yes, every checksum holds"


def _several(prefix: str, values: Any) -> list[tuple[str, str]]:
    """The entries of a mapping; those of a mapping in it with its name before theirs."""
    if not isinstance(values, dict):
        return [(prefix.strip(), in_one_line(values))]
    found = []
    for name, value in values.items():
        if isinstance(value, dict):
            found += _several(f"{prefix}{name} ", value)
        else:
            found.append((in_one_line(f"{prefix}{name}".replace("_", " ")), in_one_line(value)))
    return found


def in_one_line(value: Any) -> str:
    """A value as it is shown: in one line, and without characters that a terminal would obey."""
    if isinstance(value, list) and all(isinstance(one, str) for one in value):
        value = ", ".join(value)
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    return text if text.isprintable() else json.dumps(text)
