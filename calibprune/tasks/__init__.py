"""Tasks of the Evaluation Harness: the paper's benchmarks, MKQA and the embedded ones, and the bridge that runs
them.
"""
