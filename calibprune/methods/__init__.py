"""The registry of methods: a method is one file, and one line in `METHODS`.

A package of somebody else adds its own without a change here: it declares an entry point in the group
"calibprune.methods", whose name is the method's and whose object is a `Method`. In its pyproject.toml:

    [project.entry-points."calibprune.methods"]
    random = "my_package.random_pruning:METHOD"

Once it is installed, `cp.prune(model, tokens, method="random")`, studies, their tables and their figures know it.
Records are kept under a method's name: one that changes its results needs a new name, or a new store.
"""

from calibprune.errors import ParameterError, one_of, quoted
from calibprune.methods import gptq, magnitude, sparsegpt, wanda
from calibprune.methods.base import Does, Method, Quantized
from calibprune.methods.installed import add_installed

METHODS: dict[str, Method] = {
    "magnitude": magnitude.METHOD,
    "wanda": wanda.METHOD,
    "sparsegpt": sparsegpt.METHOD,
    "gptq": gptq.METHOD,
}
add_installed(METHODS)

DEFAULT_QUANTIZER = "gptq"


def pruners() -> dict[str, Method]:
    """The methods that prune, by name."""
    return {name: method for name, method in METHODS.items() if method.prunes}


def quantizers() -> dict[str, Method]:
    """The methods that round without pruning, by name."""
    return {name: method for name, method in METHODS.items() if method.does == Does.ROUND}


def pruner(name: str) -> Method:
    """The method of that name, which prunes.

    Raises:
        ParameterError: there is none, or it only rounds.
    """
    able = pruners()
    if isinstance(name, str) and name in METHODS and name not in able:
        raise ParameterError(
            f"method {quoted(name)} does not prune: ask for it with bits, or calibprune.quantize; "
            f"methods that prune are {', '.join(able)}"
        )
    return _of(able, name)


def quantizer(name: str) -> Method:
    """The method of that name, which rounds without pruning.

    Raises:
        ParameterError: there is none, or it prunes.
    """
    able = quantizers()
    if isinstance(name, str) and name in METHODS and name not in able:
        raise ParameterError(
            f"method {quoted(name)} prunes: use calibprune.prune; methods that quantize are {', '.join(able)}"
        )
    return _of(able, name)


def _of(able: dict[str, Method], name: str) -> Method:
    if not isinstance(name, str) or name not in able:
        raise ParameterError(one_of("method", name, able))
    return able[name]


__all__ = [
    "DEFAULT_QUANTIZER",
    "METHODS",
    "Does",
    "Method",
    "Quantized",
    "pruner",
    "pruners",
    "quantizer",
    "quantizers",
]
