"""Each kernel against the published way and against what the machine can do, one row each: `python
benchmarks/kernels.py`.

Random weights and random inputs, medians of --repeats runs a side, the sides taking turns. Without --rows and --width
the matrix is Llama-3-8B's down projection on a GPU and Gemma 3 270M's on a CPU; on a CPU all matrices of --checkpoint
are solved as well. `--write` keeps the rows for Appendix H.
"""

import sys

if __name__ == "__main__":
    # transformers looks for a package of this file's name: one that is installed should be found before, and here
    # nothing happens on import
    sys.path.append(sys.path.pop(0))
    from kernel_rows import main
    from measuring import status

    sys.exit(status(main(__doc__)))
