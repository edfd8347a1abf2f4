"""How a number, a percentage and a duration are written."""

import numpy as np
import pytest

from calibbook.shared.draws import draws_of_models, mean_over_draws
from calibbook.shared.words import duration, more_or_less, number, p_value, percent, signed, table_name


def test_numbers_in_words():
    shown = {
        0.0: "0",
        0.12345: "0.123",
        -12.345: "−12.3",
        123.45: "123",
        12345.6: "12,346",
        -1.23e-5: "−1.2×10⁻⁵",
        float("nan"): "–",
        float("-inf"): "−∞",
    }
    assert {value: number(value) for value in shown} == shown
    assert (more_or_less(12.0), more_or_less(-3.0), more_or_less(float("nan"))) == ("12.0% more", "3.00% less", "–")


def test_shares_and_signs():
    assert [percent(value) for value in (0.1234, 1.0, float("nan"))] == ["12.3", "100.0", "–"]
    assert [signed(value) for value in (1.25, -0.31, -0.04)] == ["+1.2", "−0.3", "0.0"]


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0, "0 s"),
        (1.7e-5, "17 µs"),
        (0.00365, "3.65 ms"),
        (0.9999, "1 s"),
        (17.07, "17.1 s"),
        (59.97, "1 min 0 s"),
        (185, "3 min 5 s"),
        (7800, "2 h 10 min"),
        (16888.8, "4 h 41 min"),
    ],
)
def test_durations(seconds, text):
    assert duration(seconds) == text


def test_a_table_has_the_books_number_and_the_papers():
    assert table_name("4.1-1", "Table 1") == "Table 4.1-1 (the paper's Table 1)"
    assert table_name("4.4-2", about="against English") == "Table 4.4-2 (beyond the paper), against English"


def test_small_probabilities_are_written_as_other_small_numbers_are():
    assert [p_value(p) for p in (1.0, 0.031, 0.001, 7.1e-5, 0.0, float("nan"))] == [
        "1", "0.031", "0.001", "7.1×10⁻⁵", "0", "–"
    ]  # fmt: skip


@pytest.mark.parametrize(
    "draws, said",
    [
        ({"de": 1, "de+en": 1}, "One draw of calibration text"),
        ({"de": 3, "de+en": 3}, "Mean over 3 draws of calibration text"),
        ({"de": 3, "de+en": 1}, "Mean over 3 draws of calibration text, of mixtures over 1"),
        ({"de": 3, "en": 2}, "Mean over 2 to 3 draws of calibration text"),
        ({"de+en": 2}, "Mean over 2 draws of calibration text"),
    ],
)
def test_how_many_draws_a_mean_is_over(draws, said):
    assert mean_over_draws(draws) == said
    of_models = {(model, text): n for model in ("a", "b") for text, n in draws.items()}
    assert draws_of_models(of_models) == said


def test_models_with_other_draws_are_told_apart():
    said = draws_of_models({("a", "de"): 3, ("b", "de"): 1, ("b", "de+en"): 1})
    assert said == "a: mean over 3 draws of calibration text; b: one draw of calibration text"


def test_the_same_mean_summed_in_another_order_is_the_same_percentage():
    exact, below, above = 0.8525, np.nextafter(0.8525, 0), np.nextafter(0.8525, 1)
    assert len({percent(exact), percent(below), percent(above), percent(np.nextafter(below, 0))}) == 1
    assert percent(np.float64(np.float32(0.8525))) == percent(0.8525), "scores that were kept in float32"
