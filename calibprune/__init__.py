"""calibprune: how the language of calibration text changes a pruned multilingual language model.

Reading order: study.py (parameters to records), cells.py, layerwise.py (the walk), methods/, metrics/.
"""

from .corpora import corpus
from .errors import CalibpruneError
from .layerwise import PruneResult, prune
from .metrics.fidelity import Fidelity, fidelity, perplexity
from .models import load
from .study import Study
from .windows import windows

__version__ = "0.1.0"
__all__ = ["CalibpruneError", "Fidelity", "PruneResult", "Study", "corpus", "fidelity", "load", "perplexity", "prune", "windows"]
