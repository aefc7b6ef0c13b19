"""R's glmnet, for the benchmarks that time it; R comes from Debian's `r-base-core` and `r-cran-glmnet`."""

from __future__ import annotations

import subprocess
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

_READ = """
suppressMessages(library(glmnet))
given <- commandArgs(TRUE)
size <- as.integer(given[2:4])
file <- file(given[1], "rb")
X <- matrix(readBin(file, "double", size[1] * size[2]), size[1], size[2])
y <- readBin(file, "double", size[1])
strengths <- readBin(file, "double", size[3])
close(file)
given <- given[-(1:4)]
"""
_WRITE = """
file <- file(commandArgs(TRUE)[1], "wb")
writeBin(answer, file)
close(file)
"""


def in_r(
    script: str,
    X: np.ndarray,
    y: np.ndarray,
    arguments: Sequence[object],
    *,
    strengths: Sequence[float] | np.ndarray = (),
    environment: Mapping[str, str] | None = None,
    timeout: float | None = None,
) -> tuple[str, np.ndarray]:
    """Run a script of R, and return what it printed and the numbers that it left in `answer`.

    Parameters
    ----------
    script : str
        It finds `X`, `y`, `strengths` and, as texts, the arguments in `given`.
    X : ndarray, shape (n_rows, n_features)
    y : ndarray, shape (n_rows,)
    arguments : sequence
    strengths : sequence of float
    environment : mapping of str to str, optional
        That of R (default: this process's).
    timeout : float, optional
        Seconds until `subprocess.TimeoutExpired` is raised.
    """
    with tempfile.TemporaryDirectory() as folder:
        program, problem = Path(folder, "glmnet.R"), Path(folder, "problem")
        program.write_text(_READ + script + _WRITE)
        with problem.open("wb") as file:
            for values in (X, y, strengths):
                np.asarray(values, dtype=float).ravel(order="F").tofile(file)
        sizes = (*X.shape, len(strengths))
        command = ["Rscript", str(program), str(problem), *map(str, (*sizes, *arguments))]
        done = subprocess.run(command, check=True, capture_output=True, text=True, env=environment, timeout=timeout)
        return done.stdout, np.fromfile(problem)
