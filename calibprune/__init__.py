"""calibprune: how the language of calibration text changes a pruned multilingual language model.

    model, tokenizer = cp.load("gemma3-270m")
    tokens = cp.windows(tokenizer, "chromium", ["de"], samples=32, length=512)
    cp.prune(model, tokens, method="wanda", sparsity=0.5)

Reading order: walk/layerwise.py (the walk through a model), methods/, kernels/, metrics/; then study/ (from parameters
to records). A name below is imported when it is first used: `import calibprune` costs nothing, and pruning needs no
package of the study.
"""

import os
import sys
from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:  # for editors and type checkers; `__getattr__` does it when the program runs
    from calibprune.advice.prediction import Advice as Advice
    from calibprune.advice.prediction import advise as advise
    from calibprune.corpora import corpus as corpus
    from calibprune.corpora.windows import windows as windows
    from calibprune.errors import CalibpruneError as CalibpruneError
    from calibprune.metrics.fidelity import Fidelity as Fidelity
    from calibprune.metrics.fidelity import fidelity as fidelity
    from calibprune.metrics.fidelity import perplexity as perplexity
    from calibprune.metrics.masks import mask_iou as mask_iou
    from calibprune.metrics.masks import stable_mask as stable_mask
    from calibprune.metrics.neurons import lape as lape
    from calibprune.metrics.subspace import language_subspace as language_subspace
    from calibprune.models.loading import load as load
    from calibprune.study.study import Study as Study
    from calibprune.walk.layerwise import PruneResult as PruneResult
    from calibprune.walk.layerwise import prune as prune
    from calibprune.walk.layerwise import quantize as quantize

__version__ = "0.1.0"

_WAITING = {"GOMP_SPINCOUNT": "10000", "KMP_BLOCKTIME": "1"}
"""How long OpenMP's threads look for work before they sleep: libgomp's in turns of a loop, of 300,000 by default, and
Intel's and LLVM's in milliseconds, of 200. While they look they keep a core from others: two processes on the cores of
one then take several times as long. The libraries read this once, when torch loads one of them. `benchmarks/sharing.py`
measures it: on two cores 10,000 turns made two SparseGPT runs at once as fast as 1.2 times one after the other, 30,000
and more 1.9 to 2.0 times, and slowed none that was alone.
"""
if "torch" not in sys.modules and not os.environ.keys() & {"OMP_WAIT_POLICY", *_WAITING}:  # a user's own value stays
    os.environ.update(_WAITING)

_WHERE = {
    "Advice": "advice.prediction",
    "CalibpruneError": "errors",
    "Fidelity": "metrics.fidelity",
    "PruneResult": "walk.layerwise",
    "Study": "study.study",
    "advise": "advice.prediction",
    "corpus": "corpora",
    "fidelity": "metrics.fidelity",
    "language_subspace": "metrics.subspace",
    "lape": "metrics.neurons",
    "load": "models.loading",
    "mask_iou": "metrics.masks",
    "perplexity": "metrics.fidelity",
    "prune": "walk.layerwise",
    "quantize": "walk.layerwise",
    "stable_mask": "metrics.masks",
    "windows": "corpora.windows",
}
__all__ = sorted(_WHERE)


def __getattr__(name: str) -> Any:
    if name not in _WHERE:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    try:
        found = globals()[name] = getattr(import_module(f"{__name__}.{_WHERE[name]}"), name)
    except ModuleNotFoundError as error:
        what = f"{__name__}.{name} needs {error.name}, which is not installed"
        extra = "[study]" if name == "Study" else ""
        raise ImportError(f"{what}: pip install 'calibprune{extra}'", name=error.name) from error
    return found


def __dir__() -> list[str]:
    return [*globals(), *_WHERE]
