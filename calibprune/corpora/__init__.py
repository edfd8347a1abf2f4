"""Text by language and split. A source is named by a string; `SOURCES` holds what there is.

Every source has the splits "calibration" and "validation", which never share a text, and in parallel sources never a
translation of one either. A new source is a file with a function that returns a `Source`, and its line in the table.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from difflib import get_close_matches
from typing import TYPE_CHECKING, NamedTuple

from calibprune.corpora import belebele, chromium, files, mc4, udhr
from calibprune.corpora.base import SPLITS, Source
from calibprune.corpora.lines import checked, is_text
from calibprune.corpora.udhr import fetch_udhr
from calibprune.errors import CorpusError, ParameterError, one_of, quoted
from calibprune.languages import check_code, describe

if TYPE_CHECKING:
    import pandas as pd

FEW, MANY = 12, 60
"""Up to so many codes an error lists where others are near to what was asked for, and where none is."""

log = logging.getLogger(__name__)


class Kind(NamedTuple):
    """How a source is named, what opens it, and what is known of it before it is opened.

    Attributes:
        open: returns the `Source`; called with what follows the colon of the name, without arguments where none does.
        place: what may follow the colon, for help and errors: "FOLDER" of `mc4:FOLDER`; "" where nothing may.
        alone: whether the name is enough by itself, as `mc4` is and `file` is not.
        parallel: whether the texts of one place are translations of one another. Of a user's own files it is believed.
        hub: whether the name alone stands for text on a hub, which nobody should read whole in passing.
    """

    open: Callable[..., Source]
    place: str = ""
    alone: bool = True
    parallel: bool = True
    hub: bool = False


SOURCES: dict[str, Kind] = {
    "chromium": Kind(chromium.source),
    "udhr": Kind(udhr.source),
    "mc4": Kind(mc4.source, place="FOLDER", parallel=False, hub=True),
    "belebele": Kind(belebele.source, place="FOLDER", hub=True),
    "file": Kind(files.source, place="PATH", alone=False),
}


def names() -> list[str]:
    """The names that sources have, for help and errors: `chromium`, `mc4`, `mc4:FOLDER`, `file:PATH`, …"""
    found = []
    for name, kind in SOURCES.items():
        found += [name] if kind.alone else []
        found += [f"{name}:{kind.place}"] if kind.place else []
    return found


def packaged() -> list[str]:
    """The names of the sources that need neither a hub nor files of the user's."""
    return [name for name, kind in SOURCES.items() if kind.alone and not kind.hub]


def from_hub(source: str) -> bool:
    """Whether the text of a source is on a hub; raises ParameterError as `find_kind`."""
    return find_kind(source).hub and ":" not in source


def find_kind(source: str) -> Kind:
    """The kind of the source of that name.

    Raises:
        ParameterError: there is none.
    """
    if not isinstance(source, str) or not is_text(source):
        raise ParameterError(one_of("text source", source, names()))
    name, colon, where = source.partition(":")
    kind = SOURCES.get(name)
    if kind is None or not (bool(where and kind.place) if colon else kind.alone):
        raise ParameterError(one_of("text source", source, names()))
    return kind


def find_source(source: str) -> Source:
    """The source of that name.

    Raises:
        ParameterError: there is none.
        CorpusError: it is `file:` and no file fits the path.
    """
    kind, where = find_kind(source), source.partition(":")[2]
    return kind.open(where) if where else kind.open()


def documents(source: str, language: str, split: str = "calibration") -> Iterator[str]:
    """The texts of a source, one after the other, in their fixed order; mC4 is read only as far as asked.

    Raises:
        ParameterError: an unknown source or split, or a language that the source does not have.
        CorpusError: the text cannot be found, fetched or read.
    """
    found = check_languages(source, [language])
    if not isinstance(split, str) or split not in SPLITS:
        raise ParameterError(one_of("split", split, SPLITS))
    texts = enumerate(found.documents(language, split), 1)
    return (checked(f"{source}, {language}: {split} text {number}", text) for number, text in texts)


def corpus(source: str, language: str, split: str = "calibration") -> list[str]:
    """The texts of a source as a list; of mC4 the first 10,000 documents. Errors as in `documents`."""
    return list(documents(source, language, split))


def fingerprint(source: str, languages: list[str] | None = None) -> str:
    """A hash of what the text is, for the record's configuration: other text, another fingerprint.

    Args:
        languages: those that matter; by default all that the source lists.

    Raises: as `documents`; ParameterError also for several languages where the source has one text for all of them.
    """
    found = check_languages(source, languages or [])
    return found.fingerprint(tuple(languages or found.languages))


def check_languages(source: str, languages: list[str]) -> Source:
    """The source of that name, which has a text of its own for each of the languages.

    Raises:
        ParameterError: one line that names all of the languages that it lacks, and the nearest that it has; or two
            codes are names of one text, as "he" and "iw" are in mC4.
        CorpusError: as `find_source`.
    """
    found = find_source(source)
    for language in languages:
        check_code(language)
    lacking = [] if found.one_for_all else [code for code in languages if code not in found.languages]
    if lacking and (lacking := [code for code in lacking if code not in found.further()]):
        raise ParameterError(f"{source} has no text in {' or '.join(map(quoted, lacking))}; {_nearest(found, lacking)}")
    texts: dict[str, str] = {}
    for code in languages:
        if texts.setdefault(found.own_name(code), code) != code:
            raise ParameterError(
                f"{source}: {texts[found.own_name(code)]} and {code} are two names of one text; give one of them"
            )
    if found.one_for_all and len(languages) > 1:
        several = " and ".join(languages)
        raise ParameterError(f"{source}: one text for {several}: write {{language}} where its path names the language")
    return found


def _nearest(source: Source, languages: list[str]) -> str:
    """Which codes a source has; where they are many, those that are nearest to the given ones by code or name."""
    codes = [*dict.fromkeys([*source.languages, *source.further()])]
    spelled = {name.casefold(): code for code in codes for name in (describe(code).name, code)}
    wanted = {name.casefold(): None for code in languages for name in (code, describe(code).name)}
    near = dict.fromkeys(spelled[name] for want in wanted for name in get_close_matches(want, spelled, n=3))
    if near and len(codes) > FEW:
        return f"of its {len(codes)} languages the nearest are {', '.join(near)}"
    return f"it has {', '.join(codes[:MANY])}" + (f" and {len(codes) - MANY} more" if len(codes) > MANY else "")


def summary(source: str) -> pd.DataFrame:
    """How much text there is: one row per language and split, with `language, split, texts, characters`; of the
    languages that the source lists. Text that is the same for any language has the code "und", undetermined.

    What cannot be read is logged and has no row: a local copy may hold a part of the languages, and Belebele has one
    split.

    Raises:
        CorpusError: nothing can be read.
    """
    import pandas as pd

    rows, failures = [], []
    found = find_source(source)
    for language in found.languages or (["und"] if found.one_for_all else found.further()):
        for split in SPLITS:
            try:
                texts = corpus(source, language, split)
            except CorpusError as failure:
                failures.append(failure)
                continue
            rows.append((language, split, len(texts), sum(map(len, texts))))
    if not rows:
        raise failures[-1]
    for line in dict.fromkeys(map(str, failures)):
        log.warning("%s", line)
    return pd.DataFrame(rows, columns=["language", "split", "texts", "characters"])


__all__ = [
    "SOURCES",
    "SPLITS",
    "Kind",
    "Source",
    "check_languages",
    "corpus",
    "documents",
    "fetch_udhr",
    "find_kind",
    "find_source",
    "fingerprint",
    "from_hub",
    "names",
    "packaged",
    "summary",
]
