"""Runs a study in a process of its own, which may kill itself.

Processes are forked from one that has imported all of this: importing it takes seconds, and is not what is tested.
"""

import os
import signal
import sys
import time
from multiprocessing import get_context
from pathlib import Path

import pandas as pd
import torch
import transformers.models.llama.modeling_llama  # noqa: F401 - which models of the study's tests are made of

from calibprune.study import runner, study

PATIENCE = 300  # seconds


def start(parameters: Path, log: Path, stop: str = "none", wait: Path | None = None):
    """Starts the process, which writes the id of each cell that it begins into a line of `log`.

    Args:
        parameters: the study's file.
        stop: `compute:N` (killed when the N-th cell is begun), `write:N` (killed between the records and the rest of
            the N-th cell) or `none`.
        wait: a folder in which every process leaves a file, and goes on when two are there.
    """
    context = get_context("forkserver")
    context.set_forkserver_preload([__name__])
    process = context.Process(target=run, args=(parameters, log, stop, wait))
    process.start()
    return process


def run(parameters: Path, log: Path, stop: str, wait: Path | None) -> None:
    torch.set_num_threads(1)
    where, _, number = stop.partition(":")
    begun = []
    compute, write = runner.Runner.compute, pd.DataFrame.to_parquet

    def computing(self, cell, *rest):
        begun.append(cell.id)
        with log.open("a") as lines:
            print(cell.id, file=lines)
        if wait:
            time.sleep(0.2)  # long enough for the other process to meet this claim
        if where == "compute" and len(begun) == int(number):
            os.kill(os.getpid(), signal.SIGKILL)
        return compute(self, cell, *rest)

    def writing(*args, **kwargs):
        written = write(*args, **kwargs)
        if where == "write" and len(begun) == int(number):
            os.kill(os.getpid(), signal.SIGKILL)
        return written

    runner.Runner.compute, pd.DataFrame.to_parquet = computing, writing
    chosen = study.Study.from_yaml(parameters)
    chosen.cells()
    if wait:
        (wait / str(os.getpid())).touch()
        deadline = time.monotonic() + PATIENCE
        while len(list(wait.iterdir())) < 2:
            if time.monotonic() > deadline:
                sys.exit("the other process never started")
            time.sleep(0.01)
    chosen.run(progress=False)
