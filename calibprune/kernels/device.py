"""Which tensors the Triton kernels take."""

from functools import cache
from importlib.util import find_spec

from torch import Tensor


def takes_kernels(tensor: Tensor) -> bool:
    """Whether a kernel runs on this tensor: on a GPU, where `triton` is installed (it comes with torch's wheels for
    GPUs).

    Elsewhere the same functions are plain torch. Modules of kernels are imported where a kernel is called and not
    before, since triton is optional. The kernels themselves also take tensors on a CPU when `TRITON_INTERPRET=1` was
    set before triton was imported; that is for tests alone.
    """
    return tensor.is_cuda and _triton_installed()


@cache
def _triton_installed() -> bool:
    return find_spec("triton") is not None
