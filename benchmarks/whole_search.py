"""The whole default search beside the same search written by hand: wall time, tracking and drawing included.

    python benchmarks/whole_search.py

Each runs as a process of its own in an empty folder. Where the time of `regsearch` goes is measured by wrapping its
stages; the stages of the hand-written loop are printed by itself.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

STAGES = """
import resource, time
started = time.perf_counter()
from regsearch import SearchConfig
from regsearch.search.solving import evaluate
from regsearch.search import execution, launch, recorder
from regsearch.tracking import runs
seconds = {"import": time.perf_counter() - started}

def timed(owner, name, stage):
    call = getattr(owner, name)
    def wrapped(*args, **kwargs):
        start = time.perf_counter()
        try:
            return call(*args, **kwargs)
        finally:
            seconds[stage] = seconds.get(stage, 0.0) + time.perf_counter() - start
    setattr(owner, name, wrapped)

timed(launch, "read_rows", "data")
timed(execution, "open_store", "opening MLflow")
timed(evaluate.Evaluator, "__call__", "solving (own thread)")
timed(recorder, "trial_files", "drawing (beside it)")
timed(runs.SearchRun, "log_trial", "logging (beside it)")
timed(recorder, "drive", "the loop: all three, overlapped")
timed(execution, "summarise", "figures of the search")
timed(execution, "promote_winner", "promotion")
launch.run_search(SearchConfig.load("default"), progress=False)
seconds["in all"] = time.perf_counter() - started
for stage, spent in seconds.items():
    print(f"| {stage} | {spent:.1f} |")
print(f"| peak memory | {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024:,.0f} MB |")
"""


def run(*command: str) -> tuple[float, str]:
    environment = {key: value for key, value in os.environ.items() if key != "MLFLOW_TRACKING_URI"}
    with tempfile.TemporaryDirectory() as folder:
        started = time.perf_counter()
        done = subprocess.run(command, cwd=folder, env=environment, check=True, capture_output=True, text=True)
        return time.perf_counter() - started, done.stdout


def main() -> None:
    by_hand = str(Path(__file__).with_name("search_by_hand.py"))
    ours = min(run(sys.executable, "-m", "regsearch", "run")[0] for _ in range(3))
    print(f"| | wall seconds | ratio |\n| --- | --- | --- |\n| `regsearch run` | {ours:.1f} | 1 |", flush=True)
    for tol in ("1e-4", "1e-6"):
        seconds, printed = run(sys.executable, by_hand, "--tol", tol)
        note = printed.strip().splitlines()[-1]
        print(f"| by hand, tol {tol} ({note}) | {seconds:.1f} | {seconds / ours:.1f} |", flush=True)
    print("\n| where it goes | seconds |\n| --- | --- |")
    print(run(sys.executable, "-c", STAGES)[1], end="")


if __name__ == "__main__":
    main()
