"""README.md gives the answer of the published run: the sentences of the book's first page, and its picture."""

import pytest

from calibbook.checkout import ROOT
from calibbook.readme import BEGIN, END, PICTURE, answer, replaced, words_of
from calibprune.errors import ParameterError


def test_the_answer_is_that_of_the_published_run():
    text, picture = answer()
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    assert replaced(readme, text) == readme, "run `python -m calibbook.readme`"
    assert words_of(ROOT / PICTURE) == picture.alt, "run `python -m calibbook.readme`"
    assert text.count("\n- **") + 1 == 6 and "95% intervals" in text


def test_only_what_stands_between_the_marks_is_written():
    before = f"# title\n{BEGIN}- old\n{END}rest\n"
    assert replaced(before, "- new\n") == f"# title\n{BEGIN}- new\n{END}rest\n"
    for without in ("# title\n", f"{END}{BEGIN}"):
        with pytest.raises(ParameterError, match="README.md: has no lines .* put them back"):
            replaced(without, "")
