"""What a claim is and how the most common ones are made."""

import math

import numpy as np
import pytest
from scipy.stats import ttest_1samp

from calibbook.shared.claims import (
    MORE_OR_LESS,
    Claim,
    claims_frame,
    counted,
    crossed,
    detectable,
    names,
    paired,
    targeted,
)
from calibbook.shared.frames import Block
from calibbook.shared.words import number


def test_a_claim_says_nothing_until_something_is_known():
    claim = Claim("it rains", what="nobody looked")
    assert (claim.verdict, claim.n, claim.model, claim.note) == ("undecided", 0, "", "")
    assert all(math.isnan(value) for value in (claim.statistic, claim.low, claim.high, claim.p))
    assert claims_frame([]).columns.tolist() == claims_frame([claim]).columns.tolist()


def test_names_of_a_block():
    block = Block("a", "wanda", 0.5, "unstructured")
    assert names(block) == {"model": "a", "method": "wanda", "sparsity": "50%"}
    assert names(Block("a", "gptq", 0.0, "4-bit"), source="udhr")["sparsity"] == "4-bit"
    assert names(block.dense) == {"model": "a", "method": "dense", "sparsity": ""}
    assert names(block, method="both", metric="tasks")["method"] == "both"


def test_a_share_is_in_percent():
    assert counted(1, 4)["statistic"] == 25 and 0 < counted(1, 4)["low"] < 1 and counted(1, 4)["unit"] == "%"


def test_one_difference_a_language():
    values = np.arange(1.0, 8)
    found = paired(values, lambda x: -2 * x, number, MORE_OR_LESS)
    assert (found["what"], found["statistic"], found["n"], found["unit"]) == ("−8.00", -8, 7, MORE_OR_LESS)
    assert found["low"] < -8 < found["high"] < 0 and found["verdict"] == "held"
    assert found["p"] == pytest.approx(ttest_1samp(values, 0).pvalue)
    alike = paired(np.ones(5), lambda x: 2 * x, str)
    assert (alike["what"], alike["verdict"], alike["note"]) == ("2.0", "undecided", "the spread is not known")
    assert paired([], lambda x: x, number)["what"] == "–" and paired([], float, "as it is")["what"] == "as it is"
    few = paired(np.arange(1.0, 4), float, number)
    assert (few["verdict"], few["note"]) == ("undecided", "too few languages")


def test_evaluations_of_one_model_are_not_independent():
    values = np.array([[1.0] * 7, [1.2] * 7, [0.8] * 7, [-2.0] * 7])  # one calibration moves all seven
    assert crossed(values, float, number)["verdict"] == "undecided"
    assert paired(values.mean(axis=0) + 0.01 * np.arange(7), float, number)["verdict"] == "held"


def test_the_smallest_effect_that_would_have_been_seen():
    found = claims_frame([Claim("it rains", low=-1.0, high=1.0, unit="points"), Claim("it snows", **counted(3, 7))])
    assert found["seen"].tolist() == ["1.43 points", "7 of 7"]
    assert detectable([0.02, 0.02], 1) == "5.60 points" and detectable([], 1) == ""


def test_the_target_language_against_the_others():
    found = targeted(np.eye(5) + 10 * np.arange(5), float, number)
    assert (found["statistic"], found["verdict"]) == (pytest.approx(1), "held")
    assert found["p"] == pytest.approx(2 / math.factorial(5))
    assert targeted(-np.eye(5), float, number)["verdict"] == "not held"
    assert targeted(np.ones((1, 1)), float, number)["verdict"] == "undecided"
