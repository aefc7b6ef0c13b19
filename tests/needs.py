"""What tests need of a machine beyond Python packages.

A test without it skips and says in one line what is missing.  Where `REGSEARCH_REQUIRE_ALL` is 1, as in .ci/run, which
installs everything, the test fails instead.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from typing import NoReturn

import pytest

from benchmarks.control_group import control_group


def command(name: str, package: str) -> None:
    """Go on only if there is a command, which a Debian package of that name installs."""
    if shutil.which(name) is None:
        missing(f"there is no {name}; on Debian: apt-get install {package}")


def control_groups() -> None:
    """Go on only if the memory of processes can be limited: no package can change a container that forbids it."""
    try:
        with control_group(2**30):
            pass
    except OSError as error:
        pytest.skip(f"no control group can limit memory, which takes root and a container that allows it: {error}")


def mounted(*arguments: object) -> None:
    """Mount something, or go no further: no package can change a container that forbids it."""
    done = subprocess.run(["mount", *map(str, arguments)], capture_output=True, text=True, check=False)
    if done.returncode:
        pytest.skip(f"nothing can be mounted, which takes root and a container that allows it: {done.stderr.strip()}")


def missing(what: str) -> NoReturn:
    """Skip the test because something is missing, or fail it where everything is required."""
    if os.environ.get("REGSEARCH_REQUIRE_ALL") == "1":
        pytest.fail(what)
    pytest.skip(what)
