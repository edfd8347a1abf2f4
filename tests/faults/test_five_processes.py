"""Five processes on one study: each cell is computed once, and the results are those of one process alone, also where
some of the five die, or where flock excludes nobody. (Of two processes tests/calibprune/study/test_study.py says the
same.)
"""

import fcntl
import itertools
import os
import signal
import time
from collections import Counter
from pathlib import Path

import pandas as pd
import pytest
from children import PATIENCE, begin

from calibprune.study import runner
from calibprune.study.study import Study

PROCESSES = 5


def compute(settings: dict, begun: Path, dies_in: int = 0) -> None:
    """Compute the study, beginning when all processes are there, with the id of each cell that is begun in `begun`.

    Args:
        dies_in: the number of the cell in which this process is killed.
    """
    number, original = 0, runner.Runner.compute

    def computing(self, cell, bar):
        nonlocal number
        number += 1
        with begun.open("a") as file:
            print(cell.id, file=file)
        if number == dies_in:
            os.kill(os.getpid(), signal.SIGKILL)
        time.sleep(0.2)  # long enough for the others to meet this claim
        return original(self, cell, bar)

    runner.Runner.compute = computing
    study = Study(**settings)
    begun.touch()
    deadline = time.monotonic() + PATIENCE
    while len(list(begun.parent.iterdir())) < PROCESSES and time.monotonic() < deadline:
        time.sleep(0.01)
    study.run(progress=False)


@pytest.mark.parametrize(("dying", "excluding"), [(0, True), (2, True), (2, False)])
def test_five_processes_share_a_study(settings, undisturbed, tmp_path, monkeypatch, dying, excluding):
    if not excluding:  # as on some file systems of several machines
        monkeypatch.setattr(fcntl, "flock", lambda *_: None)
    (tmp_path / "begun").mkdir()
    logs = [tmp_path / "begun" / str(number) for number in range(PROCESSES)]
    processes = [begin(compute, settings, log, number < dying) for number, log in enumerate(logs)]
    for process in processes:
        process.join(PATIENCE)
    for process in processes:
        process.kill()
    ends = [process.exitcode for process in processes]
    died = ends.count(-signal.SIGKILL)
    assert ends.count(0) == PROCESSES - died and died <= dying
    begun = [log.read_text().split() for log in logs]
    study = Study(**settings)
    expected = Counter(cell.id for cell in study.cells())
    # a cell that a process died in was begun again by another
    lost = Counter(cells[-1] for cells, end in zip(begun, ends, strict=True) if end)
    assert Counter(itertools.chain(*begun)) == expected + lost
    assert died or not dying, "no process got a cell to die in"
    pd.testing.assert_frame_equal(study.run(progress=False), undisturbed[1], check_exact=True)
