"""Whether a search of thousands of cheap trials becomes slower, or larger, as it goes on.

    python benchmarks/many_trials.py [--trials 1000] [--sampler tpe]

So many trials each of ridge, lasso and ElasticNet on 120 rows × 20 features, whose fits take next to nothing: what
remains is asking Optuna, drawing, logging to MLflow and telling. Then the same command again, which reads the finished
search, the list of models, and the result's figures from the store.
"""

from __future__ import annotations

import argparse
import os
import resource
import subprocess
import sys
import tempfile
import time

import numpy as np

from regsearch import SearchConfig, from_arrays, run_search
from regsearch.search.output.progress import Progress
from regsearch.tracking.records import TrialRecord

EVERY = 300
CONFIG = """
name = "many"
sampler = "{sampler}"
[families.ridge]
alpha = {{ low = 0.001, high = 1000 }}
trials = {trials}
[families.lasso]
alpha = {{ low = 0.0001, high = 1 }}
trials = {trials}
[families.elasticnet]
l1_alpha = {{ low = 0.0001, high = 1 }}
l2_alpha = {{ low = 0.001, high = 1000 }}
trials = {trials}
"""


class Clock(Progress):
    """Prints what the last trials took."""

    def __init__(self) -> None:
        self._count, self._before = 0, (time.process_time(), time.perf_counter())

    def count(self, record: TrialRecord) -> None:  # noqa: ARG002
        self._count += 1
        if self._count % EVERY == 0:
            now = (time.process_time(), time.perf_counter())
            used, waited = (1000 * (end - begin) / EVERY for begin, end in zip(self._before, now, strict=True))
            peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1000
            print(f"| {self._count:,} | {used:.1f} | {waited:.1f} | {peak:.0f} |", flush=True)
            self._before = now


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--trials", type=int, default=1000, help="of each family")
    parser.add_argument("--sampler", default="tpe")
    arguments = parser.parse_args()
    rng = np.random.default_rng(0)
    X = rng.standard_normal((120, 20))
    recording = from_arrays(X, X[:, 0] + rng.standard_normal(120))
    config = SearchConfig.from_toml(CONFIG.format(**vars(arguments)))
    with tempfile.TemporaryDirectory() as folder:
        os.chdir(folder)
        print("| trials | processor ms a trial | ms a trial | peak MB |\n| --- | --- | --- | --- |", flush=True)
        result = run_search(config, data=recording, progress=Clock(), promote=False)
        started = time.perf_counter()
        run_search(config, data=recording, progress=False, promote=False)
        print(f"\nthe same search again, finished: {time.perf_counter() - started:.1f} s")
        for command in (["models"], ["figures", result.search_id, "--to", "drawn"]):
            started = time.perf_counter()
            subprocess.run([sys.executable, "-m", "regsearch", *command], check=True, stdout=subprocess.DEVNULL)
            print(f"regsearch {command[0]}: {time.perf_counter() - started:.1f} s")


if __name__ == "__main__":
    main()
