"""A metric and a text source are one file and one line: written here, they go through a study into its tables."""

import pytest
import torch

import calibprune as cp
from calibbook.s04_1_pruning_results.claims import section_4_1
from calibbook.s04_1_pruning_results.figures import fidelity_heatmap
from calibbook.s04_1_pruning_results.tables import fidelity_table
from calibbook.shared.frames import measured, sources
from calibprune import corpora
from calibprune.corpora.base import Source, digest
from calibprune.errors import ParameterError
from calibprune.metrics import registry
from calibprune.metrics.base import Metric, Reading
from calibprune.study.study import Study

WORST = Metric(
    "worst_snr_db",
    "Signal-to-noise ratio of the worst layer",
    unit="dB",
    lower_is_better=False,
    read=lambda found: Reading(min(found.snr_db), found.tokens),
)


def sums(dense: torch.Tensor, pruned: torch.Tensor) -> torch.Tensor:
    return torch.stack([(dense - pruned).abs().double().sum(), torch.tensor(float(dense.numel()))])


def read(found) -> Reading:
    layers = (found.sums["absolute_error"][:, 0] / found.sums["absolute_error"][:, 1]).tolist()
    return Reading(sum(layers) / len(layers), found.tokens, layers=layers)


ABSOLUTE = Metric("absolute_error", "Mean absolute error", read=read, sums=sums)

LANGUAGES = {"de": "Hund Katze Maus", "sw": "mbwa paka panya"}


def rhymes(where: str = "") -> Source:
    def documents(language: str, split: str) -> list[str]:
        words = LANGUAGES[language].split()
        return [f"{split} {where} " + " ".join(words[(i + j) % 3] for j in range(4)) + "!" * i for i in range(60)]

    return Source(tuple(LANGUAGES), documents, lambda languages: digest("rhymes", where, *languages))


@pytest.fixture
def registered(monkeypatch):
    for metric in (WORST, ABSOLUTE):
        monkeypatch.setitem(registry.ON_TEXT, metric.name, metric)
    monkeypatch.setitem(corpora.SOURCES, "rhymes", corpora.Kind(rhymes, place="MOOD"))


def study(checkpoint, store) -> Study:
    return Study(
        models=[str(checkpoint)],
        methods=["wanda"],
        languages=["de", "sw"],
        calibration_source="rhymes:merry",
        calibration_samples=3,
        calibration_length=32,
        evaluation_source=["rhymes"],
        evaluation_samples=3,
        evaluation_length=24,
        metrics=["perplexity", "absolute_error", "worst_snr_db"],
        device="cpu",
        dtype="float32",
        store=str(store),
    )


def test_a_metric_and_a_source_of_ones_own(registered, tiny_checkpoint, tmp_path):
    frame = study(tiny_checkpoint, tmp_path).run(progress=False)
    assert sources(frame) == ["rhymes"]
    assert measured(frame, pruned=True) == ["perplexity", "worst_snr_db", "absolute_error"]

    dense, tokenizer = cp.load(str(tiny_checkpoint), "cpu", "float32")
    pruned, _ = cp.load(str(tiny_checkpoint), "cpu", "float32")
    cp.prune(pruned, cp.windows(tokenizer, "rhymes:merry", ["de"], 3, 32), "wanda", 0.5)
    tokens = cp.windows(tokenizer, "rhymes", ["sw"], 3, 24, split="validation")
    mine = frame[(frame["calibration"] == "de") & (frame["language"] == "sw")].set_index("metric")
    assert mine.loc["worst_snr_db", "value"] == min(cp.fidelity(dense, pruned, tokens).snr_db)
    # transformers norms the last layer's state before it shows it: all layers but the last are compared
    shown = [model(tokens, output_hidden_states=True).hidden_states[1:-1] for model in (dense, pruned)]
    expected = [float((a - b).abs().mean()) for a, b in zip(*shown, strict=True)]
    rows = mine.loc["absolute_error"]
    assert rows["value"].iloc[1:-1].tolist() == pytest.approx(expected, rel=1e-4)
    assert rows["value"].iloc[0] == pytest.approx(rows["value"].iloc[1:].mean())
    assert set(rows["n"]) == {3 * 24}
    assert set(frame[frame["method"] == "dense"]["metric"]) == {"perplexity"}, "there is nothing to compare it with"

    for metric in (WORST, ABSOLUTE):
        assert metric.label in fidelity_table(frame, metric.name, "rhymes")._repr_html_()
        assert metric.label in fidelity_heatmap(frame, metric.name, "rhymes").figure.get_suptitle()
    assert set(section_4_1(frame)["metric"]) == {"perplexity", WORST.name, ABSOLUTE.name}
    together = fidelity_table(frame, measured(frame), "rhymes")._repr_html_()
    assert WORST.label in together and ABSOLUTE.label in together


def test_help_and_errors_name_them(registered):
    assert corpora.names()[-2:] == ["rhymes", "rhymes:MOOD"]
    assert corpora.packaged()[-1] == "rhymes"
    with pytest.raises(ParameterError, match="rhymes:MOOD"):
        cp.corpus("poems", "de")
    with pytest.raises(ParameterError, match="worst_snr_db, absolute_error"):
        Study(metrics=["best_snr_db"])


def test_without_its_line_a_metric_is_unknown():
    with pytest.raises(ParameterError, match="unknown metric 'worst_snr_db'"):
        Study(metrics=["worst_snr_db"])
