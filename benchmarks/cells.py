"""Cells of the study on a GPU against the same cells on this machine's CPU: `python benchmarks/cells.py`.

Gemma 3 270M in the same dtype and on the same tokens: pruned or quantized on each device, and measured there on
validation text. The masks and the perplexities should be those of the CPU up to what the order of sums in float32
decides; a row a method for each. `--write` keeps the rows for Appendix H.
"""

import argparse
import copy
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import measuring
import torch
from measuring import row
from torch import Tensor, nn

import calibprune as cp
from calibprune.models.families import decoder, linears
from calibprune.models.loading import resolve_device, resolve_dtype
from calibprune.study.planning.counts import GEMMA_3_270M

METHODS = ("magnitude", "wanda", "sparsegpt", "gptq")
SPARSITY, BITS = 0.5, 4


class Cell(NamedTuple):
    """What a device made of a method: every matrix's weights on the CPU, layer after layer, the perplexity, and the
    seconds that pruning and measuring took.
    """

    weights: list[Tensor]
    perplexity: float
    seconds: float


def cell(method: str, dense: nn.Module, device: str, text: tuple[Tensor, Tensor], group_size: int) -> Cell:
    """`method` on a copy of `dense` with `text`, windows to calibrate and to measure with."""
    model = copy.deepcopy(dense).to(device)
    calibration, validation = text
    measuring.synchronise(device)
    started = time.perf_counter()
    if method == "gptq":
        cp.quantize(model, calibration, BITS, group_size)
    else:
        cp.prune(model, calibration, method, SPARSITY)
    perplexity = cp.perplexity(model, validation)
    measuring.synchronise(device)
    seconds = time.perf_counter() - started
    weights = [linear.weight.detach().cpu() for layer in decoder(model).layers for _, linear in linears(layer)]
    return Cell(weights, perplexity, seconds)


def alike(ours: Tensor, theirs: Tensor, pruned: bool) -> float:
    """The share of weights that both devices prune or both keep, or where nothing is pruned that have the same
    value.
    """
    same = (ours != 0) == (theirs != 0) if pruned else ours == theirs
    return float(same.float().mean())


def cell_rows(
    method: str, dense: nn.Module, device: str, text: tuple[Tensor, Tensor], chosen: argparse.Namespace
) -> list[dict[str, Any]]:
    cell(method, dense, device, (text[0][:1], text[1][:1]), chosen.group_size)  # kernels are compiled
    ours, theirs = (cell(method, dense, where, text, chosen.group_size) for where in (device, "cpu"))
    samples, length = text[0].shape
    what = f"{BITS} bits, groups of {chosen.group_size}" if method == "gptq" else f"{SPARSITY:.0%}"
    size = f"{Path(chosen.checkpoint).stem}, {method}, {what}, {samples:,} × {length:,} tokens"
    gpu = device.startswith("cuda")
    sides = {"ours": [ours.seconds], "peer": [theirs.seconds]}
    names = {"peer": "the CPU beside it"}
    matrices = [alike(a, b, method != "gptq") for a, b in zip(ours.weights, theirs.weights, strict=True)]
    sizes = [weight.numel() for weight in ours.weights]
    share = sum(alike * size for alike, size in zip(matrices, sizes, strict=True)) / sum(sizes)
    detail = {"first matrix": matrices[0], "worst matrix": min(matrices)}
    ratio = max(ours.perplexity / theirs.perplexity, theirs.perplexity / ours.perplexity)
    perplexities = {"perplexity": {"ours": ours.perplexity, "peer": theirs.perplexity}}
    return [
        row("cell_weights", size, gpu and method != "gptq", share, sides, names, detail=detail),
        row("cell_perplexity", size, gpu, ratio, sides, names, detail=perplexities),
    ]


def main(arguments: Sequence[str] | None = None) -> list[dict[str, Any]]:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--device", default="auto")
    parser.add_argument("--dtype", default="auto")
    parser.add_argument("--checkpoint", default=GEMMA_3_270M.name)
    parser.add_argument("--source", default="chromium", help="of the text, for example file:texts/{language}.txt")
    parser.add_argument("--language", default="de")
    parser.add_argument("--samples", type=int, default=32)
    parser.add_argument("--length", type=int, default=512)
    parser.add_argument("--group-size", type=int, default=64, help="weights that share a scale")
    parser.add_argument("--methods", nargs="*", choices=METHODS, default=METHODS)
    parser.add_argument("--write", action="store_true", help="keep the rows in book/results/benchmarks")
    parser.add_argument("--folder", type=Path, default=measuring.RESULTS, help="keep them there instead")
    chosen = parser.parse_args(arguments)
    device = str(resolve_device(chosen.device))
    dtype = resolve_dtype(chosen.dtype, torch.device(device))
    measuring.heading(device, dtype, 1)
    dense, tokenizer = cp.load(chosen.checkpoint, "cpu", dtype)
    text = tuple(
        cp.windows(tokenizer, chosen.source, [chosen.language], samples, chosen.length, split=split)
        for samples, split in ((chosen.samples, "calibration"), (max(1, chosen.samples // 4), "validation"))
    )

    def keep(rows: list[dict[str, Any]]) -> None:
        if chosen.write:
            measuring.write(rows, device, folder=chosen.folder)

    rows = []
    for method in chosen.methods:
        rows += measuring.measured(
            ["cell_weights"], lambda _, method=method: cell_rows(method, dense, device, text, chosen), keep
        )
    return rows


if __name__ == "__main__":
    sys.exit(measuring.status(main()))
