"""What looking inside the model costs beside the passes that are made anyway, and LSAR's time: `python
benchmarks/inside.py`.

Gemma 3 270M: the fidelity pass with counted activations against the same pass without, and sentence embeddings of 200
parallel messages against the same batches run through the layers alone. LSAR for the paper's size with random
embeddings: both models, every rank.
"""

import argparse
import copy
import statistics
import time
from itertools import islice
from unittest.mock import patch

import torch
from measuring import turns

import calibprune as cp
from calibprune.metrics import embeddings
from calibprune.metrics.fidelity import Trace
from calibprune.metrics.neurons import counting
from calibprune.metrics.subspace import feature_changes_by_rank
from calibprune.models.families import decoder
from calibprune.walk.outputs import layer_outputs

OVERHEAD, SECONDS = 1.10, 5.0
LAYERS, LANGUAGES, TEXTS, WIDTH = 32, 7, 900, 4096
DISTINCT = 4  # layers in memory at once, which the loop over 32 takes in turn: more than any cache holds


def line(what: str, ours: float, theirs: float) -> None:
    print(
        f"{what}: {ours / theirs:.2f} of the pass alone ({ours:.2f} s against {theirs:.2f} s; target at "
        f"most {OVERHEAD:.2f})",
        flush=True,
    )


def batches_of(model: torch.nn.Module, tokenizer, texts: list[str]) -> list[torch.Tensor]:
    """The batches of tokens that `sentence_embeddings` makes of the texts."""
    seen = []
    with patch.object(
        embeddings, "layer_outputs", lambda model, tokens: seen.append(tokens) or layer_outputs(model, tokens)
    ):
        embeddings.sentence_embeddings(model, tokenizer, texts)
    return seen


def seconds_of_lsar() -> float:
    random = torch.Generator().manual_seed(0)
    shape = (DISTINCT, LANGUAGES, TEXTS, WIDTH)
    dense = torch.randn(shape, generator=random) + torch.randn(DISTINCT, LANGUAGES, 1, WIDTH, generator=random)
    pruned = dense + 0.1 * torch.randn(shape, generator=random)
    started = time.perf_counter()
    for layer in range(LAYERS):
        feature_changes_by_rank(dense[layer % DISTINCT], pruned[layer % DISTINCT])
    return time.perf_counter() - started


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repeats", type=int, default=5)
    repeats = parser.parse_args().repeats
    model, tokenizer = cp.load("gemma3-270m")
    print(f"torch {torch.__version__}, {torch.get_num_threads()} threads, {model.dtype}, {repeats} repeats")

    work = copy.deepcopy(model)
    tokens = cp.windows(tokenizer, "chromium", ["de"], 8, 512, split="validation")
    trace = Trace.of(model, tokens)

    def counted() -> None:
        with counting(work):
            cp.fidelity(trace, work, tokens)

    line(
        f"fidelity with counted activations, {tokens.numel()} tokens",
        *turns(counted, lambda: cp.fidelity(trace, work, tokens), repeats),
    )

    texts = embeddings.parallel_texts("chromium", ["de"], 200)["de"]
    batches = batches_of(model, tokenizer, texts)

    def layers_alone() -> None:
        for batch in batches:
            for _ in islice(layer_outputs(model, batch), len(decoder(model).layers)):
                pass

    pooled = turns(lambda: embeddings.sentence_embeddings(model, tokenizer, texts), layers_alone, repeats)
    line(f"sentence embeddings of {len(texts)} texts", *pooled)

    seconds = statistics.median(seconds_of_lsar() for _ in range(3))
    print(
        f"LSAR, {LAYERS} layers, width {WIDTH}, {LANGUAGES} languages, {TEXTS} texts each: {seconds:.2f} "
        f"s (target at most {SECONDS:g} s)"
    )


if __name__ == "__main__":
    main()
