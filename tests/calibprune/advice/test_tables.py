"""Tables of predicted losses: written whole, shortened, and refused where they are none."""

import csv

import pytest
import torch

from calibprune.advice.prediction import Advice
from calibprune.advice.tables import COLUMNS, check_table, shorten_table, whole_models, write_table
from calibprune.errors import ParameterError, StoreError
from calibprune.schemes import Sparsity

MATRICES = ("layers.0.mlp.up_proj", "layers.1.mlp.up_proj")


@pytest.fixture
def written(tmp_path):
    losses = torch.arange(8, dtype=torch.float64).reshape(2, 2, 2) / 7
    advice = Advice(("de", "de+sw"), ("sw", "fr"), "wanda", Sparsity.of(0.5), False, MATRICES, losses, 100, 1.0)
    write_table(advice, tmp_path / "wanda.csv")
    return advice, tmp_path / "wanda.csv"


def rows(path) -> list[dict]:
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def test_a_shortened_table_has_the_means_over_matrices(written, tmp_path):
    advice, path = written
    shorten_table(path, tmp_path / "short.csv")
    assert len(rows(path)) == 4 * (1 + len(MATRICES))
    short = rows(tmp_path / "short.csv")
    assert short == list(whole_models(path)) and len(short) == 4
    found = {(row["calibration"], row["language"]): float(row["value"]) for row in short}
    for a, calibration in enumerate(advice.candidates):
        for b, language in enumerate(advice.targets):
            assert found[calibration, language] == advice.by_matrix[a, b].mean().item()
    assert {(row["method"], row["sparsity"]) for row in short} == {("wanda", "0.5")}
    assert tuple(short[0]) == COLUMNS
    shorten_table(tmp_path / "short.csv", tmp_path / "again.csv")
    assert (tmp_path / "again.csv").read_bytes() == (tmp_path / "short.csv").read_bytes()


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (lambda text: text.replace("method,", "way,", 1), "its columns are not"),
        (lambda text: "", "its columns are not"),
        (lambda text: text + "wanda,0.5,de\n", "has not as many values"),
        (lambda text: text + "wanda,0.5,de,fr,,,1,2\n", "has not as many values"),
        (lambda text: text + "wanda,0.5,de,fr,,,much\n", "could not convert"),
        (lambda text: text + "wanda,0.5,de,fr,,,nan\n", "has no value"),
    ],
)
def test_what_is_no_table_is_one_line_and_leaves_nothing(written, tmp_path, spoil, said):
    _, path = written
    path.write_text(spoil(path.read_text(encoding="utf-8")), encoding="utf-8")
    with pytest.raises(StoreError, match=said) as error:
        shorten_table(path, tmp_path / "short.csv")
    assert str(path) in str(error.value) and "\n" not in str(error.value)
    assert sorted(one.name for one in tmp_path.iterdir()) == ["wanda.csv"]


def test_bytes_that_are_no_text_are_refused(written):
    _, path = written
    path.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(StoreError, match="is no table"):
        list(whole_models(path))


def test_a_table_has_a_folder(tmp_path):
    assert check_table(tmp_path / "a.csv") == tmp_path / "a.csv"
    for path in (tmp_path, tmp_path / "none" / "a.csv"):
        with pytest.raises(ParameterError, match="a folder that exists"):
            check_table(path)
