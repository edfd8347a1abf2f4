"""Notebook (e): predictions are those of `advise`, for any shares; what a wrong answer is told."""

import numpy as np
import pandas as pd
import pytest
import torch
from planted_predictions import LANGUAGES, Planted
from tiny_models import tiny

import calibprune as cp
from calibbook.teaching import check
from calibbook.teaching.exercises_mixtures import accepted
from calibbook.teaching.mixtures import Measured, Predictions, cost, designs_table, mixed_windows
from calibprune.errors import ParameterError

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


@pytest.mark.parametrize("shares", [{"fr": 12}, {"de": 6, "fr": 6}, {}, {"de": 0}, {"de": 14, "en": -2}])
def test_shares_that_are_none_are_refused(predictions, shares):
    with pytest.raises(ParameterError, match="fr" if "fr" in shares else "no shares"):
        predictions.ratios(shares)


PLANTED = Planted()
DESIGN = BOOK, USAGE, BUDGET
SOLVED = {"de": 2, "en": 1, "sw": 9}
ON, ON_EQUAL = {"de": 5.0, "en": 4.0, "sw": 9.0}, {"de": 6.0, "en": 3.0, "sw": 11.0}
MEASURED = {"mine": Measured(SOLVED, ON), "equal": Measured(BOOK["equal shares"], ON_EQUAL)}
AFTER = [MEASURED, SOLVED, PLANTED, *DESIGN]
RATIOS = {code: ON[code] / ON_EQUAL[code] for code in LANGUAGES}
RIGHT = float(np.prod([RATIOS[code] ** USAGE[code] for code in LANGUAGES]))


@pytest.mark.parametrize(
    ("exercise", "answer", "about"),
    [
        ("e1", "sw", [PLANTED, USAGE]),
        ("e3", 91, [BUDGET, LANGUAGES]),
        ("e1", np.str_("sw"), [PLANTED, USAGE]),
        ("e1", np.array("sw"), [PLANTED, USAGE]),
        ("e1", ["sw"], [PLANTED, USAGE]),
        ("e1", pd.Series(["sw"]), [PLANTED, USAGE]),
        ("e3", torch.tensor([91]), [BUDGET, LANGUAGES]),
        ("e4", "en", [PLANTED, "q"]),
        ("e4", np.array(["en"]), [PLANTED, "q"]),
        ("e5", SOLVED, [PLANTED, *DESIGN]),
        ("e5", {code: float(count) for code, count in SOLVED.items()}, [PLANTED, *DESIGN]),
        ("e5", pd.Series(SOLVED), [PLANTED, *DESIGN]),
        ("e5", {code: np.int64(count) for code, count in SOLVED.items()}, [PLANTED, *DESIGN]),
        ("e6", RIGHT, AFTER),
        ("e6", round(RIGHT, 3), AFTER),
        ("e6", RIGHT, [MEASURED, pd.Series(SOLVED, dtype=float), PLANTED, *DESIGN]),
    ],
)
def test_right_answers_pass(exercise, answer, about):
    assert check(exercise, answer, *about).right, check(exercise, answer, *about)


@pytest.mark.parametrize(
    ("exercise", "answer", "about", "said"),
    [
        ("e1", "fr", [PLANTED, USAGE], "Give one of de, en, sw"),
        ("e1", np.array(["de", "en"]), [PLANTED, USAGE], "one language"),
        ("e1", "SW", [PLANTED, USAGE], 'in LANGUAGES: "sw"'),
        ("e1", " Swahili", [PLANTED, USAGE], 'in LANGUAGES: "sw"'),
        ("e1", "en", [PLANTED, USAGE], "lose most"),
        ("e1", "de", [PLANTED, USAGE], "Another"),
        ("e3", 55, [BUDGET, LANGUAGES], "at least one window"),
        ("e3", 3**12, [BUDGET, LANGUAGES], "apart"),
        ("e3", 13**3, [BUDGET, LANGUAGES], "add up"),
        ("e3", 90, [BUDGET, LANGUAGES], "bars"),
        ("e4", "de", [PLANTED, "q"], "50%"),
        ("e4", 0, [PLANTED, "q"], "not its place"),
        ("e4", torch.tensor(1), [PLANTED, "q"], "not its place"),
        ("e4", "English", [PLANTED, "q"], 'in LANGUAGES: "en"'),
        ("e4", "en", [PLANTED, "layers.1.q"], "COMPONENT is one of q"),
        ("e4", np.array(["de", "en"]), [PLANTED, "q"], "one language"),
        ("e5", [4, 4, 4], [PLANTED, *DESIGN], "of each language"),
        ("e5", {"fr": 12}, [PLANTED, *DESIGN], "fr is none"),
        ("e5", {"de": 4, "en": 4, "sw": 3}, [PLANTED, *DESIGN], "11 windows"),
        ("e5", {"de": 14, "en": -2}, [PLANTED, *DESIGN], "less than no window"),
        ("e5", {"de": 4.5, "en": 7.5}, [PLANTED, *DESIGN], "whole number"),
        ("e5", {"de": "2", "en": "1", "sw": "9"}, [PLANTED, *DESIGN], "quotation marks"),
        ("e5", {"de": True, "sw": 11}, [PLANTED, *DESIGN], "not True"),
        ("e5", "sw", [PLANTED, *DESIGN], "of each language"),
        ("e5", pd.Series([2, 1, 9]), [PLANTED, *DESIGN], "0 is none"),
        ("e5", {"sw": 12}, [PLANTED, *DESIGN], "as “Swahili” does"),
        (
            "e5",
            {"de": 2, "en": 2, "sw": 8},
            [PLANTED, {"the same": {"de": 1, "en": 1, "sw": 4}}, USAGE, BUDGET],
            "the same",
        ),
        ("e5", {"de": 12}, [PLANTED, *DESIGN], "Swahili"),
        ("e6", 2, AFTER, "how many languages"),
        ("e6", 1 / RIGHT, AFTER, "other way round: yours"),
        ("e6", np.log(RIGHT), AFTER, "mean logarithm."),
        ("e6", -np.log(RIGHT), AFTER, "mean logarithm the other way round"),
        ("e6", RIGHT - 1, AFTER, "change; the ratio"),
        ("e6", 100 * (RIGHT - 1), AFTER, "change in percent"),
        ("e6", sum(USAGE[code] * RATIOS[code] for code in LANGUAGES), AFTER, "mean of the ratios."),
        ("e6", np.prod(list(RATIOS.values())) ** (1 / 3), AFTER, "all languages alike"),
        (
            "e6",
            sum(USAGE[c] * ON[c] for c in LANGUAGES) / sum(USAGE[c] * ON_EQUAL[c] for c in LANGUAGES),
            AFTER,
            "not comparable",
        ),
        ("e6", round(RIGHT, 2), AFTER, "three digits"),
        ("e6", 7, AFTER, "users' mean"),
        ("e6", RIGHT, [MEASURED, None, PLANTED, *DESIGN], "Solve exercise E5 first"),
        ("e6", RIGHT, [MEASURED, "sw", PLANTED, *DESIGN], "Solve exercise E5 first"),
        ("e6", RIGHT, [MEASURED, {"de": "x"}, PLANTED, *DESIGN], "Solve exercise E5 first"),
        (
            "e6",
            RIGHT,
            [{**MEASURED, "mine": Measured({"sw": 12}, ON)}, {"sw": 12}, PLANTED, *DESIGN],
            "Solve exercise E5 first",
        ),
        ("e6", RIGHT, [MEASURED, {"de": 1, "en": 1, "sw": 10}, PLANTED, *DESIGN], "not what your design is now"),
    ],
)
def test_wrong_answers_are_told_why(exercise, answer, about, said):
    found = check(exercise, answer, *about)
    assert not found.right and said in found.words, found


@pytest.mark.parametrize(
    "design",
    [None, "sw", [2, 2, 8], {"fr": 12}, {"de": 4}, {"de": 14, "en": -2}, {"de": "2", "sw": 10}, BOOK["equal shares"]],
)
def test_a_design_that_does_not_solve_its_exercise_is_not_used(design):
    assert accepted(design, PLANTED, *DESIGN) is None


@pytest.mark.parametrize("design", [SOLVED, pd.Series(SOLVED, dtype=float), {**SOLVED, "de": 2.0}])
def test_an_accepted_design_is_in_whole_windows(design):
    used = accepted(design, PLANTED, *DESIGN)
    assert used == SOLVED and all(isinstance(count, int) for count in used.values())
    assert len(mixed_windows(CALIBRATION, used)) == BUDGET


@pytest.mark.parametrize(
    ("function", "said"),
    [
        (lambda means, shares: means.mean(axis=0), "all languages alike"),
        (lambda means, shares: shares @ means, "sum over windows"),
        (lambda means, shares: (shares @ np.sqrt(means) / shares.sum()) ** 2, "norms do not"),
        (lambda means, shares: np.sqrt(shares @ means / shares.sum()), "before the root"),
        (lambda means, shares: (shares @ means / shares.sum()).round(3), "rounded: return"),
        (lambda means, shares: means[0], "how many of the mixture's tokens"),
        (lambda means, shares: 1.0, "shape"),
    ],
)
def test_wrong_statistics_are_told_why(function, said):
    found = check("e2", function)
    assert not found.right and said in found.words, found
