"""Reads Chromium's data packs (.pak, format version 5)."""

import itertools
from pathlib import Path
from struct import calcsize, error, iter_unpack, unpack_from

from calibprune.errors import CorpusError

VERSION = 5
UTF8 = 1
HEADER = "<IBxxxHH"  # version, encoding, number of resources, number of aliases
ENTRY = "<HI"  # id, offset from the start of the file; one more entry marks the end of the last resource
ALIAS = "<HH"  # id, index of the entry that has its content
COMPRESSED = (b"\x1f\x8b", b"\x1e\x9b")  # gzip, and Chromium's own mark before Brotli data


def read_pak(path: Path) -> dict[int, str]:
    """The texts of a data pack by message id, aliases resolved, compressed resources left out.

    Raises:
        CorpusError: the file cannot be read, is of another version or encoding, is cut short, or holds
            something that is not text.
    """
    try:
        data = Path(path).read_bytes()
    except OSError as failure:
        raise CorpusError(f"{path}: cannot be read ({failure.strerror}): install the package again") from None
    try:
        return _texts(data)
    except (_Unusable, error, UnicodeDecodeError) as failure:
        reason = failure if isinstance(failure, _Unusable) else "it is cut short or damaged"
        raise CorpusError(f"{path}: not a usable .pak file, {reason}: install the package again") from None


class _Unusable(Exception):
    """Says in words what is wrong with a data pack."""


def _texts(data: bytes) -> dict[int, str]:
    (version,) = unpack_from("<I", data)
    if version != VERSION:
        raise _Unusable(f"its format version is {version}, only version {VERSION} is known")
    _, encoding, resources, aliases = unpack_from(HEADER, data)
    if encoding != UTF8:
        raise _Unusable(f"its text encoding is {encoding}, only {UTF8} (UTF-8) is known")
    start, size = calcsize(HEADER), calcsize(ENTRY)
    middle = start + size * (resources + 1)
    end = middle + calcsize(ALIAS) * aliases
    if len(data) < end:
        raise _Unusable("it is cut short")
    entries = list(iter_unpack(ENTRY, data[start:middle]))
    bounds = [offset for _, offset in entries]
    if bounds != sorted(bounds) or bounds[0] < end or bounds[-1] > len(data):
        raise _Unusable("it is cut short or its offsets are damaged")
    contents = [data[a:b] for a, b in itertools.pairwise(bounds)]
    index = {entry[0]: position for position, entry in enumerate(entries[:-1])}
    for identity, position in iter_unpack(ALIAS, data[middle:end]):
        if position >= resources:
            raise _Unusable("one of its aliases points nowhere")
        index[identity] = position
    return {
        identity: contents[position].decode("utf-8")
        for identity, position in sorted(index.items())
        if not contents[position].startswith(COMPRESSED)
    }
