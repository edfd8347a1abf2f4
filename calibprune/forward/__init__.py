"""Quicker forward passes of transformers models on a CPU.

Pruning is two forward passes and little else, and every measurement is a pass, so on a CPU a study takes as long as its
passes. `quicker` lets a model run them with other code of the same arithmetic: attention over short windows
(`attention`), root-mean-square norms (`rms_norm`) and the gated feed-forward part (`gated`). Results differ from the
model's own by rounding only, and what each does to rounding its module says. On a GPU, in float32, and for
architectures that they do not know, the model's own code runs.

Two functions beside them take the place of the output layer: the loss of given tokens without the matrix of all logits
(`cross_entropy`, from `logits`).
"""

from collections.abc import Iterator
from contextlib import contextmanager, nullcontext

from torch import nn

from calibprune.forward.attention import short_windows
from calibprune.forward.gated import fast_gates
from calibprune.forward.rms_norm import fast_norms


@contextmanager
def quicker(model: nn.Module, length: int | None, part: nn.Module | None = None) -> Iterator[None]:
    """Let a model, or one part of it, run with the quicker code of this package wherever that applies.

    Afterwards, and after an error, the model is as it was. The first use makes an attention function known to
    transformers under a name of its own.

    Args:
        length: of the windows, which have no padding: then attention is quicker too. None for anything else, such as
            padded prompts or sequences that share a context, whose attention stays the model's own.
        part: the module that will be called, such as a decoder layer; by default the model.
    """
    root = model if part is None else part
    attention = nullcontext() if length is None else short_windows(model, length)
    with attention, fast_norms(root), fast_gates(root):
        yield
