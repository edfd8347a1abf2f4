"""What is measured on a pruned model."""

METRICS = ("perplexity", "snr_db", "pruning_error")
