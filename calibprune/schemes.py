"""What a method is asked for: a sparsity, how many weights become zero; a grid, which values the others may have."""

import math
import re
from numbers import Integral
from typing import Any, NamedTuple

import numpy as np

from calibprune.errors import ParameterError, quoted

BITS = range(2, 9)


def _whole(value: Any) -> bool:
    """Whether it is a whole number, of Python or numpy; True and False are none."""
    return isinstance(value, Integral) and not isinstance(value, bool)


class Grid(NamedTuple):
    """2^bits levels for every `group_size` consecutive inputs of a row.

    Attributes:
        symmetric: the levels stand around 0 and a group keeps a scale alone; else they span the group's range, and it
            keeps a zero point too.
        act_order: columns are rounded in the order of falling Hessian diagonal, with groups fitted to the original
            weights beforehand ("static groups": a group's columns stay neighbours, and a checkpoint needs no index of
            them).
    """

    bits: int
    group_size: int = 128
    symmetric: bool = True
    act_order: bool = False

    @property
    def levels(self) -> int:
        return 2**self.bits

    @property
    def pattern(self) -> str:
        return f"{self.bits}-bit"

    def bits_per_weight(self, dtype_bits: int = 16) -> float:
        """Bits of storage for each weight: its code, and its share of the group's scale and, where not symmetric, zero
        point.
        """
        return self.bits + (dtype_bits + (0 if self.symmetric else self.bits)) / self.group_size

    @classmethod
    def of(cls, bits: int, group_size: int = 128, symmetric: bool = True, act_order: bool = False) -> "Grid":
        """A `Grid` of these settings.

        Raises:
            ParameterError: bits outside 2 … 8, or a group of less than one weight.
        """
        if not _whole(bits) or bits not in BITS:
            raise ParameterError(f"bits {quoted(bits)}: weights can be quantized to {BITS[0]} to {BITS[-1]} bits")
        if not _whole(group_size) or group_size < 1:
            raise ParameterError(
                f"group_size {quoted(group_size)}: give the number of consecutive inputs that share a scale, "
                f"for example 128"
            )
        for name, value in (("symmetric", symmetric), ("act_order", act_order)):
            if value not in (True, False):
                raise ParameterError(f"{name} {quoted(value)}: give True or False")
        return cls(int(bits), int(group_size), bool(symmetric), bool(act_order))

    def check_width(self, columns: int, name: str) -> None:
        """Raises ParameterError where the groups do not fit the matrix `name`."""
        if columns % self.group_size:
            raise ParameterError(
                f"group_size {self.group_size}: {name} has {columns} inputs, not a multiple of it; choose "
                f"another group size"
            )


class Sparsity(NamedTuple):
    """A share of each matrix's weights to prune, anywhere or `n` of every `m` consecutive inputs."""

    fraction: float
    n: int = 0
    m: int = 0

    @property
    def pattern(self) -> str:
        return f"{self.n}:{self.m}" if self.m else "unstructured"

    def __str__(self) -> str:
        short = f"{self.fraction:g}"
        return self.pattern if self.m else short if float(short) == self.fraction else repr(self.fraction)

    @classmethod
    def of(cls, value: "float | str | tuple[int, int] | Sparsity") -> "Sparsity":
        """A `Sparsity` from a fraction in [0, 1), a text such as "0.5" or "2:4", or a pair (n, m).

        Raises:
            ParameterError: anything else, a fraction outside [0, 1), or n:m with n not in 1 … m.
        """
        if isinstance(value, cls):
            return value
        if isinstance(value, np.ndarray):
            value = value.tolist()
        if isinstance(value, str) and (found := re.fullmatch(r"\s*(\d{1,9})\s*:\s*(\d{1,9})\s*", value)):
            value = (int(found[1]), int(found[2]))
        if isinstance(value, (tuple, list)):
            if len(value) != 2 or not all(map(_whole, value)) or not 0 < value[0] < value[1]:
                raise ParameterError(
                    f"sparsity {':'.join(map(quoted, value))}: a pattern n:m prunes n of every m weights, "
                    f"with 0 < n < m (for example 2:4)"
                )
            n, m = map(int, value)
            return cls(n / m, n, m)
        try:
            fraction = float(value) + 0.0  # -0.0 becomes 0.0
        except (TypeError, ValueError, OverflowError):
            fraction = math.nan
        if isinstance(value, bool | np.bool_) or not 0 <= fraction < 1:
            meant = _read_by_yaml_1_1(value)
            hint = f'; if {meant} was meant, write "{meant}" in quotes' if meant else ""
            raise ParameterError(f"sparsity {quoted(value)}: give a fraction in [0, 1), or a pattern such as 2:4{hint}")
        return cls(fraction)

    def check_width(self, columns: int, name: str) -> None:
        """Raises ParameterError where the groups of an n:m pattern do not fit the matrix `name`."""
        if self.m and columns % self.m:
            raise ParameterError(
                f"sparsity {self.pattern}: {name} has {columns} inputs, not a multiple of {self.m}; "
                f"choose another pattern"
            )


def _read_by_yaml_1_1(value: Any) -> str:
    """The pattern that YAML 1.1 takes for this number, in base 60, where it is not in quotes: `2:4` of 124."""
    n, m = divmod(int(value), 60) if _whole(value) else (0, 0)
    return f"{n}:{m}" if 0 < n < m else ""
