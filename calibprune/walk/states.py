"""The hidden states between two layers, in a file, so that they need no memory and a walk can go on from them.

Where a GPU has room for them they stay there, and the file is only for going on.
"""

import math
import os
from pathlib import Path

import torch
from torch import Tensor

from calibprune.errors import ModelError
from calibprune.files import sync
from calibprune.models.memory import free_memory
from calibprune.walk.inputs import Keep

SETS = 4
"""States stay on a GPU that has room for so many of them. While a layer is computed there are what enters it, what
leaves it, and what is still being written of the layer before; and the layer needs memory too.
"""


class States:
    """Files `states-<i>.bin` in a folder: what enters layer i, as numbers [windows, length, width] without a header.

    Their pages are mapped into memory: the system keeps in memory what there is room for, and writes the rest back. On
    a GPU with room for them, states stay there, and a file is written only of what is finished.
    """

    def __init__(
        self, folder: Path, shape: tuple[int, int, int], dtype: torch.dtype, device: torch.device | None = None
    ) -> None:
        """
        Args:
            device: what layers are computed on; None as for a CPU.
        """
        self._folder, self._shape, self._dtype, self._device = folder, shape, dtype, device
        self._stay = device is not None and device.type == "cuda" and SETS * self.nbytes <= free_memory(device)

    @property
    def nbytes(self) -> int:
        """How many bytes one file takes; while a layer is computed there are two."""
        return math.prod(self._shape) * self._dtype.itemsize

    def begin(self, layer: int) -> Keep:
        """A function to give the batches of what enters `layer` to, in their order; it writes them to the layer's file,
        and returns them as they are there.

        Raises:
            ModelError: there is no room for the file.
        """
        if self._stay:
            return lambda states: states
        self._make_room(layer)
        mapped = self._map(layer, shared=True)
        written = 0

        def keep(states: Tensor) -> Tensor:
            nonlocal written
            place = mapped[written : written + len(states)]
            written += len(states)
            return place.copy_(states)

        return keep

    def finish(self, layer: int, batches: list[Tensor]) -> None:
        """Wait until what enters `layer` is on the disk; may be called beside the computation of that layer.

        Args:
            batches: what the function of `begin` returned for each batch.

        Raises:
            ModelError: there is no room for the file.
        """
        if self._stay:
            self._make_room(layer)
            self._write(layer, batches)
        sync(self._path(layer))
        sync(self._folder)

    def _write(self, layer: int, batches: list[Tensor]) -> None:
        """Copy batches from the GPU to the layer's file, past what the GPU is computing meanwhile."""
        aside = torch.cuda.Stream(self._device)
        largest = max(batch.numel() for batch in batches)
        pinned = torch.empty(largest, dtype=self._dtype, pin_memory=True)
        with self._path(layer).open("r+b", buffering=0) as file, torch.cuda.stream(aside):
            for batch in batches:
                part = pinned[: batch.numel()]
                part.copy_(batch.reshape(-1), non_blocking=True)
                aside.synchronize()
                left = memoryview(part.view(torch.uint8).numpy())
                while left:
                    left = left[file.write(left) :]  # at most 2 GiB at once

    def _make_room(self, layer: int) -> None:
        path = self._path(layer)
        path.unlink(missing_ok=True)  # of a run that was stopped
        try:
            with path.open("xb") as file:
                # a page that has no place on the disk when it is written back would end the process without a word
                os.posix_fallocate(file.fileno(), 0, self.nbytes)
        except OSError as error:
            raise ModelError(
                f"{path}: the hidden states of the calibration text, {self.nbytes / 1e9:.2g} GB, cannot be written "
                f"({error.strerror}); free some space, and run the same command again"
            ) from None

    def read(self, layer: int, sizes: list[int]) -> list[Tensor]:
        """What enters `layer`, in batches of these sizes.

        Raises:
            ModelError: the file is not there or has another size.
        """
        path = self._path(layer)
        if not path.is_file() or path.stat().st_size != self.nbytes or sum(sizes) != self._shape[0]:
            raise ModelError(
                f"{path}: is not what enters layers.{layer}, so that the walk cannot go on there; delete "
                f"{self._folder} to start over"
            )
        batches = self._map(layer, shared=False).split(sizes)
        return [batch.to(self._device) for batch in batches] if self._stay else list(batches)

    def drop(self, layer: int) -> None:
        """Delete what enters `layer`."""
        self._path(layer).unlink(missing_ok=True)

    def _map(self, layer: int, shared: bool) -> Tensor:
        size = math.prod(self._shape)
        mapped = torch.from_file(str(self._path(layer)), shared=shared, size=size, dtype=self._dtype)
        return mapped.view(self._shape)

    def _path(self, layer: int) -> Path:
        return self._folder / f"states-{layer}.bin"
