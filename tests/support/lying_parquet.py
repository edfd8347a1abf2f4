"""A Parquet file that claims to hold more than it does."""

from pathlib import Path


def claim_rows(path: Path, rows: int, claimed: int) -> None:
    """Let a Parquet file claim another number of rows wherever its footer names it."""

    def number(value: int) -> bytes:
        value, found = 2 * value, b""  # as Thrift's compact protocol writes it
        while value > 127:
            found += bytes([value & 127 | 128])
            value >>= 7
        return found + bytes([value])

    content = path.read_bytes()
    length = int.from_bytes(content[-8:-4], "little")
    footer = content[-8 - length : -8]
    assert footer.count(number(rows)) >= 2
    footer = footer.replace(number(rows), number(claimed))
    path.write_bytes(content[: -8 - length] + footer + len(footer).to_bytes(4, "little") + b"PAR1")
