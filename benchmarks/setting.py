"""What the benchmarks of kernels run on: sizes, random weights and inputs, and the speeds that the machine reaches."""

from dataclasses import dataclass
from typing import Any

import measuring
import torch
from measuring import Side
from torch import Tensor

from calibprune import provenance
from calibprune.kernels.gram import add_gram
from calibprune.schemes import Sparsity
from calibprune.study.planning.counts import GEMMA_3_270M, LLAMA_3_8B, Peak, Shape

SAMPLES = 8  # sequences that a statistic is said to be of; only its scale depends on it
HALF = Sparsity.of(0.5)


@dataclass
class Setting:
    """What the benchmarks run on; weights and inputs are drawn anew from the same seed for each."""

    device: str
    dtype: torch.dtype
    rows: int
    width: int
    tokens: int
    repeats: int
    group_size: int
    checkpoint: str
    peak: Peak
    limit: float

    @property
    def matrix(self) -> str:
        return f"{self.rows:,} × {self.width:,}"

    @property
    def on_a_gpu(self) -> bool:
        return self.device.startswith("cuda")

    @property
    def shape(self) -> Shape:
        """The decoder whose down projection the matrix is."""
        known = [shape for shape in (LLAMA_3_8B, GEMMA_3_270M) if (shape.width, shape.mlp) == (self.rows, self.width)]
        return (
            known[0]
            if known
            else Shape(
                f"width {self.rows}, MLP {self.width}", 1, self.rows, self.rows, max(1, self.rows // 4), self.width
            )
        )

    def normal(self, rows: int, columns: int, seed: int = 0) -> Tensor:
        generator = torch.Generator(self.device).manual_seed(seed)
        return torch.randn(rows, columns, generator=generator, device=self.device, dtype=self.dtype)

    def statistic(self) -> Tensor:
        """The Gram matrix of inputs that have something in common, of twice as many tokens as it is wide."""
        shared, total = self.normal(1, self.width, 1), None
        for seed in range(2 * -(-self.width // self.tokens)):
            total = add_gram(total, self.normal(self.tokens, self.width, 2 + seed) + shared)
        return total

    def seconds(self, *sides: Side) -> list[list[float]]:
        return measuring.seconds(sides, self.repeats, self.device, limit=self.limit)


def measured_peaks(device: str, dtype: torch.dtype, size: int, repeats: int) -> dict[str, Any]:
    """The fastest of several square products of `size` in the 16-bit dtype and in float32, operations a second; and of
    copies, bytes a second.
    """
    found: dict[str, Any] = {"size": size, "date": provenance.now()}
    for name, kind in (("sixteen_bit", dtype), ("float32", torch.float32)):
        a, b = (torch.randn(size, size, device=device, dtype=torch.float32).to(kind) for _ in range(2))
        out = torch.empty_like(a)
        (taken,) = measuring.seconds([Side(lambda a=a, b=b, out=out: torch.mm(a, b, out=out))], repeats, device)
        found[name] = 2 * size**3 / min(taken)
    source = torch.ones(8 * size * size, dtype=torch.float32, device=device)
    target = torch.empty_like(source)
    (taken,) = measuring.seconds([Side(lambda: target.copy_(source))], repeats, device)
    return found | {"memory": 2 * source.nbytes / min(taken)}
