"""What a search gains by a cluster: measured on one and two workers, simulated on more.

    python benchmarks/cluster.py [--trials N] [--folds N] [--side N]

A search on the twin, 5-fold cross-validation and a square grid of mixes are each measured once on one Dask worker, with
one BLAS thread everywhere: how long each path took to solve, how long the driver was busy with each trial (ask, tell,
pack, log), and how many bytes each trial moved.  The search is measured in process and on two workers as well.  From
the paths and the driver's times of the same run, an event simulation then says what 1, 2, 16, 64 and 256 workers take;
that for 1 and 2 stands beside what was measured.
"""

from __future__ import annotations

import argparse
import heapq
import json
import os
import subprocess
import sys
import tempfile
from collections import defaultdict
from collections.abc import Mapping, Sequence

WORKERS = (1, 2, 16, 64, 256)
BYTES_PER_SECOND = 1e9 / 8  # of the driver's link: gigabit Ethernet
ONE_THREAD = dict.fromkeys(("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS"), "1")

RANGES = """
[families.ridge]
alpha = {{ low = 0.01, high = 100 }}
trials = {trials}
[families.lasso]
alpha = {{ low = 0.0005, high = 0.1 }}
trials = {trials}
[families.elasticnet]
l1_alpha = [0.0005, 0.001, 0.005, 0.01, 0.1]
l2_alpha = [0.01, 0.1, 1, 10, 100]
"""
SPLIT = """
name = "cluster"
[data.split]
train = [5000, 7000]
validation = {validation}
test = [2250, 2500]
"""
HOLDOUT = "[2000, 2250]"
MIX = ((0.0005, 0.1), (0.01, 100.0))


def configs(trials: int, folds: int, side: int) -> dict[str, str]:
    """Return the searches that are measured, as TOML."""
    axes = [[round(low * (high / low) ** (i / (side - 1)), 10) for i in range(side)] for low, high in MIX]
    grid = f"[families.elasticnet]\nl1_alpha = {axes[0]}\nl2_alpha = {axes[1]}\n"
    return {
        "default": SPLIT.format(validation=HOLDOUT) + RANGES.format(trials=trials),
        f"{folds}-fold": SPLIT.format(validation=f"{{ folds = {folds} }}") + RANGES.format(trials=trials),
        f"{side} × {side} grid": SPLIT.format(validation=HOLDOUT) + grid,
    }


def measure(config: str, cluster: str | None) -> None:
    """Run a search in this process, and print what it took, path by path, as JSON."""
    import resource
    import time
    from concurrent.futures import Future

    import psutil

    from regsearch import SearchConfig, run_search
    from regsearch.search import recorder
    from regsearch.search.proposals.studies import FamilyStudy
    from regsearch.tracking.runs import SearchRun

    spent: dict[str, float] = defaultdict(float)

    def timed(owner: object, name: str, stage: str) -> None:
        call = getattr(owner, name)

        def wrapped(*args: object, **kwargs: object) -> object:
            start = time.thread_time()
            try:
                return call(*args, **kwargs)
            finally:
                spent[stage] += time.thread_time() - start

        setattr(owner, name, wrapped)

    timed(FamilyStudy, "ask", "ask")
    timed(FamilyStudy, "tell", "tell")
    timed(recorder, "trial_files", "pack")
    timed(SearchRun, "log_trial", "log")

    solved: list[tuple[str, float, list[float]]] = []
    drive = recorder.drive

    def recorded(studies, submit, *others):  # type: ignore[no-untyped-def]
        def submitted(path):  # type: ignore[no-untyped-def]
            first = path[0]
            future: Future = submit(path)
            future.add_done_callback(
                lambda done: solved.append(
                    (first.family, first.penalty.row, [one.evaluation.fit_seconds for one in done.result()])
                )
            )
            return future

        start, sent = time.perf_counter(), psutil.net_io_counters(pernic=True)["lo"].bytes_sent
        drive(studies, submitted, *others)
        spent["loop"] = time.perf_counter() - start
        spent["bytes"] = psutil.net_io_counters(pernic=True)["lo"].bytes_sent - sent

    recorder.drive = recorded
    run_search(SearchConfig.from_toml(config), cluster=cluster, promote=False, progress=False)
    memory = resource.getrusage(resource.RUSAGE_CHILDREN if cluster else resource.RUSAGE_SELF).ru_maxrss * 1024
    print(json.dumps({"spent": spent, "paths": solved, "memory": memory}))


def measured(config: str, cluster: str | None = None) -> dict:
    """Run `measure` in a process and a folder of its own."""
    environment = {name: value for name, value in os.environ.items() if name != "MLFLOW_TRACKING_URI"}
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, __file__, "--measure", config, *([cluster] if cluster else [])]
        done = subprocess.run(
            command, cwd=folder, env={**environment, **ONE_THREAD}, check=True, stdout=subprocess.PIPE, text=True
        )
    return json.loads(done.stdout.splitlines()[-1])


def simulate(
    paths: Sequence[tuple[str, float, Sequence[float]]],
    n_workers: int,
    driver_seconds: float,
    bytes_per_trial: float,
) -> tuple[float, float]:
    """Return how long the loop takes on some workers, and for which share of it the driver is busy.

    Events are paths that end: a free worker takes the next path that waits; the driver, one after the other, receives
    the results of a path, packs, logs and tells its trials, and asks the family's next batch once the batch is whole.
    Batches are as measured: of a grid all paths at once, of the others ten trials in one path.

    Parameters
    ----------
    paths : sequence of (family, l2_alpha, seconds of each trial)
        In the order in which they were solved.
    n_workers : int
    driver_seconds : float
        Of the driver for each trial.
    bytes_per_trial : float
    """
    queues: dict[str, list[list[Sequence[float]]]] = defaultdict(list)
    for family, _, seconds in paths:
        if family == "elasticnet" and queues[family]:
            queues[family][0].append(seconds)
        else:
            queues[family].append([seconds])
    waiting: list[tuple[str, Sequence[float]]] = []
    running: list[tuple[float, int, str, Sequence[float]]] = []
    left: dict[str, int] = {}
    free, now, driver, busy, count = n_workers, 0.0, 0.0, 0.0, 0

    def ask(family: str) -> None:
        if queues[family]:
            batch = queues[family].pop(0)
            left[family] = len(batch)
            waiting.extend((family, path) for path in batch)

    def start(at: float) -> None:
        nonlocal free, count
        while free and waiting:
            family, path = waiting.pop(0)
            free, count = free - 1, count + 1
            heapq.heappush(running, (at + sum(path), count, family, path))

    for family in list(queues):
        ask(family)
    start(0.0)
    while running:
        now, _, family, path = heapq.heappop(running)
        free += 1
        start(now)
        work = len(path) * (driver_seconds + bytes_per_trial / BYTES_PER_SECOND)
        driver, busy = max(driver, now) + work, busy + work
        left[family] -= 1
        if not left[family]:
            ask(family)
            start(max(driver, now))
    return driver, busy / driver


def table(name: str, run: Mapping, seconds: Mapping[int, float]) -> None:
    """Print the rows of one search."""
    spent, paths = run["spent"], run["paths"]
    n_trials = sum(len(path) for _, _, path in paths)
    stages = [spent[stage] / n_trials for stage in ("ask", "tell", "pack", "log")]
    alone = None
    for workers in WORKERS:
        took, busy = simulate(paths, workers, sum(stages), spent["bytes"] / n_trials)
        alone = alone or took
        really = f"{seconds[workers]:.1f} s" if workers in seconds else "–"
        print(f"| {name} | {workers} | {really} | {took:.1f} s | {alone / took:.1f} | {100 * busy:.0f} % |", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--trials", type=int, default=30, help="of ridge and of lasso")
    parser.add_argument("--folds", type=int, default=5)
    parser.add_argument("--side", type=int, default=20, help="of the grid of mixes")
    options = parser.parse_args()
    runs, here = {}, None
    for name, config in configs(options.trials, options.folds, options.side).items():
        here = here or measured(config)
        runs[name] = (measured(config, "local:1"), measured(config, "local:2") if name == "default" else None)
    print("| search | trials | loop, 1 worker | a trial | solving | ask | tell | pack | log | sent | worker's memory |")
    print("| --- | --- | --- | --- | --- | --- | --- | --- | --- | --- | --- |")
    for name, (one, _) in runs.items():
        spent, n_trials = one["spent"], sum(len(path) for _, _, path in one["paths"])
        per_trial = " | ".join(f"{1000 * spent[stage] / n_trials:.0f} ms" for stage in ("ask", "tell", "pack", "log"))
        solving = sum(sum(path) for _, _, path in one["paths"]) / n_trials
        print(
            f"| {name} | {n_trials} | {spent['loop']:.1f} s | {1000 * spent['loop'] / n_trials:.0f} ms "
            f"| {1000 * solving:.0f} ms | {per_trial} | {spent['bytes'] / n_trials / 1e3:.0f} kB "
            f"| {one['memory'] / 1e6:,.0f} MB |"
        )
    two = runs["default"][1]
    print(f"\nIn process, one BLAS thread: {here['spent']['loop']:.1f} s; two workers: {two['spent']['loop']:.1f} s.\n")
    print("| search | workers | measured | simulated | speed-up | driver busy |\n| --- | --- | --- | --- | --- | --- |")
    for name, (one, both) in runs.items():
        really = {1: one["spent"]["loop"]} | ({2: both["spent"]["loop"]} if both else {})
        table(name, one, really)


if __name__ == "__main__":
    if sys.argv[1:2] == ["--measure"]:
        measure(sys.argv[2], sys.argv[3] if len(sys.argv) > 3 else None)
    else:
        main()
