"""What nearly every notebook imports: other people's packages, imported once for all of them (`kernels`).

Not here: what reads the environment when it is imported, such as the client of the model hub, since every kernel has an
environment of its own; and what is of this repository, which may be edited between two builds.
"""

import ipykernel.kernelapp  # noqa: F401
import matplotlib
import matplotlib.pyplot
import pandas  # noqa: F401
import pyarrow.parquet  # noqa: F401
import scipy.stats  # noqa: F401
import seaborn  # noqa: F401
import torch  # noqa: F401

# A kernel says so in its environment, which matplotlib reads when it is imported. Loading the back end here would be
# too early: it looks for the kernel that it is in.
matplotlib.rcParams["backend"] = "module://matplotlib_inline.backend_inline"
