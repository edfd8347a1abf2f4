"""The grid of a study as jobs of Snakemake 9: groups of cells, then the notebooks and the book.

    make grid PARAMS=params/llama3-8b.yaml PROFILE=profiles/slurm CONFIG="machine=h200 minutes=60"

A job is one group of cells of one model, which is loaded once (`calibprune study PARAMS --group K/N`); it is sized by
measured rates, which `calibprune plan` shows. What is done is in the store, not in Snakemake's files: each run of
Snakemake begins with the groups that lack cells there, a job computes what is missing of its group, and the store's
claims keep two jobs from the same cell.

CONFIG may hold `machine`, a part of the name of the measured machine that the jobs will run on; `minutes`, how long a
job should take at least; `groups`, how many there are instead; `mem_mb` and `runtime` (minutes), what a job asks for
where the plan does not know; and `checkout`, the folder of the checkout on nodes that start jobs elsewhere.

After a crash of Snakemake itself its jobs live on and go on writing cells, which does no harm. To end them on Slurm:
`scancel --name RUN-ID`. Then `snakemake --unlock`, and the same command.
"""

import sys
from datetime import UTC, datetime
from functools import cache

PARAMS = config.get("params", "params/embedded.yaml")
PYTHON = sys.executable  # a job on a node reads this file there
CHECKOUT = config.get("checkout", ".")
UNKNOWN = {"mem_mb": 32_000, "runtime": 720, "gpu": 0}
DONE = "_build/grid/{run}/{k}-of-{n}"
RUN = f"{datetime.now(UTC):%Y%m%d-%H%M%S-%f}"


@cache
def planned():
    """The plan, made when it is asked for: a job on a node knows its group by the name of its output."""
    from calibprune.study.planning.jobs import jobs

    return jobs(PARAMS, config.get("machine"), float(config.get("minutes", 20)), int(config.get("groups", 0)) or None)


def asked(resource):
    """A resource as the plan knows it, else as `config` has it."""
    return lambda wildcards: planned().resources.get(resource, int(config.get(resource, UNKNOWN[resource])))


rule book:
    input:
        lambda wildcards: [f"{DONE}.done".format(run=RUN, k=k, n=planned().number) for k in planned().open],
    shell:
        "{PYTHON} -m calibbook {PARAMS}"


rule cells:
    output:
        touch(f"{DONE}.done"),
    log:
        f"{DONE}.log",
    resources:
        mem_mb=asked("mem_mb"),
        runtime=asked("runtime"),
        gpu=asked("gpu"),
    shell:
        "(cd {CHECKOUT} && {PYTHON} -m calibprune study {PARAMS} --group {wildcards.k}/{wildcards.n}) > {log} 2>&1"


localrules:
    book,
