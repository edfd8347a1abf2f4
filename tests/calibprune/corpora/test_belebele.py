"""Belebele from a local folder: parallel by passage and question, for evaluation only."""

import gzip
import json

import pytest

from calibprune.corpora import corpus, fingerprint
from calibprune.errors import CorpusError

ROWS = [("b", 1), ("a", 2), ("a", 1)]


def write(folder, language: str, rows, **changes) -> None:
    lines = [
        {
            "link": link,
            "question_number": number,
            "flores_passage": f"{language} passage {link}",
            "question": f"question {number}?",
        }
        | changes
        for link, number in rows
    ]
    (folder / f"{language}.jsonl.gz").write_bytes(gzip.compress("\n".join(map(json.dumps, lines)).encode()))


@pytest.fixture
def folder(tmp_path):
    write(tmp_path, "de", ROWS)
    write(tmp_path, "sw", reversed(ROWS))
    return tmp_path


def test_texts_are_parallel_whatever_the_order_of_the_rows(folder):
    german, swahili = (corpus(f"belebele:{folder}", language, "validation") for language in ("de", "sw"))
    assert german == ["de passage a question 1?", "de passage a question 2?", "de passage b question 1?"]
    assert swahili == [text.replace("de", "sw") for text in german]


def test_it_is_no_calibration_text(folder):
    with pytest.raises(CorpusError, match="calibrate on another source"):
        corpus(f"belebele:{folder}", "de")


def test_the_fingerprint_changes_with_the_text(folder):
    before = fingerprint(f"belebele:{folder}", ["de"])
    write(folder, "de", ROWS, question="another?")
    assert fingerprint(f"belebele:{folder}", ["de"]) != before


def test_missing_and_damaged_files(folder):
    with pytest.raises(CorpusError, match=r"there is no .*en\.jsonl\.gz"):
        corpus(f"belebele:{folder}", "en", "validation")
    whole = (folder / "de.jsonl.gz").read_bytes()
    (folder / "de.jsonl.gz").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(CorpusError, match="cut short or damaged"):
        corpus(f"belebele:{folder}", "de", "validation")
    (folder / "de.jsonl.gz").write_bytes(gzip.compress(b'{"link": "a"}'))
    with pytest.raises(CorpusError, match="line 1 has no 'question_number'"):
        corpus(f"belebele:{folder}", "de", "validation")
