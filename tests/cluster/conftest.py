"""A study of the tiny checkpoint on a cluster of two nodes, as `make grid PROFILE=profiles/slurm` runs it."""

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pandas as pd
import pytest
import slurm
import torch
import yaml

from calibbook.checkout import ROOT
from calibprune.study.study import Study

# this checkout's packages on the nodes, and one thread, since a node has one core
ON_A_NODE = {
    "PYTHONPATH": os.pathsep.join(map(str, (ROOT, ROOT / "book", ROOT / "tests" / "support"))),
    "OMP_NUM_THREADS": "1",
    "TORCHINDUCTOR_COMPILE_THREADS": "1",
}


@pytest.fixture(scope="session")
def cluster(tmp_path_factory) -> Iterator[slurm.Slurm]:
    """Two nodes of one core each."""
    if reason := slurm.missing():
        pytest.skip(reason)
    with slurm.started(tmp_path_factory.mktemp("slurm")) as running:
        running.environment |= ON_A_NODE
        yield running


@pytest.fixture(scope="session")
def settings(tiny_checkpoint, tiny_texts) -> dict:
    """Nine cells in two groups."""
    return {
        "models": [str(tiny_checkpoint)],
        "methods": ["wanda", "sparsegpt"],
        "languages": ["de", "en", "sw", "zh"],
        "calibration_source": tiny_texts,
        "calibration_samples": 8,
        "calibration_length": 32,
        "evaluation_source": [tiny_texts],
        "evaluation_samples": 40,
        "evaluation_length": 24,
        "metrics": ["perplexity", "snr_db", "masks"],
        "device": "cpu",
        "dtype": "float32",
        "shelves": [],
    }


@pytest.fixture(scope="session")
def undisturbed(settings, tmp_path_factory) -> pd.DataFrame:
    """The records of the study that one process computed by itself."""
    torch.set_num_threads(1)
    return Study(**settings, store=str(tmp_path_factory.mktemp("undisturbed") / "results")).run(progress=False)


@pytest.fixture
def params(settings, tmp_path) -> Path:
    """The study's file, with a store of the test's own, in which nothing is."""
    path = tmp_path / "study.yaml"
    path.write_text(yaml.safe_dump(settings | {"store": str(tmp_path / "results")}))
    return path


@pytest.fixture
def grid(cluster, params, tmp_path) -> Callable[..., subprocess.Popen]:
    """Starts `make grid` without the book: two jobs, one for each node."""
    log = (tmp_path / "snakemake.log").open("wb")

    def start(*more: str) -> subprocess.Popen:
        command = [sys.executable, "-m", "snakemake", "--snakefile", ROOT / "Snakefile", "--directory", tmp_path]
        command += ["--workflow-profile", ROOT / "profiles" / "slurm", "--until", "cells"]
        # of the profile, what this cluster has not: four cores for a job, and hours
        command += ["--default-resources", "slurm_partition=main", "cpus_per_task=1"]
        command += ["--slurm-init-seconds-before-status-checks", "1", "--seconds-between-status-checks", "1"]
        command += ["--slurm-logdir", tmp_path / "slurm-logs", *more]
        command += ["--config", f"params={params}", "groups=2"]
        started = subprocess.Popen(
            list(map(str, command)), cwd=tmp_path, env=cluster.environment, stdout=log, stderr=log
        )
        processes.append(started)
        return started

    processes: list[subprocess.Popen] = []
    yield start
    for process in processes:
        process.kill()
        process.wait()
    cluster.cancel_all()
    log.close()
