"""What tests need of a machine beyond Python: without it they are skipped, but in CI, which installs it, they fail."""

from __future__ import annotations

import os
import shutil
from typing import NoReturn

import pytest

from benchmarks.control_group import control_group


def command(name: str, package: str) -> None:
    """Go on only where there is a command, which a package of Debian's brings."""
    if shutil.which(name) is None:
        missing(f"there is no {name}; on Debian: apt-get install {package}")


def control_groups() -> None:
    """Go on only where memory of processes can be bounded, which no package brings to a container that forbids it."""
    try:
        with control_group(2**30):
            pass
    except OSError as error:
        pytest.skip(f"no control group bounds memory: it takes root, and a kernel and a container that let it: {error}")


def missing(what: str) -> NoReturn:
    """Skip the test for want of something, or fail it in CI."""
    if os.environ.get("CI"):
        pytest.fail(what)
    pytest.skip(what)
