"""The rule by which a claim is held, not held or undecided."""

import math

import pytest

from calibbook.shared.verdicts import ANY, FEWEST_LANGUAGES, GAIN, LOSS, NO_GAIN, decided, judged, within

UNKNOWN = float("nan")


@pytest.mark.parametrize(
    ("low", "high", "evidence", "verdict"),
    [
        (0.1, 0.2, {"p": 0.04, "least_p": 0.01}, "held"),
        (0.1, 0.2, {"p": 0.06, "least_p": 0.01}, "undecided"),
        (-0.1, 0.2, {"p": 0.01, "least_p": 0.01}, "undecided"),
        (-0.2, -0.1, {"p": 1.0, "least_p": 0.01}, "not held"),
        (0.1, 0.2, {}, "held"),
        (0.1, 0.2, {"p": 0.01, "least_p": 0.0625}, "undecided"),
        (-0.2, -0.1, {"p": 1.0, "least_p": 0.0625}, "undecided"),
        (UNKNOWN, UNKNOWN, {}, "undecided"),
        (0.1, 0.2, {"languages": FEWEST_LANGUAGES}, "held"),
        (0.1, 0.2, {"languages": FEWEST_LANGUAGES - 1}, "undecided"),
        (-0.2, -0.1, {"languages": FEWEST_LANGUAGES - 1}, "undecided"),
    ],
)
def test_a_verdict_needs_interval_test_and_languages(low, high, evidence, verdict):
    assert decided(low, high, **evidence)["verdict"] == verdict


def test_what_an_interval_is_expected_to_show():
    bounds = [(0.2, 3), (-3, -0.2), (-0.4, 0.9), (-0.4, 1.2), (11, 12)]
    found = {
        expected: [decided(*pair, expected)["verdict"] for pair in bounds]
        for expected in (GAIN, LOSS, NO_GAIN, ANY, within(10))
    }
    assert list(found.values()) == [
        ["held", "not held", "undecided", "undecided", "held"],
        ["not held", "held", "undecided", "undecided", "not held"],
        ["not held", "held", "held", "undecided", "not held"],
        ["held", "held", "undecided", "undecided", "held"],
        ["held", "held", "held", "held", "not held"],
    ]
    assert decided(-11, 5, within(10))["verdict"] == decided(5, math.inf, within(10))["verdict"] == "undecided"


def test_a_refutation_goes_before_what_is_borne_out():
    assert judged(True, True)["verdict"] == "not held"
    assert judged(False, False)["verdict"] == "undecided"


def test_the_note_says_why():
    because = {"held": "all are", "undecided": "some are"}
    assert judged(True, because=because)["note"] == "all are"
    assert judged(True, p=0.2, because=because)["note"] == "some are"
    assert judged(False, True, because=because)["note"] == ""
    assert judged(True, note="three of four", because=because)["note"] == "three of four; all are"
    assert judged(True, languages=3, note="three", because=because)["note"] == "three; too few languages"
    assert judged(True, least_p=0.5, because=because)["note"] == "too few languages to tell from chance"
