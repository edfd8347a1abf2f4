"""Reads the texts of one file of the user's own, whatever its format."""

import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

from calibprune.corpora.lines import LARGEST, MOST, checked, pieces, records, too_large
from calibprune.errors import CorpusError
from calibprune.files import nbytes_of_text


class Row(NamedTuple):
    """A text, "" where there is none in its place, and its identity where the file gives one."""

    id: str | None
    text: str


def format_of(name: str) -> str:
    """The format of a file of that name, a key of `FORMATS`, or "" for an unknown one."""
    suffix = Path(name.lower().removesuffix(".gz")).suffix
    compressed = name.lower().endswith(".gz")
    return suffix if suffix in FORMATS and not (compressed and suffix == ".parquet") else ""


def read_rows(path: Path, format: str) -> Iterator[Row]:
    """The texts of a file in their order, without white space around them.

    .txt: UTF-8, texts separated by blank lines; without any blank line each line is a text.
    .jsonl, .ndjson, .json: JSON lines with the field `text`, and if there is one `id`.
    .parquet: the column `text`, and if there is one `id`.

    Args:
        format: a key of `FORMATS`.

    Raises:
        CorpusError: a file that cannot be read, is damaged, is not UTF-8 text, or has no `text`.
    """
    return FORMATS[format](path)


def _read_txt(path: Path) -> Iterator[Row]:
    text = "".join(pieces(path)).replace("\r\n", "\n").replace("\r", "\n").strip()
    if text.count("\n") > MOST:
        raise too_large(str(path))
    parts = re.split(r"\n[^\S\n]*\n\s*", text)
    if len(parts) == 1:
        parts = text.split("\n")
    return (Row(None, part.strip()) for part in parts if part)


def _read_jsonl(path: Path) -> Iterator[Row]:
    for place, record in records(path):
        text = record.get("text", 0)
        if not isinstance(text, str | None):
            raise CorpusError(f'{place} has no field "text" with a string: add it')
        yield Row(_identity(record.get("id")), checked(place, text or "").strip())


def _read_parquet(path: Path) -> Iterator[Row]:
    import pyarrow
    from pyarrow.parquet import ParquetFile

    try:
        with ParquetFile(path) as file:
            names = file.schema_arrow.names
            if "text" not in names:
                raise CorpusError(f'{path}: it has no column "text", only {", ".join(names) or "none"}: rename one')
            if names.count("text") > 1 or names.count("id") > 1:
                raise CorpusError(f'{path}: it has two columns "text" or "id": rename one')
            kind = file.schema_arrow.field("text").type
            if not _is_text(kind):
                raise CorpusError(f'{path}: its column "text" holds {kind}, not text: give strings')
            columns = [name for name in ("text", "id") if name in names]
            of_text = [name for name in columns if _is_text(file.schema_arrow.field(name).type)]
        with ParquetFile(path, read_dictionary=of_text) as file:  # a text that is there many times is in memory once
            for batch in file.iter_batches(batch_size=1024, columns=columns):
                if sum(map(nbytes_of_text, batch.columns)) > 4 * LARGEST:  # of UTF-8, at most so many a character
                    raise too_large(str(path))
                texts = batch["text"].cast(pyarrow.large_string()).to_pylist()
                ids = batch["id"].to_pylist() if "id" in columns else [None] * len(texts)
                for identity, text in zip(ids, texts, strict=True):
                    yield Row(_identity(identity), (text or "").strip())
    except MemoryError:  # Arrow's too, which is no fault of the file
        raise
    except UnicodeDecodeError:
        raise CorpusError(f"{path}: holds text that is not UTF-8: convert it to UTF-8") from None
    except (pyarrow.ArrowException, OSError, ValueError, KeyError, OverflowError) as failure:
        reason = getattr(failure, "strerror", None) or type(failure).__name__
        raise CorpusError(f"{path}: not a usable Parquet file ({reason}): check the file") from None


def _is_text(kind) -> bool:
    """Whether an Arrow type is that of text: strings, bytes, a dictionary of such, or nothing but nulls."""
    from pyarrow import types

    if types.is_dictionary(kind):
        return _is_text(kind.value_type)
    tests = ("is_string", "is_large_string", "is_string_view", "is_binary", "is_large_binary", "is_null")
    return any(getattr(types, test)(kind) for test in tests)


def _identity(value: Any) -> str | None:
    """One spelling for the ids of all formats: a column of whole numbers with a gap holds 1.0 for 1, and NaN."""
    if isinstance(value, float):
        value = None if value != value else int(value) if value.is_integer() else value
    return None if value is None or value == "" else str(value)


FORMATS: dict[str, Callable[[Path], Iterator[Row]]] = {
    ".txt": _read_txt,
    ".jsonl": _read_jsonl,
    ".ndjson": _read_jsonl,
    ".json": _read_jsonl,
    ".parquet": _read_parquet,
}
