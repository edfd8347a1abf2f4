"""Which files a path with wildcards and placeholders names."""

import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from calibprune.corpora.base import SPLITS
from calibprune.errors import CorpusError
from calibprune.files import FileState, expanded, file_sha256

NAME = r"[A-Za-z][A-Za-z0-9_-]*"  # what {language} stands for
# The same beside a wildcard, where any name could end anywhere: de, swh, zh-CN, zh_Hans, arb_Arab, es-419.
CODE = r"[A-Za-z]{2,3}(?:[_-](?:[A-Z][a-z]{3}|[A-Z]{2}|419)(?![A-Za-z0-9]))*(?![A-Za-z])"
WILDCARD = r"\*|\?|\[[^\]]+\]"
HIDDEN = (".", "_")  # names that Spark, Git and file managers give to files of their own: _SUCCESS, .part-0.crc
MOST_FILES = 10_000


class Match(NamedTuple):
    """A path that fits a pattern, and what its placeholders stand for there; "" for one that it does not have."""

    path: Path
    language: str = ""
    split: str = ""


def is_plain(pattern: str) -> bool:
    """Whether a path has neither placeholders nor wildcards."""
    return re.search(rf"{WILDCARD}|\{{(?:language|split)\}}", pattern) is None


def matches(pattern: str) -> list[Match]:
    """The files and folders that fit a pattern, in the order of their paths.

    `{language}` and `{split}` stand for parts of names, `*`, `?`, `[…]` are wildcards within a name, and `**` stands
    for any number of folders. A name that is there as it is written is taken as it is written. Wildcards leave out
    hidden names. A path without any of these is given back whether it is there or not.

    Raises:
        CorpusError: a folder cannot be read, or too much fits.
    """
    whole = expanded(pattern, CorpusError)
    found = [Match(Path(whole.anchor))]
    try:
        for part in whole.parts[bool(whole.anchor) :]:
            found = [deeper for match in found for deeper in _into(match, part)]
            _check_number(len(found), pattern)
        if not is_plain(pattern):
            found = [match for match in found if os.path.lexists(match.path)]
    except OSError as failure:
        raise CorpusError(f"{failure.filename}: cannot be read ({failure.strerror}): check the path") from None
    return sorted(set(found), key=lambda match: match.path.parts)


def _check_number(number: int, where: str) -> None:
    if number > MOST_FILES:
        raise CorpusError(f"{where}: more than {MOST_FILES:,} files: give fewer")


def _into(match: Match, part: str) -> list[Match]:
    """The matches one name deeper."""
    for name, known in (("{language}", match.language), ("{split}", match.split)):
        part = part.replace(name, known) if known else part
    if is_plain(part):
        return [match._replace(path=match.path / part)]
    if part == "**":
        return [match._replace(path=folder) for folder, _, _ in _walk(match.path)]
    names = sorted(os.listdir(match.path)) if match.path.is_dir() else []
    for shape in (_shape(part, "(?!)"), _shape(part, WILDCARD)):
        hits = [hit for name in names if (hit := shape.fullmatch(name))]
        if hits:
            return [Match(match.path / hit.string, **_captured(hit, match)) for hit in hits]
    return []


def _captured(hit: re.Match, match: Match) -> dict[str, str]:
    return {"language": match.language, "split": match.split} | hit.groupdict()


def _shape(part: str, wildcard: str) -> re.Pattern:
    """The expression that names of that part fit; `wildcard` is the expression of what stands for other letters."""
    wild = re.search(wildcard, part)
    patterns = {"{language}": CODE if wild else NAME, "{split}": "|".join(SPLITS)}
    found = "(?![._])" if wild and part[0] in "*?[" else ""
    seen = set()
    for token in re.split(rf"(\{{(?:language|split)\}}|{wildcard})", part):
        if token in patterns:
            name = token.strip("{}")
            found += f"(?P={name})" if name in seen else f"(?P<{name}>{patterns[token]})"
            seen.add(name)
        elif re.fullmatch(wildcard, token):
            found += {"*": ".*", "?": "."}.get(token) or _one_of(token)
        else:
            found += re.escape(token)
    return re.compile(found, re.DOTALL)


def _one_of(token: str) -> str:
    """The expression of `[abc]`, `[a-c]` or `[!abc]`; of what is none of these, the characters themselves."""
    inside = token[1:-1].replace("\\", r"\\").replace("[", r"\[").replace("^", r"\^")
    found = f"[^{inside[1:]}]" if inside.startswith("!") and len(inside) > 1 else f"[{inside}]"
    try:
        re.compile(found)
    except re.error:  # [z-a]
        return re.escape(token)
    return found


def files_in(folder: Path) -> list[Path]:
    """All files in a folder and the folders in it, in the order of their paths, without hidden ones.

    Raises:
        CorpusError: a folder cannot be read, or has too many files.
    """
    found = []
    try:
        for place, _, names in _walk(folder):
            found += [place / name for name in names if not name.startswith(HIDDEN)]
            _check_number(len(found), str(folder))
    except OSError as failure:
        raise CorpusError(f"{failure.filename}: cannot be read ({failure.strerror}): check the path") from None
    return sorted(found, key=lambda path: path.parts)


def _walk(folder: Path) -> Iterator[tuple[Path, list[str], list[str]]]:
    """As `os.walk`, into links too, but into no folder twice and into none that is hidden. Raises OSError."""

    def stop(failure: OSError) -> None:
        raise failure

    seen = set()
    for place, folders, names in os.walk(folder, onerror=stop, followlinks=True):
        status = os.stat(place)
        identity = status.st_dev, status.st_ino
        folders[:] = sorted(name for name in folders if not name.startswith(HIDDEN)) if identity not in seen else []
        if identity not in seen:
            yield Path(place), folders, names
        seen.add(identity)


def stamp(path: Path) -> tuple:
    """What changes when a file does: its state, and the content of one that was changed a moment ago.

    Raises:
        OSError: there is no such file.
    """
    state = FileState.of(path)
    return *state, "" if state.settled() or not path.is_file() else file_sha256(path)
