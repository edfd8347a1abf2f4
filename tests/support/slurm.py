"""A real Slurm on this machine: a controller and two nodes of one core each, from Debian's packages.

The daemons see a temporary folder as /etc/slurm, have process numbers of their own, and end with the process that holds
them, as do their jobs: nothing of it is left when the test is over, however that ends.
"""

import importlib.util
import os
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

NODES = ("node1", "node2")
PROGRAMS = ("munged", "slurmctld", "slurmd", "sbatch", "unshare", "setpriv")
PATIENCE = 600  # seconds

DAEMONS = """
mount --bind {folder} /etc/slurm
munged -F --force --key-file={folder}/munge.key --socket={socket} --pid-file={folder}/munged.pid \
    --log-file={folder}/munged.log --seed-file={folder}/munge.seed &
while [ ! -S {socket} ]; do sleep 0.05; done
slurmctld -D > {folder}/slurmctld.out 2>&1 &
for node in {nodes}; do slurmd -D -N $node > {folder}/$node.out 2>&1 & done
wait
"""

# No accounting and no control groups, which need services of a whole machine.
CONFIGURATION = """
ClusterName=calibprune
SlurmctldHost={host}(127.0.0.1)
SlurmctldPort={ports[0]}
SlurmUser={user}
AuthType=auth/munge
AuthInfo=socket={socket}
CryptoType=crypto/munge
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool-%n
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/slurmd-%n.pid
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
JobAcctGatherType=jobacct_gather/none
AccountingStorageType=accounting_storage/none
SelectType=select/cons_tres
SelectTypeParameters=CR_Core
ReturnToService=1
MinJobAge=300
KillWait=2
MpiDefault=none
SlurmdParameters=config_overrides
SchedulerParameters=batch_sched_delay=0,sched_interval=2
{nodes}
PartitionName=main Nodes={all} Default=YES MaxTime=INFINITE State=UP
"""


def missing() -> str:
    """Why there can be no Slurm here, in words; "" where there can."""
    away = [name for name in PROGRAMS if shutil.which(name) is None]
    if away:
        return f"Slurm is not installed ({', '.join(away)}): apt-get install slurmctld slurmd slurm-client munge"
    if importlib.util.find_spec("snakemake_executor_plugin_slurm") is None:
        return "Snakemake and its plugin for Slurm are not installed: make setup-grid"
    if os.getuid() != 0:
        return "Slurm's daemons start jobs for other users, which root alone may"
    allowed = subprocess.run(["unshare", "--mount", "--pid", "--fork", "true"], capture_output=True)
    if allowed.returncode:
        return "this machine lets a process have no mounts of its own (unshare), as some containers do not"
    return ""


class Slurm:
    """A cluster that runs.

    Attributes:
        environment: of the programs that talk to it.
    """

    def __init__(self, folder: Path) -> None:
        self.environment = os.environ | {"SLURM_CONF": str(folder / "slurm.conf")}

    def call(self, *command: str | Path) -> str:
        """What one of Slurm's programs prints."""
        called = subprocess.run(
            list(map(str, command)), env=self.environment, capture_output=True, text=True, timeout=PATIENCE
        )
        assert called.returncode == 0, f"{command}: {called.stderr}"
        return called.stdout

    def running(self) -> dict[str, str]:
        """The node of each job that runs, by the job's number."""
        lines = self.call("squeue", "--noheader", "--states=RUNNING", "--format=%i %N").splitlines()
        return dict(line.split() for line in lines)

    def cancel_all(self) -> None:
        """End all jobs, and wait until they are gone."""
        self.call("scancel", "--user", str(os.getuid()))
        until(lambda: not self.call("squeue", "--noheader").strip(), "jobs that were cancelled go on")

    @contextmanager
    def down(self, node: str) -> Iterator[None]:
        """Have a node set down, which ends its jobs."""
        self.call("scontrol", "update", f"nodename={node}", "state=down", "reason=test")
        try:
            yield
        finally:
            self.call("scontrol", "update", f"nodename={node}", "state=resume")


@contextmanager
def started(folder: Path) -> Iterator[Slurm]:
    """A cluster whose files are in `folder`, and which ends with the block."""
    for name in ("state", *(f"spool-{node}" for node in NODES)):
        (folder / name).mkdir(parents=True)
    (folder / "munge.key").write_bytes(os.urandom(1024))
    (folder / "munge.key").chmod(0o600)
    host, ports = socket.gethostname().partition(".")[0], _free_ports(1 + len(NODES))
    # a socket's path has at most 107 characters
    names = {"folder": folder, "socket": f"/run/calibprune-munge-{os.getpid()}.socket", "host": host, "ports": ports}
    nodes = "\n".join(
        f"NodeName={node} NodeHostname={host} NodeAddr=127.0.0.1 Port={port} CPUs=1 RealMemory=64000"
        for node, port in zip(NODES, ports[1:], strict=True)
    )
    (folder / "slurm.conf").write_text(
        CONFIGURATION.format(**names, user="root", nodes=nodes, all=",".join(NODES)), encoding="utf-8"
    )
    shell = DAEMONS.format(**names, nodes=" ".join(NODES))
    own = ["setpriv", "--pdeathsig", "KILL", "unshare", "--mount", "--pid", "--mount-proc", "--fork", "--kill-child"]
    with (folder / "daemons.log").open("wb") as log:
        process = subprocess.Popen([*own, "bash", "-c", shell], stdout=log, stderr=log, start_new_session=True)
    cluster = Slurm(folder)
    try:
        until(lambda: _idle(cluster) == len(NODES), f"Slurm does not start, see {folder}")
        yield cluster
    finally:
        process.kill()
        process.wait()
        Path(names["socket"]).unlink(missing_ok=True)
        Path(f"{names['socket']}.lock").unlink(missing_ok=True)


def until(true, otherwise: str) -> None:
    """Wait until something is true; the test fails where it is not after `PATIENCE` seconds."""
    deadline = time.monotonic() + PATIENCE
    while not true():
        assert time.monotonic() < deadline, otherwise
        time.sleep(0.02)


def _idle(cluster: Slurm) -> int:
    found = subprocess.run(
        ["sinfo", "--noheader", "--Node", "--format=%t"], env=cluster.environment, capture_output=True, text=True
    )
    return found.stdout.split().count("idle")


def _free_ports(number: int) -> list[int]:
    sockets = [socket.socket() for _ in range(number)]
    try:
        for one in sockets:
            one.bind(("127.0.0.1", 0))
        return [one.getsockname()[1] for one in sockets]
    finally:
        for one in sockets:
            one.close()
