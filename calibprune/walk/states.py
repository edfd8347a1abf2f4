"""The hidden states between two layers in a file, so that they need no memory and a walk can go on from them."""

import math
import os
from pathlib import Path

import torch
from torch import Tensor

from calibprune.errors import ModelError
from calibprune.files import sync
from calibprune.walk.inputs import Keep


class States:
    """Files `states-<i>.bin` in a folder: what enters layer i, as numbers [windows, length, width] without a header.

    Their pages are mapped into memory: the system keeps in memory what there is room for, and writes the rest back.
    """

    def __init__(self, folder: Path, shape: tuple[int, int, int], dtype: torch.dtype) -> None:
        self._folder, self._shape, self._dtype = folder, shape, dtype

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
        mapped = self._map(layer, shared=True)
        written = 0

        def keep(states: Tensor) -> Tensor:
            nonlocal written
            place = mapped[written : written + len(states)]
            written += len(states)
            return place.copy_(states)

        return keep

    def finish(self, layer: int) -> None:
        """Wait until what enters `layer` is on the disk; may be called beside the computation of that layer."""
        sync(self._path(layer))
        sync(self._folder)

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
        return list(self._map(layer, shared=False).split(sizes))

    def drop(self, layer: int) -> None:
        """Delete what enters `layer`."""
        self._path(layer).unlink(missing_ok=True)

    def _map(self, layer: int, shared: bool) -> Tensor:
        size = math.prod(self._shape)
        mapped = torch.from_file(str(self._path(layer)), shared=shared, size=size, dtype=self._dtype)
        return mapped.view(self._shape)

    def _path(self, layer: int) -> Path:
        return self._folder / f"states-{layer}.bin"
