"""Notebook (e): predictions are those of `advise`, for any shares; what a wrong answer is told."""

import numpy as np
import pandas as pd
import pytest
import torch
from tiny_models import tiny

import calibprune as cp
from calibbook.teaching import check
from calibbook.teaching.mixtures import Predictions, cost, designs_table, mixed_windows

LANGUAGES = ("de", "en", "sw")
BUDGET = 12
USAGE = {"de": 0.2, "en": 0.1, "sw": 0.7}
BOOK = {"equal shares": dict.fromkeys(LANGUAGES, 4), "Swahili": {"sw": 12}}


def drawn(seed: int, windows: int) -> dict[str, torch.Tensor]:
    """Windows of three languages that use different tokens."""
    stream = torch.Generator().manual_seed(seed)
    return {
        code: torch.randint(20 * place, 20 * place + 24, (windows, 16), generator=stream)
        for place, code in enumerate(LANGUAGES)
    }


CALIBRATION, VALIDATION = drawn(0, BUDGET), drawn(1, 4)


@pytest.fixture(scope="module")
def model():
    return tiny("llama", num_hidden_layers=2)


@pytest.fixture(scope="module")
def predictions(model):
    return Predictions.of(model, CALIBRATION, VALIDATION)


def test_predictions_are_those_of_advise(model, predictions):
    advice = cp.advise(model, CALIBRATION, [*LANGUAGES, "de+en+sw"], LANGUAGES, evaluation=VALIDATION)
    for name, losses in zip(advice.candidates, advice.losses.numpy(), strict=True):
        assert predictions.losses(dict.fromkeys(name.split("+"), 1)).to_numpy() == pytest.approx(losses, rel=1e-4)


def test_a_mixture_has_the_statistic_of_its_windows(model):
    shares = {"de": 6, "en": 4, "sw": 2}
    halves = {code: tokens[:1].repeat(BUDGET, 1) for code, tokens in CALIBRATION.items()}  # windows that are all alike
    tokens = mixed_windows(halves, shares)
    assert len(tokens) == BUDGET and torch.equal(tokens[:6], halves["de"][:6])
    together = Predictions.of(model, {"de": tokens}, {"de": VALIDATION["de"]})
    apart = Predictions.of(model, halves, VALIDATION)
    assert apart.losses(shares)["de"] == pytest.approx(together.losses({"de": 1})["de"], rel=1e-4)


def test_only_every_second_layer_is_kept(model, predictions):
    fewer = Predictions.of(model, CALIBRATION, VALIDATION, every=2)
    assert {name for name in predictions.weights if name.startswith("layers.0.")} == set(fewer.weights)


def test_a_language_alone_is_its_own_measure(predictions):
    ratios = predictions.ratios({"sw": BUDGET})
    assert ratios["sw"] == pytest.approx(1) and cost(ratios, {"sw": 1.0}) == pytest.approx(1)
    assert cost(ratios, USAGE) == pytest.approx(0.2 * ratios["de"] + 0.1 * ratios["en"] + 0.7 * ratios["sw"])
    table = designs_table(predictions, {"Swahili alone": {"sw": 1}}, USAGE, "One design")
    assert "Swahili alone" in repr(table) and "users" in repr(table)


class Planted(Predictions):
    """Predictions whose ratios are a formula: a language loses by the square of the share that it does not have."""

    def __init__(self):
        super().__init__(LANGUAGES, {}, {"q": torch.tensor([[1.0, 1.0], [2.0, 2.0], [1.0, 0.0]])}, {})

    def ratios(self, shares):
        whole = sum(shares.values())
        return pd.Series({code: 1 + (1 - shares.get(code, 0) / whole) ** 2 for code in LANGUAGES})


PLANTED = Planted()
DESIGN = BOOK, USAGE, BUDGET
MEASURED = {"mine": {"de": 5.0, "en": 4.0, "sw": 9.0}, "equal": {"de": 6.0, "en": 3.0, "sw": 11.0}}


@pytest.mark.parametrize(
    ("exercise", "answer", "about"),
    [
        ("e1", "sw", [PLANTED, USAGE]),
        ("e3", 91, [BUDGET, LANGUAGES]),
        ("e4", "en", [PLANTED, "q"]),
        ("e5", {"de": 2, "en": 1, "sw": 9}, [PLANTED, *DESIGN]),
        ("e6", 2, [MEASURED]),
    ],
)
def test_right_answers_pass(exercise, answer, about):
    assert check(exercise, answer, *about).right


@pytest.mark.parametrize(
    ("exercise", "answer", "about", "said"),
    [
        ("e1", "fr", [PLANTED, USAGE], "Give one of de, en, sw"),
        ("e1", np.array(["de", "en"]), [PLANTED, USAGE], "one language"),
        ("e1", "en", [PLANTED, USAGE], "lose most"),
        ("e1", "de", [PLANTED, USAGE], "Another"),
        ("e3", 55, [BUDGET, LANGUAGES], "at least one window"),
        ("e3", 3**12, [BUDGET, LANGUAGES], "apart"),
        ("e3", 13**3, [BUDGET, LANGUAGES], "add up"),
        ("e3", 90, [BUDGET, LANGUAGES], "bars"),
        ("e4", "de", [PLANTED, "q"], "50%"),
        ("e4", 0, [PLANTED, "q"], "not its place"),
        ("e4", torch.tensor(1), [PLANTED, "q"], "not its place"),
        ("e4", np.array(["de", "en"]), [PLANTED, "q"], "one language"),
        ("e5", [4, 4, 4], [PLANTED, *DESIGN], "of each language"),
        ("e5", {"fr": 12}, [PLANTED, *DESIGN], "fr is none"),
        ("e5", {"de": 4, "en": 4, "sw": 3}, [PLANTED, *DESIGN], "11 windows"),
        ("e5", {"de": 14, "en": -2}, [PLANTED, *DESIGN], "less than no window"),
        ("e5", {"de": 4.5, "en": 7.5}, [PLANTED, *DESIGN], "whole number"),
        (
            "e5",
            {"de": 2, "en": 2, "sw": 8},
            [PLANTED, {"the same": {"de": 1, "en": 1, "sw": 4}}, USAGE, BUDGET],
            "the same",
        ),
        ("e5", {"de": 12}, [PLANTED, *DESIGN], "Swahili"),
        ("e6", 1, [MEASURED], "lower perplexity"),
        ("e6", 3, [MEASURED], "each language"),
        ("e6", 4, [MEASURED], "3 languages"),
    ],
)
def test_wrong_answers_are_told_why(exercise, answer, about, said):
    found = check(exercise, answer, *about)
    assert not found.right and said in found.words, found


@pytest.mark.parametrize(
    ("function", "said"),
    [
        (lambda means, shares: means.mean(axis=0), "all languages alike"),
        (lambda means, shares: shares @ means, "sum over windows"),
        (lambda means, shares: (shares @ np.sqrt(means) / shares.sum()) ** 2, "norms do not"),
        (lambda means, shares: np.sqrt(shares @ means / shares.sum()), "before the root"),
        (lambda means, shares: means[0], "how many of the mixture's tokens"),
        (lambda means, shares: 1.0, "shape"),
    ],
)
def test_wrong_statistics_are_told_why(function, said):
    found = check("e2", function)
    assert not found.right and said in found.words, found
