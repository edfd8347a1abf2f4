"""A checkpoint that is written layer by layer: the files and numbers of one that is written at once, however often the
program was killed meanwhile.
"""

import json
import multiprocessing
import os
import shutil
import signal

import pytest
import safetensors.torch
import torch
from byte_tokenizer import TOKENIZER
from tiny_models import CONFIGS, tiny

from calibprune import load
from calibprune.errors import ModelError
from calibprune.saving import construction, making, making_streamed
from calibprune.saving.construction import Construction, place_of
from calibprune.schemes import Grid, Sparsity
from calibprune.walk import streamed

FORK = multiprocessing.get_context("fork")
"""Torch is loaded already, with one thread, so that a process to be killed begins at once."""


@pytest.fixture
def order(tmp_path, tiny_texts):
    """Make a checkpoint of a tiny model; `stream` and `folder` are where and how."""

    def make(folder, stream, method="sparsegpt", family="llama", quantize=False, format="dense", grid=None, **more):
        model = tmp_path / f"model-{family}"
        if not model.exists():
            tiny(family, dtype=torch.bfloat16).save_pretrained(model, max_shard_size="20KB")
            TOKENIZER.save_pretrained(model)
        target = making.Target(folder, format, "cpu", "bfloat16", stream)
        text = making.Text("de", tiny_texts, 6, 24)
        if quantize:
            return making.quantize(str(model), target, grid, text, **more)
        return making.prune(str(model), target, method, Sparsity.of("0.5"), text, grid, **more)

    return make


def tensors(folder) -> dict[str, torch.Tensor]:
    return {
        name: tensor
        for file in sorted(folder.glob("*.safetensors"))
        for name, tensor in safetensors.torch.load_file(file).items()
    }


def assert_same_checkpoint(one, other) -> None:
    """But for how the weights are spread over files, and how long it took."""
    weights, others = tensors(one), tensors(other)
    assert weights.keys() == others.keys()
    assert all(torch.equal(weights[name], others[name]) for name in weights)

    def files(folder):
        return {path.name: path for path in folder.iterdir() if not path.name.startswith("model")}

    assert files(one).keys() == files(other).keys()
    for name, path in files(one).items():
        found, expected = path.read_text(), files(other)[name].read_text()
        if name == "README.md":
            found, expected = (
                [line for line in text.splitlines() if not line.startswith(("| seconds", "| date"))]
                for text in (found, expected)
            )
        assert found == expected, name


@pytest.mark.parametrize("family", CONFIGS)
def test_the_same_checkpoint_as_of_a_model_in_memory(family, order, tmp_path):
    resident = order(tmp_path / "resident", False, family=family)
    result = order(tmp_path / "new" / "streamed", True, family=family)
    assert_same_checkpoint(tmp_path / "new" / "streamed", tmp_path / "resident")
    assert [report.sparsity for report in result.layers] == [report.sparsity for report in resident.layers]
    assert (result.tokens, result.damping, result.grid) == (resident.tokens, resident.damping, resident.grid)
    loaded, _ = load(tmp_path / "new" / "streamed", "cpu", "bfloat16")
    again, _ = load(tmp_path / "resident", "cpu", "bfloat16")
    assert all(torch.equal(a, b) for a, b in zip(loaded.parameters(), again.parameters(), strict=True))
    assert [path.name for path in (tmp_path / "new").iterdir()] == ["streamed"]
    files = [path for path in (tmp_path / "new" / "streamed").glob("*.safetensors")]
    outside = 1 if loaded.config.tie_word_embeddings else 2
    assert len(files) == loaded.config.num_hidden_layers + outside
    assert {path.stat().st_mode & 0o777 for path in files} == {0o644}


@pytest.mark.parametrize("case", ["magnitude", "pruned and rounded", "packed", "dense levels"])
def test_every_kind_of_change(case, order, tmp_path):
    options = {
        "magnitude": {"method": "magnitude"},
        "pruned and rounded": {"grid": Grid.of(4, 8), "format": "compressed-tensors"},
        "packed": {"quantize": True, "grid": Grid.of(4, 8, False), "format": "compressed-tensors"},
        "dense levels": {"quantize": True, "grid": Grid.of(3, 16)},
    }[case]
    order(tmp_path / "resident", False, **options)
    order(tmp_path / "streamed", True, **options)
    assert_same_checkpoint(tmp_path / "streamed", tmp_path / "resident")
    assert load(tmp_path / "streamed", "cpu", "bfloat16")


def test_an_empty_folder_is_filled(order, tmp_path):
    (tmp_path / "out").mkdir(mode=0o750)
    before = (tmp_path / "out").stat()
    order(tmp_path / "out", True)
    order(tmp_path / "resident", False)
    assert_same_checkpoint(tmp_path / "out", tmp_path / "resident")
    assert ((tmp_path / "out").stat().st_ino, (tmp_path / "out").stat().st_mode) == (before.st_ino, before.st_mode)


def die_at(moment: int, make) -> None:
    """Run `make`, and end this process as kill -9 does at the call of that number that changes the disk."""
    calls = 0

    def counting(function, half=None):
        def called(*arguments, **named):
            nonlocal calls
            calls += 1
            if calls == moment:
                if half:
                    half(*arguments)
                os.kill(os.getpid(), signal.SIGKILL)
            return function(*arguments, **named)

        return called

    def half_a_file(state, path, *_):
        written = safetensors.torch.save(state)
        path.write_bytes(written[: len(written) // 2])

    for name in ("fsync", "replace", "posix_fallocate"):
        setattr(os, name, counting(getattr(os, name)))
    construction.save_file = counting(construction.save_file, half_a_file)
    rmtree = shutil.rmtree
    last = counting(rmtree)
    shutil.rmtree = lambda path, **named: (last if path.name.endswith("partial") else rmtree)(path, **named)
    torch.set_num_threads(1)
    make()


@pytest.mark.parametrize("there", [False, True])
def test_killed_at_any_moment_it_goes_on_to_the_same_checkpoint(order, tmp_path, there):
    order(tmp_path / "undisturbed", True)
    survived, moment = False, 0
    while not survived:
        moment += 1
        output = tmp_path / f"{moment}" / "out"
        output.mkdir(parents=True) if there else None
        process = FORK.Process(target=die_at, args=(moment, lambda output=output: order(output, True)))
        process.start()
        process.join()
        survived = process.exitcode == 0
        assert survived or process.exitcode == -signal.SIGKILL
        if not (output / "config.json").exists() or place_of(output).exists():
            seen = []
            order(output, True, progress=lambda done, layers, seen=seen: seen.append(done))
            assert seen == [0, 1, 2, 3]
            assert not place_of(output).exists()
        assert_same_checkpoint(output, tmp_path / "undisturbed")
    assert moment > 30


def killed(order, output, moment=22) -> None:
    """Leave a construction of which a layer or two are done."""
    process = FORK.Process(target=die_at, args=(moment, lambda: order(output, True)))
    process.start()
    process.join()
    assert process.exitcode == -signal.SIGKILL
    assert 0 < len(json.loads((place_of(output) / "manifest.json").read_text())["parts"]) < 3


def test_finished_layers_are_not_solved_again(order, tmp_path, monkeypatch):
    killed(order, tmp_path / "out")
    done = len(json.loads((place_of(tmp_path / "out") / "manifest.json").read_text())["parts"])
    solved, change = [], streamed.change_layer

    def counted(plan, layer, index, *rest):
        solved.append(index)
        return change(plan, layer, index, *rest)

    monkeypatch.setattr(streamed, "change_layer", counted)
    order(tmp_path / "out", None)  # without being asked, since it was begun that way
    assert solved == list(range(done, 3))
    assert [path.name for path in tmp_path.iterdir() if path.name.startswith(".")] == []


def test_another_run_does_not_go_on_there(order, tmp_path):
    killed(order, tmp_path / "out")
    before = sorted(path.name for path in place_of(tmp_path / "out").rglob("*"))
    with pytest.raises(
        ModelError, match=r"out.partial: holds \d layers of another run, whose method is another; finish"
    ):
        order(tmp_path / "out", True, method="wanda")
    assert sorted(path.name for path in place_of(tmp_path / "out").rglob("*")) == before


@pytest.mark.parametrize("damage", [lambda text: text[:-40], lambda text: text.replace('"sizes": [', '"sizes": [7, ')])
def test_a_damaged_manifest(order, tmp_path, damage):
    killed(order, tmp_path / "out")
    manifest = place_of(tmp_path / "out") / "manifest.json"
    manifest.write_text(damage(manifest.read_text()))
    with pytest.raises(ModelError, match=r"manifest.json: is damaged, .* delete .*out.partial to start over"):
        order(tmp_path / "out", True)


def flip(path) -> None:
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)


@pytest.mark.parametrize(
    ("damage", "words"),
    [
        (flip, "00001-of-00005.safetensors: model.layers.0.* is not what was solved"),
        (lambda path: path.write_bytes(path.read_bytes()[:-8]), "00001-of-00005.safetensors: is not what was written"),
        (lambda path: path.unlink(), "model-00001-of-00005.safetensors is missing or not of it"),
    ],
)
def test_a_damaged_file_of_weights_gets_no_name(order, tmp_path, damage, words):
    killed(order, tmp_path / "out")
    damage(place_of(tmp_path / "out") / "checkpoint" / "model-00001-of-00005.safetensors")
    with pytest.raises(ModelError, match=words):
        order(tmp_path / "out", True)
    assert not (tmp_path / "out").exists()


def test_what_is_written_is_compared_with_what_was_solved(order, tmp_path, monkeypatch):
    """An exporter that writes zeros, or nothing, in the place of a layer."""
    save = construction.save_file

    def zeros(state, path, **more):
        save({name: torch.zeros_like(tensor) for name, tensor in state.items()}, path, **more)

    monkeypatch.setattr(construction, "save_file", zeros)
    with pytest.raises(ModelError, match=r"model-00001-.*q_proj.weight is not what was solved"):
        order(tmp_path / "out", True)
    assert not (tmp_path / "out").exists()


def test_no_tensor_without_numbers_is_written(order, tmp_path, monkeypatch):
    def emptied(index, state):
        return {name: tensor.to("meta") for name, tensor in construction.layer_state(index, state).items()}

    monkeypatch.setattr(making_streamed, "layer_state", emptied)
    with pytest.raises(ModelError, match=r"model.layers.0.* is on the device meta, where it has no numbers"):
        order(tmp_path / "out", True)
    assert not (tmp_path / "out").exists()
    assert not place_of(tmp_path / "out").exists()


def test_a_model_with_a_layer_of_zeros(order, tmp_path):
    order(tmp_path / "first", True)
    model = tiny("llama", dtype=torch.bfloat16)
    for parameter in model.model.layers[1].parameters():
        parameter.data.zero_()
    model.save_pretrained(tmp_path / "model-zeros")
    TOKENIZER.save_pretrained(tmp_path / "model-zeros")
    left = r"1 of 3 layers are done and in .*out.partial, and the same command goes on there; delete it to start over"
    with pytest.raises(ModelError, match=rf"layers.1: all its weights are zero; check the checkpoint; {left}"):
        order(tmp_path / "out", True, method="magnitude", family="zeros")


def test_no_room_for_the_checkpoint_and_its_states(order, tmp_path, monkeypatch):
    order(tmp_path / "other", True)
    before = sorted(tmp_path.iterdir())
    used = shutil.disk_usage(tmp_path)
    monkeypatch.setattr("shutil.disk_usage", lambda path: used._replace(free=60_000))
    with pytest.raises(ModelError, match=r"the checkpoint takes .* GB and 6e-05 GB are free"):
        order(tmp_path / "new" / "out", True)
    assert sorted(tmp_path.iterdir()) == before


@pytest.mark.parametrize(("free", "streams"), [(10**12, False), (1000, True)])
def test_a_model_larger_than_what_is_free_is_streamed(order, tmp_path, monkeypatch, free, streams):
    made = []
    monkeypatch.setattr(making, "free_memory", lambda device: free)
    monkeypatch.setattr(making_streamed, "Construction", lambda *a: made.append(a) or Construction(*a))
    order(tmp_path / "out", None)
    assert bool(made) == streams
