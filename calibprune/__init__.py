"""calibprune: how the language of calibration text changes a pruned multilingual language model.

Reading order: study.py (parameters to records), cells.py, bench.py (one cell), layerwise.py (the walk), methods/, metrics/, tasks/.
"""

from .corpora import corpus
from .errors import CalibpruneError
from .layerwise import PruneResult, prune, quantize
from .metrics.fidelity import Fidelity, fidelity, perplexity
from .metrics.masks import mask_iou, stable_mask
from .metrics.neurons import lape
from .metrics.subspace import language_subspace
from .models import load
from .study import Study
from .windows import windows

__version__ = "0.1.0"
__all__ = [
    "CalibpruneError", "Fidelity", "PruneResult", "Study", "corpus", "fidelity", "language_subspace", "lape", "load", "mask_iou", "perplexity",
    "prune", "quantize", "stable_mask", "windows",
]  # fmt: skip
