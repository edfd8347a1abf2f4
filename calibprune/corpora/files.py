"""Text of the user's own: files, folders and wildcards of plain text, JSON lines or Parquet."""

import re
import stat
from functools import lru_cache
from pathlib import Path
from typing import NamedTuple

from calibprune.corpora import lines
from calibprune.corpora.account import left_out, tell
from calibprune.corpora.base import SPLITS, Source, digest, one_in_five
from calibprune.corpora.cleaning import sameness
from calibprune.corpora.paths import files_in, is_plain, matches, stamp
from calibprune.corpora.readers import format_of, read_rows
from calibprune.errors import CorpusError

KNOWN = ".txt, .jsonl (both also .gz) or .parquet"
DESCRIPTIONS = (
    "dataset_dict.json",
    "dataset_info.json",
    "dataset_infos.json",
    "state.json",
)  # which `datasets` writes beside its data

File = tuple[Path, str]
"""A file and its format, a key of `readers.FORMATS`."""


class Text(NamedTuple):
    """One text: its place among all of a language, its identity where a file gives one, and itself."""

    place: int
    id: str | None
    text: str


def source(pattern: str) -> Source:
    """The files that a path names, with `{language}` and `{split}` standing for parts of it.

    A folder stands for the files in it and in its folders, without those whose names begin with `.` or `_`; `*`, `?`,
    `[…]` and `**` are wildcards. The texts of several files follow one another in the order of the paths. Without
    `{language}` there is one text for any language, but not for several at once.
    Without `{split}` the texts are split: by the hash of `id` where they have one, else every fifth place is for
    validation, so that files that are translations of each other, text by text, are split alike. Repeated texts are
    taken once. How many were read and kept, and why the rest was left out, goes to the log in one line.
    """

    def documents(language: str, split: str) -> list[str]:
        return list(_splits(pattern, language)[split])

    def fingerprint(languages: tuple[str, ...]) -> str:
        parts = []
        for language in languages:
            for split, texts in _splits(pattern, language).items():
                parts += [f"{language} {split} {len(texts)}", *texts]
        return digest("file", *parts)

    return Source(_languages(pattern), documents, fingerprint, one_for_all="{language}" not in pattern)


def _languages(pattern: str) -> tuple[str, ...]:
    if "{language}" not in pattern:
        return ()
    found = {match.language for match in matches(pattern)}
    if not found:
        raise CorpusError(f"file:{pattern}: there is no such file for any language: check the path")
    return tuple(sorted(found))


def _splits(pattern: str, language: str) -> dict[str, tuple[str, ...]]:
    """The texts of a language by split."""
    where = f"file:{pattern}, {language}" if "{language}" in pattern else f"file:{pattern}"
    found = [match for match in matches(pattern) if match.language in ("", language)]
    groups = []
    for split in SPLITS if "{split}" in pattern else [""]:
        paths = [match.path for match in found if match.split == split]
        if not paths:
            wanted = f" with {split} texts" if split else ""
            raise CorpusError(f"{where}: there is no such file{wanted}: check the path")
        if is_plain(pattern):
            _stamp(paths[0], pattern)  # that it is there, before anything else is said of it
        groups.append(_of_one_format(where, paths))
    return _read(where, tuple(groups), tuple(_stamp(path, pattern) for group in groups for path, _ in group))


def _of_one_format(where: str, paths: list[Path]) -> tuple[File, ...]:
    """The files of known format among paths and in the folders among them."""
    found = tuple(dict.fromkeys(file for path in paths for file in _files(path)))
    formats = sorted({format for _, format in found})
    if not found:
        there = [path.name for one in paths for path in (files_in(one) if one.is_dir() else [one])]
        what = ", ".join(there[:3] + ["…"] * (len(there) > 3)) or "nothing"
        raise CorpusError(f"{where}: no file of a known format, only {what}: use {KNOWN}")
    if len(formats) > 1:
        raise CorpusError(
            f"{where}: files of formats {' and '.join(formats)}: choose one with a wildcard, *{formats[0]}"
        )
    return found


def _files(path: Path) -> list[File]:
    """The files of known format that a path stands for. A folder's name gives the format of its files where theirs do
    not: `x.txt/part-00000`.
    """
    format = format_of(path.name)
    if not path.is_dir():
        return [(path, format)] if format and path.name not in DESCRIPTIONS else []
    inside = files_in(path)
    found = [file for one in inside for file in _files(one)]
    return found or [(one, format) for one in inside if format and format_of(f"_{format}{one.suffix}")]


def _stamp(path: Path, pattern: str) -> tuple:
    try:
        if not path.is_dir() and not stat.S_ISREG(path.stat().st_mode):
            raise CorpusError(f"{path}: not a file that can be read twice: write the text into one")
        return stamp(path)
    except (OSError, ValueError) as failure:  # ValueError: a path that no file can have
        reason = getattr(failure, "strerror", None) or failure
        advice = "check the path"
        if other := re.search(r"\{(?!language\}|split\})\w*\}", pattern):
            advice = f"{other[0]} stands for nothing; the placeholders are {{language}} and {{split}}"
        raise CorpusError(f"{path}: cannot be read ({reason}): {advice}") from None


@lru_cache(maxsize=1024)
def _read(where: str, groups: tuple[tuple[File, ...], ...], stamps: tuple[tuple, ...]) -> dict[str, tuple[str, ...]]:
    """The texts by split, and a line to the log. `groups` are the files of each split, or of both together; `stamps`
    make changed files be read again.
    """
    numbers, every = zip(*(_texts(where, files) for files in groups), strict=True)
    distinct = [_distinct(texts) for texts in every]
    read, with_text, kept_all = sum(numbers), sum(map(len, every)), sum(map(len, distinct))
    reasons = read - with_text, with_text - kept_all
    if len(groups) == 1:
        held_out = [text for text in distinct[0] if _held_out(text)]
        kept = [text for text in distinct[0] if not _held_out(text)]
        if not held_out or not kept:
            raise CorpusError(f"{_named(groups[0])}: {_why_no_split(distinct[0], read, *reasons)}")
    else:
        kept, held_out = distinct
        if both := {_key(text) for text in kept} & {_key(text) for text in held_out}:
            first, second = (_named(files) for files in groups)
            raise CorpusError(f"{second}: {len(both)} of its texts are in {first} too: remove them from one")
    shares = f"{kept_all:,} kept ({len(kept):,} for calibration, {len(held_out):,} for validation)"
    tell(where, sum(map(len, groups)), read, shares, *reasons)
    return {"calibration": tuple(text.text for text in kept), "validation": tuple(text.text for text in held_out)}


def _texts(where: str, files: tuple[File, ...]) -> tuple[int, list[Text]]:
    """How many texts the files have, and those that are not empty. An empty one has a place too: so the texts after it
    stay beside their translations.
    """
    found: list[Text] = []
    place = size = 0
    for path, format in files:
        for row in read_rows(path, format):
            if row.text:
                found.append(Text(place, *row))
            place += 1
            size += len(row.text)
            if size > lines.LARGEST or place > lines.MOST:
                raise lines.too_large(where)
    if not found:
        raise CorpusError(f"{_named(files)}: there is no text in it: check the file")
    return place, found


def _named(files: tuple[File, ...]) -> str:
    return str(files[0][0]) if len(files) == 1 else f"{files[0][0]} and {len(files) - 1} more"


def _held_out(text: Text) -> bool:
    return one_in_five(text.id) if text.id is not None else text.place % 5 == 4


def _key(text: Text) -> str:
    return sameness(text.text) or text.text


def _distinct(texts: list[Text]) -> list[Text]:
    first: dict[str, Text] = {}
    for text in texts:
        first.setdefault(_key(text), text)
    return list(first.values())


def _why_no_split(distinct: list[Text], read: int, without_text: int, repeated: int) -> str:
    """Why texts cannot be divided, and what to do."""
    ids = {text.id for text in distinct}
    if len(distinct) > 1 and None not in ids:
        what = f"the same id, {ids.pop()!r}" if len(ids) == 1 else f"one of {len(ids)} ids, which fall into one split"
        return f"all its {len(distinct)} different texts have {what}: give each an id of its own, or leave out the ids"
    reasons = left_out(without_text, repeated)
    return (
        f"{read:,} texts read, {len(distinct):,} kept{f' (left out: {reasons})' if reasons else ''}, too few for a "
        "calibration and a validation split: add texts, in .txt separated by blank lines"
    )
