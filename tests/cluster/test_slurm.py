"""The grid of a study on a real Slurm of two nodes: nothing is lost and nothing is computed twice, whatever happens to
its jobs.
"""

import json
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from itertools import chain
from pathlib import Path

import pandas as pd
import pytest
import slurm

from calibprune.study.planning import groups
from calibprune.study.study import Study


def done(params: Path) -> dict[str, str]:
    """When each cell that the store has was completed, by the cell's id."""
    study = Study.from_yaml(params)
    known = study.store.root / "cells"
    return {folder.name: json.loads((folder / "cell.json").read_text())["date"] for folder in known.glob("[!.]*")}


def ended(grid: subprocess.Popen, tmp_path: Path, status: int = 0) -> str:
    """What Snakemake said, once it has ended with that status."""
    found = grid.wait(slurm.PATIENCE)
    said = (tmp_path / "snakemake.log").read_text(encoding="utf-8", errors="replace")
    assert (found == 0) == (status == 0), said[-4000:]
    return said


def assert_undisturbed(params: Path, undisturbed: pd.DataFrame) -> None:
    study = Study.from_yaml(params)
    assert len(done(params)) == len(study.cells())
    pd.testing.assert_frame_equal(study.run(progress=False), undisturbed, check_exact=True)


@contextmanager
def held_in_mid_run(grid: subprocess.Popen, cluster: slurm.Slurm, params: Path) -> Iterator[None]:
    """Both nodes compute, and neither comes to the end of its job before the block ends: the claim on the last cell of
    each group is held here.
    """
    study = Study.from_yaml(params)
    split = groups.split(study.cells(), 2)
    with ExitStack() as claims:
        for group in split:
            assert claims.enter_context(study.store.claim(group[-1], wait=False))
        begun = lambda: all(any(map(study.store.has, group)) for group in split)  # noqa: E731
        slurm.until(lambda: begun() or grid.poll() is not None, "the nodes compute nothing")
        assert grid.poll() is None and set(cluster.running().values()) == set(slurm.NODES)
        yield


def test_a_job_that_is_cancelled_loses_no_cell(grid, cluster, params, undisturbed, tmp_path):
    running = grid("--retries", "0")
    with held_in_mid_run(running, cluster, params):
        cluster.cancel_all()
    ended(running, tmp_path, status=1)
    kept = done(params)
    ended(grid(), tmp_path)
    assert_undisturbed(params, undisturbed)
    assert kept.items() <= done(params).items(), "a cell that was done was computed again"


def test_a_node_that_goes_down_loses_no_cell(grid, cluster, params, undisturbed, tmp_path):
    down, up = slurm.NODES
    running = grid()
    with ExitStack() as until_the_end:
        with held_in_mid_run(running, cluster, params):
            until_the_end.enter_context(cluster.down(down))
            slurm.until(lambda: set(cluster.running().values()) == {up}, "the node that is down goes on")
        kept = done(params)
        ended(running, tmp_path)  # the job was begun again on the other node
    assert_undisturbed(params, undisturbed)
    assert kept.items() <= done(params).items(), "a cell that was done was computed again"
    computed, said = done(params), ended(grid(), tmp_path)
    assert done(params) == computed and "submitted" not in said.partition("Elapsed time")[2], "nothing was to do"


LOCKS = {
    "flock": "",
    "flock that excludes nobody": "fcntl.flock = lambda *_: None",
}
PROGRAM = """\
import fcntl
from pathlib import Path
{lock}
from study_process import run
run(Path({params!r}), Path({log!r}), "none", Path({wait!r}))
"""


@pytest.mark.parametrize("lock", LOCKS)
def test_two_jobs_on_one_study_never_compute_the_same_cell(lock, cluster, params, undisturbed, tmp_path):
    """Whatever the shared folder makes of flock, which file systems of several machines do without."""
    wait = tmp_path / "wait"
    wait.mkdir()
    for node in slurm.NODES:
        log, program = tmp_path / f"{node}.begun", tmp_path / f"{node}.py"
        program.write_text(PROGRAM.format(lock=LOCKS[lock], params=str(params), log=str(log), wait=str(wait)))
        job = ["sbatch", f"--nodelist={node}", f"--output={tmp_path / node}.out", f"--chdir={tmp_path}"]
        cluster.call(*job, "--wrap", f"{sys.executable} {program}")
    slurm.until(lambda: not cluster.call("squeue", "--noheader", "--states=PD,R,CG").strip(), "the jobs do not end")
    said = [(tmp_path / f"{node}.out").read_text() for node in slurm.NODES]
    begun = {node: (tmp_path / f"{node}.begun").read_text().split() for node in slurm.NODES}
    study = Study.from_yaml(params)
    assert Counter(chain(*begun.values())) == Counter(cell.id for cell in study.cells()), said
    assert all(begun.values()), "one of the jobs computed nothing"
    assert_undisturbed(params, undisturbed)
