"""A model that is read layer by layer against one that is loaded whole: `python benchmarks/streaming.py`.

A Llama of random weights is written to a temporary folder, layer by layer, so that it may be larger than memory; then
it is pruned to a checkpoint with random tokens, streamed and resident in turn, each in a process of its own. On a GPU
8 of Llama-3-8B's 32 layers; a model of 2 GB on a CPU. `--sides streamed` is for models that fit nowhere. `--model
gemma3-270m` takes a copy of a real model instead. `--write` keeps the rows for Appendix H.
"""

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import measuring
import psutil
import torch
from measuring import row
from model import VOCABULARY, llama
from torch import Tensor

import calibprune as cp
from calibprune import provenance
from calibprune.models.loading import resolve_device, resolve_dtype

GPU_SIZES = {
    "layers": 8,
    "width": 4096,
    "mlp": 14336,
    "heads": 32,
    "key_heads": 8,
    "head_width": 128,
    "samples": 64,
    "length": 8192,
}
CPU_SIZES = GPU_SIZES | {"layers": 16, "width": 2048, "mlp": 8192, "heads": 32, "head_width": 64, "samples": 16}
CPU_SIZES |= {"length": 512}
SIDES = ("streamed", "resident")


def write_model(folder: Path, sizes: argparse.Namespace, device: str, dtype: torch.dtype) -> int:
    """A checkpoint of random weights, a file a layer; returns how many bytes of weights it has."""
    from accelerate import init_empty_weights
    from safetensors.torch import save_file
    from tokenizers import Tokenizer, models
    from transformers import AutoModelForCausalLM, PreTrainedTokenizerFast

    config = llama(sizes)
    config.architectures, config.dtype = ["LlamaForCausalLM"], dtype
    with init_empty_weights():
        shapes = {name: one.shape for name, one in AutoModelForCausalLM.from_config(config).state_dict().items()}
    parts: dict[str, list[str]] = {}
    for name in shapes:
        place = name.split(".")[2] if name.startswith("model.layers.") else "rest"
        parts.setdefault(f"model-{place}.safetensors", []).append(name)
    for file, names in parts.items():
        save_file({name: random_weights(shapes[name], device, dtype) for name in names}, folder / file)
    weight_map = {name: file for file, names in parts.items() for name in names}
    index = {"metadata": {}, "weight_map": weight_map}
    (folder / "model.safetensors.index.json").write_text(json.dumps(index))
    config.save_pretrained(folder)
    words = {f"<{number}>": number for number in range(VOCABULARY)}
    tokenizer = Tokenizer(models.WordLevel(words, unk_token="<0>"))
    PreTrainedTokenizerFast(tokenizer_object=tokenizer, unk_token="<0>").save_pretrained(folder)
    return sum(shape.numel() for shape in shapes.values()) * dtype.itemsize


def copy_model(name: str, folder: Path, dtype: torch.dtype) -> int:
    """A checkpoint of a model that `calibprune.load` knows; returns how many bytes of weights it has."""
    model, tokenizer = cp.load(name, device="cpu", dtype=dtype)
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return sum(parameter.nbytes for parameter in model.parameters())


def random_weights(shape: torch.Size, device: str, dtype: torch.dtype) -> Tensor:
    """Norms' weights are 1; matrices have entries of the spread that a trained model's have."""
    weights = torch.empty(shape, device=device, dtype=dtype)
    return (weights.normal_(std=0.02) if len(shape) > 1 else weights.fill_(1)).cpu()


def one_side(side: str, folder: Path, target: Path, chosen: argparse.Namespace) -> dict[str, float]:
    """Prune the model in `folder` to `target`: seconds, the peak of memory, and how much was read."""
    from calibprune.saving import making, making_streamed
    from calibprune.schemes import Sparsity

    shape = (chosen.samples, chosen.length)
    tokens = torch.randint(0, VOCABULARY, shape, generator=torch.Generator().manual_seed(0))
    making.draw = making_streamed.draw = lambda *_: tokens  # random tokens instead of a text
    process = psutil.Process()
    read = process.io_counters().read_chars
    device = resolve_device(chosen.device)
    if device.type == "cuda":
        torch.zeros(1, device=device)  # the GPU is there before the clock runs
    started = time.perf_counter()
    where = making.Target(target, device=chosen.device, dtype=chosen.dtype, stream=side == "streamed")
    result = making.prune(str(folder), where, chosen.method, Sparsity.of("0.5"), making.Text("de"))
    found = {
        "seconds": time.perf_counter() - started,
        "walk": result.seconds,
        "host_gb": provenance.peak_memory_gb(),
        "read_gb": (process.io_counters().read_chars - read) / 1e9,
    }
    if device.type == "cuda":
        found["gpu_gb"] = torch.cuda.max_memory_allocated(device) / 1e9
    return found


def in_a_process(side: str, folder: Path, target: Path, arguments: Sequence[str]) -> dict[str, float]:
    command = [sys.executable, __file__, *arguments, "--one", side, str(folder), str(target)]
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        raise RuntimeError(f"{side}: {done.stderr.strip()[-500:]}")
    return json.loads(done.stdout.splitlines()[-1])


def rows_of(
    found: dict[str, list[dict[str, float]]], size: str, model_bytes: int, on_a_cpu: bool
) -> list[dict[str, Any]]:
    """The rows of what each side did in its runs. Targets are meant for a CPU, with a model of 2 GB for the time and of
    12 GB for what is read.
    """
    asked = {
        name: on_a_cpu and least <= model_bytes / 1e9 for name, least in (("streamed", 1.9), ("streamed_read", 11.5))
    }

    def of(side: str, what: str) -> list[float]:
        return [run[what] for run in found.get(side, [])]

    names = {"ours": "streamed", "peer": "resident"}
    ours, theirs = of("streamed", "seconds"), of("resident", "seconds")
    rows = []
    if theirs:
        ratio = statistics.median(ours) / statistics.median(theirs)
        detail = {"walk": {side: of(side, "walk") for side in found}}
        rows.append(
            row("streamed", size, asked["streamed"], ratio, {"ours": ours, "peer": theirs}, names, detail=detail)
        )
    read = of("streamed", "read_gb")
    times_read = statistics.median(read) * 1e9 / model_bytes
    rows.append(
        row(
            "streamed_read",
            size,
            asked["streamed_read"],
            times_read,
            {"ours": read, "limit": [model_bytes / 1e9]},
            {},
            "GB",
        )
    )
    for key, what in (("streamed_memory", "host_gb"), ("streamed_gpu_memory", "gpu_gb")):
        if what in found["streamed"][0]:
            sides = {name: of(side, what) for side, name in zip(SIDES, ("ours", "peer"), strict=True) if side in found}
            detail = {"seconds": ours, "walk": of("streamed", "walk")}
            rows.append(row(key, size, False, max(sides["ours"]), sides, names, "GB", detail=detail))
    return rows


def main(arguments: Sequence[str] | None = None) -> list[dict[str, Any]]:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--device", default="auto")
    parser.add_argument("--dtype", default="auto")
    for name in GPU_SIZES:
        parser.add_argument(f"--{name.replace('_', '-')}", type=int)
    parser.add_argument("--model", help="a name or folder that calibprune knows, in place of random weights")
    parser.add_argument("--method", default="wanda")
    parser.add_argument("--sides", nargs="*", choices=SIDES, default=SIDES)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--scratch", type=Path, help="the model and the checkpoints are written in this folder")
    parser.add_argument("--one", nargs=3, metavar=("SIDE", "MODEL", "TARGET"), help=argparse.SUPPRESS)
    parser.add_argument("--write", action="store_true", help="keep the rows in book/results/benchmarks")
    parser.add_argument("--folder", type=Path, default=measuring.RESULTS, help="keep them there instead")
    given = list(sys.argv[1:] if arguments is None else arguments)
    chosen = parser.parse_args(given)
    device = str(resolve_device(chosen.device))
    dtype = resolve_dtype(chosen.dtype, torch.device(device))
    for name, default in (GPU_SIZES if device.startswith("cuda") else CPU_SIZES).items():
        if getattr(chosen, name) is None:
            setattr(chosen, name, default)
    if chosen.one:
        side, folder, target = chosen.one
        print(json.dumps(one_side(side, Path(folder), Path(target), chosen)))
        return []
    if chosen.write:
        chosen.folder.mkdir(parents=True, exist_ok=True)  # before minutes of measuring
    measuring.heading(device, dtype, chosen.repeats)
    found: dict[str, list[dict[str, float]]] = {}
    with tempfile.TemporaryDirectory(dir=chosen.scratch) as scratch:
        model = Path(scratch) / "model"
        model.mkdir()
        if chosen.model:
            model_bytes, what = copy_model(chosen.model, model, dtype), chosen.model
        else:
            model_bytes = write_model(model, chosen, device, dtype)
            what = f"{chosen.layers} layers of width {chosen.width:,}"
        for turn in range(chosen.repeats):
            for side in chosen.sides:
                target = Path(scratch) / f"{side}-{turn}"
                found.setdefault(side, []).append(in_a_process(side, model, target, given))
                for file in target.iterdir():
                    file.unlink()
    tokens = f"{chosen.samples:,} × {chosen.length:,} tokens"
    size = f"{what} ({model_bytes / 1e9:.1f} GB), {chosen.method}, {tokens}"

    def keep(rows: list[dict[str, Any]]) -> None:
        if chosen.write:
            measuring.write(rows, device, folder=chosen.folder)

    return measuring.measured(["streamed"], lambda _: rows_of(found, size, model_bytes, device == "cpu"), keep)


if __name__ == "__main__":
    sys.exit(measuring.status(main()))
