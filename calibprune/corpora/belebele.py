"""Belebele's passages with their questions, parallel in every language: text to measure on, never to calibrate on."""

import re
from collections.abc import Iterable
from importlib.util import find_spec
from pathlib import Path

from calibprune.corpora.base import Source, digest
from calibprune.corpora.hub import check_network
from calibprune.corpora.lines import checked, records
from calibprune.errors import CorpusError
from calibprune.files import expanded
from calibprune.languages import LANGUAGES

REPOSITORY = "facebook/belebele"
REVISION = "75b399394a9803252cfec289d103de462763db7c"
CONFIGURATIONS = {code: language.flores for code, language in LANGUAGES.items() if language.flores}
VARIANT = re.compile(r"[a-z]{3}_[A-Z][a-z]{3}")
NUMBER = "question_number"
FIELDS = ("link", NUMBER, "flores_passage", "question")


def source(folder: str = "") -> Source:
    """The data set on the hub: in the languages of the table, and in all others by its own codes ("yor_Latn"). Or with
    `folder` local files `de.jsonl.gz`, … with its fields.
    """

    def documents(language: str, split: str) -> list[str]:
        if split != "validation":
            raise CorpusError(
                f"belebele has no {split} text: it is the paper's evaluation data; calibrate on another source"
            )
        rows = _local(expanded(folder, CorpusError) / f"{language}.jsonl.gz") if folder else _hub(language)
        return [f"{row['flores_passage']} {row['question']}" for row in in_order(rows)]

    def fingerprint(languages: tuple[str, ...]) -> str:
        if not folder:
            return digest("belebele", REPOSITORY, REVISION, *languages)
        texts = {language: documents(language, "validation") for language in languages}
        return digest("belebele", *(part for name in texts for part in (f"{name} {len(texts[name])}", *texts[name])))

    if folder:
        return Source((), documents, fingerprint, further=lambda: _in_folder(folder))
    return Source(tuple(CONFIGURATIONS), documents, fingerprint, further=variants, own_name=_own_name)


def _own_name(language: str) -> str:
    return CONFIGURATIONS.get(language, language)


def variants() -> list[str]:
    """All languages of Belebele by its own codes, as the evaluation harness lists them, if it is installed."""
    harness = find_spec("lm_eval")
    folders = [Path(place) / "tasks" / "belebele" for place in harness.submodule_search_locations] if harness else []
    names = (path.stem.removeprefix("belebele_") for folder in folders for path in folder.glob("belebele_*.yaml"))
    return sorted(name for name in names if VARIANT.fullmatch(name))


def _in_folder(folder: str) -> list[str]:
    place = expanded(folder, CorpusError)
    found = sorted(path.name.removesuffix(".jsonl.gz") for path in place.glob("*.jsonl.gz"))
    if not found:
        raise CorpusError(f"belebele: there is no {place}/….jsonl.gz: give a folder with one file a language")
    return found


def in_order(rows: Iterable[dict]) -> list[dict]:
    """The rows by passage and question, which is one order for all languages."""
    return sorted(rows, key=lambda row: (row["link"], int(row["question_number"])))


def _hub(language: str) -> Iterable[dict]:
    check_network("belebele")
    from datasets import load_dataset  # slow to import, and needed for hub sources alone

    try:
        return list(load_dataset(REPOSITORY, _own_name(language), split="test", revision=REVISION))
    except Exception as failure:  # whatever the network or the hub makes the library raise
        raise CorpusError(
            f"belebele ({REPOSITORY}, {language}): cannot be read ({type(failure).__name__}): check the "
            f"network, or give belebele:FOLDER"
        ) from failure


def _local(path: Path) -> list[dict]:
    if not path.exists():
        raise CorpusError(f"belebele: there is no {path}: give a folder with one file a language")
    rows = []
    for place, row in records(path):
        if missing := [name for name in FIELDS if name not in row]:
            raise CorpusError(f"{place} has no {missing[0]!r}: give Belebele's own fields ({', '.join(FIELDS)})")
        if wrong := [name for name in FIELDS if not isinstance(row[name], str | int if name == NUMBER else str)]:
            raise CorpusError(f"{place}: {wrong[0]!r} is {row[wrong[0]]!r:.60}, not a text: correct the line")
        if not str(row[NUMBER]).isdecimal():
            raise CorpusError(f"{place}: {NUMBER!r} is {row[NUMBER]!r:.60}, not a whole number: correct the line")
        checked(place, row["flores_passage"] + row["question"])
        rows.append(row)
    if not rows:
        raise CorpusError(f"{path}: there is no text in it: copy it again")
    return rows
