"""Where the Triton kernels are tested: on the GPU where there is one, else in Triton's interpreter.

Triton reads the choice when it is imported, so `conftest.py` imports this module before the package. The package itself
still uses kernels for tensors on a GPU alone: tests of kernels call their launchers directly.
"""

import os

import torch

DEVICE = torch.device("cuda" if torch.cuda.is_available() else "cpu")
INTERPRETED = DEVICE.type == "cpu"
DOT_DTYPES = [torch.float16, torch.float32]
if not INTERPRETED:
    DOT_DTYPES.append(torch.bfloat16)  # whose products are wrong in the interpreter

if INTERPRETED:
    os.environ["TRITON_INTERPRET"] = "1"
