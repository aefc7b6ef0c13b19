"""What `regsearch run --dry-run` expects of time and memory, and what the same search takes.

    python benchmarks/estimates.py [--shapes twin 20000x500 100000x100 5000x5000]

Five folds and 100 lasso strengths, as in `folds.py`, and the default search of the twin. Time is from the command to
its end; memory is the peak of its process.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
from folds import N_FOLDS, recording, strengths

CONFIG = """
name = "estimates"
families.lasso.alpha = {alpha}
[data]
source = "recording.npz"
scale = "standard"
split = {{ validation = {{ folds = {folds} }}, test = "none" }}
"""
RUN = [sys.executable, "-m", "regsearch", "run"]


def prepare(shape: str, folder: Path) -> list[str]:
    """Write a recording and its configuration, and return the command's arguments."""
    if shape == "default":
        return ["default"]
    X, y = recording(shape)
    np.savez(folder / "recording.npz", X=X, y=y)
    (folder / "search.toml").write_text(CONFIG.format(alpha=strengths(X, y).tolist(), folds=N_FOLDS))
    return ["search.toml"]


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--shapes", nargs="*", default=["default", "twin", "20000x500", "100000x100", "5000x5000"])
    print("| search | seconds told | seconds | ratio | GB told | GB | ratio |\n" + "| --- " * 7 + "|", flush=True)
    for shape in parser.parse_args().shapes:
        with tempfile.TemporaryDirectory() as name:
            command = [*RUN, *prepare(shape, Path(name))]
            dry = subprocess.run([*command, "--dry-run", "--json"], cwd=name, check=True, capture_output=True)
            told = json.loads(dry.stdout)
            started = time.perf_counter()
            process = subprocess.Popen([*command, "--quiet"], cwd=name, stdout=subprocess.DEVNULL)
            _, status, usage = os.wait4(process.pid, 0)
            process.returncode = os.waitstatus_to_exitcode(status)
            took, peak = time.perf_counter() - started, 1024 * usage.ru_maxrss / 1e9
        seconds, memory = told["seconds"], told["peak_mb"] / 1000
        print(
            f"| {shape} | {seconds:.0f} | {took:.0f} | {seconds / took:.2f} "
            f"| {memory:.2f} | {peak:.2f} | {memory / peak:.2f} |",
            flush=True,
        )


if __name__ == "__main__":
    main()
