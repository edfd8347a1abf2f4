"""The jobs of a grid: how many there are, and the memory, the time and the GPU that each asks for."""

from pathlib import Path
from typing import NamedTuple

from calibprune.study.parameters import Parameters
from calibprune.study.planning import groups
from calibprune.study.planning.plan import Plan, plan

LIBRARIES = 3e9
"""Bytes that Python, torch and the harness take of the host, and what is read ahead."""
MARGIN = 1.25
"""How much more memory than was counted a job asks for, and how much more time than was measured: twice that."""
START = 15
"""Minutes for starting a job, loading a model and drawing texts."""


class Jobs(NamedTuple):
    """What a workflow engine is told.

    Attributes:
        number: of groups; the job of the k-th is `calibprune study PARAMS --group k/number`.
        open: the groups, counted from 1, that have cells which the store lacks.
        resources: of each: "mem_mb", where models' sizes are known; "runtime" in minutes, where the seconds of every
            cell were measured; "gpu", 1, where the machine has one. What is not known is not there.
    """

    number: int
    open: list[int]
    resources: dict[str, int]


def jobs(
    params: str | Path, machine: str | None = None, minutes: float = groups.MINUTES, number: int | None = None
) -> Jobs:
    """The jobs of a study on a machine.

    Args:
        machine: a part of the name of a machine that was measured, as `plan` takes it.
        minutes: how long a job should take at least.
        number: of groups; by default as many as take so long.

    Raises:
        CalibpruneError: as `plan` and `groups.split`.
    """
    made = plan(Parameters.from_yaml(params), machine)
    number = number or made.groups(minutes)
    found = {"mem_mb": _memory(made), "runtime": _runtime(made, number), "gpu": int(made.machine.device == "cuda")}
    split = groups.split(made.cells, number)
    there = [k for k, group in enumerate(split, 1) if not all(map(made.done, group))]
    return Jobs(number, there, {name: value for name, value in found.items() if value})


def _memory(made: Plan) -> int:
    """Of the host, in 10⁶ bytes; 0 where the sizes of a model are not known."""
    peaks = [made.host(name, whole=True) for name in made.models]
    if None in peaks:
        return 0
    return round(MARGIN * (max(peaks) + LIBRARIES) / 1e6)


def _runtime(made: Plan, number: int) -> int:
    """Minutes for the longest job, were nothing done yet; 0 where the time of a cell is not known in full."""
    costs = {cell: made.cost(cell) for cell in made.cells}
    if any(cost.without for cost in costs.values()):
        return 0
    longest = max(sum(costs[cell].seconds for cell in group) for group in groups.split(made.cells, number))
    return START + round(2 * MARGIN * longest / 60)
