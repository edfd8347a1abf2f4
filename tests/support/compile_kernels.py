"""Compiles every kernel for a GPU that need not be there, with the arguments its launcher gives; a script, since the
interpreter must not be chosen.

Prints a line for each: the kernel, the compute capability, its switches, and the instructions that say how it computes.
"""

import os
import re
import sys

os.environ.pop("TRITON_INTERPRET", None)

import torch
import triton
from triton.backends.compiler import GPUTarget
from triton.compiler import ASTSource

from calibprune.kernels import gram_triton, norms_triton, obs_block_triton, packed_triton, selection_triton

POINTERS = {
    torch.float32: "*fp32",
    torch.float16: "*fp16",
    torch.bfloat16: "*bf16",
    torch.uint8: "*u8",
    torch.int32: "*i32",
    torch.int64: "*i64",
}
INSTRUCTIONS = ["wgmma.mma_async", "mma.sync", "cp.async.cg", "div.rn.f32", "div.full.f32"]


def compile_instead(kernel, *args, grid, warmup, num_warps=4, num_stages=3, **kwargs):
    """What a launch would compile: pointers and multiples of 16 are said to be aligned, ones are constants."""
    given = dict(zip(kernel.arg_names, args, strict=False)) | kwargs
    signature, constants, attributes = {}, {}, {}
    for place, name in enumerate(kernel.arg_names):
        value = given[name]
        if kernel.params[place].is_constexpr or value is 1:  # noqa: F632 - True and 1.0 are no ones here
            signature[name], constants[place,] = "constexpr", value
        elif isinstance(value, torch.Tensor):
            signature[name], attributes[place,] = POINTERS[value.dtype], [["tt.divisibility", 16]]
        else:
            signature[name] = "fp32" if isinstance(value, float) else "i32"
            if signature[name] == "i32" and value % 16 == 0:
                attributes[place,] = [["tt.divisibility", 16]]
    switches = {kernel.arg_names[place]: value for (place,), value in constants.items()}
    for capability in map(int, sys.argv[1:]):
        source = ASTSource(kernel, signature, constants, attributes)
        compiled = triton.compile(
            source, target=GPUTarget("cuda", capability, 32), options={"num_warps": num_warps, "num_stages": num_stages}
        )
        found = [name for name in INSTRUCTIONS if re.search(rf"\b{re.escape(name)}\b", compiled.asm["ptx"])]
        print(kernel.__name__, capability, switches, compiled.metadata.shared, *found, flush=True)


triton.runtime.jit.JITFunction.run = compile_instead

for dtype, tiles in (
    (torch.bfloat16, gram_triton.Tiles(128, 256, 64, 2048, 8, 3)),
    (torch.float16, gram_triton.Tiles(128, 128, 64, 2048, 8, 4)),
    (torch.float32, gram_triton.Tiles(64, 64, 32, 1024, 4, 2)),
):
    gram_triton.add_gram(torch.zeros(256, 256), torch.zeros(64, 256, dtype=dtype), tiles)
norms_triton.column_squares(torch.zeros(256, 256, dtype=torch.bfloat16))
norms = torch.zeros(4096)
selection_triton.lowest_per_row(torch.zeros(4, 4096, dtype=torch.bfloat16), 2048, norms)
selection_triton.lowest_per_row(torch.zeros(4, 14336), 2048)
selection_triton.lowest_in_groups(torch.zeros(4, 4096, dtype=torch.float16), 2, 4, norms)
selection_triton.lowest_in_groups(torch.zeros(4, 4092), 5, 31)
selection_triton.lowest_of_all(torch.zeros(128, 4096), 1000)
work, mask = torch.zeros(128, 4096), torch.zeros(128, 4096, dtype=torch.bool)
for given, nm, level in (
    (mask, None, None),
    (mask, (2, 4), None),
    (None, None, work),
    (mask, None, work),
    (mask, (4, 8), work),
):
    obs_block_triton.solve_block(work, torch.eye(128), given, nm, level, level, 16)
bits = packed_triton.pack(mask)
packed_triton.count_overlaps(bits, [64, 64])
