"""Overlaps of the masks of one Llama-3-8B layer against copying those masks once: `python benchmarks/masks.py`.

Seven languages with three seeds each, random masks that prune half of the weights, packed. One side: every language's
stable mask, every IoU within a language and all 21 between languages, for each of the seven matrices. The other: the
same bytes copied into memory that was written before.
"""

import argparse

import numpy as np
import torch
from measuring import turns

from calibprune.languages import PAPER_LANGUAGES
from calibprune.metrics.masks import pairwise

SHAPES = {
    "q_proj": (4096, 4096),
    "k_proj": (1024, 4096),
    "v_proj": (1024, 4096),
    "o_proj": (4096, 4096),
    "gate_proj": (14336, 4096),
    "up_proj": (14336, 4096),
    "down_proj": (4096, 14336),
}
SEEDS = 3
TARGET = 3.0


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repeats", type=int, default=5)
    repeats = parser.parse_args().repeats
    random = torch.Generator().manual_seed(0)
    masks = [
        {
            language: [
                torch.randint(0, 256, (rows, columns // 8), dtype=torch.uint8, generator=random) for _ in range(SEEDS)
            ]
            for language in PAPER_LANGUAGES
        }
        for rows, columns in SHAPES.values()
    ]
    sources = [mask.numpy() for matrix in masks for seeds in matrix.values() for mask in seeds]
    targets = [np.ones_like(source) for source in sources]

    def overlap() -> None:
        for matrix in masks:
            pairwise(matrix)

    def copy() -> None:
        for target, source in zip(targets, sources, strict=True):
            np.copyto(target, source)

    turns(overlap, copy, 1)  # both sides have touched all their memory
    ours, theirs = turns(overlap, copy, repeats)
    size = sum(source.nbytes for source in sources) / 1e6
    print(
        f"overlaps of {len(sources)} packed masks, {size:.0f} MB: {ours / theirs:.2f} of one copy "
        f"({ours:.3f} s against {theirs:.3f} s; "
        f"target at most {TARGET:g})"
    )


if __name__ == "__main__":
    main()
