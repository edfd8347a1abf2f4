"""mC4 from a local folder laid out like the hub data set; the code path is that of the hub."""

import gzip
import json

import pytest
from byte_tokenizer import TOKENIZER

from calibprune.corpora import corpus, documents, fingerprint, mc4
from calibprune.corpora.windows import windows
from calibprune.errors import CorpusError


def shard(folder, name: str, texts: list[str]) -> None:
    path = folder / name
    path.parent.mkdir(exist_ok=True)
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
    with pytest.raises(CorpusError, match=r"has no multilingual/c4-de\.\*\.json\.gz: download"):
        corpus(f"mc4:{folder}", "de")


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

    monkeypatch.setattr(mc4.socket, "create_connection", refuse)
    monkeypatch.setattr(mc4.urllib.request, "getproxies", dict)
    with pytest.raises(CorpusError, match="cannot be reached: check the network, or give a local copy as mc4:FOLDER"):
        corpus("mc4", "sw")


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
    monkeypatch.setattr(mc4, "_check_network", lambda: None)
    assert corpus("mc4", "en", "validation") == ["moja", "mbili"]
    assert asked == {
        "path": "allenai/c4",
        "data_files": {"validation": ["multilingual/c4-en-validation.*.json.gz"]},
        "split": "validation",
        "streaming": True,
        "revision": mc4.REVISION,
        "limit": mc4.DOCUMENTS,
    }


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
