"""The metrics of a study by name. A new one is a file with a `Metric` (see base.py) and its line below."""

from collections import ChainMap
from collections.abc import Mapping

from calibprune.metrics import fidelity, masks, neurons, subspace
from calibprune.metrics.base import Metric

ON_TEXT: dict[str, Metric] = {
    metric.name: metric for metric in (fidelity.PERPLEXITY, fidelity.SNR_DB, fidelity.PRUNING_ERROR)
}
"""Read from the pass over an evaluation text; each has its table and heat map in Section 4.1. In the paper's order."""

INSIDE: dict[str, Metric] = {metric.name: metric for metric in (subspace.METRIC, masks.METRIC, neurons.METRIC)}
"""What looks inside a model that one calibration language pruned (Section 5 of the paper)."""

METRICS: Mapping[str, Metric] = ChainMap(INSIDE, ON_TEXT)  # a ChainMap lists its last mapping first
"""All of them."""
