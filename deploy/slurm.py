"""usage: python slurm.py CONFIG.toml JOBS    Run a search whose trials are solved by JOBS Slurm jobs.

Run it on a machine that can submit jobs and that the jobs can reach.  The jobs must find the Python environment at the
same path.  Settings of your site (queue, account, network interface) belong in ``~/.config/dask/jobqueue.yaml``.
"""

import sys

from dask_jobqueue import SLURMCluster
from distributed import Client

from regsearch import SearchConfig, run_search

WORKER = {
    "cores": 1,  # threads for BLAS
    "processes": 1,
    "memory": "8 GiB",  # `regsearch run --dry-run` estimates how much a search needs
    "walltime": "04:00:00",
    "python": sys.executable,
    "worker_extra_args": ["--lifetime", "230m", "--lifetime-stagger", "5m"],  # end before Slurm ends the job
}


def main(config: str, jobs: str) -> None:
    """Submit the jobs, and start the search when the first job has started."""
    with SLURMCluster(**WORKER) as cluster:
        cluster.scale(jobs=int(jobs))
        with Client(cluster) as client:
            client.wait_for_workers(1)
        result = run_search(SearchConfig.load(config), cluster=cluster.scheduler_address)
    print(result.best)


if __name__ == "__main__":
    main(*sys.argv[1:])
