"""What a path stands for, and what is written whole or not at all."""

import os
from pathlib import Path

import pytest

import calibprune as cp
from calibbook.checkout import ROOT
from calibprune.errors import CalibpruneError, CorpusError, ParameterError
from calibprune.files import cache_dir, expanded, follow_umask, results_folder, whole_file, whole_folder
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


@pytest.mark.parametrize("path", ["~nouser/x", "~nouser", Path("~nouser/x"), "a\0b"])
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
    ],
    ids=["model", "store", "store of a study", "file", "files", "mirror"],
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


def test_files_are_not_programs(tmp_path, umask):
    (tmp_path / "new").mkdir()
    write(tmp_path / "new")
    (tmp_path / "new" / "a").chmod(0o755)
    follow_umask(tmp_path / "new")
    assert rights(tmp_path / "new" / "a") == 0o644
