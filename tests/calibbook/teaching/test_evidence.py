"""Notebook (d): the scores that are kept, what is calculated from them, and what a wrong answer is told."""

from unittest import mock

import numpy as np
import pandas as pd
import pytest
from scipy.stats import binomtest

from calibbook.s04_2_downstream_tasks.data import Column
from calibbook.shared.comparison import holm
from calibbook.teaching import check, evidence
from calibbook.teaching.evidence import Evidence


def made(**columns: list[int]) -> Evidence:
    """Evidence of two tasks in the languages of the columns, one half of the items each."""
    count = len(next(iter(columns.values())))
    index = [("knowledge", "de", i) for i in range(count // 2)] + [("passage", "sw", i) for i in range(count // 2)]
    frame = pd.DataFrame(columns, index=pd.MultiIndex.from_tuples(index, names=["task", "language", "item"]))
    return Evidence(frame, "Made by a test.")


ERROR = 100 * np.std([1, 1, 1, 0, 1, 0, 0, 0], ddof=1) / 8**0.5
SMALL = made(dense=[1] * 8, de=[1, 1, 1, 0, 1, 0, 0, 0], sw=[1, 0, 0, 0, 1, 0, 0, 0])


def test_what_is_kept_is_right_or_wrong_and_has_mixtures():
    kept = evidence.kept()
    assert kept.scores.isin([0, 1]).all(axis=None) and not kept.scores.isna().any(axis=None)
    assert kept.scores.columns[0] == "dense"
    assert kept.calibrations == ["ar", "de", "en", "es", "ru", "sw", "zh"]
    assert set(kept.scores.index.get_level_values("task")) == set(evidence.TASKS)


def test_a_study_is_read_into_the_same_form(monkeypatch):
    def column(method, sparsity, pattern, language):
        return Column("model", method, sparsity, pattern, "knowledge", language, "acc")

    found = {
        column("dense", 0.0, "dense", "de"): {"": np.ones((1, 2))},
        column("wanda", 0.5, "unstructured", "de"): {
            "sw": np.zeros((2, 2)),
            "de": np.array([[1, 0], [0, 0]]),
            "de+sw": np.ones((1, 2)),
        },
        column("wanda", 0.7, "unstructured", "de"): {"de": np.zeros((1, 2))},
        column("sparsegpt", 0.5, "unstructured", "de"): {"de": np.zeros((1, 2))},
    }
    asked = []
    monkeypatch.setattr(evidence, "item_scores", lambda study, *how: asked.append(how) or found)
    monkeypatch.setattr(evidence, "reported", lambda study: {"knowledge": "acc", "mkqa": "f1", "passage": "acc_norm"})
    monkeypatch.setattr(evidence.Study, "from_yaml", lambda path: mock.MagicMock())
    scores, origin = evidence.read()
    assert list(scores.columns) == ["dense", "de", "sw", "de+sw"]
    assert scores.index.names == ["task", "language", "item"]
    assert scores["de"].tolist() == [1, 0] and "records that this checkout has" in origin
    assert asked == [({"knowledge": "acc", "passage": "acc_norm"}, "languages", "mixtures")]


def test_where_the_study_is_not_computed_what_is_kept_is_read(monkeypatch):
    study = mock.MagicMock()
    study.cells.return_value = ["a cell"]
    study.store.has.return_value = False
    monkeypatch.setattr(evidence.Study, "from_yaml", lambda path: study)
    assert evidence.read().scores.equals(evidence.kept().scores)


def test_what_is_kept_is_said_to_be_a_small_study():
    kept = evidence.kept()
    assert "params/embedded.yaml, a small study" in kept.origin
    assert "Gemma 3 270M" in (said := evidence.design(kept)) and "8 questions" in said and "Wanda at 50%" in said


def test_the_sign_test_is_the_binomial_one():
    de, sw = SMALL.scores["de"], SMALL.scores["sw"]
    assert evidence.sign_test(de, sw) == binomtest(2, 2).pvalue == 0.5
    assert evidence.sign_test(de, de) == 1
    assert evidence.two_by_two(de, sw).to_numpy().tolist() == [[2, 2], [0, 4]]


def test_the_leader_is_compared_with_each_other_one():
    rows = evidence.against_the_leader(evidence.kept())
    assert len(rows) == 6 and (rows["p (Holm)"] >= rows["p"]).all()
    assert rows["p (Holm)"].tolist() == holm(rows["p"]).tolist()


def test_false_alarms_are_rarer_after_a_correction():
    plain, corrected = evidence.false_alarms(evidence.kept(), rounds=60)
    assert 0.05 < plain < 0.66 and corrected <= 0.1


def test_wins_are_told_from_ties():
    counts = evidence.columns_of(SMALL)
    assert counts.to_numpy().tolist() == [[3, 1], [1, 1]]
    assert evidence.own_language_wins(counts) == (2, 1)
    assert evidence.wins_by_lot(counts) == (1.5, 0.5)


def test_columns_of_languages_that_nobody_calibrated_in_are_left_out():
    assert len(evidence.columns_of(made(dense=[1] * 4, de=[1, 0, 1, 1], en=[1, 1, 1, 1]))) == 1


@pytest.mark.parametrize(
    ("exercise", "answer", "said"),
    [
        ("d1", 100 * np.std([1, 1, 1, 0, 1, 0, 0, 0], ddof=1), "single items"),
        ("d1", np.std([1, 1, 1, 0, 1, 0, 0, 0], ddof=1) / 8**0.5, "fraction"),
        ("d1", 1.96 * ERROR, "half the width"),
        ("d1", 3.92 * ERROR, "whole width"),
        ("d1", 100 * (3 / 14) ** 0.5 / 8**0.5, "the calibration `last`"),
        ("d1", 100 * 0.5 / 8**0.5, "n − 1"),
        ("d1", ERROR**2, "variance over n"),
        ("d1", ERROR / 8**0.5, "divide by its root"),
        ("d1", 18.8, "cut off"),
        ("d1", 19, "three digits"),
        ("d1", 2, "standard deviation"),
        ("d2", 6, "ties"),
        ("d2", 3, "exactly one"),
        ("d3", 0.25, "one-sided"),
        ("d3", 0.157, "exact test"),
        ("d3", 0.479500, "continuity"),
        ("d3", 2, "between 0 and 1"),
        ("d3", 0.9, "fair coin"),
        ("d4", 0.95, "no false alarm"),
        ("d4", 95, "and in percent"),
        ("d4", 1 - 0.95**2, "twice"),
        ("d4", 0.5, "silent"),
        ("d4", 1, "how many pairs"),
        ("d4", 5, "in percent"),
        ("d4", 1.2, "at most 1"),
        ("d6", [1, 2], "other way round"),
        ("d6", [2, 2], "second number"),
        ("d6", [1], "2 numbers"),
        ("d6", {"shared": 2, "alone": 1}, "give a list"),
    ],
)
def test_wrong_answers_are_told_why(exercise, answer, said):
    found = check(exercise, answer, SMALL)
    assert not found.right and said in found.words, found


@pytest.mark.parametrize(
    ("exercise", "answer"),
    [
        ("d1", ERROR),
        ("d1", [18.9]),
        ("d2", pd.Series([2])),
        ("d3", 0.5),
        ("d4", 0.05),
        ("d6", [2, 1]),
        ("d6", (np.int64(2), 1.0)),
        ("d6", pd.Series([2, 1])),
    ],
)
def test_right_answers_pass(exercise, answer):
    assert check(exercise, answer, SMALL).right, check(exercise, answer, SMALL)


def test_the_standard_errors_of_other_calibrations_are_told_from_the_leaders():
    kept = evidence.kept()
    first, last = evidence.ends(kept)
    of = {name: 100 * kept.scores[name].std(ddof=1) / len(kept.scores) ** 0.5 for name in kept.calibrations}
    assert check("d1", round(of[first], 2), kept).right
    assert "`last`" in check("d1", of[last], kept).words
    others = [name for name in of if name != last and abs(of[name] / of[first] - 1) > 1e-3]
    assert others and all(f"of the calibration {name};" in check("d1", of[name], kept).words for name in others)


def test_the_chance_of_false_alarms_among_all_pairs():
    kept = evidence.kept()
    pairs = len(kept.calibrations) * (len(kept.calibrations) - 1) // 2
    assert check("d4", round(1 - 0.95**pairs, 3), kept).right
    assert "three digits" in check("d4", round(1 - 0.95**pairs, 2), kept).words
    assert "and in percent" in check("d4", round(100 * 0.95**pairs, 1), kept).words
    assert "one calibration" in check("d4", 1 - 0.95**6, kept).words


@pytest.mark.parametrize(
    ("function", "said"),
    [
        (lambda p: p * 200, "at most 1"),
        (lambda p: np.minimum(p * len(p), 1), "Bonferroni"),
        (lambda p: np.sort(holm(p)), "order in which"),
        (lambda p: p, "not Holm's"),
        (lambda p: np.minimum(p * (len(p) - p.argsort().argsort()), 1), "carry the largest"),
    ],
)
def test_wrong_corrections_are_told_why(function, said):
    found = check("d5", function)
    assert not found.right and said in found.words, found
