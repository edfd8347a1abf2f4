"""A plan as a table and sentences."""

from collections.abc import Iterator

from calibprune.study.planning import groups
from calibprune.study.planning.plan import Plan, Row
from calibprune.study.planning.workload import Kept
from calibprune.tasks.catalogue import split

HEADINGS = ("model", "part", "cells", "done", "hours to go", "records", "masks", "other arrays")
UNITS = ("B", "kB", "MB", "GB", "TB")
DEVICES = (8, 12, 16, 24, 32, 40, 48, 80, 96, 141, 192)
"""GB of memory that GPUs are sold with."""
NOT_KNOWN = "not known"


def size(count: float) -> str:
    """Bytes with a decimal unit and three digits: "8.59 GB"."""
    value, unit = float(count), UNITS[0]
    for further in UNITS[1:]:
        if value < 999.5:
            break
        value, unit = value / 1000, further
    digits = 0 if unit == "B" or value >= 99.95 else 1 if value >= 9.995 else 2
    return f"{value:.{digits}f} {unit}"


def hours(seconds: float, whole: bool) -> str:
    """Hours, from above where they are only a part: "at least 6.4"; "not measured" where nothing was, or nothing
    that two digits show.
    """
    value = seconds / 3600
    if not whole and value < 0.005:
        return "not measured"
    shown = f"{value:,.0f}" if value >= 100 else f"{value:.1f}" if value >= 1 else f"{value:.2f}"
    return shown if whole else f"at least {shown}"


def table(plan: Plan) -> Iterator[tuple[str, ...]]:
    """A row for each model and part, and one for all; columns `HEADINGS`."""
    rows = plan.rows()
    for row in rows:
        yield row.model, row.part, str(row.cells), *_values(row)
    done = None if any(row.done is None for row in rows) else sum(row.done for row in rows)
    disk = None if any(row.kept is None for row in rows) else sum((row.kept for row in rows), Kept())
    seconds, whole = sum(row.seconds for row in rows), all(row.whole for row in rows)
    together = Row("all", "", sum(row.cells for row in rows), done, seconds, whole, disk)
    yield together.model, together.part, str(together.cells), *_values(together)


def _values(row: Row) -> tuple[str, ...]:
    disk = [NOT_KNOWN] * 3 if row.kept is None else list(map(size, row.kept))
    return NOT_KNOWN if row.done is None else str(row.done), hours(row.seconds, row.whole), *disk


def sentences(plan: Plan, minutes: float = groups.MINUTES) -> Iterator[str]:
    """What the table does not say: memory, what a resumed run needs, jobs, and everything that is not known."""
    for name in plan.models:
        yield from _of_model(plan, name)
    number = plan.groups(minutes)
    yield (
        f"Jobs: {number} group{'s' * (number != 1)} of cells, of at least {minutes:.0f} min each where that was "
        f"measured (calibprune study … --group 1/{number})."
    )
    machine = plan.machine
    if not machine.rates:
        yield f"No rates were measured on {machine.name}; hours are those of cells that the store has from it."
    for why, cells in plan.unmeasured().items():
        yield f"Not in the hours, since it was not measured on {machine.name}: {why}, in {cells} cells."
    yield "Not in the hours either: fetching and loading models and texts, once a job."
    if any(cell.items_of(split(task)[0]) is None for cell in plan.cells for task in cell.tasks):
        yield "Not in the other arrays: the scores of single items of tasks, whose number is not known beforehand."


def _of_model(plan: Plan, name: str) -> Iterator[str]:
    model = plan.models[name]
    if model.note:
        yield f"{model.note}."
    found = plan.memory(name)
    if found is None:
        yield f"{name}: without its sizes hours, disk and memory are missing; the cells are counted all the same."
        return
    peak, measured = found
    p = plan.parameters
    how = "measured with these sizes, and a second copy of the layers" if measured else "counted, not measured"
    yield f"{name}: weights {size(plan.itemsize * model.architecture.parameters)} in {p.dtype}."
    whole, streamed = plan.host(name, True), plan.host(name, False)
    if plan.machine.device == "cpu":
        yield f"Peak memory, whole: {size(whole)} ({how}, without the libraries' own)."
        yield f"Peak memory, a layer at a time from disk: {size(streamed)} (counted, not measured)."
    else:
        yield (
            f"Peak memory, whole on the device: {size(peak.resident)} of the GPU ({how}; {_fits(peak.resident)}), "
            f"{size(whole)} of the host (counted)."
        )
        yield (
            f"Peak memory, a layer at a time from disk: {size(peak.streamed)} of the GPU ({_fits(peak.streamed)}), "
            f"{size(streamed)} of the host (both counted, not measured)."
        )
    if peak.states:
        yield (
            f"Hidden states that are kept for resuming between two layers: {size(peak.states)} "
            f"({p.calibration_samples:,} × {p.calibration_length:,} tokens × {model.architecture.shape.width:,} × "
            f"{plan.itemsize} bytes)."
        )


def _fits(count: float) -> str:
    """The smallest GPU that has so many bytes, with a twentieth to spare."""
    large = [gigabytes for gigabytes in DEVICES if count * 1.05 <= gigabytes * 1e9]
    return f"fits one of {large[0]} GB" if large else "fits no single GPU"
