"""Pruning and quantizing a whole model against two plain forward passes: `python benchmarks/model.py`.

A Llama of random weights and random tokens, so that no checkpoint is needed: Llama-3-8B's sizes and 128 windows of
8,192 tokens on a GPU, Gemma 3 270M's sizes and 32 windows of 512 on a CPU. llm-compressor is the other side where it is
installed. `--write` keeps the rows for Appendix H.
"""

import argparse
import math
import statistics
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import measuring
import peer
import torch
from measuring import Side, row
from torch import Tensor, nn
from transformers import AutoModelForCausalLM, LlamaConfig

import calibprune as cp
from calibprune import provenance
from calibprune.models.families import decoder
from calibprune.models.loading import resolve_device, resolve_dtype
from calibprune.study.planning.counts import GEMMA_3_270M, LLAMA_3_8B, Shape
from calibprune.walk.inputs import batches

GPU_SIZES = {
    "layers": 32,
    "width": 4096,
    "mlp": 14336,
    "heads": 32,
    "key_heads": 8,
    "head_width": 128,
    "samples": 128,
    "length": 8192,
}
CPU_SIZES = {
    "layers": 18,
    "width": 640,
    "mlp": 2048,
    "heads": 4,
    "key_heads": 1,
    "head_width": 256,
    "samples": 32,
    "length": 512,
}
VOCABULARY = 1024  # embeddings and output layer are neither pruned nor run
METHODS = ("wanda", "sparsegpt", "gptq")


def shape_of(sizes: argparse.Namespace) -> Shape:
    """The sizes as a `Shape`, by its name where it is a known one."""
    unnamed = Shape(
        "", sizes.layers, sizes.width, sizes.heads * sizes.head_width, sizes.key_heads * sizes.head_width, sizes.mlp
    )
    known = [shape for shape in (LLAMA_3_8B, GEMMA_3_270M) if shape[1:] == unnamed[1:]]
    return known[0] if known else unnamed._replace(name=f"{sizes.layers} layers of width {sizes.width}")


def llama(sizes: argparse.Namespace) -> LlamaConfig:
    """The configuration of a Llama of these sizes."""
    return LlamaConfig(
        hidden_size=sizes.width,
        intermediate_size=sizes.mlp,
        num_hidden_layers=sizes.layers,
        num_attention_heads=sizes.heads,
        num_key_value_heads=sizes.key_heads,
        head_dim=sizes.head_width,
        vocab_size=VOCABULARY,
        max_position_embeddings=sizes.length,
    )


def build(sizes: argparse.Namespace, device: str, dtype: torch.dtype) -> nn.Module:
    """A Llama of these sizes with random weights, in evaluation mode."""
    with torch.device(device):
        return AutoModelForCausalLM.from_config(llama(sizes), dtype=dtype).eval().requires_grad_(False)


@torch.no_grad()
def draw(model: nn.Module) -> None:
    """The first weights of the model once more."""
    for seed, parameter in enumerate(model.parameters()):
        if parameter.ndim > 1:
            parameter.normal_(std=0.02, generator=torch.Generator(parameter.device).manual_seed(seed))


@torch.no_grad()
def two_passes(model: nn.Module, tokens: Tensor, device: str) -> None:
    for _ in range(2):
        for batch in batches(tokens):
            decoder(model)(input_ids=batch.to(device), use_cache=False)


class Run:
    """One method on the whole model, with what its last runs reported."""

    def __init__(self, model: nn.Module, tokens: Tensor, method: str, device: str, chosen: argparse.Namespace) -> None:
        self.model, self.tokens, self.method, self.device, self.chosen = model, tokens, method, device, chosen
        self.stages: dict[str, list[float]] = {}
        self.gigabytes: list[float] = []

    def start(self) -> None:
        draw(self.model)
        if self.device.startswith("cuda"):
            torch.cuda.empty_cache()
            torch.cuda.reset_peak_memory_stats(self.device)

    def apply(self, tokens: Tensor) -> cp.PruneResult:
        if self.method == "gptq":
            return cp.quantize(self.model, tokens, self.chosen.bits, self.chosen.group_size)
        return cp.prune(self.model, tokens, self.method, 0.5)

    def __call__(self) -> None:
        result = self.apply(self.tokens)
        on_gpu = self.device.startswith("cuda")
        self.gigabytes.append(
            torch.cuda.max_memory_allocated(self.device) / 1e9 if on_gpu else provenance.peak_memory_gb()
        )
        parts = [] if on_gpu else result.layers[0].seconds  # a GPU is not waited for between them
        for stage in parts:
            self.stages.setdefault(stage, []).append(sum(layer.seconds[stage] for layer in result.layers))


def own_rows(
    runs: Sequence[Run],
    chosen: argparse.Namespace,
    size: str,
    asked: bool,
    keep: Callable[[list[dict[str, Any]]], None],
) -> list[dict[str, Any]]:
    """Every method against two plain passes. They take turns, and after each turn of a method its row is kept as it is
    so far; no turn begins once the limit of seconds has passed, except in the first round.
    """
    model, tokens, device = runs[0].model, runs[0].tokens, runs[0].device
    two_passes(model, tokens[:1], device)
    for run in runs:
        run.apply(tokens[:1])  # kernels are compiled, memory is reserved
    plain = Side(lambda: two_passes(model, tokens, device), lambda: draw(model))
    passes: list[float] = []
    taken: dict[str, list[float]] = {run.method: [] for run in runs}
    rows: dict[str, list[dict[str, Any]]] = {}
    began = time.perf_counter()

    def late() -> bool:
        return len(rows) == len(runs) and time.perf_counter() - began > chosen.limit

    def turn(side: Side) -> float:
        ((seconds,),) = measuring.seconds([side], 1, device, warm=False)
        return seconds

    def once_more(run: Run) -> list[dict[str, Any]]:
        taken[run.method].append(turn(Side(run, run.start)))
        return [own_row(run, taken[run.method], passes, size, asked)]

    for _ in range(chosen.repeats):
        if late():
            break
        passes.append(turn(plain))
        for run in runs:
            if not late():
                rows[run.method] = measuring.measured([f"model_{run.method}"], lambda _, run=run: once_more(run), keep)
    return [row for found in rows.values() for row in found]


def own_row(run: Run, times: list[float], passes: list[float], size: str, asked: bool) -> dict[str, Any]:
    chosen = run.chosen
    detail = {
        "shape": list(shape_of(chosen)),
        "samples": chosen.samples,
        "length": chosen.length,
        "method": run.method,
        "stages": {stage: statistics.median(values) for stage, values in run.stages.items()},
    }
    return row(
        f"model_{run.method}",
        sized(run.method, size, chosen),
        asked,
        statistics.median(times) / statistics.median(passes),
        {"ours": list(times), "limit": list(passes)},
        {"limit": "two plain passes"},
        detail=detail,
    )


def memory_row(runs: Sequence[Run], device: str, size: str, asked: bool) -> dict[str, Any]:
    """The largest peak of a round, for every round that all methods took part in."""
    memory = [max(peaks) for peaks in zip(*(run.gigabytes for run in runs), strict=False)]
    where = "of the GPU" if device.startswith("cuda") else "of the process"
    names = {"ours": f"{where}; {', '.join(run.method for run in runs)}"}
    return row("model_memory", size, asked, max(memory), {"ours": memory}, names, unit="GB")


def peer_rows(
    ours: list[dict[str, Any]], tokens: Tensor, make: Callable[[], nn.Module], device: str, chosen: argparse.Namespace
) -> list[dict[str, Any]]:
    """llm-compressor on fresh models of the same weights, or why it was not measured."""
    rows = []
    for mine in ours:
        method = mine["key"].removeprefix("model_")
        if method not in ("sparsegpt", "gptq"):
            continue
        about = (f"peer_{method}", mine["size"], mine["as_asked"])
        if reason := peer.why_not():
            rows.append(row(*about, None, {"ours": mine["sides"]["ours"]}, {}, reason=reason))
            continue
        fresh: list[nn.Module] = []

        def start(fresh: list[nn.Module] = fresh) -> None:
            fresh[:] = [make()]
            draw(fresh[0])

        def run(fresh: list[nn.Module] = fresh, method: str = method) -> None:
            peer.run(fresh[0], tokens, method, chosen.bits, chosen.group_size)

        (times,) = measuring.seconds([Side(run, start)], chosen.peer_repeats, device, warm=False)
        value = statistics.median(times) / statistics.median(mine["sides"]["ours"])
        rows.append(row(*about, value, {"ours": mine["sides"]["ours"], "peer": times}, {"peer": "llm-compressor"}))
    return rows


def sized(method: str, size: str, chosen: argparse.Namespace) -> str:
    return f"{size}, {chosen.bits} bits, groups of {chosen.group_size}" if method == "gptq" else size


def main(arguments: Sequence[str] | None = None) -> list[dict[str, Any]]:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--device", default="auto")
    parser.add_argument("--dtype", default="auto")
    for name in GPU_SIZES:
        parser.add_argument(f"--{name.replace('_', '-')}", type=int)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--limit", type=float, default=math.inf, help="seconds, after which a row repeats no more")
    parser.add_argument("--peer-repeats", type=int, default=1, help="of llm-compressor")
    parser.add_argument("--methods", nargs="*", choices=METHODS, default=METHODS)
    parser.add_argument("--bits", type=int, default=4)
    parser.add_argument("--group-size", type=int, default=128)
    parser.add_argument("--write", action="store_true", help="keep the rows in book/results/benchmarks")
    parser.add_argument("--folder", type=Path, default=measuring.RESULTS, help="keep them there instead")
    chosen = parser.parse_args(arguments)
    if chosen.write:
        chosen.folder.mkdir(parents=True, exist_ok=True)  # before hours of measuring
    device = str(resolve_device(chosen.device))
    gpu = device.startswith("cuda")
    for name, default in (GPU_SIZES if gpu else CPU_SIZES).items():
        if getattr(chosen, name) is None:
            setattr(chosen, name, default)
    dtype = resolve_dtype(chosen.dtype, torch.device(device))
    measuring.heading(device, dtype, chosen.repeats)
    size = f"{shape_of(chosen).name}, {chosen.samples:,} × {chosen.length:,} tokens"
    asked = gpu and all(getattr(chosen, name) == value for name, value in GPU_SIZES.items())
    tokens = torch.randint(0, VOCABULARY, (chosen.samples, chosen.length), generator=torch.Generator().manual_seed(0))
    model = build(chosen, device, dtype)
    runs = [Run(model, tokens, method, device, chosen) for method in chosen.methods]

    def keep(rows: list[dict[str, Any]]) -> None:
        if chosen.write:
            measuring.write(rows, device, folder=chosen.folder)

    rows = own_rows(runs, chosen, size, asked, keep)
    memory = measuring.measured(["model_memory"], lambda _: [memory_row(runs, device, size, asked)], keep)
    del model
    runs.clear()
    if gpu:
        torch.cuda.empty_cache()
    peers = peer_rows(
        [mine for mine in rows if mine["value"]], tokens, lambda: build(chosen, device, dtype), device, chosen
    )
    keep(peers)
    return rows + memory + peers


if __name__ == "__main__":
    sys.exit(measuring.status(main()))
