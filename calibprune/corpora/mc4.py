"""mC4 as the hub data set allenai/c4 has it, streamed; or a local folder laid out like it."""

from collections.abc import Iterable, Iterator
from functools import lru_cache
from itertools import islice
from pathlib import Path

from calibprune.corpora.account import tell
from calibprune.corpora.base import Source, digest
from calibprune.corpora.hub import check_network
from calibprune.corpora.lines import checked, records
from calibprune.corpora.paths import stamp
from calibprune.errors import CorpusError
from calibprune.files import expanded
from calibprune.languages import LANGUAGES, in_order

REPOSITORY = "allenai/c4"
REVISION = "1588ec454efa1a09f29cd18ddd04fe05fc8653a2"
DOCUMENTS = 10_000  # read of a language and split, from its first shards on; windows are drawn from these
# Of files; a local folder may have the English C4 in the place of mC4's English part.
PATTERNS = {
    "calibration": ("multilingual/c4-{language}.*.json.gz", "{language}/c4-train.*.json.gz"),
    "validation": ("multilingual/c4-{language}-validation.*.json.gz", "{language}/c4-validation.*.json.gz"),
}
OWN = {code: language.mc4 for code, language in LANGUAGES.items() if language.mc4}
"""mC4's codes for the languages of the table; Croatian it does not have."""
CODES = tuple(
    """
    af am ar az be bg bg-Latn bn ca ceb co cs cy da de el el-Latn en eo es et eu fa fi fil fr fy ga gd gl gu ha haw hi
    hi-Latn hmn ht hu hy id ig is it iw ja ja-Latn jv ka kk km kn ko ku ky la lb lo lt lv mg mi mk ml mn mr ms mt my ne
    nl no ny pa pl ps pt ro ru ru-Latn sd si sk sl sm sn so sq sr st su sv sw ta te tg th tr uk und ur uz vi xh yi yo
    zh zh-Latn zu
    """.split()  # noqa: SIM905
)
"""All languages of the data set, by its own codes; "und" is text whose language was not recognised."""


def source(folder: str = "") -> Source:
    """The data set on the hub, or with `folder` a local copy of any part of it: in the languages of the table and by
    the data set's own codes.
    """

    def documents(language: str, split: str) -> Iterator[str]:
        return stream(folder, language, split)

    def fingerprint(languages: tuple[str, ...]) -> str:
        if not folder:
            return digest("mc4", REPOSITORY, REVISION, str(DOCUMENTS), *languages)
        parts = []
        for language in languages:
            for split in PATTERNS:
                files = tuple(_present(folder, language, split))
                stamps = tuple(map(stamp, files))
                parts.append(f"{language} {split} {_digest(files, stamps, f'mc4:{folder}, {language}, {split}')}")
        return digest("mc4", *parts)

    if folder:
        return Source((), documents, fingerprint, further=lambda: _languages_in(folder), own_name=_own_name)
    return Source(tuple(OWN), documents, fingerprint, further=lambda: CODES, own_name=_own_name)


def _own_name(language: str) -> str:
    return OWN.get(language, language)


def stream(folder: str, language: str, split: str, limit: int = DOCUMENTS) -> Iterator[str]:
    """The first `limit` documents of a language and split that have text, one after the other, without storing them.

    Raises:
        CorpusError: the hub cannot be reached, the folder lacks the files, or a file is damaged.
    """
    if not folder:
        check_network("mc4")
    rows = _local(_files(folder, language, split)) if folder else _hub(language, split)
    try:
        yield from filter(None, islice(rows, limit))
    except CorpusError as failure:
        raise CorpusError(f"mc4 ({folder or REPOSITORY}, {language}, {split}): cannot be read: {failure}") from failure


def _languages_in(folder: str) -> list[str]:
    """The languages that a local folder has files of, by the codes of the table where it knows them, else by their own;
    the codes of the table come first.
    """
    own = {name: code for code, name in OWN.items() if name != code}
    place = _folder(folder)
    names = [path.name.removeprefix("c4-") for path in place.glob("multilingual/c4-*.json.gz")]
    codes = {name.partition(".")[0].removesuffix("-validation") for name in names}
    codes |= {path.parent.name for path in place.glob("*/c4-*.json.gz") if path.parent.name != "multilingual"}
    return in_order([own.get(code, code) for code in codes] + [code for code in codes if code in own])


def _hub(language: str, split: str) -> Iterator[str]:
    """The data set's documents, "" for one without text."""
    from datasets import load_dataset  # slow to import, and needed for the hub alone

    files = {split: [PATTERNS[split][0].format(language=_own_name(language))]}
    try:
        rows = load_dataset(REPOSITORY, data_files=files, split=split, streaming=True, revision=REVISION)
        for row in rows.take(DOCUMENTS):
            yield row["text"].strip()
    except Exception as failure:  # whatever the network or the hub makes the library raise
        reason = " ".join(str(failure).split())[:200] or type(failure).__name__
        raise CorpusError(f"{type(failure).__name__}: {reason}: check the network") from failure


def _local(files: Iterable[Path]) -> Iterator[str]:
    """The documents of local files, "" for one without text.

    Read here and not by the library `datasets`, which takes signs in paths for wildcards and columns from a README.
    """
    for path in files:
        for place, row in records(path):
            text = row.get("text", 0)
            if not isinstance(text, str | None):
                raise CorpusError(f'{place} has no field "text" with a string: copy the file again')
            yield checked(place, text or "").strip()


def _files(folder: str, language: str, split: str) -> list[Path]:
    if found := _present(folder, language, split):
        return found
    wanted = PATTERNS[split][0].format(language=_own_name(language))
    raise CorpusError(f"mc4: {folder} has no {wanted}: download the {split} files of {language}")


def _folder(folder: str) -> Path:
    place = expanded(folder, CorpusError)
    if not place.is_dir():
        raise CorpusError(f"mc4: there is no folder {folder}: give one with multilingual/c4-LANGUAGE.*.json.gz")
    return place


def _present(folder: str, language: str, split: str) -> list[Path]:
    place = _folder(folder)
    codes = dict.fromkeys([_own_name(language), language])
    found = (sorted(place.glob(pattern.format(language=code))) for pattern in PATTERNS[split] for code in codes)
    return next(filter(None, found), [])


@lru_cache(maxsize=256)
def _digest(files: tuple[Path, ...], stamps: tuple[tuple, ...], where: str) -> str:
    """A hash of the documents that are read, and a line to the log; `stamps` make changed files be read again."""
    texts = list(islice(_local(files), DOCUMENTS))
    kept = list(filter(None, texts))
    if files:
        tell(where, len(files), len(texts), f"{len(kept):,} kept", without_text=len(texts) - len(kept))
    return digest("mc4", *kept)
