"""Computes cells again, in a scratch store, and says whether they are what somebody else's store holds.

To the bit where the processor, the device and the packages are those that computed a cell first; elsewhere within the
tolerances of comparing.py.
"""

import math
import random
import tempfile
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace

import torch

from calibprune import provenance
from calibprune.errors import CalibpruneError, CorpusError, ModelError, StoreError
from calibprune.models.identity import fingerprint
from calibprune.models.loading import has_bfloat16, resolve_device
from calibprune.study.cells import Cell, what_changed
from calibprune.study.comparing import (
    Difference,
    compare_records,
    compare_tensors,
    same_bits,
    same_tensors,
)
from calibprune.study.kept import Kept
from calibprune.study.parameters import NUMERICS
from calibprune.study.progress import StudyProgress
from calibprune.study.runner import Runner, work
from calibprune.study.showing import in_one_line
from calibprune.study.store import Store
from calibprune.tasks.catalogue import resolve

PLACE = ("machine", "device", "system")
"""The fields of a cell's provenance that name the processor; where they are the same, so are all bits."""
SIZE = 512
"""Rows and columns of the matrices whose product shows how slow bfloat16 is."""


@dataclass(frozen=True)
class Target:
    """A cell to compute again: where it is kept, its id, and what is damaged there (then `cell` is None)."""

    kept: Kept
    id: str
    cell: Cell | None
    flaw: str = ""

    @property
    def title(self) -> str:
        return self.cell.title if self.cell else ""

    def provenance(self) -> dict:
        return self.kept.provenance(self.cell) if self.cell else {}

    def seconds(self) -> float:
        """That the cell took when it was computed first; NaN where it is damaged."""
        known = self.provenance()
        return known["seconds_prune"] + known["seconds_measure"] if known else math.nan


@dataclass(frozen=True)
class Verdict:
    """What came of a cell.

    Attributes:
        same: whether it is the same, by the way it was compared.
        compared: "to the bit", "within tolerances", or "not at all".
        found: the largest difference, or why it could not be compared.
        seconds: that computing it took here.
        differs: what here is other than where it was computed first, in words.
    """

    target: Target
    same: bool
    compared: str
    found: str
    seconds: float = math.nan
    differs: tuple[str, ...] = ()


def target(kept: Kept, identifier: str) -> Target:
    """A cell to verify. One that is damaged where it is kept, or that this version of calibprune does not know, is
    named and not read.
    """
    if flaw := kept.flaw(identifier):
        return Target(kept, identifier, None, flaw)
    try:
        return Target(kept, identifier, kept.cell(identifier))
    except StoreError as error:
        return Target(kept, identifier, None, str(error))


def some(places: Iterable[Kept], number: int) -> list[tuple[Kept, str]]:
    """That many cells by chance, all where there are fewer.

    Raises:
        StoreError: there is none.
    """
    found: dict[str, Kept] = {}
    places = list(places)
    for place in places:
        for identifier in place.ids():
            found.setdefault(identifier, place)
    if not found:
        where = ", ".join(place.name or str(place.root) for place in places) or "the published run, which is not here"
        raise StoreError(f"{where}: holds no cells to verify; name another folder with --against")
    chosen = random.SystemRandom().sample(sorted(found), min(number, len(found)))
    return [(found[identifier], identifier) for identifier in chosen]


def announced(targets: Sequence[Target], device: str) -> list[str]:
    """Lines that say beforehand how long this takes, and what here is other than where it was computed.

    Raises:
        ModelError: `device` is not usable here.
    """
    where = resolve_device(device)
    ready = [one for one in targets if one.cell]
    if not ready:
        return ["no cell can be computed again"]
    total = sum(one.seconds() for one in ready)
    machines = dict.fromkeys(in_one_line(provenance.where(one.provenance())) for one in ready)
    lines = [f"{len(ready)} cells to compute again, which took {_duration(total)} on {', '.join(machines)}"]
    faster = sum(one.provenance().get("device", "CPU") != "CPU" for one in ready)
    if faster and where.type == "cpu":
        lines.append(f"{faster} of them were computed on a GPU: on this processor they may take several times as long")
    rounded = [one for one in ready if one.cell.dtype == "bfloat16"]
    if rounded and not has_bfloat16(where):
        times = slowness()
        slow = sum(one.seconds() for one in rounded) * (max(times, 1) - 1)
        lines.append(
            f"{len(rounded)} of them are computed in bfloat16, which this processor has not: matrix products take "
            f"{times:.1f} times as long as in float32, so count on about {_duration(total + slow)}"
        )
    return lines


def slowness() -> float:
    """How many times as long a product of matrices takes on this CPU in bfloat16 as in float32."""
    taken = {}
    for dtype in (torch.float32, torch.bfloat16):
        matrix = torch.ones(SIZE, SIZE, dtype=dtype)
        matrix @ matrix  # the first one is slower
        started = time.perf_counter()
        matrix @ matrix
        taken[dtype] = time.perf_counter() - started
    return taken[torch.bfloat16] / max(taken[torch.float32], 1e-9)


def verify(
    targets: Sequence[Target], device: str = "auto", data_mirror: str | None = None, show: bool = True
) -> Iterator[Verdict]:
    """Compute cells again, those of a model together, and compare each with what is kept; a verdict as soon as it is
    known. What cannot be computed here is a verdict too, and the others are.

    Args:
        show: whether progress is shown.
    """
    for one in targets:
        if not one.cell:
            yield Verdict(one, False, "not at all", one.flaw)
    ready = sorted((one for one in targets if one.cell), key=lambda one: (one.cell.model, one.cell.dtype))
    with (
        StudyProgress(sum(work(one.cell) for one in ready), show) as bar,
        tempfile.TemporaryDirectory(prefix="calibprune-verify-") as folder,
        Runner(device, data_mirror) as runner,
    ):
        scratch = Store(folder)
        for one in ready:
            try:
                yield _verified(one, runner, scratch, data_mirror, bar)
            except CalibpruneError as error:
                yield Verdict(one, False, "not at all", str(error))


def _verified(one: Target, runner: Runner, scratch: Store, data_mirror: str | None, bar: StudyProgress) -> Verdict:
    known = one.provenance()
    cell = replace(one.cell, numerics=NUMERICS)
    _check_inputs(cell, data_mirror)
    runner.fetch(cell)
    runner.check([cell])
    bar.begin(cell.title)
    started = time.perf_counter()
    records, origin, artifacts = runner.compute(cell, bar)
    seconds = time.perf_counter() - started
    scratch.write(cell, records, origin, artifacts)
    differs = tuple(map(in_one_line, _differing(known, origin, one.cell)))
    differences = list(_differences(one, cell, scratch))
    worst = max(differences, key=lambda difference: difference.excess)
    worst = worst._replace(what=in_one_line(worst.what))
    if not differs:
        exact = all(_same_bits(one, cell, scratch))
        found = "every bit" if exact else f"not the same bits; {worst.what}"
        return Verdict(one, exact, "to the bit", found, seconds)
    return Verdict(one, worst.excess <= 1, "within tolerances", worst.what, seconds, differs)


def _check_inputs(cell: Cell, data_mirror: str | None) -> None:
    """Raises CorpusError, ModelError or ParameterError where the model, the texts or the tasks here are others than
    those that the cell was computed from.
    """
    specs = resolve(list(cell.tasks), list(cell.languages), data_mirror) if cell.tasks else []
    changed = what_changed(cell, specs)
    if changed:
        raise CorpusError(
            f"the text of {', '.join(changed)} is another here than when the cell was computed; install the versions "
            f"that `calibprune show` names"
        )
    if fingerprint(cell.model) != cell.fingerprints.get("model"):
        raise ModelError(f"{cell.model}: the model's files are others here than when the cell was computed")


def _differing(known: dict, origin: dict, cell: Cell) -> Iterator[str]:
    """What here is other than where the cell was computed first, as far as it may change bits."""
    for name in PLACE:
        if known.get(name) != origin[name]:
            yield f"{name} {known.get(name, 'unknown')}, here {origin[name]}"
    before, now = known.get("versions"), origin["versions"]
    before = before if isinstance(before, dict) else {}
    for name in provenance.PACKAGES:
        if name != "calibprune" and before.get(name) != now.get(name):
            yield f"{name} {before.get(name, 'unknown')}, here {now.get(name, 'none')}"
    if cell.numerics != NUMERICS:
        yield f"numerics {cell.numerics}, here {NUMERICS}"


def _differences(one: Target, again: Cell, scratch: Store) -> Iterator[Difference]:
    yield compare_records(one.kept.records(one.cell), scratch.records(again))
    for name in one.provenance().get("artifacts_sha256", {}):
        with _both(one, again, scratch, name) as (before, after):
            yield compare_tensors(name, before, after, one.cell.method)


def _same_bits(one: Target, again: Cell, scratch: Store) -> Iterator[bool]:
    yield same_bits(one.kept.records(one.cell), scratch.records(again))
    for name in one.provenance().get("artifacts_sha256", {}):
        with _both(one, again, scratch, name) as (before, after):
            yield same_tensors(before, after)


@contextmanager
def _both(one: Target, again: Cell, scratch: Store, name: str) -> Iterator[tuple[dict, dict]]:
    """An artifact as it is kept and as it was computed now. Only those that are kept are compared: a published run
    leaves large ones out.
    """
    with one.kept.artifact(one.cell, name) as before, scratch.artifact(again, name) as after:
        yield ({key: opened.get_tensor(key) for key in opened.keys()} for opened in (before, after))  # noqa: SIM118


def _duration(seconds: float) -> str:
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"
