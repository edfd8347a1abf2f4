"""Single tensors out of a safetensors file, without mapping it.

The library's own `safe_open` maps the whole file, twice, as memory that could be written to. Under a limit of the
address space (`ulimit -v`) a file larger than the limit can then not be opened at all; and pages of a mapped file count
as the process's memory until something else needs them. So the tensors that are asked for are read into memory of their
own, for a GPU into pinned memory.
"""

import json
import math
from pathlib import Path
from typing import NamedTuple

import torch
from safetensors import SafetensorError
from torch import Tensor

DTYPES = {"F64": torch.float64, "F32": torch.float32, "F16": torch.float16, "BF16": torch.bfloat16}
LONGEST_HEADER = 100_000_000  # bytes, as in the library


class Stored(NamedTuple):
    """Where a tensor is in a file: its dtype and shape, and its first byte counted from the beginning of the file."""

    dtype: torch.dtype
    shape: tuple[int, ...]
    begin: int

    @property
    def nbytes(self) -> int:
        return math.prod(self.shape) * self.dtype.itemsize


def stored_in(path: Path) -> dict[str, Stored]:
    """The tensors of a file by name, those of floating-point numbers; sizes are compared with that of the file.

    Raises:
        SafetensorError: it is damaged. OSError: it cannot be read.
    """
    size = path.stat().st_size
    with path.open("rb") as file:
        length = int.from_bytes(file.read(8), "little")
        if not 2 <= length <= min(LONGEST_HEADER, size - 8):
            raise SafetensorError(f"{path.name}: its header claims {length} bytes")
        header = file.read(length)
    try:
        entries = {name: entry for name, entry in json.loads(header).items() if name != "__metadata__"}
        found = {
            name: Stored(DTYPES[entry["dtype"]], tuple(map(int, entry["shape"])), 8 + length + entry["data_offsets"][0])
            for name, entry in entries.items()
            if entry["dtype"] in DTYPES
        }
        ends = [8 + length + entry["data_offsets"][1] for entry in entries.values()]
        sound = max(ends, default=8 + length) == size and all(
            min(one.shape, default=0) >= 0
            and one.begin >= 8 + length
            and one.begin + one.nbytes == 8 + length + entries[name]["data_offsets"][1]
            for name, one in found.items()
        )
    except (ValueError, KeyError, TypeError, IndexError, AttributeError, OverflowError, RecursionError) as error:
        raise SafetensorError(f"{path.name}: its header cannot be read ({type(error).__name__})") from None
    if not sound:
        raise SafetensorError(f"{path.name}: its header does not fit its size")
    return found


def read(path: Path, stored: Stored, pinned: bool = False) -> Tensor:
    """A tensor of a file, in the dtype that it has there.

    Raises:
        SafetensorError: the file has become shorter. OSError: it cannot be read.
    """
    tensor = torch.empty(stored.shape, dtype=stored.dtype, pin_memory=pinned)
    with path.open("rb", buffering=0) as file:
        file.seek(stored.begin)
        left = memoryview(tensor.view(-1).view(torch.uint8).numpy())
        while left:
            count = file.readinto(left)  # at most 2 GiB at once
            if not count:
                raise SafetensorError(f"{path.name}: has become shorter")
            left = left[count:]
    return tensor
