"""A pruned model as an ordinary checkpoint with a card; all of it or nothing."""

import errno
import os
import re
import shutil
from pathlib import Path
from types import SimpleNamespace

import pytest
import safetensors.torch
import torch
import transformers as hf
import yaml
from byte_tokenizer import TOKENIZER
from tiny_models import CONFIGS, some_tokens, tiny

from calibprune import load, prune
from calibprune.errors import ModelError
from calibprune.saving import checkpoint
from calibprune.schemes import Grid

SETTINGS = {
    "method": "wanda",
    "sparsity": "0.5",
    "dtype": "float32",
    "calibration": "de",
    "source": "chromium",
    "samples": 5,
    "length": 24,
    "seed": 0,
}


def saved(folder, family="llama", sparsity="0.5", dtype=torch.float32):
    model = tiny(family, dtype=dtype)
    result = prune(model, some_tokens(), "wanda", sparsity)
    card = checkpoint.model_card("org/model", result, SETTINGS | {"sparsity": sparsity}, "free for all")
    checkpoint.save(folder, model, TOKENIZER, card)
    return model, result


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("family", CONFIGS)
def test_transformers_loads_what_was_saved(family, dtype, tmp_path):
    model, result = saved(tmp_path / "new" / "pruned", family, "2:4", dtype)
    loaded = hf.AutoModelForCausalLM.from_pretrained(tmp_path / "new" / "pruned", dtype="auto")
    assert loaded.dtype == dtype
    assert torch.equal(loaded.eval()(some_tokens()).logits, model(some_tokens()).logits)
    for key, mask in result.masks.items():
        assert torch.equal(loaded.get_parameter(f"model.{key}.weight") == 0, mask)
    assert hf.AutoTokenizer.from_pretrained(tmp_path / "new" / "pruned")("abc").input_ids == TOKENIZER("abc").input_ids


def test_it_can_be_pruned_again(tmp_path):
    saved(tmp_path / "pruned")
    again, _ = load(str(tmp_path / "pruned"), "cpu", "float32")
    assert prune(again, some_tokens(), "wanda", 0.5).layers[0].sparsity == pytest.approx(0.5)


def test_the_card_says_how_it_was_made(tmp_path):
    _, result = saved(tmp_path / "pruned")
    text = (tmp_path / "pruned" / "README.md").read_text(encoding="utf-8")
    _, metadata, body = text.split("---\n", 2)
    assert yaml.safe_load(metadata) == {
        "base_model": "org/model",
        "library_name": "transformers",
        "tags": ["pruned", "wanda", "calibprune"],
    }
    weights = safetensors.torch.load_file(tmp_path / "pruned" / "model.safetensors")
    pruned = [weights[f"model.{key}.weight"] for key in result.masks]
    zeros = sum(int((weight == 0).sum()) for weight in pruned) / sum(weight.numel() for weight in pruned)
    assert float(re.search(r"([\d.]+)% of their weights", body)[1]) == pytest.approx(100 * zeros, abs=0.01)
    for name, value in SETTINGS.items():
        assert f"| {name} | {value} |" in body
    assert "| calibration tokens | 120 |" in body
    assert f"torch {torch.__version__}" in body
    assert "free for all" in body
    assert (
        "calibprune prune org/model --method wanda --sparsity 0.5 --dtype float32 --calibration de --source chromium"
        in body
    )


def below(folder) -> set[str]:
    return {path.relative_to(folder).as_posix() for path in folder.rglob("*")}


def test_nothing_is_overwritten(tmp_path):
    (tmp_path / "pruned").mkdir()
    (tmp_path / "pruned" / "notes.txt").write_text("mine")
    (tmp_path / "file").write_text("mine")
    for name, why in (("pruned", "is not empty; .*notes.txt is in it"), ("file", "is no folder; ")):
        with pytest.raises(ModelError, match=f"already exists and {why}") as caught:
            saved(tmp_path / name)
        assert "\n" not in str(caught.value)
    assert below(tmp_path) == {"pruned", "pruned/notes.txt", "file"}


@pytest.mark.parametrize("place", ["empty", "link", "here", "link to nothing", "home"])
def test_a_folder_that_is_there_is_filled(tmp_path, monkeypatch, place):
    """By its name, by a link, as the current folder: it stays the folder that it was, with its rights."""
    inside = tmp_path / "disk"
    inside.mkdir(mode=0o750)
    (tmp_path / "link").symlink_to("disk")
    (tmp_path / "link to nothing").symlink_to("disk/new")
    monkeypatch.chdir(inside)
    monkeypatch.setenv("HOME", str(tmp_path))
    names = {"empty": inside, "here": Path("."), "home": Path("~/disk")}
    output = names.get(place, tmp_path / place)
    before = inside.stat()
    checkpoint.check_output(output)
    assert below(tmp_path) == {"disk", "link", "link to nothing"}
    saved(output)
    after = inside.stat()
    assert (after.st_ino, after.st_mode) == (before.st_ino, before.st_mode)
    written = inside / "new" if place == "link to nothing" else inside
    assert {"config.json", "model.safetensors", "README.md"} <= below(written)
    assert not [name for name in below(tmp_path) if "/." in name or name.startswith(".")]


def test_a_mount_point_is_filled(tmp_path, monkeypatch):
    """Nothing can be renamed to a mount point, nor from beside it into it; a new file system holds lost+found."""
    mount = tmp_path / "mount"
    (mount / "lost+found").mkdir(parents=True)
    with pytest.raises(ModelError, match=r"not empty; .*lost\+found"):
        checkpoint.check_output(mount)
    monkeypatch.setattr(type(mount), "is_mount", lambda self: self == mount)
    replace = os.replace

    def replaced(source, target):
        if (mount in Path(source).parents) != (mount in Path(target).parents):
            raise OSError(errno.EXDEV, os.strerror(errno.EXDEV))
        replace(source, target)

    monkeypatch.setattr(os, "replace", replaced)
    checkpoint.check_output(mount)
    saved(mount)
    assert {"lost+found", "config.json", "model.safetensors"} <= below(mount)


@pytest.mark.parametrize(
    ("output", "words"),
    [
        ("file/below", "file is no folder"),
        ("file/far/below", "file is no folder"),
        ("x" * 256, "File name too long"),
        ("new/" + "x" * 256, "File name too long"),
        ("loop", "already exists and is no folder"),
        ("loop/below", "loop is no folder"),
        ("~nouser/out", "~nouser"),
        ("zero\0byte", "zero byte"),
        ("long", "File name too long"),
        ("full/out", "No space left on device.*; free some space, or choose another --output"),
        ("locked/new/out", "Permission denied.*; choose another --output"),
    ],
)
def test_an_output_that_cannot_be_made_is_known_beforehand(tmp_path, monkeypatch, output, words):
    (tmp_path / "file").write_text("mine")
    (tmp_path / "loop").symlink_to("loop")
    for name in ("full", "locked"):
        (tmp_path / name).mkdir()
    before = below(tmp_path)
    mkdir = os.mkdir

    def made(path, *mode):  # root may write everywhere, so that the system call is made to fail
        for name, code in (("full", errno.ENOSPC), ("locked", errno.EACCES)):
            if tmp_path / name in Path(path).parents:
                raise OSError(code, os.strerror(code))
        mkdir(path, *mode)

    monkeypatch.setattr(os, "mkdir", made)
    path = Path(output) if output.startswith("~") else tmp_path / output
    if output == "long":  # the folder can be made, the longest names in it cannot
        while len(str(path)) < 3900:
            path /= "x" * 100
        path /= "y" * (4070 - len(str(path)))
    with pytest.raises(ModelError, match=words) as caught:
        checkpoint.check_output(path)
    assert "\n" not in str(caught.value)
    assert ("free some space" in str(caught.value)) == ("full" in output)
    assert below(tmp_path) == before


@pytest.mark.parametrize("there", [True, False])
def test_of_two_checkpoints_in_one_folder_the_first_is_kept(tmp_path, monkeypatch, there):
    """Both were begun where nothing was, by programs that could not know of each other."""
    output = tmp_path / "out"
    if there:
        output.mkdir()
    first, second = tiny("llama", seed=1), tiny("llama", seed=2)
    write = type(TOKENIZER).save_pretrained

    def meanwhile(*arguments):
        monkeypatch.undo()
        checkpoint.save(output, first, TOKENIZER, "the first")
        with pytest.raises(ModelError, match="already exists and is not empty"):
            checkpoint.check_output(output)
        return write(*arguments)

    monkeypatch.setattr(type(TOKENIZER), "save_pretrained", meanwhile)
    with pytest.raises(ModelError, match=r"another program has written into it meanwhile.*choose another") as caught:
        checkpoint.save(output, second, TOKENIZER, "the second")
    assert "\n" not in str(caught.value)
    assert (output / "README.md").read_text() == "the first"
    kept = load(output, "cpu", "float32")[0]
    assert all(torch.equal(a, b) for a, b in zip(kept.parameters(), first.parameters(), strict=True))
    assert not [name for name in below(tmp_path) if "calibprune" in name]


def test_trying_disturbs_no_checkpoint_that_is_being_written(tmp_path):
    (tmp_path / ".calibprune.0123abcd").mkdir()
    with pytest.raises(ModelError, match="is not empty"):
        checkpoint.check_output(tmp_path)
    checkpoint.save(tmp_path, tiny("llama"), TOKENIZER, "card")
    assert (tmp_path / "README.md").read_text() == "card"


def test_an_output_is_reserved_while_its_checkpoint_is_made(tmp_path, monkeypatch):
    monkeypatch.setenv("CALIBPRUNE_CACHE", str(tmp_path / "cache"))
    (tmp_path / "link").symlink_to("out")
    with checkpoint.reserved(tmp_path / "out"):
        again = checkpoint.reserved(tmp_path / "link")
        with pytest.raises(ModelError, match="another program is making a checkpoint there"), again:
            pass
        with checkpoint.reserved(tmp_path / "other"):
            pass
    with checkpoint.reserved(tmp_path / "link"):
        pass
    assert [path.name for path in (tmp_path / "cache").rglob("*")] == ["outputs"]
    (tmp_path / "file").touch()
    monkeypatch.setenv("CALIBPRUNE_CACHE", str(tmp_path / "file"))
    with checkpoint.reserved(tmp_path / "out"):  # a cache that cannot be written
        pass


def test_trying_leaves_nothing(tmp_path):
    checkpoint.check_output(tmp_path / "new" / "far" / "out")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("umask", [0o022, 0o002, 0o077, 0o027])
def test_rights_are_those_that_the_umask_leaves(tmp_path, umask):
    before = os.umask(umask)
    try:
        saved(tmp_path / "new" / "pruned")
        (tmp_path / "filled").mkdir()
        saved(tmp_path / "filled")
    finally:
        os.umask(before)
    files = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert {"model.safetensors", "tokenizer.json", "config.json", "README.md"} <= {path.name for path in files}
    for path in tmp_path.rglob("*"):
        assert path.stat().st_mode & 0o777 == (0o666 if path.is_file() else 0o777) & ~umask, path


def test_room_is_known_beforehand(tmp_path, monkeypatch):
    model = tiny("llama")
    tied = {id(weight): weight.nbytes for weight in model.parameters()}
    free = sum(tied.values())
    monkeypatch.setattr(shutil, "disk_usage", lambda path: SimpleNamespace(total=10**12, free=free))
    checkpoint.check_room(tmp_path / "new" / "out", model, None)
    free -= 1
    with pytest.raises(ModelError, match="GB are free; free some space, or choose another --output"):
        checkpoint.check_room(tmp_path / "new" / "out", model, None)
    checkpoint.check_room(tmp_path / "new" / "out", model, Grid.of(4, 8))
    monkeypatch.setattr(shutil, "disk_usage", lambda path: SimpleNamespace(total=0, free=0))
    checkpoint.check_room(tmp_path, model, None)


def test_no_bar_of_another_library_is_shown(tmp_path, capfd):
    saved(tmp_path / "pruned")
    assert capfd.readouterr().err == ""


def test_a_full_disk_leaves_nothing(tmp_path, monkeypatch):
    def full(*_, **__):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(type(TOKENIZER), "save_pretrained", full)
    with pytest.raises(ModelError, match="cannot be written .*No space left on device.*free some space") as caught:
        saved(tmp_path / "pruned")
    assert "\n" not in str(caught.value)
    assert list(tmp_path.iterdir()) == []
