"""Ratios of this package's times to those of the plain way, Gemma 3 270M, both sides in one run: `python
benchmarks/cpu.py`.

One line a ratio, medians of --repeats runs a side, the sides taking turns.
"""

import argparse
import copy
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext

import textbook
import torch
from measuring import turns

import calibprune as cp
from calibprune.forward import fast_gates, fast_norms, quicker, short_windows
from calibprune.forward.cross_entropy import token_losses
from calibprune.models.families import decoder, linears
from calibprune.walk.inputs import batches


def line(what: str, ours: float, theirs: float, target: float) -> None:
    print(
        f"{what}: {ours / theirs:.2f} of the plain way ({ours:.2f} s against {theirs:.2f} s; target at most {target})",
        flush=True,
    )


@torch.no_grad()
def products(model: torch.nn.Module, tokens: torch.Tensor) -> None:
    """The matrix products that two passes over the decoder cannot do without: all linears once, and all but the last of
    each layer once more.
    """
    for batch in batches(tokens):
        for layer in decoder(model).layers:
            needed = [linear for _, linear in linears(layer)]
            for linear in [*needed, *needed[:-1]]:
                torch.nn.functional.linear(
                    torch.empty(batch.numel(), linear.in_features, dtype=model.dtype).fill_(1), linear.weight
                )


@torch.no_grad()
def forward(model: torch.nn.Module, tokens: torch.Tensor, way: AbstractContextManager) -> None:
    with way:
        for batch in batches(tokens):
            decoder(model)(input_ids=batch, use_cache=False)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--samples", type=int, default=32, help="calibration windows of 512 tokens")
    parser.add_argument("--methods", nargs="*", default=["wanda", "sparsegpt"])
    chosen = parser.parse_args()
    dense, tokenizer = cp.load("gemma3-270m")
    tokens = cp.windows(tokenizer, "chromium", ["de"], chosen.samples, 512)
    print(f"torch {torch.__version__}, {torch.get_num_threads()} threads, {dense.dtype}, {chosen.repeats} repeats")

    work = copy.deepcopy(dense)
    fresh = {name: value.clone() for name, value in dense.model.layers.state_dict().items()}

    def on_fresh_weights(run: Callable[[], object]) -> Callable[[], object]:
        def start_over() -> None:
            work.model.layers.load_state_dict(fresh)
            run()

        return start_over

    for method in chosen.methods:
        ours = on_fresh_weights(lambda method=method: cp.prune(work, tokens, method, 0.5))
        theirs = on_fresh_weights(lambda method=method: textbook.prune(work, tokens, method, 0.5))
        line(f"pruning with {method}, {tokens.numel()} tokens", *turns(ours, theirs, chosen.repeats), 0.5)
        floor = turns(lambda: products(work, tokens), ours, chosen.repeats)
        print(
            f"  of our time {floor[0] / floor[1]:.0%} are the matrix products of two passes by themselves", flush=True
        )

    validation = cp.windows(tokenizer, "chromium", ["de"], 8, 512, split="validation")
    ways = {
        "calibprune.forward": lambda: quicker(dense, 512),
        "its attention alone": lambda: short_windows(dense, 512),
        "its norms alone": lambda: fast_norms(dense),
        "its feed-forward parts alone": lambda: fast_gates(dense),
    }
    for name, way in ways.items():
        ours = lambda way=way: forward(dense, validation, way())  # noqa: E731
        plain_pass = lambda: forward(dense, validation, nullcontext())  # noqa: E731
        line(f"forward pass with {name}", *turns(ours, plain_pass, chosen.repeats), 1.0)

    @torch.no_grad()
    def plain() -> None:
        for batch in validation.split(4):
            full = dense(batch, labels=batch, output_hidden_states=True)
            small = work(batch, labels=batch, output_hidden_states=True)
            for h, pruned in zip(full.hidden_states[1:], small.hidden_states[1:], strict=True):
                h, pruned = h.float(), pruned.float()
                h.norm(dim=-1).sum(), h.square().sum(), (h - pruned).square().sum()

    line(
        f"perplexity, SNR and error, {validation.numel()} tokens",
        *turns(lambda: cp.fidelity(dense, work, validation), plain, chosen.repeats),
        0.4,
    )

    with torch.no_grad():
        batch = batches(validation)[0][:4]
        states = dense.model(input_ids=batch).last_hidden_state[:, :-1].flatten(0, 1)
        targets = batch[:, 1:].flatten()
        whole = lambda: torch.nn.functional.cross_entropy(dense.lm_head(states).float(), targets)  # noqa: E731
        line(
            f"cross-entropy, {len(targets)} positions",
            *turns(lambda: token_losses(dense, states, targets), whole, chosen.repeats),
            1.0,
        )


if __name__ == "__main__":
    main()
