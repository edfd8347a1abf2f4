"""The table of languages, names of those that are not in it, and what a code is."""

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from calibprune.errors import ParameterError
from calibprune.languages import LANGUAGES, NOT_KNOWN, PAPER_LANGUAGES, check_code, describe, in_order

ROOT = Path(__file__).parents[2]


def test_the_table_is_whole():
    assert len(LANGUAGES) == 49
    assert set(PAPER_LANGUAGES) < set(LANGUAGES)
    for language in LANGUAGES.values():
        assert all(value and value != NOT_KNOWN for value in language[:-1]), language
    for column in ("name", "iso639_3", "chromium", "udhr", "flores"):
        assert len({getattr(language, column) for language in LANGUAGES.values()}) == 49
    assert [code for code, language in LANGUAGES.items() if not language.mc4] == ["hr"]


def test_a_row_may_have_empty_cells(tmp_path):
    """In a copy of the package with another row: a source without a name for the language does not have it."""
    shutil.copytree(ROOT / "calibprune", tmp_path / "calibprune", ignore=shutil.ignore_patterns("__pycache__"))
    table = tmp_path / "calibprune" / "languages.csv"
    table.write_text(table.read_text(encoding="utf-8") + "kaz,Kazakh,Turkic,Kipchak\n", encoding="utf-8")
    program = """
from calibprune import CalibpruneError, corpus
from calibprune.languages import describe
print(describe("kaz").branch, len(corpus("udhr", "kaz")))
for source in ("chromium", "mc4", "belebele"):
    try:
        corpus(source, "kaz", "validation")
    except CalibpruneError as error:
        print(error)
"""
    ran = subprocess.run([sys.executable, "-c", program], cwd=tmp_path, capture_output=True, text=True)
    assert ran.returncode == 0, ran.stderr
    first, *lines = ran.stdout.splitlines()
    assert first.startswith("Kipchak ") and int(first.split()[1]) > 10
    assert len(lines) == 3 and all("has no text in 'kaz'" in line for line in lines)


@pytest.mark.parametrize(
    ("code", "name"),
    [
        ("fr", "French"),
        ("yo", "Yoruba"),
        ("pt-PT", "Portuguese (Portugal)"),
        ("es-419", "Spanish (Latin America)"),
        ("zh-TW", "Chinese (Taiwan)"),
        ("iw", "Hebrew"),
        ("zho_Hans", "Chinese (Simplified)"),
        ("swh", "Swahili"),
        ("deu_1996", "German"),
        ("qqq", "qqq"),
    ],
)
def test_names(code, name):
    assert describe(code).name == name
    assert (describe(code).family == NOT_KNOWN) == (code not in LANGUAGES)


def test_an_order_for_all_codes():
    assert in_order(["yo", "zh", "am", "aa", "zh"]) == ["am", "zh", "aa", "yo"]


@pytest.mark.parametrize("code", ["", " ", "de en", "../de", "de+en", "-de", "de-", "{language}", None, 5, b"de"])
def test_what_is_no_code(code):
    with pytest.raises(ParameterError, match="is no code of a language; write one such as 'de'"):
        check_code(code)


def test_the_table_in_appendix_b_is_this_one():
    page = (ROOT / "book" / "appendix_b_languages.md").read_text(encoding="utf-8")
    rows = [re.split(r"\s*\|\s*", line)[1:-1] for line in page.splitlines() if line.startswith("| ")]
    heads = ["Code", "Language", "Family, branch", "Script", "Declaration", "Belebele"]
    assert rows[rows.index(heads) + 2 :] == [
        [code, of.name, ", ".join(dict.fromkeys([of.family, of.branch])), of.script, of.udhr, of.flores]
        for code, of in LANGUAGES.items()
    ]
    for own in ("en-US", "pt-BR", "zh-CN", "iw", "no"):
        assert f"(`{own}`)" in page
