"""Files of the user's own: every format, its faults, languages and splits."""

import gzip
import json
import logging
import os

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from calibprune.corpora import corpus, find_source, fingerprint, lines
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
    if path.suffix == ".parquet":
        pq.write_table(pa.table({"text": texts, **columns}), path)
    elif ".jsonl" in path.name:
        rows = zip(texts, *columns.values(), strict=True)
        data = "\n".join(json.dumps(dict(zip(("text", *columns), row, strict=True))) for row in rows).encode()
        path.write_bytes(gzip.compress(data) if path.suffix == ".gz" else data)
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
    with pytest.raises(ParameterError, match="no text in 'en' or 'vi'; it has de, fr"):
        fingerprint(source, ["en", "de", "vi"])
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
    before = fingerprint(source, ["de"])
    assert fingerprint(source, ["de"]) == before
    write(tmp_path / "a.txt", [*TEXTS, "Noch ein Satz"])
    assert "Noch ein Satz" in corpus(source, "de")
    assert fingerprint(source, ["de"]) != before


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
    "half.jsonl": (b'{"text": "whole"}\n{"text": "half \\ud83d"}', "line 2: its text holds half of a surrogate pair"),
    "nulls.jsonl": (b'{"text": null}\n{"text": null}', "there is no text in it"),
    "utf16.txt": ("größer".encode("utf-16"), "UTF-16 or UTF-32, not UTF-8"),
    "packed.txt": (gzip.compress(b"some text"), "compressed with gzip: let its name end in .gz"),
    "deep.jsonl": (b"[" * 100_000, "line 1 is not a JSON object"),
    "array.json": (b'[{"text": "a"}]', "line 1 is not a JSON object"),
    "items.txt": (
        "\n".join(f"Item {i}" for i in range(9)).encode(),
        "9 texts read, 1 kept (left out: 8 the same as another but for case, digits and punctuation), too few",
    ),
    "a.pdf": (b"%PDF", "no file of a known format, only a.pdf: use .txt, .jsonl"),
    "a.parquet.gz": (gzip.compress(b"x"), "no file of a known format"),
}


@pytest.mark.parametrize("name", FAULTS)
def test_faults_are_one_line_with_the_path(tmp_path, name):
    data, words = FAULTS[name]
    (tmp_path / name).write_bytes(data)
    with pytest.raises(CorpusError) as caught:
        corpus(f"file:{tmp_path / name}", "de")
    assert str(caught.value).removeprefix("file:").startswith(str(tmp_path / name))
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
    with pytest.raises(CorpusError, match=r"folder\.txt: no file of a known format, only nothing"):
        corpus(f"file:{tmp_path}/folder.txt", "de")


def test_paths_that_no_file_can_have(tmp_path):
    os.mkfifo(tmp_path / "pipe.txt")
    for path, words in {
        "~nobody-of-that-name/a.txt": "the home folder that ~nobody-of-that-name stands for",
        "a\0b.txt": "holds a zero byte",
        "x" * 300 + ".txt": "File name too long",
        f"{tmp_path}/pipe.txt": "not a file that can be read twice",
        f"{tmp_path}/a.txt/b.txt": "cannot be read (No such file or directory)",
        f"{tmp_path}/{{lang}}.txt": "{lang} stands for nothing; the placeholders are {language} and {split}",
        f"{tmp_path}/*.txt.gz": "there is no such file: check the path",
        f"{tmp_path}/no.thing": "cannot be read (No such file or directory)",
    }.items():
        with pytest.raises(CorpusError) as caught:
            corpus(f"file:{path}", "de")
        assert words in str(caught.value)
        assert "\n" not in str(caught.value)


def test_a_name_that_utf_8_cannot_write():
    with pytest.raises(ParameterError, match="unknown text source"):
        corpus("file:\udcff.txt", "de")


@pytest.fixture
def spark(tmp_path):
    """A folder as Spark writes it: parts, of which one is empty, checksums and marks."""
    folder = tmp_path / "x.parquet"
    folder.mkdir()
    for i, texts in enumerate((TEXTS[:3], [], TEXTS[3:])):
        write(folder / f"part-0000{i}-6f2b-c000.snappy.parquet", pa.array(texts, pa.string()))
        (folder / f".part-0000{i}-6f2b-c000.snappy.parquet.crc").write_bytes(b"crc")
    for mark in ("_SUCCESS", "._SUCCESS.crc"):
        (folder / mark).write_bytes(b"")
    return folder


def test_a_folder_of_spark_is_its_parts_one_after_the_other(spark, tmp_path):
    whole = write(tmp_path / "whole.parquet")
    for source in (f"file:{spark}", f"file:{spark}/", f"file:{spark}/*.parquet", f"file:{tmp_path}/x*"):
        assert both(source) == both(whole)


def test_parts_without_a_suffix_have_the_format_of_their_folder(tmp_path):
    (tmp_path / "x.txt").mkdir()
    write(tmp_path / "x.txt" / "part-0.txt", TEXTS[:5])
    (tmp_path / "x.txt" / "part-0.txt").rename(tmp_path / "x.txt" / "part-00000")
    (tmp_path / "x.txt" / "part-00001.gz").write_bytes(gzip.compress("\n".join(TEXTS[5:]).encode()))
    assert both(f"file:{tmp_path}/x.txt") == both(write(tmp_path / "whole.txt"))


def test_a_folder_of_datasets_is_its_data_without_the_descriptions(tmp_path):
    folder = tmp_path / "set"
    (folder / "data").mkdir(parents=True)
    write(folder / "data" / "train-00000-of-00002.parquet", TEXTS[:5])
    write(folder / "data" / "train-00001-of-00002.parquet", TEXTS[5:])
    (folder / "README.md").write_text("---\ndataset_info:\n  features:\n  - name: other\n    dtype: int64\n---\n")
    (folder / "dataset_info.json").write_text('{\n  "features": {}\n}')
    whole = write(tmp_path / "whole.parquet")
    (folder / "images").mkdir()
    for source in (f"file:{folder}", f"file:{folder}/*", f"file:{folder}/**/train-*", f"file:{tmp_path}/s*"):
        assert both(source) == both(whole)


def test_several_files_for_one_language(tmp_path):
    for language in ("de", "sw"):
        for i in range(2):
            write(
                tmp_path / f"{language}-0000{i}-of-00002.jsonl", [f"{language} {t}" for t in TEXTS[5 * i : 5 * i + 5]]
            )
    source = f"file:{tmp_path}/{{language}}-*.jsonl"
    assert find_source(source).languages == ("de", "sw")
    for language in ("de", "sw"):
        assert both(source, language) == both(
            write(tmp_path / f"{language}.whole.jsonl", [f"{language} {text}" for text in TEXTS]), language
        )


def test_files_of_several_formats_or_without_a_column_are_not_mixed(tmp_path):
    write(tmp_path / "a.txt")
    write(tmp_path / "b.jsonl")
    with pytest.raises(CorpusError, match=r"formats \.jsonl and \.txt: choose one with a wildcard, \*\.jsonl"):
        corpus(f"file:{tmp_path}", "de")
    write(tmp_path / "a.parquet")
    pq.write_table(pa.table({"body": TEXTS}), tmp_path / "b.parquet")
    with pytest.raises(CorpusError, match=r'b\.parquet: it has no column "text", only body'):
        corpus(f"file:{tmp_path}/*.parquet", "de")


def test_a_folder_without_text(tmp_path):
    write(tmp_path / "data-00000-of-00001.arrow")
    (tmp_path / "dataset_info.json").write_text("{}")
    with pytest.raises(CorpusError, match=r"no file of a known format, only data-00000-of-00001\.arrow, dataset_info"):
        corpus(f"file:{tmp_path}", "de")


def test_a_missing_split_is_named(tmp_path):
    write(tmp_path / "de.calibration.txt")
    with pytest.raises(CorpusError, match=r", de: there is no such file with validation texts"):
        corpus(f"file:{tmp_path}/{{language}}.{{split}}.txt", "de")


def test_the_fingerprint_follows_every_file_and_the_places_of_the_texts(tmp_path):
    for i in range(3):
        write(tmp_path / f"{i}.txt", TEXTS[3 * i : 3 * i + 3])
    seen = {fingerprint(f"file:{tmp_path}", ["de"])}
    write(tmp_path / "2.txt", [*TEXTS[6:8], "Ein anderer Satz"])
    seen.add(fingerprint(f"file:{tmp_path}", ["de"]))
    write(tmp_path / "3.txt", ["Noch ein Satz"])
    seen.add(fingerprint(f"file:{tmp_path}", ["de"]))
    (tmp_path / "1.txt").unlink()
    seen.add(fingerprint(f"file:{tmp_path}", ["de"]))
    assert len(seen) == 4


def test_a_text_that_moves_to_the_other_split_or_language_changes_the_fingerprint(tmp_path):
    seen = set()
    for cut in (4, 5):
        write(tmp_path / "de.calibration.txt", TEXTS[:cut])
        write(tmp_path / "de.validation.txt", TEXTS[cut:])
        seen.add(fingerprint(f"file:{tmp_path}/{{language}}.{{split}}.txt"))
    for old, new in (
        (tmp_path / f"de.{split}.txt", tmp_path / f"sw.{split}.txt") for split in ("calibration", "validation")
    ):
        old.rename(new)
    seen.add(fingerprint(f"file:{tmp_path}/{{language}}.{{split}}.txt"))
    assert len(seen) == 3


def test_one_text_does_not_stand_for_several_languages(tmp_path):
    source = write(tmp_path / "a.txt")
    assert fingerprint(source, ["de"])
    with pytest.raises(ParameterError, match=r"one text for de and sw: write \{language\} where its path names"):
        fingerprint(source, ["de", "sw"])


@pytest.mark.parametrize("ids", [[0] * 10, ["x"] * 10])
def test_ids_that_are_all_equal_are_named(tmp_path, ids):
    with pytest.raises(CorpusError, match=f"all its 10 different texts have the same id, '{ids[0]}': give each"):
        corpus(write(tmp_path / "a.jsonl", id=ids), "de")


def test_ids_that_fall_into_one_split_are_named(tmp_path):
    with pytest.raises(CorpusError, match="have one of 2 ids, which fall into one split: give each"):
        corpus(write(tmp_path / "a.jsonl", id=[1, 3] * 5), "de")


@pytest.mark.parametrize("ids", [[None] * 10, [""] * 10, [float("nan")] * 10])
def test_ids_that_say_nothing_are_none(tmp_path, ids):
    assert both(write(tmp_path / "a.jsonl", id=ids)) == both(write(tmp_path / "b.jsonl"))


def test_ids_are_the_same_in_every_format(tmp_path):
    texts = ["erster", *TEXTS]  # the first without an id, which makes the column one of fractions in pandas
    ids = [None, *range(10)]
    numbers = both(write(tmp_path / "a.jsonl", texts, id=ids))
    assert numbers == both(write(tmp_path / "b.jsonl", texts, id=[None if i is None else str(i) for i in ids]))
    assert numbers == both(write(tmp_path / "c.parquet", texts, id=pa.array(ids, pa.float64())))


@pytest.mark.parametrize("name", ["{}.jsonl", "{}.parquet"])
def test_an_empty_text_keeps_the_places_of_the_others(tmp_path, name):
    """German lacks its third text: what stands beside it in Swahili must not come into the other split."""
    for language, missing in (("de", None), ("sw", "")):
        texts = [f"{language} {text}" for text in TEXTS]
        write(tmp_path / name.format(language), [*texts[:2], missing, *texts[3:]])
    write(tmp_path / name.format("en"), [f"en {text}" for text in TEXTS])
    source = f"file:{tmp_path}/{name.format('{language}')}"
    assert [text[3:] for text in both(source, "de")[1]] == [TEXTS[4], TEXTS[9]]
    assert [text[3:] for text in both(source, "sw")[1]] == [text[3:] for text in both(source, "en")[1]]


PARQUET_TEXT = {
    "large": pa.array(TEXTS, pa.large_string()),
    "bytes": pa.array([text.encode() for text in TEXTS], pa.binary()),
    "dictionary": pa.array(TEXTS).dictionary_encode(),
}


@pytest.mark.parametrize("kind", PARQUET_TEXT)
def test_parquet_text_of_every_type(tmp_path, kind):
    assert both(write(tmp_path / "a.parquet", PARQUET_TEXT[kind])) == both(write(tmp_path / "b.parquet"))


@pytest.mark.parametrize(
    ("values", "words"),
    [
        (pa.array(range(9)), "holds int64, not text"),
        (pa.array([{"a": 1}]), "not text"),
        (pa.array([b"\xff\xfe"], pa.binary()), "not a usable Parquet file"),
        (
            pa.Array.from_buffers(pa.string(), 1, pa.array([b"\xed\xa0\x80"], pa.binary()).buffers()),
            "holds text that is not UTF-8",
        ),
        (pa.nulls(5), "there is no text in it"),
    ],
)
def test_parquet_columns_that_hold_no_text(tmp_path, values, words):
    with pytest.raises(CorpusError) as caught:
        corpus(write(tmp_path / "a.parquet", values), "de")
    assert words in str(caught.value)


@settings(deadline=None)
@given(place=st.integers(0, 600), bit=st.integers(0, 7))
def test_a_damaged_parquet_file_is_read_or_refused(tmp_path_factory, place, bit):
    path = tmp_path_factory.mktemp("damaged") / "a.parquet"
    source = write(path, id=list(range(10)))
    data = bytearray(path.read_bytes())
    data[place % len(data)] ^= 1 << bit
    path.write_bytes(data)
    try:
        corpus(source, "de")
    except CorpusError as failure:
        assert str(failure).startswith(str(path))
        assert "\n" not in str(failure)


def test_one_line_says_what_was_read_and_kept_and_why_the_rest_was_not(tmp_path, caplog):
    caplog.set_level(logging.INFO, "calibprune")
    write(tmp_path / "de-1.jsonl", TEXTS)
    write(tmp_path / "de-2.jsonl", [None, TEXTS[0].upper() + " 7!", " ", "Ein Satz mehr"])
    source = f"file:{tmp_path}/{{language}}-*.jsonl"
    both(source)
    fingerprint(source)
    (record,) = caplog.records
    assert record.levelno == logging.WARNING  # shown also where nobody set up a log
    assert record.getMessage() == (
        f"{source}, de: 14 texts read from 2 files, 11 kept (9 for calibration, 2 for validation); "
        "left out: 2 without text, 1 the same as another but for case, digits and punctuation"
    )
    write(tmp_path / "sw-1.jsonl")
    both(source, "sw")
    assert caplog.records[-1].levelno == logging.INFO
    assert caplog.records[-1].getMessage() == (
        f"{source}, sw: 10 texts read, 10 kept (8 for calibration, 2 for validation)"
    )


def test_more_text_than_a_study_draws_from(tmp_path, monkeypatch):
    for i in range(3):
        write(tmp_path / f"{i}.parquet", [f"{i} {text}" for text in TEXTS])
    for name, most in (("LARGEST", 500), ("MOST", 25)):
        with monkeypatch.context() as patched:
            patched.setattr(lines, name, most)
            with pytest.raises(CorpusError, match="more than .* give a part of it"):
                corpus(f"file:{tmp_path}/*.parquet", "de")
    assert len(corpus(f"file:{tmp_path}/*.parquet", "de")) == 8
