"""Every notebook of the laboratory: untouched its exercises fail their checks, with the solutions they pass."""

import ast
import re
from pathlib import Path
from typing import Any
from unittest import mock

import pytest
from lab import NOTEBOOKS, Ran, cells_of, exercises, solutions

import calibprune
from calibbook import teaching
from calibbook.checkout import ROOT
from calibbook.teaching import check, evidence
from calibbook.teaching.activations import norms
from calibbook.teaching.judged import Judged
from calibbook.teaching.mixtures import cost

PAGE = (ROOT / "book" / "for_lecturers.md").read_text(encoding="utf-8")
EXPECTED = {name.lower(): ast.literal_eval(said) for name, said in re.findall(r"^\| ([A-E]\d) \| `(.+?)`", PAGE, re.M)}
"""The answers that the page for lecturers expects, which may differ a little from machine to machine."""
SEVERAL = range(4, 7)
WITH_THE_MODEL = [path for path in NOTEBOOKS if "cp.load(" in path.read_text(encoding="utf-8")]
WITHOUT_A_MODEL = [path for path in NOTEBOOKS if path not in WITH_THE_MODEL]


def assert_solved_by_its_solutions_alone(notebook: Path) -> Ran:
    ran, names = Ran(notebook), exercises(notebook)
    assert {name: said.right for name, said in ran.untouched.items()} == dict.fromkeys(names, False)
    assert {name: said.right for name, said in ran.solved.items()} == dict.fromkeys(names, True)
    return ran


@pytest.mark.parametrize("notebook", NOTEBOOKS, ids=lambda path: path.stem)
def test_goals_and_exercises_with_solutions_are_there(notebook):
    assert "**What you will be able to do.**" in "".join(cells_of(notebook)[0]["source"])
    assert len(exercises(notebook)) in SEVERAL
    assert list(solutions(notebook)) == exercises(notebook)


@pytest.mark.parametrize("notebook", WITHOUT_A_MODEL, ids=lambda path: path.stem)
def test_an_untouched_exercise_fails_and_its_solution_passes(notebook, monkeypatch):
    # whatever this checkout has computed: whether the study is there takes reading all of its text
    monkeypatch.setattr(evidence, "read", evidence.kept)
    assert_solved_by_its_solutions_alone(notebook)


def of_two_languages(names: dict[str, Any]) -> None:
    """Answers near the right ones are told what they are of."""
    german, again, swahili = (names[name] for name in ("german", "again", "swahili"))
    of_german, of_again, of_swahili = (names[name] for name in ("of_german", "of_again", "of_swahili"))
    strengths = norms(again["self_attn.q_proj"])
    assert "second draw" in check("b1", strengths.max() / strengths.median(), german, again, swahili).words
    first, second = of_german["self_attn.k_proj"], of_swahili["self_attn.k_proj"]
    assert "k_proj" in check("b3", (first & second).sum() / first.sum(), of_german, of_swahili).words
    draw, language, other = (
        1 - calibprune.mask_iou(a["mlp.down_proj"], b["mlp.down_proj"])
        for a, b in ((of_german, of_again), (of_german, of_swahili), (of_again, of_swahili))
    )
    for answer in (draw / other, float(f"{draw / other:.3g}")):
        assert "second draw" in check("b5", answer, of_german, of_again, of_swahili).words
    assert check("b5", float(f"{draw / language:.3g}"), of_german, of_again, of_swahili).right


def of_what_changes_the_answer(names: dict[str, Any]) -> None:
    """Less than a window is enough in every matrix, still less in the mean, and the least of the table is not."""
    by_amount, other, reference = (names[name] for name in ("by_amount", "of_swahili", "reference"))
    gains = {
        count: [calibprune.mask_iou(mine[n], one) - calibprune.mask_iou(other[n], one) for n, one in reference.items()]
        for count, mine in by_amount.items()
    }
    in_all = min(count for count, gain in gains.items() if min(gain) > 0)
    in_the_mean = min(count for count, gain in gains.items() if sum(gain) > 0)
    assert min(gains) < in_the_mean < in_all < names["LENGTH"]
    assert "mean over the matrices" in check("c2", in_the_mean, by_amount, other, reference).words
    three = [names[name] for name in ("of_usual", "uncounted", "without")]
    usual, *ways = (masks["self_attn.o_proj"] for masks in three)
    little, much = (1 - calibprune.mask_iou(usual, way) for way in ways)
    assert check("c3", float(f"{little / much:.3g}"), *three).right
    assert "three digits" in check("c3", round(little / much, 3), *three).words
    assert "percent" in check("c3", float(f"{100 * little / much:.3g}"), *three).words
    few, many = (int((usual & ~way).sum()) for way in ways)
    assert "share in common" in check("c3", float(f"{few / many:.3g}"), *three).words


def of_a_mixture(names: dict[str, Any]) -> None:
    """The users gain, at the expense of German and English, and the prediction said so; a stale measurement is seen."""
    assert names["answer"] < 1 and [code for code, ratio in names["ratios"].items() if ratio < 1] == ["sw"]
    assert [code for code in names["LANGUAGES"] if names["mine"][code] < names["theirs"][code]] == ["sw"]
    measured, usage = names["measured"], names["USAGE"]
    costs = [cost(names["predictions"].ratios(shares), usage) for shares, _ in measured.values()]
    perplexities = [one for _, on in measured.values() for one in on.values()]
    day = re.search(r"^Day 7\n: (.*?)\n\n", PAGE, re.MULTILINE | re.DOTALL)[1]
    said = [float(one) for one in re.findall(r"\d+\.\d+", day)]
    assert said == pytest.approx([*costs, *perplexities, names["answer"]], rel=0.02)
    about = [names[name] for name in ("predictions", "book", "USAGE", "BUDGET")]
    other = {"de": 2, "en": 1, "sw": 9}
    assert check("e5", other, *about).right
    assert "not what your design is now" in check("e6", names["answer"], measured, other, *about).words
    assert "Solve exercise E5 first" in check("e6", names["answer"], measured, {"sw": 12}, *about).words


SAID = {
    "b_two_languages": of_two_languages,
    "c_what_changes_the_answer": of_what_changes_the_answer,
    "e_design_a_mixture": of_a_mixture,
}
"""What else is held of a notebook after it has run."""


@pytest.mark.gemma
@pytest.mark.parametrize("notebook", WITH_THE_MODEL, ids=lambda path: path.stem)
def test_the_same_with_the_real_model(notebook, gemma):
    given = {}

    def noted(name: str, answer: Any, *about: Any) -> Judged:
        given[name] = answer
        return check(name, answer, *about)

    with (
        mock.patch.object(calibprune, "load", lambda name: gemma),
        mock.patch.object(teaching, "check", noted),
    ):
        ran = assert_solved_by_its_solutions_alone(notebook)
    SAID[notebook.stem](ran.names)
    for name, said in EXPECTED.items():
        if name in given:
            assert said == (
                given[name] if isinstance(said, (str, list, dict)) else pytest.approx(float(given[name]), rel=0.05)
            )
