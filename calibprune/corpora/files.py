"""Text of the user's own: plain text, JSON lines and Parquet files."""

import re
from functools import cache
from pathlib import Path

from calibprune.corpora.base import SPLITS, Source, digest, one_in_five
from calibprune.corpora.cleaning import sameness
from calibprune.corpora.readers import Row, read_rows
from calibprune.errors import CorpusError
from calibprune.languages import LANGUAGES

CODE = r"[A-Za-z][A-Za-z0-9_-]*"  # a language code as part of a file name


def source(pattern: str) -> Source:
    """The files a path names, with `{language}` and `{split}` standing for parts of it.

    Without `{language}` one file serves every language; without `{split}` each file is split: by the hash of
    `id` where the file has one, else every fifth text by its place is for validation, so that files that are
    translations of each other, text by text, are split alike. Repeated texts are taken once.
    """

    def documents(language: str, split: str) -> list[str]:
        return list(_splits(pattern, language)[split])

    def fingerprint(languages: tuple[str, ...]) -> str:
        return digest("file", *(text for name in languages for split in SPLITS for text in documents(name, split)))

    return Source(_languages(pattern), documents, fingerprint)


def _path(pattern: str, language: str, split: str) -> Path:
    return Path(pattern.replace("{language}", language).replace("{split}", split)).expanduser()


def _languages(pattern: str) -> tuple[str, ...]:
    if "{language}" not in pattern:
        return tuple(LANGUAGES)
    everything = _path(pattern, "\0", "\1")
    fixed = next(i for i, part in enumerate(everything.parts) if "\0" in part or "\1" in part)
    start, rest = Path(*everything.parts[:fixed]), Path(*everything.parts[fixed:])
    found = set()
    shape = re.escape(str(rest)).replace("\0", f"(?P<language>{CODE})", 1).replace("\0", "(?P=language)")
    shape = re.compile(shape.replace("\1", f"(?:{'|'.join(SPLITS)})"))
    for path in start.glob(re.sub(r"[\[?*]", "?", str(rest)).replace("\0", "*").replace("\1", "*")):
        if match := shape.fullmatch(str(path.relative_to(start))):
            found.add(match["language"])
    if not found:
        raise CorpusError(f"file:{pattern}: there is no such file for any language: check the path")
    return tuple(sorted(found))


def _splits(pattern: str, language: str) -> dict[str, tuple[str, ...]]:
    paths = tuple(_path(pattern, language, split) for split in (SPLITS if "{split}" in pattern else ("",)))
    try:
        stamps = tuple((path.stat().st_size, path.stat().st_mtime_ns) for path in paths)
    except OSError as failure:
        raise CorpusError(f"{failure.filename}: cannot be read ({failure.strerror}): check the path") from None
    return _read(paths, stamps)


@cache
def _read(paths: tuple[Path, ...], stamps: tuple[tuple[int, int], ...]) -> dict[str, tuple[str, ...]]:
    """The texts by split; `stamps` (size and time of change) make an edited file be read again."""
    if len(paths) == 1:
        rows = _distinct(read_rows(paths[0]))
        held_out = [row for row in rows if _held_out(row)]
        kept = [row for row in rows if not _held_out(row)]
        if not held_out or not kept:
            raise CorpusError(
                f"{paths[0]}: its {len(rows)} different texts are too few for a calibration and a validation "
                "split: add texts, separated by blank lines"
            )
    else:
        kept, held_out = (_distinct(read_rows(path)) for path in paths)
        if both := {_key(row) for row in kept} & {_key(row) for row in held_out}:
            raise CorpusError(f"{paths[1]}: {len(both)} of its texts are in {paths[0]} too: remove them from one")
    return {"calibration": tuple(r.text for r in kept), "validation": tuple(r.text for r in held_out)}


def _held_out(row: Row) -> bool:
    return one_in_five(row.id) if row.id is not None else row.place % 5 == 4


def _key(row: Row) -> str:
    return sameness(row.text) or row.text


def _distinct(rows: list[Row]) -> list[Row]:
    first: dict[str, Row] = {}
    for row in rows:
        first.setdefault(_key(row), row)
    return list(first.values())
