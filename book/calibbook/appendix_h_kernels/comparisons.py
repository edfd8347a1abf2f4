"""What the benchmarks compare, and the targets that they were built to reach."""

from typing import NamedTuple

AT_LEAST, AT_MOST = "at least", "at most"
GPU, CPU, ANY = "cuda", "cpu", ""


class Comparison(NamedTuple):
    """A row of the benchmarks.

    Attributes:
        key: its name in the files of results.
        what: this package's side.
        against: the other side; empty where a number of its own is compared with the target.
        unit: of the number that is compared with the target, such as "times as fast".
        sense: whether that number should be "at least" or "at most" the target.
        target: None where there is none.
        device: "cuda" or "cpu", where the target is meant; "" without one.
        size: that the target is meant for, in words.
    """

    key: str
    what: str
    against: str
    unit: str
    sense: str
    target: float | None = None
    device: str = ANY
    size: str = ""

    def reached(self, value: float) -> bool:
        return value >= self.target if self.sense == AT_LEAST else value <= self.target

    def share(self, value: float) -> float:
        """How far the target was reached: 1 is the target, more is better."""
        return value / self.target if self.sense == AT_LEAST else self.target / value

    @property
    def aim(self) -> str:
        """`at least 20 times as fast`, or `no target`."""
        return "no target" if self.target is None else f"{self.sense} {self.target:g} {self.unit}"


FAST, TIME, SHARE, GB = "times as fast", "times the time", "of the peak", "GB"
ALIKE, RATIO = "of the weights", "times"
COLUMN_LOOP, TWO_PASSES, PEER = "the published loop over columns in torch", "two plain forward passes", "llm-compressor"
MATRIX, LAYER, WHOLE = "4,096 × 14,336", "a layer of llama3-8b", "llama3-8b, 128 × 8,192 tokens"
CELL = "gemma3-270m, 32 × 512 tokens"

COMPARISONS = {
    row.key: row
    for row in (
        Comparison(
            "sparsegpt_matrix", "SparseGPT of one matrix, statistic given", COLUMN_LOOP, FAST, AT_LEAST, 20, GPU, MATRIX
        ),
        Comparison(
            "gram",
            "Gram matrix of 16-bit inputs",
            "16-bit matrix products, counting one triangle",
            SHARE,
            AT_LEAST,
            0.6,
            GPU,
            "14,336 wide",
        ),
        Comparison(
            "wanda_layer",
            "Wanda of one layer, statistic given",
            "copying its weights once",
            TIME,
            AT_MOST,
            3,
            GPU,
            LAYER,
        ),
        Comparison("model_wanda", "Wanda of a whole model", TWO_PASSES, TIME, AT_MOST, 1.25, GPU, WHOLE),
        Comparison("model_sparsegpt", "SparseGPT of a whole model", TWO_PASSES, TIME, AT_MOST, 2, GPU, WHOLE),
        Comparison("peer_sparsegpt", "SparseGPT of a whole model", PEER, FAST, AT_LEAST, 5, GPU, WHOLE),
        Comparison("model_gptq", "GPTQ of a whole model", TWO_PASSES, TIME, AT_MOST, 2, GPU, WHOLE),
        Comparison("peer_gptq", "GPTQ of a whole model", PEER, FAST, AT_LEAST, 5, GPU, WHOLE),
        Comparison("model_memory", "Peak memory of the methods that were run", "", GB, AT_MOST, 45, GPU, WHOLE),
        Comparison(
            "streamed",
            "Wanda from checkpoint to checkpoint, read layer by layer",
            "the same with the model in memory",
            TIME,
            AT_MOST,
            1.15,
            CPU,
            "a Llama of 2 GB",
        ),
        Comparison(
            "streamed_read",
            "What is read of a model layer by layer",
            "the size of its weights",
            RATIO,
            AT_MOST,
            2.2,
            CPU,
            "12 GB",
        ),
        Comparison("streamed_memory", "Peak memory of the process, layer by layer", "", GB, AT_MOST),
        Comparison("streamed_gpu_memory", "Peak memory of the GPU, layer by layer", "", GB, AT_MOST),
        Comparison(
            "sparsegpt_model",
            "SparseGPT of all matrices of a model, statistics given",
            COLUMN_LOOP,
            FAST,
            AT_LEAST,
            3,
            CPU,
            "gemma3-270m",
        ),
        Comparison(
            "cell_weights",
            "A cell of the study: weights that both prune or both keep",
            "the same cell on a CPU",
            ALIKE,
            AT_LEAST,
            0.995,
            GPU,
            CELL,
        ),
        Comparison(
            "cell_perplexity",
            "A cell of the study: the larger perplexity over the smaller",
            "the same cell on a CPU",
            RATIO,
            AT_MOST,
            1.01,
            GPU,
            CELL,
        ),
        Comparison("gptq_matrix", "GPTQ of one matrix, statistic given", COLUMN_LOOP, FAST, AT_LEAST),
        Comparison("masks_pack", "Packing a mask, eight weights a byte", "copying the mask once", TIME, AT_MOST),
        Comparison(
            "masks_overlap",
            "Intersection and union of two packed masks",
            "torch on masks of one byte a weight",
            FAST,
            AT_LEAST,
        ),
    )
}
TARGETS = [row for row in COMPARISONS.values() if row.target is not None]
