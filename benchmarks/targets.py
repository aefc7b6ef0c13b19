"""Ten targets on the same features beside one: solving alone, and the whole command.

The targets are the twin's running speed and mixtures of it with independent slow signals, on the rows, families and
strengths of the default search. Solving is timed in processor seconds of one process; `regsearch run`, with tracking,
figures and a champion each, in wall seconds.

    python benchmarks/targets.py [--targets 10] [--workers 2]
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

from regsearch import SearchConfig
from regsearch.data import Recording, load
from regsearch.search.chance.statistic import candidates
from regsearch.search.rows import cut
from regsearch.search.solving.evaluate import Evaluator, Task
from regsearch.search.solving.local_engines import thread
from regsearch.search.solving.targets import OfTarget, TargetsTask
from regsearch.search.trial import Proposal


def mixtures(y: np.ndarray, number: int) -> dict[str, np.ndarray]:
    """Return the target and others: mixtures of it with smoothed noise of the same deviation."""
    rng = np.random.default_rng(0)
    made = {"run": y}
    for at in range(1, number):
        slow = np.convolve(rng.standard_normal(len(y) + 99), np.hanning(100), mode="valid")
        share = at / number
        made[f"mixture_{at}"] = (1 - share) * y + share * slow * y.std() / slow.std()
    return made


def paths(config: SearchConfig, n_rows: float) -> list[list[Proposal]]:
    """Return the trials of the default search by families, on a fixed grid of its ranges."""
    every = [Proposal(one.family, one.number, one.parameters, one.penalty) for one in candidates(config, None, n_rows)]
    return [[one for one in every if one.family == family] for family in ("none", "ridge", "lasso", "elasticnet")]


def command(source: Path, targets: list[str], *options: str) -> float:
    """Return the wall seconds of `regsearch run` on some targets of a file, in an empty folder."""
    config = SearchConfig.load("default").updated(source=str(source), target=targets)
    with tempfile.TemporaryDirectory() as folder:
        Path(folder, "targets.toml").write_text(config.to_toml())
        started = time.perf_counter()
        run = [sys.executable, "-m", "regsearch", "run", "targets.toml", "-q", *options]
        subprocess.run(run, cwd=folder, check=True, stdout=subprocess.DEVNULL)
        return time.perf_counter() - started


def solving(X: np.ndarray, targets: dict[str, np.ndarray]) -> tuple[float, float]:
    """Return the processor seconds of solving the first target alone, and all of them."""
    config, number = SearchConfig.load("default"), len(targets)
    recordings = Recording.several(X, targets, source="twin")
    developments = tuple(rows for rows, _ in cut(config, recordings))
    families = paths(config, developments[0].model.total_weight)
    started = time.process_time()
    evaluator = Evaluator(Task(developments[0], config.tolerance))
    for path in families:
        evaluator(path)
    one = time.process_time() - started
    started = time.process_time()
    gaps = []
    with thread(TargetsTask(developments, config.tolerance)) as submit:
        for target in range(number):
            for path in families:
                gaps += [solved.evaluation.duality_gap for solved in submit(OfTarget(target, "pooled", path)).result()]
    every = time.process_time() - started
    print(f"largest gap {max(gaps):.1g}", file=sys.stderr)
    return one, every


def main() -> None:
    """Time one target and all of them, solved and searched, and print each."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--targets", type=int, default=10)
    parser.add_argument("--workers", type=int, nargs="*", default=[2])
    arguments = parser.parse_args()
    number, twin = arguments.targets, load("twin")
    targets = mixtures(twin.y, number)
    print(f"| seconds | one target | {number} targets | ratio |\n| --- | --- | --- | --- |")

    def show(what: str, one: float, every: float) -> None:
        print(f"| {what} | {one:.1f} | {every:.1f} | {every / one:.1f} |", flush=True)

    show("solving, processor", *solving(twin.X, targets))
    with tempfile.TemporaryDirectory() as folder:
        source = Path(folder, "targets.npz")
        np.savez(source, X=twin.X, **targets)
        names = list(targets)
        for options in ([], *(["--workers", str(workers)] for workers in arguments.workers)):
            what = " ".join(["regsearch run", *options])
            show(f"`{what}`, wall", command(source, names[:1], *options), command(source, names, *options))


if __name__ == "__main__":
    main()
