"""Which files a path with wildcards and placeholders names, and when a file counts as another."""

import os

import pytest

from calibprune.corpora.paths import CODE, Match, files_in, matches, stamp
from calibprune.errors import CorpusError


@pytest.fixture
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


def touch(*names: str) -> None:
    for name in names:
        folder = os.path.dirname(name)
        if folder:
            os.makedirs(folder, exist_ok=True)
        with open(name, "w"):
            pass


def found(pattern: str) -> list[str]:
    return [str(match.path) for match in matches(pattern)]


def test_wildcards_stand_within_a_name_and_two_stars_for_folders(here):
    touch("a/x1.txt", "a/x2.txt", "a/y1.txt", "a/b/x1.txt", "x1.md")
    assert found("a/x*.txt") == ["a/x1.txt", "a/x2.txt"]
    assert found("a/?1.txt") == ["a/x1.txt", "a/y1.txt"]
    assert found("a/x[2-9].txt") == ["a/x2.txt"]
    assert found("a/x[!1].txt") == ["a/x2.txt"]
    assert found("*/x1.txt") == ["a/x1.txt"]
    assert found("**/x1.txt") == ["a/b/x1.txt", "a/x1.txt"]
    assert found("a/z*.txt") == found("a/x[z-a].txt") == found("z*/x1.txt") == []


def test_wildcards_leave_out_what_is_hidden(here):
    touch("a/part-0.txt", "a/.part-0.txt.crc", "a/_SUCCESS", "a/_temporary/part-1.txt", "a/.git/x.txt")
    assert found("a/*") == ["a/part-0.txt"]
    assert found("a/**/*.txt") == ["a/part-0.txt"]
    assert found("a/_S*") == ["a/_SUCCESS"]
    assert [str(path) for path in files_in(here / "a")] == [str(here / "a" / "part-0.txt")]


def test_a_name_that_is_there_as_written_is_taken_as_written(here):
    touch("[old]/de[1].txt", "[old]/de1.txt", "o/de1.txt", "a*/de.txt", "ab/de.txt")
    assert found("[old]/de[1].txt") == ["[old]/de[1].txt"]
    assert matches("[old]/{language}[1].txt")[0].language == "de"
    assert found("a*/de.txt") == ["a*/de.txt"]
    assert found("[o]/de[1].txt") == ["o/de1.txt"]


def test_placeholders_are_read_from_the_paths(here):
    touch(
        "de/validation-0.txt", "de/calibration-0.txt", "de/calibration-1.txt", "sw/calibration-0.txt", "sw/test-0.txt"
    )
    assert [match[1:] for match in matches("{language}/{split}-*.txt")] == [
        ("de", "calibration"),
        ("de", "calibration"),
        ("de", "validation"),
        ("sw", "calibration"),
    ]
    assert found("{language}/validation-0.txt") == ["de/validation-0.txt"]
    touch("sw/sw.txt", "sw/de.txt")
    assert matches("{language}/{language}.txt") == [Match(here.__class__("sw/sw.txt"), "sw")]


@pytest.mark.parametrize(
    ("name", "language"),
    [
        ("de-00000-of-00010.txt", "de"),
        ("de_part.txt", "de"),
        ("zh_Hans-0.txt", "zh_Hans"),
        ("es-419-0.txt", "es-419"),
        ("pt-BR.0.txt", "pt-BR"),
        ("swh0.txt", "swh"),
    ],
)
def test_beside_a_wildcard_a_language_has_the_form_of_a_code(here, name, language):
    touch(name, "deutsch.txt")
    assert matches("{language}*.txt") == [Match(here.__class__(name), language)], CODE


def test_a_path_without_any_of_these_is_given_back_unseen(here):
    assert found("no/such.txt") == ["no/such.txt"]
    assert found("/no/such.txt") == ["/no/such.txt"]


def test_links_are_followed_but_not_in_circles(here):
    touch("a/b/x.txt", "elsewhere/y.txt")
    os.symlink("../../a", "a/b/back")
    os.symlink("../elsewhere", "a/linked")
    assert [path.name for path in files_in(here / "a")] == ["x.txt", "y.txt"]


def test_a_folder_with_too_many_files_is_refused(here, monkeypatch):
    monkeypatch.setattr("calibprune.corpora.paths.MOST_FILES", 3)
    touch(*(f"a/{i}.txt" for i in range(4)))
    for ask in (lambda: files_in(here / "a"), lambda: matches("a/*.txt")):
        with pytest.raises(CorpusError, match="more than 3 files"):
            ask()


def test_a_stamp_follows_the_content(here):
    touch("x.txt")
    (here / "x.txt").write_text("one")
    before = stamp(here / "x.txt")
    assert stamp(here / "x.txt") == before
    (here / "x.txt").write_text("two")
    assert stamp(here / "x.txt") != before


def test_a_stamp_follows_a_file_that_was_replaced_by_one_of_its_size_and_time(here, monkeypatch):
    monkeypatch.setattr("calibprune.files.SETTLED", 0)
    for name, text in (("x.txt", "one"), ("y.txt", "two")):
        (here / name).write_text(text)
        os.utime(name, ns=(10**18, 10**18))
    before = stamp(here / "x.txt")
    os.replace("y.txt", "x.txt")
    assert stamp(here / "x.txt") != before
