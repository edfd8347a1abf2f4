"""Statistics of 49 languages in one walk against one Wanda run over the same tokens: `python benchmarks/advice.py`.

What is counted, for a model with P weights in the linears of its layers, of which those of the down projections are a
share d (Gemma 3 270M: P = 100 million, d = 0.24), and T tokens in all:

- the walk over the dense model runs every layer once, 2·P·T operations; Wanda's walk runs it up to the input of the
  down projection, and once more pruned, 2·P·T·(2 − d), and selects among P weights. Time should be near 1 / (2 − d);
- a statistic reads every input of a linear once, 2 operations for each: less than a thousandth of the above; and the
  statistics of a layer are a float32 for each of its inputs and languages, which is less than a megabyte here;
- each candidate's mask is another selection among P weights, about what Wanda's run spends on its own, and its losses
  are a sum over the columns of each matrix and one inner product a target. The third side is all of `advise`, for six
  candidates and every language as a target.

Tokens are random; a language is one batch, so that with few windows batches are smaller than Wanda's.
"""

import argparse
import copy
import statistics

import torch
from measuring import Side, heading, seconds

import calibprune as cp
from calibprune.kernels.norms import add_column_squares
from calibprune.languages import LANGUAGES
from calibprune.models.families import decoder, evaluating, linears
from calibprune.walk.dense import statistics_by_text

TARGET = 1.5
CANDIDATES = ["pt", "es", "it", "en", "en+es", "fr"]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", default="gemma3-270m")
    parser.add_argument("--samples", type=int, default=2, help="windows of each language")
    parser.add_argument("--length", type=int, default=256)
    parser.add_argument("--repeats", type=int, default=3)
    asked = parser.parse_args()
    model, _ = cp.load(asked.model)
    heading(str(model.device), model.dtype, asked.repeats)
    work = copy.deepcopy(model)
    random = torch.Generator().manual_seed(0)
    texts = {
        code: torch.randint(0, model.config.vocab_size, (asked.samples, asked.length), generator=random)
        for code in LANGUAGES
    }
    together = torch.cat(list(texts.values()))

    def restore() -> None:
        for fresh, used in zip(decoder(model).layers, decoder(work).layers, strict=True):
            for (_, dense), (_, linear) in zip(linears(fresh), linears(used), strict=True):
                linear.weight.data.copy_(dense.weight)

    def walk() -> None:
        with evaluating(model):
            for _ in statistics_by_text(model, list(texts.values()), [add_column_squares] * len(texts)):
                pass

    sides = [
        Side(walk),
        Side(lambda: cp.prune(work, together, "wanda", 0.5), restore),
        Side(lambda: cp.advise(model, texts, CANDIDATES, list(texts))),
    ]
    ours, wanda, advice = map(statistics.median, seconds(sides, asked.repeats, str(model.device)))
    print(
        f"statistics of {len(texts)} languages, {together.numel()} tokens: {ours / wanda:.2f} of one Wanda run "
        f"({ours:.3g} s against {wanda:.3g} s; target at most {TARGET:g})"
    )
    print(
        f"advise for {len(CANDIDATES)} candidates and {len(texts)} targets: {advice / wanda:.2f} of it ({advice:.3g} s)"
    )


if __name__ == "__main__":
    main()
