"""mC4 from a local folder laid out like the hub data set; the code path is that of the hub."""

import gzip
import json
import logging

import pytest
from byte_tokenizer import TOKENIZER

from calibprune.corpora import corpus, documents, find_source, fingerprint, hub, mc4, summary
from calibprune.corpora.windows import windows
from calibprune.errors import CorpusError, ParameterError


def shard(folder, name: str, texts: list[str]) -> None:
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    rows = [{"text": text, "timestamp": "2020-01-01T00:00:00Z", "url": "https://example.org"} for text in texts]
    path.write_bytes(gzip.compress("\n".join(json.dumps(row) for row in rows).encode()))


@pytest.fixture
def folder(tmp_path):
    for i in range(2):
        shard(tmp_path, f"multilingual/c4-sw.tfrecord-0000{i}-of-01024.json.gz", [f"hati {i} {j}" for j in range(5)])
    shard(tmp_path, "multilingual/c4-sw-validation.tfrecord-00000-of-00001.json.gz", ["uthibitisho\n\nmbili", " "])
    shard(tmp_path, "en/c4-train.00000-of-01024.json.gz", ["training document"])
    shard(tmp_path, "en/c4-validation.00000-of-00008.json.gz", ["validation document"])
    return tmp_path


def test_splits_are_the_data_sets_own(folder):
    assert corpus(f"mc4:{folder}", "sw") == [f"hati {i} {j}" for i in range(2) for j in range(5)]
    assert corpus(f"mc4:{folder}", "sw", "validation") == ["uthibitisho\n\nmbili"]


def test_english_c4_stands_in_where_mc4_has_none(folder):
    assert corpus(f"mc4:{folder}", "en") == ["training document"]
    assert corpus(f"mc4:{folder}", "en", "validation") == ["validation document"]
    shard(folder, "multilingual/c4-en.tfrecord-00000-of-11264.json.gz", ["mC4 document"])
    assert corpus(f"mc4:{folder}", "en") == ["mC4 document"]


def test_only_as_many_documents_as_the_bound(folder):
    assert list(mc4.stream(str(folder), "sw", "calibration", limit=7)) == corpus(f"mc4:{folder}", "sw")[:7]


def test_documents_are_read_one_after_the_other(folder):
    (folder / "multilingual/c4-sw.tfrecord-00001-of-01024.json.gz").write_bytes(b"damaged")
    texts = documents(f"mc4:{folder}", "sw")
    assert next(texts) == "hati 0 0"
    with pytest.raises(CorpusError, match="cannot be read"):
        list(texts)


def test_missing_folder_and_files(folder):
    with pytest.raises(CorpusError, match="there is no folder"):
        corpus("mc4:/nowhere/at/all", "sw")
    with pytest.raises(ParameterError, match="has no text in 'de' or 'fr'; it has en, sw"):
        fingerprint(f"mc4:{folder}", ["de", "sw", "fr"])
    (folder / "multilingual/c4-sw-validation.tfrecord-00000-of-00001.json.gz").unlink()
    with pytest.raises(CorpusError, match=r"has no multilingual/c4-sw-validation\.\*\.json\.gz: download"):
        corpus(f"mc4:{folder}", "sw", "validation")


def test_a_folder_has_the_languages_of_its_files_by_either_name(folder):
    for code in ("iw", "no", "yo"):
        shard(folder, f"multilingual/c4-{code}.tfrecord-00000-of-01024.json.gz", [f"text in {code}"])
        shard(folder, f"multilingual/c4-{code}-validation.tfrecord-00000-of-00001.json.gz", [f"other in {code}"])
    source = f"mc4:{folder}"
    assert find_source(source).further() == ["en", "he", "nb", "sw", "iw", "no", "yo"]
    assert corpus(source, "he") == corpus(source, "iw") == ["text in iw"]
    assert corpus(source, "nb", "validation") == ["other in no"]
    found = summary(source)
    assert set(found["language"]) == {"en", "he", "nb", "sw", "iw", "no", "yo"}
    assert len(found) == 14


@pytest.mark.parametrize("keep", [20, 60])
def test_shard_cut_short(folder, keep):
    path = folder / "multilingual/c4-sw-validation.tfrecord-00000-of-00001.json.gz"
    path.write_bytes(path.read_bytes()[:keep])
    with pytest.raises(CorpusError, match=r"mc4 .*sw, validation.*: cannot be read") as caught:
        corpus(f"mc4:{folder}", "sw", "validation")
    assert "\n" not in str(caught.value)


def test_no_network(monkeypatch):
    def refuse(*arguments, **options):
        raise OSError("no route")

    monkeypatch.setattr(hub.socket, "create_connection", refuse)
    monkeypatch.setattr(hub.urllib.request, "getproxies", dict)
    for source, split in (("mc4", "calibration"), ("belebele", "validation")):
        with pytest.raises(CorpusError, match=f"cannot be reached: .*, or give a local copy as {source}:FOLDER"):
            corpus(source, "sw", split)


def test_hub_data_set_is_asked_for_by_name_and_revision(monkeypatch):
    asked = {}

    class Rows(list):
        def take(self, limit):
            asked["limit"] = limit
            return self[:limit]

    def load_dataset(path, **options):
        asked.update(path=path, **options)
        return Rows([{"text": "moja"}, {"text": "mbili"}])

    monkeypatch.setattr("datasets.load_dataset", load_dataset)
    monkeypatch.setattr(mc4, "check_network", lambda source: None)
    assert corpus("mc4", "en", "validation") == ["moja", "mbili"]
    assert asked == {
        "path": "allenai/c4",
        "data_files": {"validation": ["multilingual/c4-en-validation.*.json.gz"]},
        "split": "validation",
        "streaming": True,
        "revision": mc4.REVISION,
        "limit": mc4.DOCUMENTS,
    }


@pytest.mark.parametrize("name", ["mc[4]", "a*b?", "~mc4", "~nobody-of-that-name"])
def test_a_folder_of_any_name_with_a_readme_of_other_columns(tmp_path, monkeypatch, name):
    for i in range(2):
        shard(tmp_path / name, f"multilingual/c4-sw.tfrecord-0000{i}-of-01024.json.gz", [f"hati {i}"])
    readme = "---\ndataset_info:\n  features:\n  - name: other\n    dtype: int64\n  splits:\n  - name: train\n---\n"
    (tmp_path / name / "README.md").write_text(readme)
    assert corpus(f"mc4:{tmp_path}/{name}", "sw") == ["hati 0", "hati 1"]
    monkeypatch.chdir(tmp_path)
    assert corpus(f"mc4:{name}", "sw") == ["hati 0", "hati 1"]


def test_a_home_folder(folder, monkeypatch):
    monkeypatch.setenv("HOME", str(folder.parent))
    assert corpus(f"mc4:~/{folder.name}", "en") == ["training document"]


def test_documents_without_text_are_counted(folder, caplog):
    caplog.set_level(logging.INFO, "calibprune")
    shard(folder, "multilingual/c4-sw.tfrecord-00002-of-01024.json.gz", [None, "hati ya mwisho", " "])
    assert corpus(f"mc4:{folder}", "sw")[10:] == ["hati ya mwisho"]
    fingerprint(f"mc4:{folder}", ["sw"])
    assert [record.getMessage() for record in caplog.records] == [
        f"mc4:{folder}, sw, calibration: 13 texts read from 3 files, 11 kept; left out: 2 without text",
        f"mc4:{folder}, sw, validation: 2 texts read, 1 kept; left out: 1 without text",
    ]


@pytest.mark.parametrize(
    ("line", "words"),
    [
        (b'{"text": "half \\ud83d"}', "line 1: its text holds half of a surrogate pair"),
        (b'{"url": "x"}', 'line 1 has no field "text" with a string'),
        (b'{"text": 5}', 'line 1 has no field "text" with a string'),
        (b"[]", "line 1 is not a JSON object"),
        (b"\xff", "not UTF-8 at byte 0"),
    ],
)
def test_a_line_that_is_no_document(folder, line, words):
    path = folder / "multilingual/c4-sw.tfrecord-00000-of-01024.json.gz"
    path.write_bytes(gzip.compress(line))
    for ask in (lambda: corpus(f"mc4:{folder}", "sw"), lambda: fingerprint(f"mc4:{folder}", ["sw"])):
        with pytest.raises(CorpusError) as caught:
            ask()
        assert str(path) in str(caught.value)
        assert words in str(caught.value)
        assert "\n" not in str(caught.value)


def test_a_file_in_the_place_of_a_folder(folder):
    (folder / "file").write_text("")
    with pytest.raises(CorpusError, match="there is no folder"):
        corpus(f"mc4:{folder}/file", "sw")


def test_fingerprint_follows_the_text_to_its_end(folder):
    name, text = "multilingual/c4-sw.tfrecord-00001-of-01024.json.gz", "".join(map(chr, range(97, 123))) * 50_000
    seen = set()
    for last in "xy":
        shard(folder, name, [text + last])
        seen.add(fingerprint(f"mc4:{folder}", ["sw"]))
    assert len(seen) == 2


def test_fingerprint_follows_the_files(folder):
    before = fingerprint(f"mc4:{folder}", ["sw"])
    assert before == fingerprint(f"mc4:{folder}", ["sw"]) != fingerprint("mc4", ["sw"])
    shard(folder, "multilingual/c4-sw.tfrecord-00001-of-01024.json.gz", ["maneno mengine"])
    assert fingerprint(f"mc4:{folder}", ["sw"]) != before
    assert fingerprint("mc4", ["sw"]) != fingerprint("mc4", ["de"])


def test_windows_of_one_split_need_no_files_of_the_other(tmp_path):
    shard(tmp_path, "multilingual/c4-de.tfrecord-00000-of-02048.json.gz", ["langer Text " * 50, "kurz", "kurz"])
    drawn = windows(TOKENIZER, f"mc4:{tmp_path}", ["de"], samples=5, length=101)
    assert drawn.shape == (5, 101)
    with pytest.raises(CorpusError, match="download the validation files of de"):
        windows(TOKENIZER, f"mc4:{tmp_path}", ["de"], samples=1, length=101, split="validation")
