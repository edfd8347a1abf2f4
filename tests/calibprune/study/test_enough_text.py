"""Parameter files for the packaged model ask for no more text than the packaged sources hold."""

import pytest

from calibbook.checkout import ROOT
from calibprune.errors import CorpusError
from calibprune.study.parameters import Parameters
from calibprune.study.runner import Runner
from calibprune.study.study import Study

HOLDS_ALL = [
    path
    for path in sorted((ROOT / "params").glob("*.yaml"))
    if (asked := Parameters.from_yaml(path)).models == ["gemma3-270m"] and asked.calibration_source == "chromium"
]


@pytest.fixture(scope="module")
def runner():
    with Runner("cpu", None) as runner:
        yield runner


def check(runner: Runner, study: Study) -> None:
    """As a study does before its first cell."""
    cells = study.cells()
    runner.fetch(cells[0])
    runner.check(cells)


def test_the_studies_of_the_book_are_among_them():
    assert {path.stem for path in HOLDS_ALL} >= {"smoke", "quick", "embedded", "published", "atlas", "atlas-smoke"}


@pytest.mark.parametrize("path", HOLDS_ALL, ids=lambda path: path.name)
def test_every_window_and_sentence_is_there(runner, path):
    check(runner, Study.from_yaml(path))


def test_one_window_too_many_is_found(runner):
    with pytest.raises(CorpusError, match="calibration windows of 512 tokens in en, 128 are asked for"):
        check(
            runner,
            Study.from_yaml(
                ROOT / "params" / "published.yaml",
                languages=["en"],
                calibration_length=512,
                calibration_mixtures=[],
                sweep_languages=["en"],
            ),
        )
