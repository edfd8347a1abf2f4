"""Which languages a study may calibrate in and measure in: whatever its text sources have."""

import json

import pytest
import torch

from calibprune.corpora.windows import windows
from calibprune.errors import ParameterError
from calibprune.metrics.fidelity import perplexity
from calibprune.models.loading import load
from calibprune.study.study import Study


@pytest.fixture(scope="module")
def texts(tmp_path_factory) -> str:
    """A `file:` source in German, in a language outside the table, and in two variants."""
    folder = tmp_path_factory.mktemp("texts")
    for number, language in enumerate(("de", "yo", "pt-PT", "zho_Hans")):
        random = torch.Generator().manual_seed(number)
        letters = torch.randint(0, 6 + 5 * number, (60, 90), generator=random).tolist()
        rows = [{"id": str(i), "text": "".join(chr(97 + letter) for letter in text)} for i, text in enumerate(letters)]
        (folder / f"{language}.jsonl").write_text("\n".join(map(json.dumps, rows)))
    return f"file:{folder}/{{language}}.jsonl"


@pytest.fixture
def study(tiny_checkpoint, texts, tmp_path):
    def make(**changes) -> Study:
        settings = {
            "models": [str(tiny_checkpoint)],
            "methods": ["wanda"],
            "languages": ["de", "yo"],
            "calibration_source": texts,
            "calibration_samples": 2,
            "calibration_length": 16,
            "evaluation_source": [texts],
            "evaluation_samples": 2,
            "evaluation_length": 16,
            "metrics": ["perplexity"],
            "device": "cpu",
            "dtype": "float32",
            "store": str(tmp_path / "results"),
        }
        return Study(**settings | changes)

    return make


def test_calibrated_in_some_and_measured_in_others(study, texts, tiny_checkpoint):
    found = study(evaluation_languages=["pt-PT", "zho_Hans"], calibration_mixtures=["de+pt-PT"]).run(progress=False)
    assert set(found["calibration"]) == {"", "de", "yo", "de+pt-PT"}
    assert set(found["language"]) == {"pt-PT", "zho_Hans"}
    model, tokenizer = load(str(tiny_checkpoint), "cpu", "float32")
    tokens = windows(tokenizer, texts, ["zho_Hans"], 2, 16, split="validation")
    dense = found[(found["method"] == "dense") & (found["language"] == "zho_Hans")]
    assert dense["value"].tolist() == pytest.approx([perplexity(model, tokens)])


def test_they_are_the_same_where_nothing_else_is_said(study):
    same = [cell.id for cell in study(evaluation_languages=["de", "yo"]).cells()]
    assert [cell.id for cell in study().cells()] == same
    others = [cell.id for cell in study(evaluation_languages=["pt-PT"]).cells()]
    assert not set(same) & set(others)


def test_all_languages_that_a_source_lacks_are_named_in_one_line(study, texts):
    with pytest.raises(ParameterError) as caught:
        study(languages=["de", "fr", "yo", "vi"]).cells()
    assert str(caught.value) == f"{texts} has no text in 'fr' or 'vi'; it has de, pt-PT, yo, zho_Hans"
    with pytest.raises(ParameterError, match="no text in 'fr'"):
        study(evaluation_languages=["fr"]).cells()
    with pytest.raises(ParameterError, match="no text in 'fr'"):
        study(calibration_mixtures=["de+fr"]).cells()


def test_the_packaged_text_in_languages_of_the_table_and_beside_it(study):
    found = study(
        languages=["fr", "pt", "vi"],
        evaluation_languages=["fr", "pt-PT", "yor"],
        calibration_source="chromium",
        evaluation_source=["udhr"],
    )
    with pytest.raises(ParameterError, match="udhr has no text in 'pt-PT'"):
        found.cells()
    found = study(
        languages=["fr", "pt", "pt-PT"],
        evaluation_languages=["vi", "am", "yor"],
        calibration_source="chromium",
        evaluation_source=["udhr"],
    ).run(progress=False)
    assert set(found["calibration"]) == {"", "fr", "pt", "pt-PT"}
    assert set(found["language"]) == {"vi", "am", "yor"}
