"""Runs a study in a process of its own, which may be told to die: `study_script.py PARAMS [STOP] [WAIT]`.

STOP is `compute:N` (killed when the N-th cell is begun), `write:N` (killed between the records and the rest of the N-th
cell) or `none`. WAIT is a folder in which every process leaves a file, and starts when two are there. Prints the id of
each cell it begins.
"""

import os
import signal
import sys
import time
from pathlib import Path

import pandas as pd
import torch

from calibprune.study import runner, study

torch.set_num_threads(1)
parameters, stop, wait = [*sys.argv[1:], *["none", ""][len(sys.argv) - 2 :]]
where, _, number = stop.partition(":")
begun = 0


def killing(call, name):
    def wrapped(*args, **kwargs):
        global begun
        result = None
        if name == "write":
            result = call(*args, **kwargs)
        else:
            begun += 1
            print(args[1].id, flush=True)
            if wait:
                time.sleep(0.2)  # long enough for the other process to meet this claim
        if name == where and begun == int(number):
            os.kill(os.getpid(), signal.SIGKILL)
        return call(*args, **kwargs) if result is None and name != "write" else result

    return wrapped


runner.Runner.compute = killing(runner.Runner.compute, "compute")
pd.DataFrame.to_parquet = killing(pd.DataFrame.to_parquet, "write")
chosen = study.Study.from_yaml(parameters)
chosen.cells()
if wait:
    (Path(wait) / str(os.getpid())).touch()
    deadline = time.monotonic() + 300
    while len(list(Path(wait).iterdir())) < 2:
        if time.monotonic() > deadline:
            sys.exit("the other process never started")
        time.sleep(0.01)
chosen.run(progress=False)
