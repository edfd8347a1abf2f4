"""Reads the texts of one file, whatever its format."""

import gzip
import json
import re
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from calibprune.errors import CorpusError


class Row(NamedTuple):
    """One text: its place among the file's texts, its identity where the file gives one, and itself."""

    place: int
    id: str | None
    text: str


def read_rows(path: Path) -> list[Row]:
    """The texts of a .txt, .jsonl or .parquet file; .txt and .jsonl also compressed, as .gz.

    .txt: UTF-8, texts separated by blank lines; without any blank line each line is a text.
    .jsonl and .parquet: the field or column `text`, and if there is one `id`.

    Raises:
        CorpusError: another format, a file that cannot be read, is damaged, is not UTF-8 text, lacks the
            column `text` or has no text in it.
    """
    name = path.name.removesuffix(".gz")
    readers: dict[str, Callable[[Path], list[tuple[str | None, str]]]] = {
        ".txt": _read_txt,
        ".jsonl": _read_jsonl,
        ".parquet": _read_parquet,
    }
    suffix = Path(name).suffix
    if suffix not in readers or (suffix == ".parquet" and name != path.name):
        raise CorpusError(f"{path}: unknown format: use .txt, .jsonl (both also .gz) or .parquet")
    try:
        pairs = readers[suffix](path)
    except OSError as failure:
        reason = failure.strerror or "damaged"
        raise CorpusError(f"{path}: cannot be read ({reason}): check the file") from None
    rows = [Row(i, identity, text) for i, (identity, text) in enumerate((i, t) for i, t in pairs if t)]
    if not rows:
        raise CorpusError(f"{path}: there is no text in it: check the file")
    return rows


def _decoded(path: Path) -> str:
    data = path.read_bytes()
    if path.suffix == ".gz":
        try:
            data = gzip.decompress(data)
        except (EOFError, OSError, zlib.error):
            raise CorpusError(f"{path}: the compressed file is cut short or damaged: copy it again") from None
    if b"\0" in data:
        raise CorpusError(f"{path}: binary, not text: give a UTF-8 text file")
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as failure:
        raise CorpusError(f"{path}: not UTF-8 at byte {failure.start}: convert it to UTF-8") from None


def _read_txt(path: Path) -> list[tuple[None, str]]:
    text = _decoded(path).replace("\r\n", "\n").replace("\r", "\n").strip()
    parts = re.split(r"\n[^\S\n]*\n\s*", text)
    if len(parts) == 1:
        parts = text.split("\n")
    return [(None, part.strip()) for part in parts]


def _read_jsonl(path: Path) -> list[tuple[str | None, str]]:
    pairs = []
    # Not splitlines(): JSON strings may hold other line separators, such as U+2028.
    for number, line in enumerate(_decoded(path).split("\n"), 1):
        if not line.strip():
            continue
        try:
            record = json.loads(line)
        except ValueError:
            raise CorpusError(f"{path}: line {number} is not JSON: write one object a line") from None
        if not isinstance(record, dict) or not isinstance(record.get("text"), str):
            raise CorpusError(f'{path}: line {number} has no field "text" with a string: add it')
        identity = record.get("id")
        pairs.append((None if identity is None else str(identity), record["text"].strip()))
    return pairs


def _read_parquet(path: Path) -> list[tuple[str | None, str]]:
    import pyarrow.parquet as parquet
    from pyarrow import ArrowException

    try:
        names = parquet.read_schema(path).names
        if "text" not in names:
            raise CorpusError(f'{path}: it has no column "text", only {", ".join(names) or "none"}: rename one')
        table = parquet.read_table(path, columns=[name for name in ("text", "id") if name in names])
        texts = table["text"].cast("string").to_pylist()
    except ArrowException as failure:
        raise CorpusError(f"{path}: not a usable Parquet file ({type(failure).__name__}): check the file") from None
    ids = table["id"].to_pylist() if "id" in table.column_names else [None] * len(texts)
    return [(None if i is None else str(i), (text or "").strip()) for i, text in zip(ids, texts, strict=True)]
