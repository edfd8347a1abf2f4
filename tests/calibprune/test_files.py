"""What a path stands for, and what is written whole or not at all."""

import hashlib
import os
import time
from pathlib import Path

import pytest

import calibprune as cp
from calibbook.checkout import ROOT
from calibprune.errors import CalibpruneError, CorpusError, ParameterError
from calibprune.files import (
    FileState,
    cache_dir,
    check_names_fit,
    expanded,
    follow_umask,
    known_sha256,
    results_folder,
    whole_file,
    whole_folder,
)
from calibprune.study.store import Store


@pytest.fixture
def umask():
    before = os.umask(0o022)
    yield os.umask
    os.umask(before)


def rights(path: Path) -> int:
    return path.stat().st_mode & 0o777


def test_the_home_folder(monkeypatch):
    monkeypatch.setenv("HOME", "/some/home")
    assert expanded("~/x") == Path("/some/home/x")
    assert expanded(Path("~")) == Path("/some/home")
    assert expanded("a/~b") == Path("a/~b")
    assert expanded("./~b") == Path("~b")


def test_a_name_that_begins_with_a_tilde_and_is_there(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("~mc4").mkdir()
    assert expanded("~mc4/de.txt") == Path("~mc4/de.txt")


@pytest.mark.parametrize("path", ["~nouser/x", "~nouser", Path("~nouser/x"), "a\0b", "a\ud800"])
def test_a_path_that_stands_for_nothing(path):
    for kind in (ParameterError, CorpusError):
        with pytest.raises(kind) as caught:
            expanded(path, kind)
        assert "\n" not in str(caught.value)
        assert repr(str(path)).strip("'") in str(caught.value)


@pytest.mark.parametrize(
    "use",
    [
        lambda path: cp.load(path),
        lambda path: Store(path),
        lambda path: cp.Study(store=path),
        lambda path: cp.corpus(f"file:{path}.txt", "de"),
        lambda path: cp.Study(evaluation_source=f"file:{path}/{{language}}.txt").cells(),
        lambda path: cp.Study(tasks=["belebele"], data_mirror=path).cells(),
        lambda path: cp.Study(data_mirror=path).cells(),
    ],
    ids=["model", "store", "store of a study", "file", "files", "mirror", "mirror without tasks"],
)
def test_no_such_user_is_one_line_everywhere(use):
    with pytest.raises(CalibpruneError, match="~nouser") as caught:
        use("~nouser/x")
    assert "\n" not in str(caught.value)


def test_a_cache_without_a_home(monkeypatch):
    for name in ("CALIBPRUNE_CACHE", "XDG_CACHE_HOME"):
        monkeypatch.setenv(name, "~nouser/cache")
        with pytest.raises(ParameterError, match="~nouser/cache"):
            cache_dir()
        monkeypatch.delenv(name)
    monkeypatch.setenv("HOME", "/some/home")
    assert cache_dir() == Path("/some/home/.cache/calibprune")


def test_a_relative_store_is_that_of_the_checkout(tmp_path, monkeypatch):
    """Wherever in it a command or a notebook is started; outside of one it is that of the current folder."""
    for folder in (ROOT, ROOT / "notebooks", ROOT / "book" / "calibbook" / "shared"):
        monkeypatch.chdir(folder)
        assert results_folder("results") == Store("results").root == ROOT / "results"
    monkeypatch.chdir(tmp_path)
    assert results_folder("results") == Store("results").root == tmp_path / "results"
    for folder in ("calibprune", "notebooks", "params"):  # a checkout that was made by copying
        (tmp_path / "copy" / folder).mkdir(parents=True)
    monkeypatch.chdir(tmp_path / "copy" / "notebooks")
    assert results_folder("other/results") == tmp_path / "copy" / "other" / "results"
    assert results_folder(tmp_path / "results") == tmp_path / "results"
    monkeypatch.setenv("HOME", str(tmp_path))
    assert results_folder("~/results") == tmp_path / "results"


def test_a_store_where_the_current_folder_is_gone(tmp_path, monkeypatch):
    (tmp_path / "gone").mkdir()
    monkeypatch.chdir(tmp_path / "gone")
    (tmp_path / "gone").rmdir()
    with pytest.raises(ParameterError, match="results: the current folder is not there any more"):
        results_folder("results")


def test_a_name_in_another_encoding_is_a_name(tmp_path):
    name = os.fsdecode(os.fsencode(tmp_path) + b"/\xff")
    assert expanded(name) == Path(name)


def write(folder: Path) -> None:
    (folder / "below").mkdir()
    for name in ("a", "below/b"):
        (folder / name).write_text(name)
        (folder / name).chmod(0o600)  # as safetensors leaves it


@pytest.mark.parametrize("there", [True, False])
@pytest.mark.parametrize("mask", [0o022, 0o007, 0o077])
def test_a_folder_is_written_whole_with_the_rights_of_the_umask(tmp_path, umask, mask, there):
    target = tmp_path / "target"
    if there:
        target.mkdir(mode=0o710)
    umask(mask)
    with whole_folder(target) as scratch:
        write(scratch)
        assert not (target / "a").exists()
    assert sorted(path.name for path in target.rglob("*")) == ["a", "b", "below"]
    assert [path.name for path in tmp_path.iterdir()] == ["target"]
    assert rights(target / "a") == rights(target / "below" / "b") == 0o666 & ~mask
    assert rights(target / "below") == 0o777 & ~mask
    assert rights(target) == (0o710 if there else 0o777 & ~mask)


@pytest.mark.parametrize("there", [True, False])
@pytest.mark.parametrize("failure", [OSError, KeyboardInterrupt])
def test_a_folder_that_fails_leaves_nothing(tmp_path, monkeypatch, there, failure):
    target = tmp_path / "target"
    if there:
        target.mkdir()
    with pytest.raises(failure), whole_folder(target) as scratch:
        write(scratch)
        raise failure
    assert target.exists() == there
    assert not list(tmp_path.rglob("*"))[there:]

    calls, replace = [], os.replace

    def second_fails(*paths):
        calls.append(paths)
        if len(calls) > there:
            raise failure
        replace(*paths)

    monkeypatch.setattr(os, "replace", second_fails)
    with pytest.raises(failure), whole_folder(target) as scratch:
        write(scratch)
    assert target.exists() == there
    assert not list(tmp_path.rglob("*"))[there:]


def test_a_file_is_written_whole_with_the_rights_of_the_umask(tmp_path, umask):
    umask(0o027)
    path = tmp_path / "x.json"
    with whole_file(path) as file:
        file.write("größer")
    assert path.read_text(encoding="utf-8") == "größer"
    assert rights(path) == 0o640
    with pytest.raises(KeyboardInterrupt), whole_file(path) as file:
        file.write("half")
        raise KeyboardInterrupt
    assert path.read_text(encoding="utf-8") == "größer"
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("there", [True, False])
def test_of_two_that_write_to_one_folder_the_first_to_end_has_it(tmp_path, there):
    target = tmp_path / "target"
    if there:
        target.mkdir()

    def fill(folder: Path, *names: str) -> None:
        for name in names:
            (folder / name).write_text(f"{name} of {names}")

    with pytest.raises(FileExistsError), whole_folder(target) as slow:
        fill(slow, "a", "config.json", "z")
        with whole_folder(target) as quick:
            fill(quick, "b", "config.json")
    assert sorted(path.name for path in target.rglob("*")) == ["b", "config.json"]
    assert (target / "config.json").read_text() == "config.json of ('b', 'config.json')"
    assert [path.name for path in tmp_path.iterdir()] == ["target"]


def test_a_folder_that_another_program_is_filling_is_left_to_it(tmp_path):
    (tmp_path / ".calibprune.moving").mkdir()
    with pytest.raises(FileExistsError), whole_folder(tmp_path) as scratch:
        write(scratch)
    assert [path.name for path in tmp_path.iterdir()] == [".calibprune.moving"]


def test_a_folder_that_is_taken_away_before_it_is_written_to(tmp_path, monkeypatch):
    """Another program that tries whether it could write there makes it and takes it away."""
    monkeypatch.setattr(Path, "is_dir", lambda self: True)
    with whole_folder(tmp_path / "new" / "target") as scratch:
        write(scratch)
    monkeypatch.undo()
    assert sorted(path.name for path in tmp_path.rglob("*")) == ["a", "b", "below", "new", "target"]


@pytest.mark.parametrize(("length", "fits"), [(4096, False), (4080, False), (4000, True)])
def test_names_that_fit(tmp_path, length, fits):
    folder = tmp_path
    while len(str(folder)) < length - 200:
        folder /= "x" * 180
    folder /= "y" * (length - len(str(folder)) - 1)
    assert len(str(folder)) == length
    if fits:
        check_names_fit(folder)
    else:
        with pytest.raises(OSError, match="File name too long"):
            check_names_fit(folder)


def test_a_checksum_is_that_of_the_content(tmp_path):
    file = tmp_path / "file"
    file.write_bytes(b"one")
    first = known_sha256(file)
    assert first == hashlib.sha256(b"one").hexdigest()
    file.write_bytes(b"two")
    assert known_sha256(file) == hashlib.sha256(b"two").hexdigest()


def test_a_state_is_settled_after_two_seconds(tmp_path, monkeypatch):
    file = tmp_path / "file"
    file.write_bytes(b"one")
    state = FileState.of(file)
    for later, settled in ((0, False), (1.9, False), (2.1, True)):
        monkeypatch.setattr(time, "time_ns", lambda later=later: state.changed + int(later * 1e9))
        assert state.settled() == settled


def test_files_are_not_programs(tmp_path, umask):
    (tmp_path / "new").mkdir()
    write(tmp_path / "new")
    (tmp_path / "new" / "a").chmod(0o755)
    follow_umask(tmp_path / "new")
    assert rights(tmp_path / "new" / "a") == 0o644
