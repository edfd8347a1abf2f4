"""Other weights, another tokenizer, other chat templates or generation settings: another fingerprint, at once."""

import hashlib
import json
import os
import re
import shutil
from pathlib import Path

import huggingface_hub
import pytest
import safetensors.torch
import tiny_gguf
import torch
from tiny_models import some_tokens

from calibprune import files, load
from calibprune.models import identity, loading
from calibprune.models.identity import fingerprint

COMMIT = "0123456789abcdef0123456789abcdef01234567"


@pytest.fixture
def copy(tiny_checkpoint, tmp_path):
    """A checkpoint that may be changed, below a folder of the name that the hub's cache has too."""
    folder = shutil.copytree(tiny_checkpoint, tmp_path / "models" / "snapshots" / "last")
    (folder / "chat_template.jinja").write_text("{{ messages }}")
    (folder / "tokenizer.model").write_text("some pieces")
    (folder / "merges.txt").write_text("a b")
    (folder / "additional_chat_templates").mkdir()
    (folder / "additional_chat_templates" / "tools.jinja").write_text("{{ tools }}")
    return folder


def blob_name(content: bytes, large: bool) -> str:
    """As the hub names it: by SHA-256 where the file is large, else by git's checksum."""
    return (
        hashlib.sha256(content).hexdigest()
        if large
        else hashlib.sha1(b"blob %d\0" % len(content) + content).hexdigest()
    )


def link(content: bytes, name: str, snapshot: Path) -> None:
    blobs = snapshot.parent.parent / "blobs"
    blobs.mkdir(exist_ok=True)
    blob = blobs / blob_name(content, name.endswith(("safetensors", "gguf")))
    blob.write_bytes(content)
    (snapshot / name).symlink_to(Path("../../blobs", blob.name))


@pytest.fixture
def snapshot(tiny_checkpoint, tmp_path):
    """The same checkpoint as the hub's cache keeps it."""
    folder = tmp_path / "hub" / "models--org--name" / "snapshots" / COMMIT
    folder.mkdir(parents=True)
    for file in tiny_checkpoint.iterdir():
        link(file.read_bytes(), file.name, folder)
    return folder


def changed(file: Path) -> bytes:
    """The content with a number or a blank changed."""
    content = file.read_bytes()
    if file.suffix == ".safetensors":
        return content[:-1] + bytes([content[-1] ^ 1])
    assert b" " in content
    return content.replace(b" ", b"\t", 1)


def change_in_place(file: Path) -> None:
    """At the same size and with the same time of change."""
    before = file.stat()
    with file.open("r+b") as there:
        there.write(changed(file))
    os.utime(file, ns=(before.st_atime_ns, before.st_mtime_ns))


@pytest.mark.parametrize(
    "name",
    [
        "model.safetensors",
        "config.json",
        "tokenizer.json",
        "tokenizer_config.json",
        "generation_config.json",
        "chat_template.jinja",
        "tokenizer.model",
        "merges.txt",
        "additional_chat_templates/tools.jinja",
    ],
)
def test_whatever_is_read_with_a_model_is_in_its_fingerprint(copy, name):
    before = fingerprint(copy)
    assert fingerprint(str(copy)) == before
    change_in_place(copy / name)
    assert fingerprint(copy) != before


def test_a_file_is_hashed_once_for_each_state_of_it(copy, monkeypatch):
    hashed = []
    monkeypatch.setattr(files, "SETTLED", -(10**18))  # as if every file had been written long ago
    monkeypatch.setattr(files, "file_sha256", lambda file: hashed.append(file.name) or "0" * 64)
    fingerprint(copy)
    once = len(hashed)
    fingerprint(copy)
    assert len(hashed) == once > 5
    change_in_place(copy / "model.safetensors")
    fingerprint(copy)
    assert hashed[once:] == ["model.safetensors"]


def test_a_snapshot_of_the_hub_is_known_by_its_commit(snapshot, tmp_path, monkeypatch):
    monkeypatch.setattr(identity, "known_sha256", lambda file: pytest.fail(f"{file} is hashed"))
    assert re.fullmatch(f"hub-commit:{COMMIT}:[0-9a-f]{{16}}", fingerprint(snapshot))
    elsewhere = tmp_path / "last"
    elsewhere.symlink_to(snapshot)
    assert fingerprint(elsewhere) == fingerprint(snapshot)


@pytest.mark.parametrize("name", ["model.safetensors", "config.json", "tokenizer.json"])
@pytest.mark.parametrize("how", ["replaced", "written through its link"])
def test_a_snapshot_that_somebody_changed_is_not_the_hubs(snapshot, name, how):
    file, content = snapshot / name, changed(snapshot / name)
    if how == "replaced":
        file.unlink()
    file.write_bytes(content)
    assert fingerprint(snapshot).startswith("files-sha256:")


def test_a_blob_that_was_copied_later_is_still_what_its_name_says(snapshot):
    os.utime(snapshot / "model.safetensors")
    assert re.fullmatch(f"hub-commit:{COMMIT}:[0-9a-f]{{16}}", fingerprint(snapshot))


@pytest.mark.parametrize(
    "place", ["snapshots/last", f"snapshots/{COMMIT}", f"models--a--b/{COMMIT}", "models--a--b/snapshots/v1"]
)
def test_folders_that_look_like_the_hubs_are_read(tiny_checkpoint, tmp_path, place):
    folder = shutil.copytree(tiny_checkpoint, tmp_path / place)
    assert fingerprint(folder).startswith("files-sha256:")
    assert fingerprint(folder) == fingerprint(tiny_checkpoint)


def test_a_gguf_file_of_the_hubs_cache(tmp_path):
    """It is a link to a file without an ending."""
    folder = tmp_path / "models--org--name" / "snapshots" / COMMIT
    folder.mkdir(parents=True)
    model = tiny_gguf.write(tmp_path / "model.gguf")
    link((tmp_path / "model.gguf").read_bytes(), "model.gguf", folder)
    loaded, tokenizer = load(folder / "model.gguf", "cpu", "float32")
    assert torch.equal(loaded(some_tokens()).logits, model(some_tokens()).logits)
    assert tokenizer("ab").input_ids == [257]
    assert re.fullmatch(f"hub-commit:{COMMIT}:[0-9a-f]{{16}}:model.gguf", fingerprint(folder / "model.gguf"))


def test_what_lies_beside_a_gguf_file_counts(tmp_path):
    tiny_gguf.write(tmp_path / "model.gguf")
    alone = fingerprint(tmp_path / "model.gguf")
    (tmp_path / "tokenizer_config.json").write_text("{}")
    with_settings = fingerprint(tmp_path / "model.gguf")
    tiny_gguf.write(tmp_path / "other.gguf", seed=1)
    assert fingerprint(tmp_path / "model.gguf") == with_settings != alone


def test_a_program_stays_with_the_snapshot_it_found(snapshot, tmp_path, monkeypatch):
    later = shutil.copytree(snapshot, snapshot.with_name("f" * 40), symlinks=True)
    answers = iter([snapshot, later])
    monkeypatch.setattr(loading, "_SNAPSHOTS", {})
    monkeypatch.setattr(huggingface_hub, "snapshot_download", lambda *_, **__: str(next(answers)))
    assert fingerprint("org/name") == fingerprint("org/name") == fingerprint(snapshot)
    assert loading.locate("org/name") == snapshot


def test_weights_that_are_written_again_unchanged(copy):
    before = fingerprint(copy)
    weights = safetensors.torch.load_file(copy / "model.safetensors")
    safetensors.torch.save_file(weights, copy / "model.safetensors", metadata={"format": "pt"})
    assert fingerprint(copy) == before


def test_weights_in_a_folder_below_are_hashed(copy):
    """An index may name them, and they are then loaded."""
    weights = safetensors.torch.load_file(copy / "model.safetensors")
    (copy / "model.safetensors").unlink()
    (copy / "parts").mkdir()
    file, names = copy / "parts" / "model-2.safetensors", sorted(weights)
    for shard, keys in ((copy / "model-1.safetensors", names[:4]), (file, names[4:])):
        safetensors.torch.save_file({key: weights[key] for key in keys}, shard, metadata={"format": "pt"})
    where = {key: "model-1.safetensors" if key in names[:4] else "parts/model-2.safetensors" for key in names}
    (copy / "model.safetensors.index.json").write_text(json.dumps({"metadata": {}, "weight_map": where}))
    before = fingerprint(copy)
    change_in_place(file)
    assert fingerprint(copy) != before


def test_a_link_that_was_set_to_another_blob_or_taken_away(snapshot):
    before = fingerprint(snapshot)
    weights, other = snapshot / "model.safetensors", snapshot / "tokenizer.json"
    target = weights.readlink()
    weights.unlink()
    weights.symlink_to(other.readlink())
    assert fingerprint(snapshot) != before
    weights.unlink()
    weights.symlink_to(target)
    (snapshot / "generation_config.json").unlink()
    assert fingerprint(snapshot) != before
