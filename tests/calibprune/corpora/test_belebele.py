"""Belebele from a local folder: parallel by passage and question, for evaluation only."""

import gzip
import json

import pytest

from calibprune.corpora import corpus, fingerprint, summary
from calibprune.errors import CorpusError, ParameterError

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


def test_its_summary_has_the_languages_that_are_there_and_its_one_split(folder, caplog):
    frame = summary(f"belebele:{folder}")
    assert frame[["language", "split", "texts"]].values.tolist() == [["de", "validation", 3], ["sw", "validation", 3]]
    assert "it is the paper's evaluation data" in caplog.text
    with pytest.raises(CorpusError):
        summary(f"belebele:{folder / 'nothing'}")


def test_the_fingerprint_changes_with_the_text(folder):
    before = fingerprint(f"belebele:{folder}", ["de"])
    write(folder, "de", ROWS, question="another?")
    assert fingerprint(f"belebele:{folder}", ["de"]) != before


def test_missing_and_damaged_files(folder):
    with pytest.raises(ParameterError, match="has no text in 'en'; it has de, sw"):
        corpus(f"belebele:{folder}", "en", "validation")
    whole = (folder / "de.jsonl.gz").read_bytes()
    (folder / "de.jsonl.gz").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(CorpusError, match="cut short or damaged"):
        corpus(f"belebele:{folder}", "de", "validation")
    (folder / "de.jsonl.gz").write_bytes(gzip.compress(b'{"link": "a"}'))
    with pytest.raises(CorpusError, match="line 1 has no 'question_number'"):
        corpus(f"belebele:{folder}", "de", "validation")


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"question_number": "one"}, "'question_number' is 'one', not a whole number"),
        ({"question_number": 1.5}, "'question_number' is 1.5, not a text"),
        ({"link": None}, "'link' is None, not a text"),
        ({"question": ["x"]}, "'question' is ['x'], not a text"),
        ({"flores_passage": "half \ud83d"}, "its text holds half of a surrogate pair"),
    ],
)
def test_a_value_that_is_no_text_is_named_with_its_line(folder, change, words):
    write(folder, "de", ROWS, **change)
    with pytest.raises(CorpusError) as caught:
        corpus(f"belebele:{folder}", "de", "validation")
    assert str(caught.value).startswith(f"{folder / 'de.jsonl.gz'}: line 1: {words}")


def test_texts_may_hold_other_separators_of_lines(folder):
    rows = json.dumps(
        {"link": "a", "question_number": 1, "flores_passage": "eins\u2028zwei", "question": "?"}, ensure_ascii=False
    )
    (folder / "de.jsonl.gz").write_bytes(gzip.compress(b"\xef\xbb\xbf" + rows.encode() + b"\r\n"))
    assert corpus(f"belebele:{folder}", "de", "validation") == ["eins\u2028zwei ?"]


def test_empty_and_misplaced_files(folder):
    (folder / "de.jsonl.gz").write_bytes(gzip.compress(b""))
    (folder / "es.jsonl.gz").mkdir()
    for source, language, words in (
        (f"belebele:{folder}", "de", "there is no text in it"),
        (f"belebele:{folder}", "es", "cannot be read (Is a directory)"),
        (f"belebele:{folder}/sw.jsonl.gz", "sw", "there is no"),
        ("belebele:~nobody-of-that-name/x", "sw", "the home folder that ~nobody-of-that-name stands for"),
    ):
        with pytest.raises(CorpusError) as caught:
            corpus(source, language, "validation")
        assert words in str(caught.value)


def test_a_text_that_moves_to_another_language_changes_the_fingerprint(folder):
    write(folder, "de", ROWS[:1], flores_passage="p")
    write(folder, "sw", ROWS[1:], flores_passage="p")
    before = fingerprint(f"belebele:{folder}", ["de", "sw"])
    write(folder, "de", ROWS[:1] + ROWS[2:], flores_passage="p")
    write(folder, "sw", ROWS[1:2], flores_passage="p")
    assert fingerprint(f"belebele:{folder}", ["de", "sw"]) != before
