"""Text files and JSON lines, plain or as .gz, read a piece at a time: a small .gz file may expand without end."""

import codecs
import gzip
import json
import zlib
from collections.abc import Iterator
from pathlib import Path

from calibprune.errors import CorpusError

PIECE = 2**20  # bytes read at a time
# What is read of one file, and of all files of a language: far more than a study draws from.
LARGEST = 2**29  # characters
MOST = 10**7  # lines, or texts
GZIP = b"\x1f\x8b"
OTHER_ENCODINGS = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE, codecs.BOM_UTF32_BE)


def pieces(path: Path) -> Iterator[str]:
    """The text of a UTF-8 file, a piece after the other, without a byte order mark at its start.

    Raises:
        CorpusError: the file cannot be read, is cut short or damaged, is not UTF-8 text, or holds more than `LARGEST`.
    """
    decoder = codecs.getincrementaldecoder("utf-8")()
    at = size = 0  # bytes and characters so far
    for data in _data(path):
        if at == 0 and data.startswith(OTHER_ENCODINGS):
            raise CorpusError(f"{path}: UTF-16 or UTF-32, not UTF-8: convert it to UTF-8")
        if at == 0 and data.startswith(GZIP):
            raise CorpusError(f"{path}: compressed with gzip: let its name end in .gz")
        if b"\0" in data:
            raise CorpusError(f"{path}: binary, not text: give a UTF-8 text file")
        begun = at - len(decoder.getstate()[0])  # where the bytes that are decoded now begin: some may have waited
        try:
            text = decoder.decode(data, final=not data)
        except UnicodeDecodeError as failure:
            raise CorpusError(f"{path}: not UTF-8 at byte {begun + failure.start}: convert it to UTF-8") from None
        size += len(text)
        if size > LARGEST:
            raise too_large(str(path))
        yield text.removeprefix("\ufeff") if at == 0 else text
        at += len(data)


def too_large(what: str) -> CorpusError:
    """The error for more text than is read."""
    return CorpusError(
        f"{what}: more than {LARGEST:,} characters or {MOST:,} lines: give a part of it, a few megabytes suffice"
    )


def _data(path: Path) -> Iterator[bytes]:
    """The bytes of a file, what a .gz file expands to, ending with an empty piece."""
    compressed = path.suffix.lower() == ".gz"
    try:
        with gzip.open(path) if compressed else path.open("rb") as file:
            data = b"-"
            while data:
                data = file.read(PIECE)
                yield data
    except (EOFError, gzip.BadGzipFile, zlib.error):
        raise CorpusError(f"{path}: the compressed file is cut short or damaged: copy it again") from None
    except (OSError, ValueError) as failure:  # ValueError: a path that no file can have
        reason = getattr(failure, "strerror", None) or failure
        raise CorpusError(f"{path}: cannot be read ({reason}): check the path") from None


def lines(path: Path) -> Iterator[tuple[int, str]]:
    """The lines of a text file with their numbers, from 1 on. Errors as of `pieces`.

    A line ends with a line feed alone: JSON strings may hold other separators of lines, such as U+2028.
    """
    number, begun = 1, []
    for piece in pieces(path):
        first, *more = piece.split("\n")
        begun.append(first)
        for line in more:
            yield number, "".join(begun)
            number, begun = number + 1, [line]
            if number > MOST:
                raise too_large(str(path))
    if last := "".join(begun):
        yield number, last


def records(path: Path) -> Iterator[tuple[str, dict]]:
    """The objects of a file of JSON lines, each with its place for errors ("PATH: line 3"). Blank lines are skipped.

    Raises:
        CorpusError: as `pieces`, and a line that is not a JSON object.
    """
    for number, line in lines(path):
        if line.strip():
            place = f"{path}: line {number}"
            yield place, record(place, line)


def record(place: str, line: str) -> dict:
    """The JSON object of a line that stands at `place`. Raises CorpusError where it is none."""
    try:
        found = json.loads(line)
    except (ValueError, RecursionError):
        found = None
    if not isinstance(found, dict):
        raise CorpusError(f"{place} is not a JSON object: write one a line")
    return found


def is_text(value: str) -> bool:
    """Whether UTF-8 can write a string. Half of a surrogate pair, as JSON's escapes can name it, is no character."""
    try:
        value.encode("utf-8")
    except UnicodeEncodeError:
        return False
    return True


def checked(place: str, text: str) -> str:
    """The text that stands at `place`. Raises CorpusError where UTF-8 cannot write it, which no tokenizer takes."""
    if not is_text(text):
        raise CorpusError(f"{place}: its text holds half of a surrogate pair, which is no character: correct it")
    return text
