"""Every page of results asks one or two questions on what it shows, with answers that are folded away."""

import json
import re

import pytest

from calibbook.checkout import ROOT

WITHOUT = {
    "00_what_was_run": "a list of cells",
    "appendix_h_kernels": "about this package and not about the study",
    "first_page": "the answer itself",
    "i_have_a_language": "for whoever has to choose",
    "reproduced": "whether this machine computes the same",
    "slides": "questions are in the laboratory, which they name",
}
"""The notebooks that ask nothing, and why."""
PAGES = [path for path in sorted((ROOT / "notebooks").glob("*.ipynb")) if path.stem not in WITHOUT]
BLOCK = re.compile(r"```\{admonition\} ([^\n]+)\n:class: (tip|dropdown)\n(.+?)\n```", re.DOTALL)
ROLE = re.compile(r"\{\w+\}`[^`]*`|\bF1\b")


def asked(path) -> str:
    cells = json.loads(path.read_text(encoding="utf-8"))["cells"]
    return next(("".join(cell["source"]) for cell in cells if cell["id"] == "try-it"), "")


@pytest.mark.parametrize("path", PAGES, ids=lambda path: path.stem)
def test_questions_and_their_answers_follow_each_other(path):
    blocks = BLOCK.findall(asked(path))
    assert len(blocks) in (2, 4)
    assert [kind for _, kind, _ in blocks] == ["tip", "dropdown"] * (len(blocks) // 2)
    for (title, _, question), (other, _, answer) in zip(blocks[::2], blocks[1::2], strict=True):
        assert other == "Solution" != title and "?" in title + question and len(answer) > 60


@pytest.mark.parametrize("path", PAGES, ids=lambda path: path.stem)
def test_questions_state_no_number_which_another_study_would_not_have(path):
    assert not re.search(r"\d", ROLE.sub("", asked(path)))


def test_no_page_is_left_out_without_a_reason():
    assert len(PAGES) > 10 and set(WITHOUT) < {path.stem for path in (ROOT / "notebooks").glob("*.ipynb")}
