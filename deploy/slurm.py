"""usage: python slurm.py CONFIG.toml JOBS    Run a search whose paths are solved by that many jobs of Slurm's.

Run it on a machine that submits jobs and that they can reach, in the environment that they find at the same path.
Site-wide settings (queue, account, network interface) belong in ``~/.config/dask/jobqueue.yaml``.
"""

import sys

from dask_jobqueue import SLURMCluster
from distributed import Client

from regsearch import SearchConfig, run_search

WORKER = {
    "cores": 1,  # threads of one process, which BLAS gets
    "processes": 1,
    "memory": "8 GiB",  # `regsearch run --dry-run` says how much a search needs
    "walltime": "04:00:00",
    "python": sys.executable,
    "worker_extra_args": ["--lifetime", "230m", "--lifetime-stagger", "5m"],  # leaves before Slurm ends it
}


def main(config: str, jobs: str) -> None:
    """Submit the jobs, and search as soon as one of them has begun."""
    with SLURMCluster(**WORKER) as cluster:
        cluster.scale(jobs=int(jobs))
        with Client(cluster) as client:
            client.wait_for_workers(1)
        result = run_search(SearchConfig.load(config), cluster=cluster.scheduler_address)
    print(result.best)


if __name__ == "__main__":
    main(*sys.argv[1:])
