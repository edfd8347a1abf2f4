"""A checkpoint that is written layer by layer, and goes on after a crash with the layer that was not done.

Beside the folder that it will be at (in it, where that is there and empty) stands a folder `.calibprune.NAME.partial`:

    manifest.json      which run this is, and what is done, with checksums; it names only what is on the disk
    moving.json        while the files are moved into a folder that was there, their names
    states-<k>.bin     what enters layer k, the first that is not done
    checkpoint/        one file of weights a layer

When all layers are done, the embeddings, the last norm and the output layer are added, and the other files. The whole
is read once more and compared with the manifest before `checkpoint/` gets its name.
"""

import json
import os
import shutil
from collections.abc import Callable
from contextlib import suppress
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from calibprune.errors import ModelError
from calibprune.files import SCRATCH, follow_umask, put_in_place, sync
from calibprune.models.quiet import quiet
from calibprune.models.streaming import LAYERS, Streamed

MANIFEST, MOVING, STATE = "manifest.json", "moving.json", "partial"
INDEX = "model.safetensors.index.json"


def place_of(target: Path) -> Path:
    """The folder of the construction whose checkpoint will be at `target`."""
    return target / f"{SCRATCH}{STATE}" if target.is_dir() else target.parent / f"{SCRATCH}{target.name}.{STATE}"


def take_back(target: Path) -> None:
    """Let a construction be whole again whose program ended while it moved the files into `target`.

    Raises:
        ModelError: a link is where no run makes one. OSError: they cannot be moved.
    """
    folder = place_of(target)
    _refuse_links(folder)
    if not (folder / MOVING).is_file():
        return
    with suppress(ValueError, TypeError, RecursionError):  # cut short, so that nothing was moved
        for name in json.loads((folder / MOVING).read_text(encoding="utf-8")):
            moved, place = target / Path(name).name, folder / "checkpoint" / Path(name).name
            if moved.exists() and not place.exists():
                os.replace(moved, place)
    with suppress(FileNotFoundError):
        (target / f"{SCRATCH}moving").rmdir()
    (folder / MOVING).unlink()


class Construction:
    """A checkpoint under construction.

    Attributes:
        folder: what it is written to.
        parts: by the name of each finished file of weights, what the manifest says of it: `bytes`, and by tensor's name
            its dtype, shape and checksum; of a layer's file `told`, what `add` was given.
    """

    def __init__(self, target: Path, streamed: Streamed, run: dict[str, Any]) -> None:
        """Begin, or find what an earlier program of the same run left.

        Args:
            target: a new or empty folder.
            run: what decides the numbers, as JSON has it.

        Raises:
            ModelError: the construction is of another run, its manifest cannot be read, or it holds links.
            OSError: it cannot be written.
        """
        self._target, self._streamed = target, streamed
        self.folder = place_of(target)
        self._in_target = target.is_dir()
        self._checkpoint = self.folder / "checkpoint"
        self._run = json.loads(json.dumps(run))
        _refuse_links(self.folder)
        self.parts = self._left_there()
        if not self.parts:
            shutil.rmtree(self.folder, ignore_errors=True)
        self._made = [place for place in self.folder.parents if not place.exists()]
        self._checkpoint.mkdir(parents=True, exist_ok=True)
        self._clear()

    @property
    def depth(self) -> int:
        """How many decoder layers the model has."""
        return self._streamed.model.config.num_hidden_layers

    @property
    def layers(self) -> int:
        """How many layers are done."""
        done = 0
        while done < self.depth and self._file(done) in self.parts:
            done += 1
        return done

    def told(self) -> list[Any]:
        """What was told of each finished layer, in order."""
        return [self.parts[self._file(i)]["told"] for i in range(self.layers)]

    def nbytes(self) -> int:
        """How many bytes of it are on the disk."""
        return sum(file.stat().st_size for file in self.folder.rglob("*") if file.is_file())

    def add(self, index: int, state: dict[str, Tensor], told: Any) -> None:
        """Write the layer at `index`, and then the manifest that names it.

        Args:
            state: its tensors by their names in the whole model.
            told: what to remember of it, as JSON has it.

        Raises:
            ModelError: a tensor without numbers. OSError: it cannot be written.
        """
        self._write(self._file(index), state, told)

    def finish(self, write_the_rest: Callable[[Path], None]) -> None:
        """Add what is of no layer, let the rest be written, verify it all, and give the folder its name.

        Args:
            write_the_rest: writes configuration, tokenizer and card into the folder that it is given.

        Raises:
            ModelError: what is on the disk is not what was written. OSError: it cannot be written, or something is at
                the target.
        """
        for place, names in enumerate(self._outside()):
            file = self._file(self.depth + place)
            if file not in self.parts:
                self._write(file, self._streamed.read(names), None)
        for leftover in self.folder.glob("states-*"):
            leftover.unlink()
        self._write_index()
        write_the_rest(self._checkpoint)
        self._verify()
        follow_umask(self._checkpoint)
        for file in (*self._checkpoint.rglob("*"), self._checkpoint):
            sync(file)
        if self._in_target:  # whose files are moved one after the other
            names = sorted(file.name for file in self._checkpoint.iterdir())
            (self.folder / MOVING).write_text(json.dumps(names), encoding="utf-8")
            sync(self.folder / MOVING)
        put_in_place(self._checkpoint, self._target, self._in_target)
        shutil.rmtree(self.folder, ignore_errors=True)

    def abandon(self) -> None:
        """Take away a construction of which no layer is done, and the folders that were made for it."""
        if not self.parts:
            shutil.rmtree(self.folder, ignore_errors=True)
            for place in self._made:
                with suppress(OSError):  # somebody else has put something there
                    place.rmdir()

    def _outside(self) -> list[list[str]]:
        """The parameters of no layer, those of each file: one file for each that is large."""
        names = self._streamed.outside()
        large = [name for name in names if self._streamed.model.get_parameter(name).ndim > 1]
        small = [name for name in names if name not in large]
        return [[name, *(small if name == large[0] else [])] for name in large]

    def _file(self, place: int) -> str:
        return f"model-{place + 1:05d}-of-{self.depth + len(self._outside()):05d}.safetensors"

    def _left_there(self) -> dict[str, Any]:
        manifest = self.folder / MANIFEST
        if not manifest.is_file():
            return {}
        try:
            found = json.loads(manifest.read_text(encoding="utf-8"))
            run, parts = dict(found["run"]), dict(found["parts"])
            if _checksum(run, parts) != found["sha256"]:
                raise ValueError
            for part in parts.values():
                if not {"bytes", "tensors", "told"} <= part.keys():
                    raise ValueError
        except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError):
            raise ModelError(
                f"{manifest}: is damaged, so that it is not known what is done; delete {self.folder} to start over"
            ) from None
        if run != self._run:
            differing = next(key for key in (*self._run, *run) if run.get(key) != self._run.get(key))
            raise ModelError(
                f"{self.folder}: holds {len(parts)} layers of another run, whose {differing} is another; finish that "
                f"run with its own command, delete the folder, or choose another --output"
            )
        return parts

    def _clear(self) -> None:
        """Delete files of what was not done when an earlier program ended."""
        for file in self._checkpoint.iterdir():
            if file.name not in self.parts:
                shutil.rmtree(file) if file.is_dir() and not file.is_symlink() else file.unlink()

    def _write(self, file: str, state: dict[str, Tensor], told: Any) -> None:
        tensors: dict[str, Any] = {}
        for name, tensor in state.items():
            if tensor.is_meta:
                raise ModelError(
                    f"{name} is on the device meta, where it has no numbers; this is a fault of calibprune"
                )
            state[name] = tensor = tensor.contiguous()
            tensors[name] = _described(tensor)
        path, aside = self._checkpoint / file, self._checkpoint / f".{file}"
        save_file(state, aside, metadata={"format": "pt"})
        sync(aside)
        os.replace(aside, path)
        sync(self._checkpoint)
        self.parts[file] = {
            "bytes": path.stat().st_size,
            "tensors": tensors,
            "told": told,
        }
        self._write_manifest()

    def _write_manifest(self) -> None:
        content = {"run": self._run, "parts": self.parts, "sha256": _checksum(self._run, self.parts)}
        aside = self.folder / f".{MANIFEST}"
        aside.write_text(json.dumps(content), encoding="utf-8")
        sync(aside)
        os.replace(aside, self.folder / MANIFEST)
        sync(self.folder)

    def _write_index(self) -> None:
        """The index of the files of weights, as transformers writes it."""
        tensors = {name: told for part in self.parts.values() for name, told in part["tensors"].items()}
        index = {
            "metadata": {
                "total_parameters": self._streamed.model.num_parameters(),
                "total_size": sum(_nbytes(told) for told in tensors.values()),
            },
            "weight_map": {name: file for file, part in self.parts.items() for name in part["tensors"]},
        }
        text = json.dumps(index, indent=2, sort_keys=True) + "\n"
        (self._checkpoint / INDEX).write_text(text, encoding="utf-8")

    def _verify(self) -> None:
        """Raises ModelError where the files are not those of the manifest, or do not hold the whole model."""
        files = {self._file(place) for place in range(self.depth + len(self._outside()))}
        there = {file.name for file in self._checkpoint.glob("*.safetensors")}
        if odd := sorted(files ^ there | files ^ self.parts.keys()):
            raise ModelError(
                f"{self._checkpoint}: {odd[0]} is missing or not of it; delete {self.folder} to start over"
            )
        written: set[str] = set()
        for file in sorted(files):
            part, path = self.parts[file], self._checkpoint / file
            try:
                with safe_open(path, framework="pt") as tensors:
                    changed = path.stat().st_size != part["bytes"] or set(tensors.keys()) != part["tensors"].keys()
                    wrong = (
                        []
                        if changed
                        else (
                            name
                            for name, told in part["tensors"].items()
                            if _described(tensors.get_tensor(name)) != told
                        )
                    )
                    first = next(iter(wrong), None)
            except SafetensorError:
                changed = True
            if changed:
                raise ModelError(f"{path}: is not what was written; delete {self.folder} to start over")
            if first:
                raise ModelError(f"{path}: {first} is not what was solved; delete {self.folder} to start over")
            written |= part["tensors"].keys()
        lacking = [
            name
            for name in self._streamed.places
            if name not in written and f"{name.removesuffix('.weight')}.weight_packed" not in written
        ]
        if lacking:
            raise ModelError(f"{self._checkpoint}: lacks {lacking[0]}; delete {self.folder} to start over")


def _refuse_links(folder: Path) -> None:
    """Raises ModelError where there is a link in a construction, through which files elsewhere would be deleted or
    written over.
    """
    for path in (folder, *folder.rglob("*")):
        if path.is_symlink():
            raise ModelError(
                f"{path}: is a link, which no run of calibprune makes there; delete {folder} to start over"
            )


def write_settings(folder: Path, streamed: Streamed) -> None:
    """Configuration and generation settings into `folder`, as `save_pretrained` writes them; no weights."""
    aside = folder / ".settings"
    with quiet():
        streamed.model.save_pretrained(aside, state_dict={})
    for file in aside.glob("*.json"):
        if file.name != INDEX:
            os.replace(file, folder / file.name)
    shutil.rmtree(aside)


def layer_state(index: int, state: dict[str, Tensor]) -> dict[str, Tensor]:
    """The parameters of the decoder layer at `index` by their names in the whole model."""
    return {f"{LAYERS}{index}.{name}": parameter for name, parameter in state.items()}


def _checksum(run: dict[str, Any], parts: dict[str, Any]) -> str:
    """The SHA-256 of what a manifest says."""
    return sha256(json.dumps([run, parts], sort_keys=True).encode()).hexdigest()


def _described(tensor: Tensor) -> dict[str, Any]:
    """What the manifest says of a tensor; without torch's threads, which would wait for those that compute."""
    numbers = tensor.flatten().view(torch.uint8).numpy()
    return {
        "dtype": str(tensor.dtype).removeprefix("torch."),
        "shape": list(tensor.shape),
        "sha256": sha256(numbers).hexdigest(),
    }


def _nbytes(told: dict[str, Any]) -> int:
    return int(np.prod(told["shape"])) * getattr(torch, told["dtype"]).itemsize
