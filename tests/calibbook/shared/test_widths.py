"""The width of hidden states, from cell.json."""

import json

import pytest

from calibbook.shared.widths import hidden_widths
from calibprune.errors import StoreError
from calibprune.study.study import Study


@pytest.fixture
def study(tiny_checkpoint, tiny_texts, tmp_path):
    made = Study(
        models=[str(tiny_checkpoint)],
        methods=["wanda"],
        languages=["de"],
        calibration_source=tiny_texts,
        calibration_samples=2,
        calibration_length=32,
        evaluation_source=[tiny_texts],
        evaluation_samples=2,
        evaluation_length=24,
        metrics=["perplexity", "masks"],
        device="cpu",
        dtype="float32",
        store=str(tmp_path / "results"),
    )
    made.run(progress=False)
    return made


def forget(study, cell) -> None:
    path = study.store.folder(cell) / "cell.json"
    path.write_text(
        json.dumps({name: value for name, value in json.loads(path.read_text()).items() if name != "hidden_size"})
    )


def test_a_cell_records_its_models_width(study):
    model = study.parameters.models[0]
    dense, pruned = study.cells()
    assert study.store.provenance(dense)["hidden_size"] == 32
    assert "hidden_size" not in dense.configuration()
    assert hidden_widths(study.store, [dense]) == hidden_widths(study.store, [pruned]) == {model: 32}
    assert "hidden_size" not in study.provenance(), "what was run is told in the words of the study"


def test_a_model_whose_cells_do_not_tell_it_is_left_out(study):
    dense, pruned = study.cells()
    forget(study, pruned)
    assert hidden_widths(study.store, [dense, pruned]) == {study.parameters.models[0]: 32}
    assert hidden_widths(study.store, [pruned]) == {}


def test_a_cell_that_is_not_there(study):
    dense = study.cells()[0]
    (study.store.folder(dense) / "cell.json").unlink()
    with pytest.raises(StoreError, match=r"cell\.json: damaged") as caught:
        hidden_widths(study.store, [dense])
    assert "\n" not in str(caught.value)
