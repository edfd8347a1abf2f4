"""The rows of `kernels.py`: each kernel against the published way, and against what the machine can do."""

import argparse
import math
import statistics
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import measuring
import torch
from measuring import Side, row
from setting import HALF, Setting, measured_peaks
from solving import gptq_matrix, solve, sparsegpt_matrix, sparsegpt_model

from calibprune.kernels import packed
from calibprune.kernels.gram import add_gram
from calibprune.kernels.norms import add_column_squares
from calibprune.models.loading import resolve_device, resolve_dtype
from calibprune.study.planning.counts import GEMMA_3_270M, LLAMA_3_8B, Peak, gram


def gram_row(at: Setting) -> dict[str, Any]:
    x, total = at.normal(at.tokens, at.width), torch.zeros(at.width, at.width, device=at.device)
    sides = at.seconds(Side(lambda: add_gram(total, x), lambda: total.zero_()), Side(lambda: torch.mm(x.T, x)))
    least = gram(at.width, at.tokens).sixteen_bit / at.peak.sixteen_bit
    size = f"{at.width:,} wide, {at.tokens:,} tokens, {str(at.dtype).removeprefix('torch.')}"
    asked = at.on_a_gpu and at.width == LLAMA_3_8B.mlp and at.dtype.itemsize == 2
    return row(
        "gram",
        size,
        asked,
        least / statistics.median(sides[0]),
        {"ours": sides[0], "peer": sides[1], "limit": [least]},
        {"peer": "full product", "limit": "a triangle at the peak"},
    )


def wanda_layer(at: Setting) -> dict[str, Any]:
    groups = [
        (
            [at.normal(rows, columns, seed) for seed, rows in enumerate(matrices)],
            add_column_squares(None, at.normal(at.tokens, columns, 9)),
        )
        for columns, matrices in at.shape.groups
    ]
    work = [[weight.clone() for weight in weights] for weights, _ in groups]

    def copy() -> None:
        for copies, (weights, _) in zip(work, groups, strict=True):
            for copied, weight in zip(copies, weights, strict=True):
                copied.copy_(weight)

    def ours() -> None:
        for weights, (_, squares) in zip(work, groups, strict=True):
            solve("wanda", weights, squares, HALF)

    sides = at.seconds(Side(ours, copy), Side(copy))
    asked = at.on_a_gpu and at.shape is LLAMA_3_8B
    value = statistics.median(sides[0]) / statistics.median(sides[1])
    return row(
        "wanda_layer",
        f"a layer of {at.shape.name}",
        asked,
        value,
        {"ours": sides[0], "limit": sides[1]},
        {"limit": "copying its weights"},
    )


def masks_pack(at: Setting) -> dict[str, Any]:
    mask = at.normal(at.rows, at.width) > 0
    whole = mask[:, : at.width // 8 * 8].reshape(at.rows, -1, 8)
    bits = torch.tensor([1 << bit for bit in range(8)], dtype=torch.uint8, device=at.device)
    copied = torch.empty_like(mask)
    sides = at.seconds(
        Side(lambda: packed.pack(mask)),
        Side(lambda: (whole * bits).sum(-1, dtype=torch.uint8).cpu()),  # where ours ends as well
        Side(lambda: copied.copy_(mask)),
    )
    names = {"peer": "products with powers of two in torch", "limit": "copying the mask"}
    value = statistics.median(sides[0]) / statistics.median(sides[2])
    return row("masks_pack", at.matrix, False, value, dict(zip(("ours", "peer", "limit"), sides, strict=True)), names)


def masks_overlap(at: Setting) -> dict[str, Any]:
    one, other = (at.normal(at.rows, at.width, seed) > 0 for seed in range(2))
    packs = [packed.pack(mask).to(at.device) for mask in (one, other)]
    copies = [torch.empty_like(pack) for pack in packs]
    sides = at.seconds(
        Side(lambda: packed.overlaps([[pack] for pack in packs])),
        Side(lambda: (int((one & other).sum()), int((one | other).sum()))),
        Side(lambda: [copied.copy_(pack) for copied, pack in zip(copies, packs, strict=True)]),
    )
    names = {"peer": "torch, one byte a weight", "limit": "copying both packed masks"}
    value = statistics.median(sides[1]) / statistics.median(sides[0])
    return row(
        "masks_overlap", at.matrix, False, value, dict(zip(("ours", "peer", "limit"), sides, strict=True)), names
    )


BENCHMARKS: dict[str, Callable[[Setting], dict[str, Any]]] = {
    "sparsegpt_matrix": sparsegpt_matrix,
    "gram": gram_row,
    "wanda_layer": wanda_layer,
    "sparsegpt_model": sparsegpt_model,
    "gptq_matrix": gptq_matrix,
    "masks_pack": masks_pack,
    "masks_overlap": masks_overlap,
}


def main(description: str, arguments: Sequence[str] | None = None) -> list[dict[str, Any]]:
    parser = argparse.ArgumentParser(description=description, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--device", default="auto")
    parser.add_argument("--dtype", default="auto", help="of weights and inputs")
    parser.add_argument("--rows", type=int, help="of the matrix, its outputs")
    parser.add_argument("--width", type=int, help="of the matrix and the Gram matrix: inputs")
    parser.add_argument("--tokens", type=int, help="of a batch of inputs")
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--limit", type=float, default=math.inf, help="seconds, after which a row repeats no more")
    parser.add_argument("--group-size", type=int, default=128, help="weights that share a scale")
    parser.add_argument("--peak-size", type=int, help="of the square products that the peaks are measured with")
    parser.add_argument("--checkpoint", help="whose matrices are all solved; gemma3-270m on a CPU, none on a GPU")
    parser.add_argument("--only", nargs="*", choices=BENCHMARKS, default=list(BENCHMARKS))
    parser.add_argument("--write", action="store_true", help="keep the rows in book/results/benchmarks")
    parser.add_argument("--folder", type=Path, default=measuring.RESULTS, help="keep them there instead")
    chosen = parser.parse_args(arguments)
    if chosen.write:
        chosen.folder.mkdir(parents=True, exist_ok=True)  # before hours of measuring
    device = str(resolve_device(chosen.device))
    gpu = device.startswith("cuda")
    dtype = resolve_dtype(chosen.dtype, torch.device(device))
    shape = LLAMA_3_8B if gpu else GEMMA_3_270M
    measuring.heading(device, dtype, chosen.repeats)
    peaks = measured_peaks(device, dtype, chosen.peak_size or (8192 if gpu else 3072), max(5, chosen.repeats))
    peak = Peak(measuring.name_of(device), *(peaks[name] for name in Peak._fields[1:]))
    print(
        f"measured peaks: {peak.sixteen_bit / 1e12:.3g} TFLOP/s ({str(dtype).removeprefix('torch.')}), "
        f"{peak.float32 / 1e12:.3g} TFLOP/s (float32), "
        f"{peak.memory / 1e9:.3g} GB/s"
    )
    checkpoint = chosen.checkpoint if chosen.checkpoint is not None or gpu else GEMMA_3_270M.name
    at = Setting(
        device,
        dtype,
        chosen.rows or shape.width,
        chosen.width or shape.mlp,
        chosen.tokens or (8192 if gpu else 2048),
        chosen.repeats,
        chosen.group_size,
        checkpoint or "",
        peak,
        chosen.limit,
    )

    def keep(rows: list[dict[str, Any]]) -> None:
        if chosen.write:
            measuring.write(rows, device, peaks, chosen.folder)

    keys = [key for key in chosen.only if checkpoint or key != "sparsegpt_model"]
    return measuring.measured(keys, lambda key: [BENCHMARKS[key](at)], keep)
