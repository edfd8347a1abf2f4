"""Where quantized weights may lie: levels at equal distances, fitted to groups of a row."""

from typing import NamedTuple

from .errors import ParameterError

BITS = range(2, 9)


class Grid(NamedTuple):
    """2^bits levels for every `group_size` consecutive inputs of a row.

    Attributes:
        symmetric: the levels stand around 0 and a group keeps a scale alone; else they span the group's range, and it keeps a zero point too.
        act_order: columns are rounded in the order of falling Hessian diagonal, with groups fitted to the original weights beforehand
            ("static groups": a group's columns stay neighbours, and a checkpoint needs no index of them).
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
        """Bits of storage for each weight: its code, and its share of the group's scale and, where not symmetric, zero point."""
        return self.bits + (dtype_bits + (0 if self.symmetric else self.bits)) / self.group_size

    @classmethod
    def of(cls, bits: int, group_size: int = 128, symmetric: bool = True, act_order: bool = False) -> "Grid":
        """A `Grid` of these settings.

        Raises:
            ParameterError: bits outside 2 … 8, or a group of less than one weight.
        """
        if isinstance(bits, bool) or not isinstance(bits, int) or bits not in BITS:
            raise ParameterError(f"bits {bits!r}: weights can be quantized to {BITS[0]} to {BITS[-1]} bits")
        if isinstance(group_size, bool) or not isinstance(group_size, int) or group_size < 1:
            raise ParameterError(f"group_size {group_size!r}: give the number of consecutive inputs that share a scale, for example 128")
        return cls(bits, group_size, symmetric, act_order)

    def check_width(self, columns: int, name: str) -> None:
        """Raises ParameterError where the groups do not fit the matrix `name`."""
        if columns % self.group_size:
            raise ParameterError(f"group_size {self.group_size}: {name} has {columns} inputs, not a multiple of it; choose another group size")
