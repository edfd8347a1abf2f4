"""Parameters: every wrong value is one line that names the parameter, the value and what is allowed."""

import pytest
import yaml

from calibprune.corpora import names
from calibprune.errors import ParameterError
from calibprune.languages import LANGUAGES, mixture
from calibprune.methods import pruners
from calibprune.metrics.registry import METRICS
from calibprune.schemes import Sparsity
from calibprune.study.parameters import Parameters

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
        ({"languages": ["de", {"en": 1}]}, ["languages", "{'en': 1}", "ar, de, en"]),
        ({"languages": ["de", "fr"]}, ["languages", "'fr'", "ar, de, en, es, ru, sw, zh"]),
        ({"languages": ["de", "de"]}, ["languages", "de", "twice"]),
        ({"languages": [False]}, ["languages", "False", "ar, de, en"]),
        ({"languages": None}, ["languages", "None", "ar, de, en"]),
        ({"sparsity": 1}, ["sparsity", "1", "[0, 1)"]),
        ({"sparsity": -0.5}, ["sparsity", "-0.5", "[0, 1)"]),
        ({"sparsity": "half"}, ["sparsity", "'half'", "[0, 1)", "2:4"]),
        ({"sparsity": ["4:2"]}, ["sparsity", "4:2", "0 < n < m"]),
        ({"sparsity": ["2:2"]}, ["sparsity", "2:2", "0 < n < m"]),
        ({"sparsity": [0.5, "0.5"]}, ["sparsity", "0.5", "twice"]),
        ({"calibration_mixtures": ["ar+xx"]}, ["calibration_mixtures", "'xx'", "ar, de"]),
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


def test_numbers_as_text():
    checked = Parameters.of({"seeds": ["0", "1"], "calibration_samples": "4", "evaluation_samples": {"chromium": "2"}})
    assert (checked.seeds, checked.calibration_samples, checked.evaluation_samples) == ([0, 1], 4, {"chromium": 2})


def test_the_defaults_are_valid_and_in_the_studys_languages():
    checked = Parameters.of({})
    assert checked == Parameters.of(checked.model_dump())
    assert checked.languages == list(LANGUAGES)
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
    for bad in ("", "de+", "de,en", "DE"):
        with pytest.raises(ParameterError, match=r"unknown language .*choose one of ar, de"):
            mixture(bad)
