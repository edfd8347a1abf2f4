"""Methods: one file each. A method says which statistic of a linear's input it needs and how it solves one weight
matrix.

The table holds the methods that prune; GPTQ, which rounds, is `gptq.method`. A fourth method that prunes is a new file
with a `METHOD` and its line in the table below; the walk through the decoder does not change.
"""

from calibprune.errors import ParameterError, one_of
from calibprune.methods import gptq, magnitude, sparsegpt, wanda
from calibprune.methods.base import Method, Quantized

METHODS: dict[str, Method] = {
    "magnitude": magnitude.METHOD,
    "wanda": wanda.METHOD,
    "sparsegpt": sparsegpt.METHOD,
}


def method(name: str) -> Method:
    """The method of that name.

    Raises:
        ParameterError: there is none.
    """
    if name not in METHODS:
        raise ParameterError(one_of("method", name, METHODS))
    return METHODS[name]


__all__ = ["METHODS", "Method", "Quantized", "gptq", "method"]
