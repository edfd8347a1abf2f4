"""What is measured on a pruned model: a file for each kind, and the table of all metrics in registry.py."""
