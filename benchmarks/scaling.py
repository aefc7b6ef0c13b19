"""Time and memory of a lasso path as the recording grows: 30 strengths down to 1 % of the strongest useful one.

    python benchmarks/scaling.py

Each size runs as a process of its own with one BLAS thread, on float32 data like the twin's: few features carry the
target, the others share a few latents. Memory is the peak of the process less what it needed for its libraries.
"""

from __future__ import annotations

import os
import resource
import subprocess
import sys
import time

import numpy as np

WIDE = [(rows, features) for rows in (500, 1000, 2000) for features in (3_000, 6_000, 12_000, 24_000, 48_000)]
TALL = [(10_000, 100), (100_000, 100), (1_000_000, 100), (20_000, 1_000), (200_000, 1_000)]


def recording(n_rows: int, n_features: int) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    X = rng.standard_normal((n_rows, n_features), dtype=np.float32)
    latent = rng.standard_normal((n_rows, 32), dtype=np.float32)
    for start in range(0, n_features, 1000):
        columns = slice(start, min(start + 1000, n_features))
        X[:, columns] += 0.3 / np.sqrt(32) * latent @ rng.standard_normal((32, columns.stop - start), dtype=np.float32)
    y = X[:, :: max(1, n_features // 60)].sum(axis=1) + 3 * rng.standard_normal(n_rows)
    return X, y.astype(float)


def centred(values: np.ndarray) -> np.ndarray:
    return values - values.mean(axis=0, dtype=float)


def unit(column: np.ndarray) -> np.ndarray:
    deviations = centred(column)
    return deviations / np.linalg.norm(deviations)


def measure(n_rows: int, n_features: int) -> None:
    from regsearch.search.penalty import Penalty
    from regsearch.search.solvers.path import RegularizationPath

    libraries = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    X, y = recording(n_rows, n_features)
    path = RegularizationPath(X, y)
    strongest = max(float(abs(centred(y) @ unit(X[:, j]))) for j in range(n_features)) / n_rows
    started = time.perf_counter()
    fits = [
        (fit.duality_gap, fit.seconds, np.count_nonzero(fit.coef))
        for fit in path.solve(Penalty(float(l1), 0.0) for l1 in np.geomspace(strongest, strongest / 100, 30))
    ]
    seconds = time.perf_counter() - started
    peak = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - libraries) / 1024
    matrix = n_rows * n_features * 8 / 2**20
    gap = max(gap for gap, _, _ in fits)
    print(
        f"| {n_rows:,} | {n_features:,} | {seconds:.2f} | {fits[-1][2]:,} | {gap:.0e} "
        f"| {peak:,.0f} | {peak / matrix:.1f} |"
    )


def main() -> None:
    print("| rows | features | seconds | non-zero at the end | largest gap | peak MB | in float64 matrices |")
    print("| --- | --- | --- | --- | --- | --- | --- |", flush=True)
    for n_rows, n_features in WIDE + TALL:
        command = [sys.executable, __file__, str(n_rows), str(n_features)]
        subprocess.run(command, check=True, env={**os.environ, "OPENBLAS_NUM_THREADS": "1"})


if __name__ == "__main__":
    measure(*map(int, sys.argv[1:])) if len(sys.argv) > 1 else main()
