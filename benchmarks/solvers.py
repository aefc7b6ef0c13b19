"""50 penalties on the twin's training rows: this solver beside R's glmnet, scikit-learn, celer, skglm and adelie.

    python benchmarks/solvers.py --competitors competitors/bin/python

Each competitor's own tolerance is tightened step by step; what counts for a gap is its fastest run in which every one
of the 50 fits reaches it, by the same certificate for all, measured outside the timed part. One BLAS thread each.
glmnet comes from Debian's `r-base-core` and `r-cran-glmnet`; it takes one mix of L1 and L2 for a whole path, so it
solves the lasso alone.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from glmnet import in_r
from threadpoolctl import threadpool_limits

from regsearch.data import load
from regsearch.search.penalty import Penalty
from regsearch.search.solvers.certificate import certificate
from regsearch.search.solvers.design import Design, normalise
from regsearch.search.solvers.elastic_net import ElasticNetPath

TARGETS = (1e-4, 1e-6, 1e-9)
SPARSE = "lasso, to 0.01 of the strongest"
CASES = {"lasso": 0.0, SPARSE: 0.0, "l2_alpha = 1": 1.0, "l2_alpha = 10": 10.0}
TOLERANCES = {
    "glmnet": (1e-7, 1e-9, 1e-11, 1e-13, 1e-15),
    "scikit-learn": (4e-3, 4e-5, 4e-7, 4e-10),
    "celer": (1e-3, 1e-5, 1e-7, 1e-10),
    "skglm": (1e-4, 1e-5, 1e-6, 1e-7, 3e-9, 1e-11),
    "adelie": (1e-7, 1e-8, 1e-9, 1e-10, 1e-11, 1e-13, 1e-15),
}
PATIENCE_SECONDS = 150
GLMNET = """
solve <- function(strengths, threshold) glmnet(X, y, lambda = strengths, thresh = threshold,
                                               standardize = FALSE, intercept = FALSE, maxit = 1e8)
invisible(solve(strengths[1:2], 1e-4))
before <- proc.time()
found <- solve(strengths, as.numeric(given[1]))
cat((proc.time() - before)["elapsed"])
answer <- as.vector(as.matrix(found$beta))
"""

Run = tuple[np.ndarray, np.ndarray]


def ours(design: Design, penalties: list[Penalty], **options: float | bool) -> Run:
    """Return seconds and gap of each penalty."""
    with threadpool_limits(1, "blas"):
        path = ElasticNetPath(design, **options)
        seconds, weights = [], []
        for penalty in penalties:
            started = time.perf_counter()
            weights.append(path.solve(penalty).weights)
            seconds.append(time.perf_counter() - started)
    return np.array(seconds), gaps(design, penalties, weights)


def theirs(python: str, library: str, design: Design, penalties: list[Penalty]) -> Iterator[tuple[float, Run]]:
    """Yield the runs of a library, each with a tighter tolerance, until one is exact enough or takes too long."""
    if library == "glmnet" and penalties[0].l2:
        return
    environment = {**os.environ, "OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"}
    with tempfile.TemporaryDirectory() as folder:
        problem, solution = Path(folder, "problem.npz"), Path(folder, "solution.npz")
        rows = [(penalty.l1, penalty.l2) for penalty in penalties]
        np.savez(problem, columns=design.columns, target=design.target, penalties=rows)
        for tolerance in TOLERANCES[library]:
            try:
                if library == "glmnet":
                    seconds, weights = glmnet(design, penalties, tolerance, environment)
                else:
                    script = Path(__file__).with_name("competitors.py")
                    command = [python, str(script), library, str(problem), str(tolerance), str(solution)]
                    subprocess.run(command, env=environment, check=True, timeout=PATIENCE_SECONDS)
                    with np.load(solution) as solved:
                        seconds, weights = solved["seconds"], solved["weights"]
            except subprocess.TimeoutExpired:
                return
            run = seconds, gaps(design, penalties, weights)
            yield tolerance, run
            if run[1].max() <= min(TARGETS):
                return


def glmnet(design: Design, penalties: list[Penalty], threshold: float, environment: dict[str, str]) -> Run:
    """Return seconds, of which each penalty has an equal part, and weights of one path in R."""
    printed, weights = in_r(
        GLMNET,
        design.columns.T,
        design.target,
        [threshold],
        strengths=[penalty.l1 for penalty in penalties],
        environment=environment,
        timeout=PATIENCE_SECONDS,
    )
    return np.full(len(penalties), float(printed) / len(penalties)), weights.reshape(len(penalties), -1)


def gaps(design: Design, penalties: list[Penalty], weights: list[np.ndarray] | np.ndarray) -> np.ndarray:
    return np.array([certificate(design, w, penalty) for w, penalty in zip(weights, penalties, strict=True)])


def shown(run: Run | None) -> str:
    return f"{run[0].sum():.2f} s ({run[1].max():.0e})" if run else "not reached"


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--competitors", required=True, metavar="PYTHON", help="of the environment they are in")
    parser.add_argument("--libraries", nargs="*", default=list(TOLERANCES), choices=list(TOLERANCES))
    parser.add_argument("--cases", nargs="*", default=list(CASES), choices=list(CASES))
    parser.add_argument("--random", action="store_true", help="in random order, as a sampler proposes")
    arguments = parser.parse_args()

    recording = load("twin")
    design = normalise(recording.X[5000:7000], recording.y[5000:7000])
    del recording
    with threadpool_limits(1, "blas"):
        passes = []
        for _ in range(20):
            started = time.perf_counter()
            design.columns @ design.target
            passes.append(time.perf_counter() - started)
    a_pass = float(np.median(passes))
    strongest = np.abs(design.columns @ design.target).max() / design.n_rows
    order = np.random.default_rng(0).permutation(50) if arguments.random else np.arange(50)
    print(f"one pass XᵀR: {1e3 * a_pass:.1f} ms", file=sys.stderr)

    print("| case | solver | 1e-4 | 1e-6 | 1e-9 | ratio at 1e-6 | median trial |")
    print("| --- | --- | --- | --- | --- | --- | --- |")
    for case in arguments.cases:
        l2_alpha = CASES[case]
        l1 = np.geomspace(strongest, 0.01 * strongest if case == SPARSE else 0.0005, 50)[order]
        penalties = [Penalty(float(one), l2_alpha / design.n_rows) for one in l1]
        mine = {
            target: min((ours(design, penalties, tolerance=target, polish=False) for _ in range(2)), key=_total)
            for target in TARGETS
        }
        exact = min((ours(design, penalties) for _ in range(2)), key=_total)
        median = np.median(mine[1e-6][0])
        columns = " | ".join(shown(mine[target]) for target in TARGETS)
        print(f"| {case} | **regsearch** | {columns} | 1 | {1e3 * median:.0f} ms, {median / a_pass:.1f} passes |")
        median = np.median(exact[0])
        print(
            f"| | regsearch, to rounding | | | {shown(exact)} | {_total(exact) / _total(mine[1e-6]):.1f} | "
            f"{1e3 * median:.0f} ms, {median / a_pass:.1f} passes |"
        )
        for library in arguments.libraries:
            runs = []
            for tolerance, run in theirs(arguments.competitors, library, design, penalties):
                print(f"{case} {library} {tolerance:.0e}: {shown(run)}", file=sys.stderr, flush=True)
                runs.append(run)
            best = {
                target: min((r for r in runs if r[1].max() <= target), key=_total, default=None) for target in TARGETS
            }
            ratio = f"{_total(best[1e-6]) / _total(mine[1e-6]):.1f}" if best[1e-6] else "–"
            median = f"{1e3 * np.median(best[1e-6][0]):.0f} ms" if best[1e-6] else ""
            print(
                f"| | {library} | {' | '.join(shown(best[target]) for target in TARGETS)} | {ratio} | {median} |",
                flush=True,
            )


def _total(run: Run) -> float:
    return float(run[0].sum())


if __name__ == "__main__":
    main()
