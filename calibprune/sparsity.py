"""How many weights go, and in which pattern."""

import math
import re
from typing import NamedTuple

from .errors import ParameterError


class Sparsity(NamedTuple):
    """A share of each matrix's weights to prune, anywhere or `n` of every `m` consecutive inputs."""

    fraction: float
    n: int = 0
    m: int = 0

    @property
    def pattern(self) -> str:
        return f"{self.n}:{self.m}" if self.m else "unstructured"

    def __str__(self) -> str:
        return self.pattern if self.m else f"{self.fraction:g}"

    @classmethod
    def of(cls, value: "float | str | tuple[int, int] | Sparsity") -> "Sparsity":
        """A `Sparsity` from a fraction in [0, 1), a text such as "0.5" or "2:4", or a pair (n, m).

        Raises:
            ParameterError: anything else, a fraction outside [0, 1), or n:m with n not in 1 … m.
        """
        if isinstance(value, cls):
            return value
        if isinstance(value, str) and (found := re.fullmatch(r"\s*(\d+)\s*:\s*(\d+)\s*", value)):
            value = (int(found[1]), int(found[2]))
        if isinstance(value, (tuple, list)):
            if len(value) != 2 or not all(isinstance(v, int) for v in value) or not 0 < value[0] < value[1]:
                raise ParameterError(
                    f"sparsity {':'.join(map(str, value))}: a pattern n:m prunes n of every m weights, with 0 < n < m (for example 2:4)"
                )
            return cls(value[0] / value[1], *value)
        try:
            fraction = float(value)
        except (TypeError, ValueError):
            fraction = math.nan
        if isinstance(value, bool) or not 0 <= fraction < 1:
            raise ParameterError(f"sparsity {value!r}: give a fraction in [0, 1), or a pattern such as 2:4")
        return cls(fraction)

    def check_width(self, columns: int, name: str) -> None:
        """Raises ParameterError where the groups of an n:m pattern do not fit the matrix `name`."""
        if self.m and columns % self.m:
            raise ParameterError(f"sparsity {self.pattern}: {name} has {columns} inputs, not a multiple of {self.m}; choose another pattern")
