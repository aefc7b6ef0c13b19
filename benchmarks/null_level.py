"""How often a null distribution finds an effect where there is none: it should be 5 % of the time, at most.

    python benchmarks/null_level.py [--pairs 500] [--memory 0.9 0.98] [--kinds shift session impostor permutation]

A pair is a target and 60 features that are independent of it, 400 rows of each, all autoregressive of order 1 with the
same memory: the correlation of neighbouring rows. Each kind's null targets are made as `regsearch null` makes them and
scored by the same statistic, over three folds and a grid of ridge and lasso. A kind holds its level if p <= 0.05 in no
more than 5 % of pairs, within the error of so many pairs. The permutation of rows does not, as neighbouring rows are
not independent: it stands here to show what goes wrong.
"""

from __future__ import annotations

import argparse
import time
from concurrent.futures import ProcessPoolExecutor
from functools import partial

import numpy as np

from regsearch.data import Recording, Split, seal
from regsearch.search.chance.distribution import NullDistribution
from regsearch.search.chance.statistic import NullTask, narrowed_development, real_target, rows_of
from regsearch.search.chance.targets import Targets, exchanged, impostors, permuted, segments, shifted
from regsearch.search.config import SearchConfig
from regsearch.search.config.null import Kind
from regsearch.search.solving.evaluate import Task
from regsearch.search.strengths import maxima_of

N_ROWS, N_FEATURES, N_FOLDS, N_SESSIONS, N_NULL, LEVEL = 400, 60, 3, 10, 38, 0.05
GRID = SearchConfig.from_toml("""
name = "level"

[families.ridge]
alpha = { of = "max", points = 4 }

[families.lasso]
alpha = { of = "max", low = 0.05, points = 4 }
""")


def series(rng: np.random.Generator, memory: float, columns: int, rows: int = N_ROWS) -> np.ndarray:
    """Return stationary autoregressive series of unit variance, shape (rows, columns)."""
    values = rng.standard_normal((rows, columns))
    for row in range(1, rows):
        values[row] = memory * values[row - 1] + np.sqrt(1 - memory**2) * values[row]
    return values


def null_targets(kind: Kind, rng: np.random.Generator, memory: float, y: np.ndarray, rows: np.ndarray) -> Targets:
    """Return the null targets of a pair."""
    match kind:
        case "shift":
            return shifted(y, segments(rows), N_NULL)
        case "session":
            return exchanged(y, rows // (N_ROWS // N_SESSIONS), N_NULL, seed=int(rng.integers(2**31)))
        case "impostor":
            others = series(rng, memory, N_NULL)
            return impostors(y, rows, [(str(number), other) for number, other in enumerate(others.T)])
        case "permutation":
            return permuted(y, None, N_NULL, seed=int(rng.integers(2**31)))


def pair(kind: Kind, rng: np.random.Generator, memory: float) -> tuple[np.ndarray, np.ndarray]:
    """Return features and a target that know nothing of each other; sessions are independent of each other, too."""
    if kind != "session":
        return series(rng, memory, N_FEATURES), series(rng, memory, 1)[:, 0]
    each = [series(rng, memory, N_FEATURES + 1, N_ROWS // N_SESSIONS) for _ in range(N_SESSIONS)]
    values = np.concatenate(each)
    return values[:, 1:], values[:, 0]


def p_value(kind: Kind, memory: float, number: int) -> float:
    """Return the p of a pair."""
    rng = np.random.default_rng([number, int(1000 * memory), len(kind)])
    X, y = pair(kind, rng, memory)
    recording = Recording.checked(X, y, source="pair")
    split = Split.blocked([(0, N_ROWS - 2)], N_FOLDS, 0, (N_ROWS - 2, N_ROWS))
    development, _ = seal(recording, split)
    rows = rows_of(development)
    if kind == "session":  # whole sessions: the last one has the two rows that the split keeps for a test
        development = narrowed_development(development, rows[rows < N_ROWS - N_ROWS // N_SESSIONS])
        rows = rows_of(development)
    targets = null_targets(kind, rng, memory, real_target(development), rows)
    development = narrowed_development(development, rows[targets.places])
    task = NullTask(Task(development, GRID.tolerance, "pooled"), GRID, maxima_of(development))
    real, *null = task.solver()(targets.values)
    return NullDistribution("", kind, real, tuple(null), real, "").p


def main() -> None:
    """Print a table: the share of pairs with p <= 0.05 by kind and memory."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pairs", type=int, default=500)
    parser.add_argument("--memory", type=float, nargs="+", default=[0.9, 0.98])
    parser.add_argument("--kinds", nargs="+", default=["shift", "session", "impostor", "permutation"])
    parser.add_argument("--workers", type=int, default=2)
    given = parser.parse_args()
    error = np.sqrt(LEVEL * (1 - LEVEL) / given.pairs)
    print(f"{given.pairs} pairs, {N_NULL} null targets each; a share of 0.05 has a standard error of {error:.3f}\n")
    print("| kind | memory | share of p <= 0.05 | smallest p possible | seconds a pair |")
    print("| --- | --- | --- | --- | --- |")
    for kind in given.kinds:
        for memory in given.memory:
            started = time.perf_counter()
            of_pair = partial(p_value, kind, memory)
            with ProcessPoolExecutor(given.workers) as pool:
                found = np.array(list(pool.map(of_pair, range(given.pairs), chunksize=5)))
            seconds = (time.perf_counter() - started) / given.pairs
            smallest = NullDistribution("", kind, 0.0, (0.0,) * N_NULL, 0.0, "").smallest_p
            share = np.mean(found <= LEVEL + 1e-12)
            print(f"| {kind} | {memory:g} | {share:.3f} | {smallest:.3f} | {seconds:.2f} |", flush=True)


if __name__ == "__main__":
    main()
