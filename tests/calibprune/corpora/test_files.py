"""Files of the user's own: every format, its faults, languages and splits."""

import gzip
import json

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from calibprune.corpora import corpus, find_source, fingerprint
from calibprune.corpora.files import _languages
from calibprune.errors import CorpusError, ParameterError

TEXTS = [
    f"Satz Nummer {word}"
    for word in ["eins", "zwei", "drei", "vier", "fünf", "sechs", "sieben", "acht", "neun", "zehn"]
]


def both(source: str, language: str = "de") -> tuple[list[str], list[str]]:
    return corpus(source, language), corpus(source, language, "validation")


def write(path, texts=TEXTS, **columns):
    """The texts in the format that the file's name says."""
    rows = [dict(zip(("text", *columns), values, strict=True)) for values in zip(texts, *columns.values(), strict=True)]
    lines = "\n".join(map(json.dumps, rows))
    if path.suffix == ".parquet":
        pq.write_table(pa.table({"text": texts, **columns}), path)
    elif ".jsonl" in path.name:
        path.write_bytes(gzip.compress(lines.encode()) if path.suffix == ".gz" else lines.encode())
    else:
        data = "\n\n".join(texts).encode()
        path.write_bytes(gzip.compress(data) if path.suffix == ".gz" else data)
    return f"file:{path}"


@pytest.mark.parametrize("name", ["a.txt", "a.txt.gz", "a.jsonl", "a.jsonl.gz", "a.parquet"])
def test_every_format_gives_the_same_texts(tmp_path, name):
    calibration, validation = both(write(tmp_path / name))
    assert validation == [TEXTS[4], TEXTS[9]]
    assert calibration == [text for text in TEXTS if text not in validation]


def test_language_in_the_path(tmp_path):
    write(tmp_path / "de.txt")
    write(tmp_path / "fr.txt", [f"phrase {text}" for text in TEXTS])
    (tmp_path / "notes.md").write_text("other")
    source = f"file:{tmp_path}/{{language}}.txt"
    assert find_source(source).languages == ("de", "fr")
    assert corpus(source, "fr")[0].startswith("phrase")
    with pytest.raises(ParameterError, match="'en': choose one of de, fr"):
        corpus(source, "en")
    assert fingerprint(source, ["de"]) != fingerprint(source, ["fr"])


def test_language_twice_in_the_path(tmp_path):
    (tmp_path / "sw").mkdir()
    write(tmp_path / "sw" / "sw.txt")
    write(tmp_path / "sw" / "de.txt")
    assert _languages(f"{tmp_path}/{{language}}/{{language}}.txt") == ("sw",)


def test_no_file_for_any_language(tmp_path):
    with pytest.raises(CorpusError, match="no such file for any language"):
        corpus(f"file:{tmp_path}/{{language}}.txt", "de")


def test_relative_path(tmp_path, monkeypatch):
    write(tmp_path / "de.txt")
    monkeypatch.chdir(tmp_path)
    assert both("file:{language}.txt") == both("file:de.txt")


def test_files_with_splits_of_their_own(tmp_path):
    write(tmp_path / "de.calibration.jsonl", TEXTS[:6])
    write(tmp_path / "de.validation.jsonl", TEXTS[6:])
    source = f"file:{tmp_path}/{{language}}.{{split}}.jsonl"
    assert both(source) == (TEXTS[:6], TEXTS[6:])
    write(tmp_path / "de.validation.jsonl", [TEXTS[0].upper() + "!", *TEXTS[6:]])
    with pytest.raises(CorpusError, match="1 of its texts are in"):
        both(source)


def test_translations_are_split_alike(tmp_path):
    for language in ("de", "sw"):
        write(tmp_path / f"{language}.txt", [f"{language} {text}" for text in TEXTS])
    german, swahili = (both(f"file:{tmp_path}/{{language}}.txt", language) for language in ("de", "sw"))
    assert [[text[3:] for text in some] for some in german] == [[text[3:] for text in some] for some in swahili]


@pytest.mark.parametrize("name", ["a.jsonl", "a.parquet"])
def test_ids_decide_the_split(tmp_path, name):
    texts = [f"text {chr(97 + i)}{chr(97 + j)}" for i in range(10) for j in range(10)]
    ids = list(range(100))
    forwards = both(write(tmp_path / name, texts, id=ids))
    backwards = both(write(tmp_path / name, texts[::-1], id=ids[::-1]))
    assert [set(some) for some in forwards] == [set(some) for some in backwards]
    assert set(forwards[0]).isdisjoint(forwards[1])
    assert 5 <= len(forwards[1]) <= 35


@given(st.lists(st.sampled_from(TEXTS), min_size=1, max_size=60))
def test_repeated_texts_never_stand_in_both_splits(tmp_path_factory, texts):
    source = write(tmp_path_factory.mktemp("text") / "a.txt", texts)
    try:
        calibration, validation = both(source)
    except CorpusError as failure:
        assert "too few" in str(failure)
        return
    assert set(calibration) | set(validation) == set(texts)
    assert len(calibration) + len(validation) == len(set(texts))


def test_lines_are_texts_where_no_blank_line_is(tmp_path):
    (tmp_path / "a.txt").write_text("\ufeff" + "\r\n".join(TEXTS) + "\r\n", encoding="utf-8")
    assert both(f"file:{tmp_path}/a.txt") == both(write(tmp_path / "b.txt"))


def test_paragraphs_keep_their_lines(tmp_path):
    (tmp_path / "a.txt").write_text("\n \n\n".join(f"{text}\ngoes on" for text in TEXTS))
    assert corpus(f"file:{tmp_path}/a.txt", "de")[0] == f"{TEXTS[0]}\ngoes on"


def test_an_edited_file_is_read_again(tmp_path):
    source = write(tmp_path / "a.txt")
    before = fingerprint(source)
    assert fingerprint(source) == before
    write(tmp_path / "a.txt", [*TEXTS, "Noch ein Satz"])
    assert "Noch ein Satz" in corpus(source, "de")
    assert fingerprint(source) != before


FAULTS = {
    "empty.txt": (b"", "there is no text in it"),
    "blank.txt": (b" \n\n \n", "there is no text in it"),
    "empty.jsonl": (b"", "there is no text in it"),
    "binary.txt": (b"abc\x00\x01\x02", "binary, not text"),
    "latin1.txt": ("größer".encode("latin-1"), "not UTF-8 at byte 2"),
    "one.txt": (b"only one text", "too few for a calibration and a validation split"),
    "cut.txt.gz": (gzip.compress("\n\n".join(TEXTS).encode())[:-9], "cut short or damaged"),
    "cut.jsonl.gz": (gzip.compress(b"x" * 1000)[:15], "cut short or damaged"),
    "plain.txt.gz": (b"this is not gzip", "cut short or damaged"),
    "flipped.txt.gz": (gzip.compress(b"some text")[:-6] + b"\0\0\0\0\0\0", "cut short or damaged"),
    "syntax.jsonl": (b'{"text": "a"}\n{"text": ', "line 2 is not a JSON object"),
    "column.jsonl": (b'{"text": "a"}\n\n{"content": "b"}', 'line 3 has no field "text"'),
    "number.jsonl": (b'{"text": 5}', 'line 1 has no field "text" with a string'),
    "list.jsonl": (b'["text"]', "line 1 is not a JSON object"),
    "bad.parquet": (b"not parquet", "not a usable Parquet file"),
    "empty.parquet": (b"", "not a usable Parquet file"),
    "a.pdf": (b"%PDF", "unknown format: use .txt, .jsonl"),
    "a.parquet.gz": (gzip.compress(b"x"), "unknown format"),
}


@pytest.mark.parametrize("name", FAULTS)
def test_faults_are_one_line_with_the_path(tmp_path, name):
    data, words = FAULTS[name]
    (tmp_path / name).write_bytes(data)
    with pytest.raises(CorpusError) as caught:
        corpus(f"file:{tmp_path / name}", "de")
    assert str(caught.value).startswith(str(tmp_path / name))
    assert words in str(caught.value)
    assert "\n" not in str(caught.value)


def test_parquet_without_text_column(tmp_path):
    pq.write_table(pa.table({"content": TEXTS, "n": list(range(10))}), tmp_path / "a.parquet")
    with pytest.raises(CorpusError, match='no column "text", only content, n'):
        corpus(f"file:{tmp_path}/a.parquet", "de")


def test_parquet_cut_short(tmp_path):
    write(tmp_path / "a.parquet")
    data = (tmp_path / "a.parquet").read_bytes()
    (tmp_path / "a.parquet").write_bytes(data[: len(data) // 2])
    with pytest.raises(CorpusError, match="not a usable Parquet file"):
        corpus(f"file:{tmp_path}/a.parquet", "de")


def test_parquet_of_numbers_in_lists(tmp_path):
    pq.write_table(pa.table({"text": [[1], [2]]}), tmp_path / "a.parquet")
    with pytest.raises(CorpusError, match='column "text" holds list<.*int64>, not text'):
        corpus(f"file:{tmp_path}/a.parquet", "de")


def test_missing_file_and_folder(tmp_path):
    with pytest.raises(CorpusError, match=r"no\.txt: cannot be read"):
        corpus(f"file:{tmp_path}/no.txt", "de")
    (tmp_path / "folder.txt").mkdir()
    with pytest.raises(CorpusError, match=r"folder\.txt: there is no file of a known format, only nothing"):
        corpus(f"file:{tmp_path}/folder.txt", "de")
