"""What pruning a decoder must compute and move: operations and bytes of each step, from the sizes of its layers alone.

An operation is one addition or one multiplication, so that a multiply-add counts as two. Bytes are those that must
cross the memory however well a step is written: every operand is read once, every result is written once.
"""

from collections.abc import Iterable
from typing import NamedTuple, Self

SIXTEEN_BIT, FLOAT32 = "16-bit", "float32"
BLOCK = 128  # columns that are solved before the rest of a matrix hears of their errors


class Shape(NamedTuple):
    """The sizes of a decoder whose layers are alike.

    Attributes:
        name: of the model.
        layers: how many decoder layers.
        width: of the hidden states.
        queries: all heads' widths together, which the attention's output matrix reads.
        keys: all key heads' widths together, and the values' as well.
        mlp: the width between the matrices of the MLP.
    """

    name: str
    layers: int
    width: int
    queries: int
    keys: int
    mlp: int

    @property
    def groups(self) -> list[tuple[int, list[int]]]:
        """The distinct tensors that a layer's matrices read, in order: its width, and the rows of all matrices that
        read it.

        Query, key and value share one; the output matrix; gate and up share one; down.
        """
        return [
            (self.width, [self.queries, self.keys, self.keys]),
            (self.queries, [self.width]),
            (self.width, [self.mlp, self.mlp]),
            (self.mlp, [self.width]),
        ]

    @property
    def parameters(self) -> int:
        """Weights of the matrices of all layers."""
        return self.layers * sum(columns * sum(rows) for columns, rows in self.groups)


LLAMA_3_8B = Shape("llama3-8b", 32, 4096, 4096, 1024, 14336)
GEMMA_3_270M = Shape("gemma3-270m", 18, 640, 1024, 256, 2048)


class Peak(NamedTuple):
    """What a machine can do at most: operations a second in 16-bit matrix products and in float32, bytes a second to
    and from memory.
    """

    name: str
    sixteen_bit: float
    float32: float
    memory: float


class Count(NamedTuple):
    """Operations in 16-bit matrix products, operations in float32, and bytes."""

    sixteen_bit: float = 0
    float32: float = 0
    bytes: float = 0

    @property
    def operations(self) -> float:
        return self.sixteen_bit + self.float32

    @classmethod
    def sum(cls, counts: Iterable[Self]) -> Self:
        return cls(*map(sum, zip(*counts, strict=True)))

    def seconds(self, peak: Peak) -> float:
        """No machine with that peak is faster: all arithmetic at full speed, or all memory traffic, whichever takes
        longer.
        """
        return max(self.sixteen_bit / peak.sixteen_bit + self.float32 / peak.float32, self.bytes / peak.memory)


def forward(shape: Shape, samples: int, length: int, last_matrix: bool = True) -> Count:
    """One pass of `samples` windows of `length` tokens through all layers, without embeddings and output layer.

    Matrices: 2·tokens·weights. Attention under its causal mask: a token sees (length + 1)/2 tokens on average, and each
    pair costs 2·queries for its score and as much for its value. Bytes: the 16-bit weights once, and hidden states in
    and out of every layer.

    Args:
        last_matrix: False for the pass that collects statistics, which ends at the input of each layer's last matrix.
    """
    tokens = samples * length
    weights = shape.parameters - (0 if last_matrix else shape.layers * shape.width * shape.mlp)
    attention = shape.layers * tokens * (length + 1) / 2 * 4 * shape.queries
    states = shape.layers * tokens * shape.width * (2 if last_matrix else 1)
    return Count(sixteen_bit=2 * tokens * weights + attention, bytes=2 * (weights + states))


def norms(columns: int, tokens: int) -> Count:
    """Wanda's statistic of one tensor, the sum of squares of each of its columns: 2·tokens·columns, in float32; the
    tensor is read once.
    """
    return Count(float32=2 * tokens * columns, bytes=2 * tokens * columns)


def gram(columns: int, tokens: int, symmetric: bool = True) -> Count:
    """SparseGPT's statistic XᵀX of one tensor: tokens·n·(n + 1) for n columns, one triangle with its diagonal;
    2·tokens·n² for the whole square.

    Bytes: the 16-bit tensor once, the float32 result once.
    """
    entries = columns * (columns + 1) // 2 if symmetric else columns**2
    return Count(sixteen_bit=2 * tokens * entries, bytes=2 * tokens * columns + 4 * entries)


def factor(columns: int, three_steps: bool = False) -> Count:
    """The triangular factor of an inverse Hessian, in float32: a Cholesky factorisation, n³/3, and a triangular
    inverse, n³/3.

    Args:
        three_steps: the published way: Cholesky n³/3, the inverse from it 2n³/3, Cholesky of that n³/3. Bytes are those
            of one matrix in and out.
    """
    return Count(float32=columns**3 * (4 if three_steps else 2) / 3, bytes=8 * columns**2)


def sweep(rows: int, columns: int, block: int = BLOCK) -> Count:
    """The Optimal Brain Surgeon sweep: every column moves all to its right, rows·n·(n − 1)/2 multiply-adds for n
    columns, in float32.

    Bytes: 16-bit weights in and out, the factor's triangle, and after each block the float32 columns to its right in
    and out.
    """
    to_the_right = sum(max(columns - stop, 0) for stop in range(block, columns + block, block))
    moved = 4 * rows * columns + 8 * rows * to_the_right + 2 * columns * (columns + 1)
    return Count(float32=rows * columns * (columns - 1), bytes=moved)


def selection(rows: int, columns: int) -> Count:
    """Wanda's choice in one matrix: a product for every score, in float32; 16-bit weights are read once and written
    once.
    """
    return Count(float32=rows * columns, bytes=4 * rows * columns)


# the steps by name
ONE_PASS = "one whole forward pass"
FIRST = "first pass, up to the last matrix of each layer"
SECOND = "second pass, not of the last layer"
SQUARES = "sums of squares (Wanda)"
WHOLE_GRAMS = "Gram matrices, whole squares"
GRAMS = "Gram matrices, one triangle (SparseGPT, GPTQ)"
THREE_STEPS = "inverse factors in the published three steps"
FACTORS = "inverse factors (SparseGPT, GPTQ)"
SWEEPS = "sweeps (SparseGPT, GPTQ)"
SELECTION = "selection (Wanda)"


def steps(shape: Shape, samples: int, length: int) -> dict[str, Count]:
    """Everything that pruning `shape` with `samples` windows of `length` tokens consists of; no method needs all of it.

    Every layer runs twice: up to its last matrix for the statistics, and pruned for what the next layer reads, which
    nothing does after the last.
    """
    tokens = samples * length

    def whole(counts: Iterable[Count]) -> Count:
        return Count.sum([Count.sum(counts)] * shape.layers)

    return {
        ONE_PASS: forward(shape, samples, length),
        FIRST: forward(shape, samples, length, last_matrix=False),
        SECOND: forward(shape._replace(layers=shape.layers - 1), samples, length),
        SQUARES: whole(norms(n, tokens) for n, _ in shape.groups),
        WHOLE_GRAMS: whole(gram(n, tokens, symmetric=False) for n, _ in shape.groups),
        GRAMS: whole(gram(n, tokens) for n, _ in shape.groups),
        THREE_STEPS: whole(factor(n, three_steps=True) for n, _ in shape.groups),
        FACTORS: whole(factor(n) for n, _ in shape.groups),
        SWEEPS: whole(sweep(sum(rows), n) for n, rows in shape.groups),
        SELECTION: whole(selection(sum(rows), n) for n, rows in shape.groups),
    }


def stages(shape: Shape, samples: int, length: int, method: str) -> dict[str, Count]:
    """The parts of a run as the walk through a decoder reports them: statistics with the first pass, solve, and
    propagate, the second pass.

    Args:
        method: "wanda", "sparsegpt" or "gptq".
    """
    step = steps(shape, samples, length)
    first, second = step[FIRST], step[SECOND]
    if method == "wanda":
        statistic, solve = step[SQUARES], step[SELECTION]
    else:
        statistic = step[GRAMS]
        solve = Count.sum([step[FACTORS], step[SWEEPS]])
    return {"statistics": Count.sum([first, statistic]), "solve": solve, "propagate": second}
