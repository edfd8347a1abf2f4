"""Parameters: every wrong value is one line that names the parameter, the value and what is allowed."""

from enum import Enum, StrEnum
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
import yaml

from calibprune.corpora import names
from calibprune.errors import ParameterError
from calibprune.languages import PAPER_LANGUAGES, mixture
from calibprune.methods import pruners
from calibprune.metrics.registry import METRICS
from calibprune.schemes import Sparsity
from calibprune.study.parameters import Parameters, meanings
from calibprune.study.study import Study

PRUNERS, SOURCES = ", ".join(pruners()), ", ".join(names())


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"models": []}, ["models", "at least one"]),
        ({"models": ["a", "a"]}, ["models", "'a'", "twice"]),
        ({"models": [3]}, ["models", "3"]),
        ({"methods": "no such"}, ["methods", "'no such'", PRUNERS]),
        ({"methods": ["wanda", "wanda"]}, ["methods", "wanda", "twice"]),
        ({"methods": [["wanda"]]}, ["methods", "['wanda']", PRUNERS]),
        ({"languages": ["de", {"en": 1}]}, ["languages", "{'en': 1}", "not a string"]),
        ({"languages": ["de", "f r"]}, ["languages", "'f r'", "no code", "'pt-BR'"]),
        ({"evaluation_languages": ["de", "../x"]}, ["evaluation_languages", "'../x'", "no code"]),
        ({"evaluation_languages": ["de", "de"]}, ["evaluation_languages", "de", "twice"]),
        ({"languages": ["de", "de"]}, ["languages", "de", "twice"]),
        ({"languages": [False]}, ["languages", "False", "in quotes"]),
        ({"languages": None}, ["languages", "None", "not a string"]),
        ({"sparsity": 1}, ["sparsity", "1", "[0, 1)"]),
        ({"sparsity": -0.5}, ["sparsity", "-0.5", "[0, 1)"]),
        ({"sparsity": "half"}, ["sparsity", "'half'", "[0, 1)", "2:4"]),
        ({"sparsity": ["4:2"]}, ["sparsity", "4:2", "0 < n < m"]),
        ({"sparsity": ["2:2"]}, ["sparsity", "2:2", "0 < n < m"]),
        ({"sparsity": [0.5, "0.5"]}, ["sparsity", "0.5", "twice"]),
        ({"calibration_mixtures": ["ar+x,y"]}, ["calibration_mixtures", "'x,y'", "'pt-BR'"]),
        ({"calibration_mixtures": ["ar+ar"]}, ["calibration_mixtures", "'ar+ar'", "twice"]),
        ({"seeds": [-1]}, ["seeds", "-1", "0"]),
        ({"seeds": ["many"]}, ["seeds", "'many'", "integer"]),
        ({"seeds": [0.5]}, ["seeds", "0.5", "integer"]),
        ({"calibration_source": "no such"}, ["calibration_source", "'no such'", SOURCES]),
        ({"evaluation_source": ["chromium", "no such"]}, ["evaluation_source", "'no such'", SOURCES]),
        ({"calibration_samples": 0}, ["calibration_samples", "0", "greater than or equal to 1"]),
        ({"calibration_length": 1}, ["calibration_length", "1", "greater than or equal to 2"]),
        ({"calibration_length": "long"}, ["calibration_length", "'long'", "integer"]),
        ({"calibration_length": None}, ["calibration_length", "None", "integer"]),
        ({"evaluation_samples": -1}, ["evaluation_samples", "-1", "greater than or equal to 1"]),
        ({"evaluation_samples": {"udhr": 2}}, ["evaluation_samples", "'chromium'", "udhr"]),
        ({"evaluation_length": {"chromium": 1}}, ["evaluation_length.chromium", "1", "greater than or equal to 2"]),
        ({"metrics": ["no such"]}, ["metrics", "'no such'", ", ".join(METRICS)]),
        ({"tasks": ["arc"]}, ["tasks", "'arc'"]),
        ({"task_limit": 0}, ["task_limit", "0"]),
        ({"task_limit": {"knowlege": 4}}, ["task_limit", "unknown task family 'knowlege'", "knowledge, facts"]),
        ({"task_limit": {"knowledge_de": 4}}, ["task_limit", "unknown task family 'knowledge_de'"]),
        ({"task_limit": {"facts": 0}}, ["task_limit.facts", "0"]),
        ({"task_limit": {"facts": None}}, ["task_limit.facts", "None is not an integer"]),
        ({"task_limit": {1: 4}}, ["task_limit", "1 is not a string"]),
        ({"calibration_mixtures": "ar"}, ["calibration_mixtures", "'ar'", "single language", "ar+en"]),
        ({"calibration_mixtures": ["ar+en", "ar+en"]}, ["calibration_mixtures", "'ar+en'", "twice"]),
        ({"calibration_mixtures": ["ar+en", "en+ar"]}, ["calibration_mixtures", "'en+ar'", "'ar+en'", "twice"]),
        ({"calibration_mixtures": ["ar+en"], "calibration_samples": 1}, ["calibration_samples", "1", "'ar+en'"]),
        ({"seeds": [True]}, ["seeds", "True", "integer", "YAML"]),
        ({"seeds": np.timedelta64(3, "s")}, ["seeds", "3", "integer"]),
        ({"calibration_samples": 2**70}, ["calibration_samples", "too large"]),
        ({"seeds": ["yes"]}, ["seeds", "'yes'", "integer"]),
        ({"seeds": [0, False]}, ["seeds", "False", "integer"]),
        ({"calibration_samples": True}, ["calibration_samples", "True", "integer"]),
        ({"calibration_samples": np.True_}, ["calibration_samples", "True", "integer"]),
        ({"calibration_samples": "yes"}, ["calibration_samples", "'yes'", "integer"]),
        ({"calibration_samples": 4.0}, ["calibration_samples", "4.0", "integer"]),
        ({"calibration_length": "040"}, ["calibration_length", "'040'", "integer"]),
        ({"bits": [4.0]}, ["bits", "4.0", "integer"]),
        ({"task_limit": "all"}, ["task_limit", "'all'", "integer"]),
        ({"evaluation_samples": True}, ["evaluation_samples", "True", "integer"]),
        ({"evaluation_samples": {"chromium": True}}, ["evaluation_samples.chromium", "True", "integer"]),
        ({"evaluation_samples": {"chromium": 2, "cromium": 3}}, ["evaluation_samples", "'cromium'", SOURCES]),
        ({"evaluation_length": {"chromium": 8, 1: 9}}, ["evaluation_length", "1", "string"]),
        ({"evaluation_samples": {}}, ["evaluation_samples", "'chromium'", "none"]),
        ({"chat_template": 1}, ["chat_template", "1", "true or false"]),
        ({"chat_template": "perhaps"}, ["chat_template", "'perhaps'", "true or false"]),
        ({"sparsity": 124}, ["sparsity", "124", 'write "2:4" in quotes']),
        ({"sweep_sparsity": [0.5, 64]}, ["sweep_sparsity", "64", 'write "1:4" in quotes']),
        ({"sparsity": False}, ["sparsity", "False", "[0, 1)"]),
        ({"sweep_sparsity": [0.7, 0.9999999]}, ["sweep_sparsity", "0.7, 0.9999999", "sweep_languages"]),
        ({"sweep_languages": "de"}, ["sweep_languages", "de", "sweep_sparsity", "sweep_samples"]),
        ({"sweep_samples": [4, 8]}, ["sweep_samples", "4, 8", "sweep_languages"]),
        ({"sweep_samples": 0, "sweep_languages": "de"}, ["sweep_samples", "0"]),
        (
            {"sweep_samples": 4, "sweep_languages": "de", "methods": "magnitude"},
            ["sweep_samples", "magnitude", "uses no text"],
        ),
        ({"models": ""}, ["models", "''", "empty"]),
        ({"models": ["a/b", "a/b/"]}, ["models", "'a/b/'", "'a/b'", "twice"]),
        ({"models": ["a", "./a"]}, ["models", "'./a'", "'a'", "twice"]),
        ({"models": [b"model"]}, ["models", "b'model'", "string"]),
        ({"tasks": None}, ["tasks", "None", "[]"]),
        ({"seeds": ["x" * 1000]}, ["seeds", "xxx", "integer"]),
        ({1: 2}, ["unknown parameter 1", "'sparsity'"]),
        ({None: 2}, ["unknown parameter None", "'sparsity'"]),
        ([("sparsity", 0.5)], ["('sparsity', 0.5)", "names and values"]),
        ({"store": 3}, ["store", "3", "string"]),
        ({"device": ["cpu"]}, ["device", "['cpu']", "string"]),
    ],
)
def test_wrong_values(values, words):
    with pytest.raises(ParameterError) as caught:
        Parameters.of(values)
    message = str(caught.value)
    assert "\n" not in message
    assert len(message) < 400
    for word in words:
        assert word in message, message


class Name(StrEnum):
    METRIC = "perplexity"
    LANGUAGE = "de"
    METHOD = "wanda"
    SOURCE = "chromium"


class OldName(str, Enum):  # noqa: UP042 - whose str() is not its value
    METRIC = "perplexity"
    LANGUAGE = "de"
    METHOD = "wanda"
    SOURCE = "chromium"


@pytest.mark.parametrize("names", [Name, OldName])
def test_members_of_an_enum_are_their_values(names):
    given = {
        "metrics": names.METRIC,
        "languages": names.LANGUAGE,
        "methods": names.METHOD,
        "calibration_source": names.SOURCE,
    }
    found = Parameters.of(given)
    assert (found.metrics, found.languages, found.methods, found.calibration_source) == (
        ["perplexity"],
        ["de"],
        ["wanda"],
        "chromium",
    )
    assert {type(value) for value in (*found.metrics, *found.languages, *found.methods)} == {str}


def test_arrays_tensors_columns_and_paths():
    found = Parameters.of({"seeds": torch.arange(2), "languages": pd.Series(["de", "sw"]), "bits": pd.Index([4, 8])})
    assert (found.seeds, found.languages, found.bits) == ([0, 1], ["de", "sw"], [4, 8])
    found = Parameters.of({"seeds": np.array(3), "sparsity": np.array(0.5), "calibration_samples": np.array(4)})
    assert (found.seeds, found.calibration_samples, [str(value) for value in found.sparsity]) == ([3], 4, ["0.5"])
    found = Parameters.of({"device": torch.device("cpu"), "dtype": torch.float32})
    assert (found.device, found.dtype) == ("cpu", "float32")
    found = Parameters.of({"calibration_source": Path("chromium"), "evaluation_samples": {Path("chromium"): 2}})
    assert (found.calibration_source, found.evaluation_samples) == ("chromium", {"chromium": 2})


@pytest.mark.parametrize(
    ("typo", "right"),
    [
        ("language", "languages"),
        ("sparsities", "sparsity"),
        ("calibration_sample", "calibration_samples"),
        ("Models", "models"),
    ],
)
def test_a_typo_in_a_file_suggests_the_right_name(tmp_path, typo, right):
    path = tmp_path / "study.yaml"
    path.write_text(f"{typo}: [de]\n")
    with pytest.raises(ParameterError) as caught:
        Parameters.from_yaml(path)
    assert str(caught.value) == f"{path}: unknown parameter '{typo}'; did you mean '{right}'?"


def test_a_name_like_no_other_lists_all():
    with pytest.raises(ParameterError) as caught:
        Parameters.of({"xyzzy": 1})
    assert all(name in str(caught.value) for name in Parameters.model_fields)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "holds no parameters"),
        (b"- de\n- en\n", "holds no parameters"),
        (b"sparsity: [0.5\nlanguages: de", "not valid YAML"),
        (b"\xff\xfe\x00binary", "not valid YAML"),
        (b"sparsity: 1.5", "sparsity"),
        (b"seeds: [0]\nsparsity: 0.5\nseeds: [1]", "line 3 gives seeds for the second time; keep one"),
        (b"evaluation_samples: {chromium: 2, chromium: 3}", "line 1 gives chromium for the second time"),
        (b"calibration_length: 040", "line 1: 040 begins with a zero"),
        (b"seeds:\n- 1\n- 08", "line 3: 08 begins with a zero"),
        (b"seeds: [yes]", "seeds: 'yes' is not an integer"),
        (b"calibration_samples: yes", "calibration_samples: 'yes' is not an integer"),
        (b"calibration_length: 1:30", "calibration_length: '1:30' is not an integer"),
        (b"languages: [de, 'n o']", "language 'n o' is no code"),
        (b"%YAML 1.1\n---\nseeds: 1:30", "'%YAML 1.1' asks for another YAML than 1.2; leave that line out"),
        (b"%YAML 1.3\n---\nseeds: 1", "'%YAML 1.3' asks for another YAML than 1.2"),
        (b"seeds: !!bool 7", "not valid YAML"),
        (b"seeds: !!int ''", "not valid YAML"),
        (b"seeds: !!int [1]", "not valid YAML"),
        (b"seeds: 0x" + b"f" * 6000, "seeds: a number of thousands of digits is too large"),
        (b"1: 2", "unknown parameter 1"),
        (b"yes: 2", "unknown parameter 'yes'"),
        (b"true: 2", "unknown parameter True"),
        (b"? [seeds]\n: 2", r"unknown parameter \('seeds',\)"),
        (b"models: 2024-01-01", "models: datetime.date.* is not a string"),
        (b"seeds: &a [*a]", "its aliases stand for more than"),
        (b"---\nseeds: 1\n---\nseeds: 2", "line 3: .*another document"),
        (b"seeds: !!python/name:os.system", "not valid YAML"),
        (b"seeds: " + b"[" * 5000, "not valid YAML"),
    ],
)
def test_files_that_are_no_parameters(tmp_path, content, words):
    path = tmp_path / "study.yaml"
    path.write_bytes(content)
    with pytest.raises(ParameterError, match=words) as caught:
        Parameters.from_yaml(path)
    assert str(caught.value).startswith(f"{path}: ")
    assert "\n" not in str(caught.value)


def test_a_file_that_is_not_there(tmp_path):
    with pytest.raises(ParameterError, match=r"nowhere.yaml: cannot be read \(No such file or directory\); .*params/"):
        Parameters.from_yaml(tmp_path / "nowhere.yaml")
    with pytest.raises(ParameterError, match="cannot be read"):
        Parameters.from_yaml(tmp_path)
    for no_path in (None, 3, b"study.yaml"):
        with pytest.raises(ParameterError, match="is no path"):
            Parameters.from_yaml(no_path)


@pytest.mark.parametrize(
    ("written", "name", "value"),
    [
        ("2:4", "sparsity", [Sparsity(0.5, 2, 4)]),
        ("[2:4, 0.25, 4:8]", "sparsity", [Sparsity(0.5, 2, 4), Sparsity(0.25), Sparsity(0.5, 4, 8)]),
        ("0.33333333", "sparsity", [Sparsity(0.33333333)]),
        (".5", "sparsity", [Sparsity(0.5)]),
        ("1_000", "calibration_length", 1000),
        ("0o50", "calibration_length", 40),
        ("0x100", "calibration_length", 256),
        ('"40"', "calibration_length", 40),
        ("yes", "chat_template", True),
        ("off", "chat_template", False),
        ("true", "chat_template", True),
        ("~", "task_limit", None),
        ("1e3", "models", None),
        ("'1e3'", "models", ["1e3"]),
        ("no", "store", "no"),
    ],
)
def test_what_is_written_in_a_file_is_what_is_meant(tmp_path, written, name, value):
    path = tmp_path / "study.yaml"
    path.write_text(f"{name}: {written}\n")
    if value is None and name != "task_limit":
        with pytest.raises(ParameterError, match=f"{name}: 1000.0 is not a string; put it in quotes"):
            Parameters.from_yaml(path)
    else:
        assert getattr(Parameters.from_yaml(path), name) == value


def test_anchors_and_merges_of_a_file(tmp_path):
    path = tmp_path / "study.yaml"
    path.write_text("languages: &two [de, sw]\nsweep_sparsity: 0.7\nsweep_languages: *two\n")
    assert Parameters.from_yaml(path).sweep_languages == ["de", "sw"]


@pytest.mark.parametrize("share", ["0.9999999", "0.33333333", "0.1", "1e-05", "0.30000000000000004"])
def test_no_digit_of_a_sparsity_is_lost_from_the_file_to_the_cell(tmp_path, share):
    path = tmp_path / "study.yaml"
    path.write_text(f"sparsity: {share}\n")
    (given,) = Parameters.from_yaml(path).sparsity
    assert (given.fraction, str(given)) == (float(share), share)
    (kept,) = Study.from_yaml(path, languages="sw").parameters.sparsity
    assert kept == given


def test_a_single_value_stands_for_a_list_of_one():
    scalars = {
        "models": "gemma3-270m",
        "methods": "wanda",
        "sparsity": 0.6,
        "languages": "sw",
        "calibration_mixtures": "ar+en",
        "seeds": 3,
        "metrics": "snr_db",
    }
    lists = {name: [value] for name, value in scalars.items()}
    assert Parameters.of(scalars | {"evaluation_source": "udhr"}) == Parameters.of(
        lists | {"evaluation_source": ["udhr"]}
    )


@pytest.mark.parametrize(
    ("written", "sparsity"),
    [
        ("0.6", Sparsity(0.6)),
        (0.6, Sparsity(0.6)),
        (0, Sparsity(0.0)),
        ("2:4", Sparsity(0.5, 2, 4)),
        ("0", Sparsity(0.0)),
    ],
)
def test_values_as_a_command_line_or_papermill_gives_them(written, sparsity):
    assert Parameters.of({"sparsity": written}).sparsity == [sparsity]
    assert Parameters.of({"sparsity": [written, 0.25]}).sparsity == [sparsity, Sparsity(0.25)]


def test_values_of_numpy_and_paths_are_as_good_as_pythons_own():
    given = {
        "seeds": np.arange(3),
        "mask_seeds": range(2),
        "calibration_length": np.int32(16),
        "sparsity": [np.float64(0.25), np.float32(0.5), (np.int64(2), np.int64(4))],
        "chat_template": np.False_,
        "evaluation_samples": {"chromium": np.uint8(3)},
        "languages": np.array(["de", "sw"]),
        "models": [Path("models") / "mine"],
        "store": Path("results"),
    }
    checked = Parameters.of(given)
    assert (
        checked.model_dump()
        == Parameters.of(
            {
                "seeds": [0, 1, 2],
                "mask_seeds": [0, 1],
                "calibration_length": 16,
                "sparsity": [0.25, 0.5, "2:4"],
                "chat_template": False,
                "evaluation_samples": {"chromium": 3},
                "languages": ["de", "sw"],
                "models": ["models/mine"],
                "store": "results",
            }
        ).model_dump()
    )
    assert type(checked.calibration_length) is int and type(checked.seeds[0]) is int and type(checked.store) is str


def test_a_sweep_takes_both_of_its_parameters():
    """Of a file with neither languages nor sparsities of a sweep nothing is asked; an empty list says: no sweep."""
    assert Parameters.of({"sweep_sparsity": [], "sweep_languages": ["de"]}).sweep_sparsity == []
    assert Parameters.of({"sweep_sparsity": 0.7, "sweep_languages": "de"}).sweep_languages == ["de"]


def test_a_mixture_needs_windows_only_where_something_is_calibrated():
    few = {"calibration_mixtures": ["ar+en"], "calibration_samples": 1, "methods": "magnitude"}
    assert Parameters.of(few).calibration_mixtures == ["ar+en"]


def test_numbers_as_text():
    checked = Parameters.of({"seeds": ["0", "1"], "calibration_samples": "4", "evaluation_samples": {"chromium": "2"}})
    assert (checked.seeds, checked.calibration_samples, checked.evaluation_samples) == ([0, 1], 4, {"chromium": 2})


def test_the_defaults_are_valid_and_in_the_studys_languages():
    checked = Parameters.of({})
    assert checked == Parameters.of(checked.model_dump())
    assert checked.languages == checked.evaluation_languages == list(PAPER_LANGUAGES)
    assert checked.sparsity == [Sparsity(0.5)]


def test_a_value_for_each_evaluation_source():
    checked = Parameters.of(
        {
            "evaluation_source": ["chromium", "udhr"],
            "evaluation_samples": {"chromium": 6, "udhr": 4},
            "evaluation_length": 64,
        }
    )
    assert [checked.of_evaluation("evaluation_samples", source) for source in checked.evaluation_source] == [6, 4]
    assert [checked.of_evaluation("evaluation_length", source) for source in checked.evaluation_source] == [64, 64]


def test_parameters_survive_a_file(tmp_path):
    checked = Parameters.of(
        {"sparsity": ["2:4", 0.3], "languages": ["de", "sw"], "calibration_mixtures": ["de+sw"], "seeds": [0, 5]}
    )
    path = tmp_path / "study.yaml"
    path.write_text(yaml.safe_dump(checked.model_dump(mode="json")))
    assert Parameters.from_yaml(path) == checked


def test_mixtures():
    assert mixture("de") == ("de",)
    assert mixture("ar+en") == ("ar", "en")
    for bad in ("", "de+", "de,en", "-de", "d e", "../de"):
        with pytest.raises(ParameterError, match="is no code of a language; write one such as 'de'"):
            mixture(bad)


def test_every_parameter_has_a_meaning_and_allowed_values():
    known = meanings()
    assert list(known) == list(Parameters.model_fields)
    assert all(meaning and allowed for meaning, allowed in known.values())
    assert known["bits"][1] == "2 to 8" and "sparsegpt" in known["methods"][1]
    assert known["evaluation_samples"][1] == known["calibration_samples"][1]
