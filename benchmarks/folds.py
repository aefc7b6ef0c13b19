"""Cross-validated lasso paths beside R's glmnet and scikit-learn: six fits (five folds and all rows) of 100 strengths.

    python benchmarks/folds.py [--shapes twin 20000x500 100000x100 5000x5000] [--solvers regsearch glmnet ...]

The strengths fall from the smallest at which every weight is zero to 0.01 of it, the same for everyone, on the same
five contiguous folds. Everybody gets one BLAS thread and columns of unit variance or norm, and is timed by its
processor seconds without reading the data from disk. R comes from Debian's `r-base-core` and `r-cran-glmnet`. The gaps
are those of the fit on all rows, by the same certificate for all, relative to the objective at zero.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path

import numpy as np
from glmnet import in_r

N_STRENGTHS, N_FOLDS, SMALLEST = 100, 5, 0.01
GLMNET = """
fold <- rep(seq_len(5), times = as.integer(given[-1]))
before <- proc.time()
found <- cv.glmnet(X, y, lambda = strengths, foldid = fold, thresh = as.numeric(given[1]))
taken <- proc.time() - before
cat(taken["user.self"] + taken["sys.self"], as.character(packageVersion("glmnet")), "\\n")
answer <- c(as.vector(as.matrix(found$glmnet.fit$beta)), as.vector(found$glmnet.fit$a0))
"""


def recording(shape: str) -> tuple[np.ndarray, np.ndarray]:
    """Return the twin's training rows, or a table of which few features carry the target and all share 32 latents."""
    if shape == "twin":
        from regsearch.data import load

        twin = load("twin")
        return twin.X[5000:7000], twin.y[5000:7000]
    n_rows, n_features = map(int, shape.split("x"))
    rng = np.random.default_rng(0)
    X = rng.standard_normal((n_rows, n_features), dtype=np.float32)
    latents = rng.standard_normal((n_rows, 32), dtype=np.float32)
    X += 0.3 / np.sqrt(32) * latents @ rng.standard_normal((32, n_features), dtype=np.float32)
    y = X[:, :: max(1, n_features // 60)].sum(axis=1) + 3 * rng.standard_normal(n_rows)
    return X, y.astype(float)


def strengths(X: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Return the strengths for columns of unit variance."""
    Z = X - X.mean(axis=0, dtype=float)
    largest = float(np.abs((y - y.mean()) @ Z / Z.std(axis=0)).max()) / len(y)
    return np.geomspace(largest, SMALLEST * largest, N_STRENGTHS)


def regsearch(X: np.ndarray, y: np.ndarray, l1: np.ndarray) -> tuple[float, np.ndarray, np.ndarray]:
    """Return processor seconds, and coefficients and intercepts of the fit on all rows."""
    from regsearch.data.table import Table
    from regsearch.search.penalty import Penalty
    from regsearch.search.solvers.folds import TrainingRows, paths_for

    n_rows = len(y)
    table = Table.copy(X, [(0, n_rows)])
    parts = np.array_split(np.arange(n_rows), N_FOLDS)
    sets = []
    for part in parts:
        blocks = [block for block in ((0, int(part[0])), (int(part[-1]) + 1, n_rows)) if block[0] < block[1]]
        index = np.setdiff1d(np.arange(n_rows), part)
        sets.append(TrainingRows(table.select(blocks), y[index], index))
    sets.append(TrainingRows(table.select([(0, n_rows)]), y, np.arange(n_rows)))
    started = time.process_time()
    worst = 0.0
    for number, path in enumerate(paths_for(sets, scale="standard")):
        before = time.process_time()
        for place, fit in enumerate(path.solve(Penalty(float(one), 0.0) for one in l1)):
            worst = max(worst, fit.duality_gap)
            if number == N_FOLDS:
                if place == 0:
                    coef, intercept = np.empty((len(l1), X.shape[1])), np.empty(len(l1))
                coef[place], intercept[place] = fit.coef, fit.intercept
        print(f"  path {number}: {time.process_time() - before:.2f} s", file=sys.stderr)
    seconds = time.process_time() - started
    print(f"  largest gap of all fits {worst:.0e}", file=sys.stderr)
    return seconds, coef, intercept


def whole_search(X: np.ndarray, y: np.ndarray, l1: np.ndarray) -> tuple[float, np.ndarray, np.ndarray]:
    """Run the command `regsearch run`: with imports, reading, a new store, runs, figures and a champion."""
    from mlflow import MlflowClient

    with tempfile.TemporaryDirectory() as folder:
        os.chdir(folder)
        np.savez("folds.npz", X=X, y=y)
        Path("folds.toml").write_text(f"""
            name = "folds"
            families.lasso.alpha = {l1.tolist()}
            [data]
            source = "folds.npz"
            scale = "standard"
            split = {{ validation = {{ folds = {N_FOLDS} }}, test = "none" }}
        """)
        before = children_seconds()
        subprocess.run([sys.executable, "-m", "regsearch", "run", "folds.toml", "-q"], check=True)
        seconds = children_seconds() - before
        client = MlflowClient("sqlite:///mlruns/mlflow.db")
        of_lassos = "params.family = 'lasso'"
        runs = client.search_runs([one.experiment_id for one in client.search_experiments()], of_lassos)
        runs.sort(key=lambda run: -float(run.data.params["alpha"]))
        kept = [np.load(next(Path("mlruns").rglob(f"{run.info.run_id}/artifacts/weights.npz"))) for run in runs]
        return seconds, np.array([one["coef"] for one in kept]), np.array([float(one["intercept"]) for one in kept])


def children_seconds() -> float:
    """Return the processor seconds of all commands that have ended."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def scikit_learn(X: np.ndarray, y: np.ndarray, l1: np.ndarray) -> tuple[float, np.ndarray, np.ndarray]:
    from sklearn.linear_model import LassoCV, lasso_path
    from sklearn.model_selection import KFold
    from sklearn.preprocessing import StandardScaler

    started = time.process_time()
    Z = np.asfortranarray(StandardScaler().fit_transform(X.astype(float)))
    LassoCV(alphas=l1, cv=KFold(N_FOLDS), max_iter=100_000, copy_X=False, selection="cyclic").fit(Z, y)
    _, coef, _ = lasso_path(Z, y - y.mean(), alphas=l1, max_iter=100_000)
    seconds = time.process_time() - started
    scale = X.std(axis=0, dtype=float)
    coef = coef.T / scale
    return seconds, coef, y.mean() - coef @ X.mean(axis=0, dtype=float)


def glmnet(threshold: float) -> Callable[..., tuple[float, np.ndarray, np.ndarray]]:
    def solve(X: np.ndarray, y: np.ndarray, l1: np.ndarray) -> tuple[float, np.ndarray, np.ndarray]:
        sizes = [len(part) for part in np.array_split(np.arange(len(y)), N_FOLDS)]
        printed, solved = in_r(GLMNET, X, y, [threshold, *sizes], strengths=l1)
        coef, intercept = solved[: -len(l1)].reshape(len(l1), X.shape[1]), solved[-len(l1) :]
        return float(printed.split()[0]), coef, intercept

    return solve


SOLVERS: dict[str, Callable[..., tuple[float, np.ndarray, np.ndarray]]] = {
    "regsearch": regsearch,
    "regsearch run": whole_search,
    "glmnet": glmnet(1e-7),
    "glmnet-1e-13": glmnet(1e-13),
    "scikit-learn": scikit_learn,
}


def gaps(X: np.ndarray, y: np.ndarray, l1: np.ndarray, coef: np.ndarray) -> np.ndarray:
    from regsearch.search.penalty import Penalty
    from regsearch.search.solvers.certificate import certify
    from regsearch.search.solvers.design import normalise

    design = normalise(X, y, scale="standard", in_memory=False)
    found, _ = certify(design, coef * design.scale, [design.inner(Penalty(float(one), 0.0)) for one in l1])
    return np.array(found)


def measure(shape: str, solver: str) -> None:
    X, y = recording(shape)
    l1 = strengths(X, y)
    seconds, coef, _ = SOLVERS[solver](X, y, l1)
    found = gaps(X, y, l1, coef)
    print(json.dumps([seconds, float(np.median(found)), float(found.max()), int(np.count_nonzero(coef[-1]))]))


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--shapes", nargs="*", default=["twin", "20000x500", "100000x100", "5000x5000"])
    parser.add_argument("--solvers", nargs="*", default=list(SOLVERS), choices=list(SOLVERS))
    parser.add_argument("--patience", type=float, default=600, help="seconds after which a solver is stopped")
    arguments = parser.parse_args()
    print(f"scikit-learn {version('scikit-learn')}, NumPy {version('numpy')}", file=sys.stderr)
    print("| six fits of 100 strengths | solver | processor seconds | median gap | largest gap | non-zero at the end |")
    print("| --- " * 6 + "|", flush=True)
    threads = dict.fromkeys(("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS"), "1")
    for shape in arguments.shapes:
        for solver in arguments.solvers:
            command = [sys.executable, __file__, "--measure", shape, solver]
            try:
                done = subprocess.run(
                    command, check=True, stdout=subprocess.PIPE, env=os.environ | threads, timeout=arguments.patience
                )
            except subprocess.TimeoutExpired:
                print(f"| {shape} | {solver} | not in {arguments.patience:.0f} s | | | |", flush=True)
                continue
            seconds, median, largest, n_nonzero = json.loads(done.stdout.splitlines()[-1])
            print(f"| {shape} | {solver} | {seconds:.1f} | {median:.0e} | {largest:.0e} | {n_nonzero} |", flush=True)


if __name__ == "__main__":
    measure(*sys.argv[2:]) if sys.argv[1:2] == ["--measure"] else main()
