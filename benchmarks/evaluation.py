"""What measuring a pruned model on a few windows in many languages takes, Gemma 3 270M, three ways in one run: `python
benchmarks/evaluation.py`.

A pass a text beside the dense model, which runs again for each pruned one; a pass a text beside what was kept of the
dense model's layers; and the perplexities alone, from batches that all texts share, as cells without a metric of layers
are measured. Medians of --repeats runs a side, the sides taking turns, and below them what the ways compute and read.
"""

import argparse
import statistics
from collections.abc import Callable, Sequence

import measuring
import torch
from measuring import Side
from torch import Tensor, nn

import calibprune as cp
from calibprune.forward.cross_entropy import POSITIONS, token_losses
from calibprune.forward.logits import output_layer
from calibprune.metrics.fidelity import Trace, measure_perplexities
from calibprune.models.families import decoder, linears
from calibprune.walk.inputs import BATCH_TOKENS, batches

TARGET = 2.0
DEFAULT = ("ar", "de", "en", "es", "fr", "hi", "ja", "pt", "ru", "sw", "vi", "zh")


def shared(texts: Sequence[Tensor]) -> list[Tensor]:
    return list(batches(torch.cat(list(texts))))


def operations(model: nn.Module, texts: Sequence[Tensor]) -> tuple[float, float]:
    """Of the layers' matrices, and of the output layer, which skips the last position of every window."""
    matrices = sum(linear.weight.numel() for layer in decoder(model).layers for _, linear in linears(layer))
    windows = torch.cat(list(texts))
    return 2.0 * matrices * windows.numel(), 2.0 * output_layer(model)[0].numel() * windows[:, 1:].numel()


def weight_bytes(model: nn.Module, passes: Sequence[Tensor]) -> tuple[float, float]:
    """Read from memory by as many passes: the layers' matrices once a batch, and the output layer once for every 512
    positions.
    """
    matrices = sum(linear.weight.nbytes for layer in decoder(model).layers for _, linear in linears(layer))
    pieces = sum(-(-batch[:, 1:].numel() // POSITIONS) for batch in passes)
    return float(matrices * len(passes)), float(output_layer(model)[0].nbytes * pieces)


@torch.no_grad()
def layers_products(model: nn.Module, passes: Sequence[Tensor]) -> None:
    """The layers' matrix products by themselves."""
    for batch in passes:
        for layer in decoder(model).layers:
            for _, linear in linears(layer):
                nn.functional.linear(torch.ones(batch.numel(), linear.in_features, dtype=model.dtype), linear.weight)


@torch.no_grad()
def output_products(model: nn.Module, passes: Sequence[Tensor]) -> None:
    """The output layer's products by themselves, in the pieces that `token_losses` takes."""
    weight, _ = output_layer(model)
    for batch in passes:
        for states in torch.ones(batch[:, 1:].numel(), weight.shape[1], dtype=model.dtype).split(POSITIONS):
            for rows in weight.split(4096):
                nn.functional.linear(states, rows)


@torch.no_grad()
def output_losses(model: nn.Module, passes: Sequence[Tensor]) -> None:
    for batch in passes:
        targets = batch[:, 1:].flatten()
        states = torch.randn(len(targets), model.config.hidden_size, generator=torch.Generator().manual_seed(0))
        token_losses(model, states.to(model.dtype), targets)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--languages", nargs="*", default=DEFAULT)
    parser.add_argument("--sources", nargs="*", default=["chromium"])
    parser.add_argument("--samples", type=int, default=2, help="windows a language and source")
    parser.add_argument("--length", type=int, default=128)
    chosen = parser.parse_args()
    dense, tokenizer = cp.load("gemma3-270m", "cpu")
    pruned, _ = cp.load("gemma3-270m", "cpu")
    cp.prune(pruned, None, "magnitude", 0.3)
    texts = [
        cp.windows(tokenizer, source, [language], chosen.samples, chosen.length, split="validation")
        for source in chosen.sources
        for language in chosen.languages
    ]
    traces = [Trace.of(dense, tokens) for tokens in texts]
    together = shared(texts)
    windows = sum(map(len, texts))
    measuring.heading("cpu", dense.dtype, chosen.repeats)
    print(f"{len(texts)} texts, {windows} windows of {chosen.length} tokens", flush=True)
    ways: dict[str, Callable[[], object]] = {
        "a text at a time, beside the dense model": lambda: [cp.fidelity(dense, pruned, tokens) for tokens in texts],
        "a text at a time, beside its kept layers": lambda: [
            cp.fidelity(trace, pruned, tokens) for trace, tokens in zip(traces, texts, strict=True)
        ],
        "perplexities from shared batches": lambda: measure_perplexities(pruned, texts),
        "  of these, the output layer": lambda: output_losses(pruned, together),
        "  of these, the output layer's products": lambda: output_products(pruned, together),
        "  of these, the layers' products": lambda: layers_products(pruned, together),
    }
    taken = measuring.seconds([Side(way) for way in ways.values()], chosen.repeats)
    ours = statistics.median(taken[2])
    for what, seconds in zip(ways, taken, strict=True):
        median = statistics.median(seconds)
        aim = f" (target at least {TARGET})" if what.startswith("a text") else ""
        print(f"{what}: {1e3 * median / windows:.0f} ms a window, {median / ours:.2f} of ours{aim}")
    layers, head = operations(dense, texts)
    print(
        f"operations a window: layers {layers / windows / 1e9:.1f}, output layer {head / windows / 1e9:.1f} billion; "
        f"ours reaches {(layers + head) / ours / 1e9:.0f} billion a second"
    )
    for what, passes in (("a text at a time", texts), (f"batches of {BATCH_TOKENS} tokens", together)):
        layers, head = (read / windows / 1e6 for read in weight_bytes(dense, passes))
        print(f"weights read a window, {what}: layers {layers:.1f} MB, output layer {head:.1f} MB")


if __name__ == "__main__":
    main()
