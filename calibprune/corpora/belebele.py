"""Belebele's passages with their questions, parallel in every language: text to measure on, never to calibrate on."""

import gzip
import json
import zlib
from collections.abc import Iterable
from pathlib import Path

from calibprune.corpora.base import Source, digest
from calibprune.errors import CorpusError

REPOSITORY = "facebook/belebele"
REVISION = "75b399394a9803252cfec289d103de462763db7c"
CONFIGURATIONS = {
    "ar": "arb_Arab",
    "de": "deu_Latn",
    "en": "eng_Latn",
    "es": "spa_Latn",
    "ru": "rus_Cyrl",
    "sw": "swh_Latn",
    "zh": "zho_Hans",
}
FIELDS = ("link", "question_number", "flores_passage", "question")


def source(folder: str = "") -> Source:
    """The data set on the hub, or with `folder` local files `de.jsonl.gz`, … with its fields."""

    def documents(language: str, split: str) -> list[str]:
        if split != "validation":
            raise CorpusError(
                f"belebele has no {split} text: it is the paper's evaluation data; calibrate on another source"
            )
        rows = _local(Path(folder) / f"{language}.jsonl.gz") if folder else _hub(language)
        return [f"{row['flores_passage']} {row['question']}" for row in in_order(rows)]

    def fingerprint(languages: tuple[str, ...]) -> str:
        if not folder:
            return digest("belebele", REPOSITORY, REVISION, *languages)
        return digest("belebele", *(text for language in languages for text in documents(language, "validation")))

    return Source(tuple(CONFIGURATIONS), documents, fingerprint)


def in_order(rows: Iterable[dict]) -> list[dict]:
    """The rows by passage and question, which is one order for all languages."""
    return sorted(rows, key=lambda row: (row["link"], int(row["question_number"])))


def _hub(language: str) -> Iterable[dict]:
    from datasets import load_dataset  # slow to import, and needed for hub sources alone

    try:
        return list(load_dataset(REPOSITORY, CONFIGURATIONS[language], split="test", revision=REVISION))
    except Exception as failure:  # whatever the network or the hub makes the library raise
        raise CorpusError(
            f"belebele ({REPOSITORY}, {language}): cannot be read ({type(failure).__name__}): check the "
            f"network, or give belebele:FOLDER"
        ) from failure


def _local(path: Path) -> list[dict]:
    try:
        rows = [json.loads(line) for line in gzip.decompress(path.read_bytes()).decode("utf-8").splitlines()]
    except FileNotFoundError:
        raise CorpusError(f"belebele: there is no {path}: give a folder with one file a language") from None
    except (OSError, EOFError, ValueError, zlib.error):
        raise CorpusError(f"{path}: damaged or cut short: copy it again") from None
    for number, row in enumerate(rows, 1):
        if missing := [name for name in FIELDS if name not in row]:
            raise CorpusError(
                f"{path}: line {number} has no {missing[0]!r}: give Belebele's own fields ({', '.join(FIELDS)})"
            )
    return rows
