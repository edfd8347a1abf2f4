"""What is measured on a pruned model."""

FIDELITY = ("perplexity", "snr_db", "pruning_error")
INSIDE = ("subspace", "masks", "neurons")
"""What looks inside a model that one calibration language pruned (Section 5 of the paper)."""

METRICS = (*FIDELITY, *INSIDE)
