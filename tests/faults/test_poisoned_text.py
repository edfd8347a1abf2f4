"""Parameter files and texts of a stranger who means harm: no tag of YAML runs anything, and what expands without end is
one line.
"""

import gzip
import itertools
import json
from pathlib import Path

import pyarrow
import pytest
from children import refused
from lying_parquet import claim_rows
from pyarrow import parquet

from calibprune.corpora import corpus, lines
from calibprune.errors import ParameterError
from calibprune.study.parameter_files import MOST
from calibprune.study.parameters import Parameters
from calibprune.tasks.paper import mirror


@pytest.mark.parametrize(
    "text",
    [
        "seeds: !!python/object/apply:os.system ['touch {}']",
        "!!python/object/new:os.system ['touch {}']",
        "? !!python/object/apply:os.system ['touch {}']\n: 1",
        "seeds: !!python/object/apply:subprocess.run [[touch, '{}']]",
        "store: !!python/name:os.system",
        "store: !!python/module:os",
        "store: !own {}",
        "%TAG ! tag:yaml.org,2002:python/\n---\nstore: !object/apply:os.system ['touch {}']",
    ],
)
def test_a_tag_of_yaml_runs_nothing(tmp_path, text):
    (tmp_path / "study.yaml").write_text(text.replace("{}", str(tmp_path / "was here")))
    with pytest.raises(ParameterError) as caught:
        Parameters.from_yaml(tmp_path / "study.yaml")
    assert str(tmp_path / "study.yaml") in str(caught.value) and "\n" not in str(caught.value)
    assert not (tmp_path / "was here").exists()


@pytest.mark.parametrize("kind", ["lists", "mappings"])
def test_aliases_of_aliases(tmp_path, kind):
    """Ten short lines, which stand for billions of values."""
    begin, end = "[]" if kind == "lists" else "{}"

    def line(name: str, value: str) -> str:
        values = [value if kind == "lists" else f"k{number}: {value}" for number in range(9)]
        return f"{name}: &{name} {begin}{', '.join(values)}{end}\n"

    names = ["seeds", *"abcdefghi", "languages"]
    text = line(names[0], "x") + "".join(line(b, f"*{a}") for a, b in itertools.pairwise(names))
    (tmp_path / "study.yaml").write_text(text)
    with pytest.raises(ParameterError) as caught:
        Parameters.from_yaml(tmp_path / "study.yaml")
    assert f"stand for more than {MOST:,} values" in str(caught.value) and "\n" not in str(caught.value)
    (tmp_path / "study.yaml").write_text("seeds: &a [*a]")
    with pytest.raises(ParameterError) as caught:
        Parameters.from_yaml(tmp_path / "study.yaml")
    assert "\n" not in str(caught.value)


def test_aliases_are_fine(tmp_path):
    (tmp_path / "study.yaml").write_text("languages: &paper [de, sw]\nevaluation_languages: *paper")
    assert Parameters.from_yaml(tmp_path / "study.yaml").evaluation_languages == ["de", "sw"]


@pytest.fixture
def expanding(monkeypatch) -> bytes:
    """A few hundred kilobytes that expand to a hundred times what is read of a file."""
    monkeypatch.setattr(lines, "LARGEST", 2**21)
    return gzip.compress(b"x" * 2**20, 9) * 200


@pytest.mark.parametrize("name", ["a.txt.gz", "a.jsonl.gz"])
def test_a_compressed_text_that_expands_without_end(tmp_path, expanding, name):
    (tmp_path / name).write_bytes(expanding)
    refused(lambda: corpus(f"file:{tmp_path / name}", "de"), tmp_path / name, "more than 2,097,152 characters")


def test_a_compressed_line_of_a_mirror_that_expands_without_end(tmp_path, expanding):
    (tmp_path / "belebele").mkdir()
    path = tmp_path / "belebele" / "de.jsonl.gz"
    path.write_bytes(expanding)
    refused(lambda: mirror.documents("belebele", "de", tmp_path), path, "more than 2,097,152 characters")


def test_a_compressed_text_of_the_hubs_layout_that_expands_without_end(tmp_path, expanding):
    (tmp_path / "multilingual").mkdir()
    path = tmp_path / "multilingual" / "c4-de.tfrecord-00000-of-01024.json.gz"
    path.write_bytes(expanding)
    refused(lambda: corpus(f"mc4:{tmp_path}", "de"), path, "more than 2,097,152 characters")


def test_a_long_text_that_a_table_names_many_times(tmp_path):
    path = tmp_path / "a.parquet"
    texts = pyarrow.DictionaryArray.from_arrays(pyarrow.array([0] * 5000, pyarrow.int32()), ["x" * 10**7])
    parquet.write_table(pyarrow.table({"text": texts}), path)
    assert path.stat().st_size < 10**7
    refused(lambda: corpus(f"file:{path}", "de"), path, "more than")


def test_a_table_that_claims_a_billion_rows(tmp_path):
    path = tmp_path / "a.parquet"
    parquet.write_table(pyarrow.table({"text": [f"text {number}" for number in range(20_011)]}), path)
    claim_rows(path, 20_011, 10**9)
    refused(lambda: corpus(f"file:{path}", "de"), path)


def test_numbers_of_any_length(tmp_path):
    path = tmp_path / "a.jsonl"
    path.write_text(json.dumps({"text": "a", "id": "0"}) + '\n{"text": "b", "id": ' + "9" * 10**6 + "}\n")
    refused(lambda: corpus(f"file:{path}", "de"), Path(path), "line 2")
