"""Text read in pieces: encodings, bounds, lines and what is no text."""

import gzip
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from calibprune.corpora import lines
from calibprune.errors import CorpusError


def read(path, data: bytes) -> list[tuple[int, str]]:
    path.write_bytes(data)
    return list(lines.lines(path))


@given(text=st.text(st.characters(exclude_characters="\0\ufeff", codec="utf-8")), piece=st.integers(3, 9))
def test_pieces_of_any_size_give_the_same_lines(tmp_path_factory, text, piece):
    folder, before = tmp_path_factory.mktemp("lines"), lines.PIECE
    lines.PIECE = piece
    try:
        plain = read(folder / "a.txt", text.encode("utf-8-sig"))
        compressed = read(folder / "a.txt.gz", gzip.compress(text.encode()))
    finally:
        lines.PIECE = before
    expected = list(enumerate(text.removesuffix("\n").split("\n"), 1)) if text else []
    assert plain == compressed == expected


@pytest.mark.parametrize("piece", [1, 2, 5, 100])
def test_the_place_of_what_is_not_utf_8(tmp_path, monkeypatch, piece):
    monkeypatch.setattr(lines, "PIECE", piece)
    with pytest.raises(CorpusError, match="not UTF-8 at byte 5: convert"):
        read(tmp_path / "a.txt", "äö!".encode() + b"\xff" + b"more")
    with pytest.raises(CorpusError, match="not UTF-8 at byte 2: convert"):
        read(tmp_path / "a.txt", b"ab" + "ä".encode()[:1])


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-be", "utf-32"])
def test_other_encodings_are_told_from_their_first_bytes(tmp_path, encoding):
    with pytest.raises(CorpusError, match="UTF-16 or UTF-32, not UTF-8: convert it to UTF-8"):
        read(tmp_path / "a.txt", "\ufeff".encode(encoding) + "abc".encode(encoding))


def test_gzip_without_its_suffix(tmp_path):
    with pytest.raises(CorpusError, match=r"compressed with gzip: let its name end in \.gz"):
        read(tmp_path / "a.txt", gzip.compress(b"text"))


@pytest.mark.parametrize(("characters", "count"), [(b"a", 10**6), (b"\n", 1000), (b"a b\n", 1000)])
def test_what_expands_without_end_is_not_read_to_its_end(tmp_path, monkeypatch, characters, count):
    monkeypatch.setattr(lines, "PIECE", 2**10)
    monkeypatch.setattr(lines, "LARGEST", 2**12)
    monkeypatch.setattr(lines, "MOST", 50)
    (tmp_path / "a.txt.gz").write_bytes(gzip.compress(characters * count))
    bytes_read, data = [], lines._data
    monkeypatch.setattr(lines, "_data", lambda path: (bytes_read.append(len(d)) or d for d in data(path)))
    with pytest.raises(CorpusError, match="more than 4,096 characters or 50 lines: give a part"):
        list(lines.lines(tmp_path / "a.txt.gz"))
    assert sum(bytes_read) <= 2**12 + 2**10


def test_records_skip_blank_lines_and_name_the_others(tmp_path):
    path = tmp_path / "a.jsonl"
    path.write_bytes(b'\xef\xbb\xbf{"a": 1}\r\n\r\n{"a": 2}\r\n')
    assert list(lines.records(path)) == [(f"{path}: line 1", {"a": 1}), (f"{path}: line 3", {"a": 2})]
    for wrong in ("[1]", "null", '{"a": ', "[" * 100_000, '{"a": ' + "9" * 5000 + "}"):
        path.write_text('{"a": 1}\n' + wrong)
        with pytest.raises(CorpusError, match="line 2 is not a JSON object"):
            list(lines.records(path))


def test_other_separators_of_lines_stand_in_a_line(tmp_path):
    path = tmp_path / "a.jsonl"
    path.write_text(json.dumps({"a": "x\u2028y\u0085z"}, ensure_ascii=False), encoding="utf-8")
    assert [record for _, record in lines.records(path)] == [{"a": "x\u2028y\u0085z"}]


@given(st.text(st.characters(codec=None)))
def test_what_utf_8_cannot_write_is_no_text(text):
    assert lines.is_text(text) == (not any("\ud800" <= character <= "\udfff" for character in text))
