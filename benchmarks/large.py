"""Time and memory of whole searches on recordings that are too large to be held in double precision.

    python benchmarks/large.py [--folder DIRECTORY] [--sizes ROWSxFEATURES ...] [--memory GB]

Each recording is written as `X.npy` and `y.npy`, a block of rows at a time: ensembles of five features that are alike,
32 latents that all share, and few features that carry the target.  Then a process of its own searches it: least
squares, three ridge, six lasso and four ElasticNet strengths, with tracking and promotion.  The peak is that process's,
with the pages of files that it has mapped.  With `--memory` the search runs in a control group of that limit, as a job
or a container does, in which the pages of every file that it reads or writes count, too: it takes root.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import subprocess
import sys
import time
from contextlib import ExitStack
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
from control_group import control_group, within

CONFIG = """
name = "large"

[data]
source = "{source}"

[data.split]
train = [0, {rows}]
validation = [{rows}, {validated}]
test = [{validated}, {total}]

[families.ridge]
alpha = [0.1, 1, 10]

[families.lasso]
alpha = [0.016, 0.008, 0.004, 0.002, 0.001, 0.0005]

[families.elasticnet]
l1_alpha = [0.008, 0.002]
l2_alpha = [0.1, 1]
"""
BLOCK_VALUES = 25_000_000


def write(folder: Path, n_rows: int, n_features: int) -> None:
    rng = np.random.default_rng(0)
    X = np.lib.format.open_memmap(folder / "X.npy", "w+", np.float32, (n_rows, n_features))
    loadings = 0.3 / np.sqrt(32) * rng.standard_normal((32, n_features), dtype=np.float32)
    latent = np.zeros((n_rows, 32), np.float32)
    for row in range(1, n_rows):
        latent[row] = 0.97 * latent[row - 1] + 0.24 * rng.standard_normal(32, dtype=np.float32)
    step = max(1, BLOCK_VALUES // n_features)
    for start in range(0, n_rows, step):
        rows = slice(start, min(start + step, n_rows))
        size = rows.stop - start
        ensembles = rng.standard_normal((size, -(-n_features // 5)), dtype=np.float32)
        block = 0.5 * rng.standard_normal((size, n_features), dtype=np.float32)
        block += 0.8 * np.repeat(ensembles, 5, axis=1)[:, :n_features] + latent[rows] @ loadings
        X[rows] = 20 * np.exp(0.5 * block)
    y = np.log(X[:, :: n_features // 60]).sum(axis=1) + 3 * rng.standard_normal(n_rows)
    np.save(folder / "y.npy", y.astype(float))
    X.flush()
    del X
    with (folder / "X.npy").open("rb") as file:  # no page of it is left, so that those count that the search reads
        os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)


def search(folder: Path, n_rows: int, total: int) -> None:
    from regsearch import SearchConfig, run_search

    started = time.perf_counter()
    text = CONFIG.format(source=folder, rows=n_rows, validated=(n_rows + total) // 2, total=total)
    result = run_search(
        SearchConfig.from_toml(text),
        tracking_uri=f"sqlite:///{folder}/mlflow.db",
        storage=str(folder / "optuna.journal"),
        progress="trials",
    )
    trials = result.trials
    seconds = {family: float(trials.fit_seconds[trials.family == family].median()) for family in set(trials.family)}
    print(
        json.dumps(
            {
                "wall": time.perf_counter() - started,
                "peak": 1024 * int(re.search(r"VmHWM:\s+(\d+)", Path("/proc/self/status").read_text())[1]),
                "gap": float(trials.duality_gap.max()),
                "non_zero": int(trials.n_nonzero[trials.family == "lasso"].max()),
                **seconds,
            }
        )
    )


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--folder", type=Path, help="where to write them; by default that of temporary files")
    parser.add_argument("--sizes", nargs="*", default=["1000x100000", "2000x100000", "4000x25000", "4000x100000"])
    parser.add_argument("--memory", type=float, metavar="GB", help="that the search may use; by default all there is")
    arguments = parser.parse_args()
    with ExitStack() as stack:
        try:
            group = stack.enter_context(control_group(int(1e9 * arguments.memory))) if arguments.memory else None
        except OSError as error:
            sys.exit(f"--memory takes root, and a kernel that bounds the memory of control groups: {error}")
        measure(arguments.sizes, arguments.folder, group)


def measure(sizes: list[str], parent: Path | None, group: Path | None) -> None:
    print(
        "| training rows | features | `X.npy` | in float64 | peak | first fit | ridge | lasso | ElasticNet "
        "| whole search | largest gap |"
    )
    print("| --- " * 11 + "|", flush=True)
    for size in sizes:
        n_rows, n_features = map(int, size.split("x"))
        total = n_rows + n_rows // 4
        with TemporaryDirectory(dir=parent) as folder:
            write(Path(folder), total, n_features)
            command = [sys.executable, __file__, "--search", folder, str(n_rows), str(total)]
            if group is not None:
                command = within(group, *command)
            found = json.loads(subprocess.run(command, check=True, stdout=subprocess.PIPE, cwd=folder).stdout)
        print(
            f"| {n_rows:,} | {n_features:,} | {4e-9 * total * n_features:.1f} GB | {8e-9 * n_rows * n_features:.1f} GB "
            f"| {found['peak'] / 1e9:.2f} GB | {found['none']:.1f} s | {found['ridge']:.2f} s | {found['lasso']:.2f} s "
            f"| {found['elasticnet']:.2f} s | {found['wall']:.0f} s | {found['gap']:.0e} |",
            flush=True,
        )
        print(found, file=sys.stderr)


if __name__ == "__main__":
    search(Path(sys.argv[2]), *map(int, sys.argv[3:])) if sys.argv[1:2] == ["--search"] else main()
