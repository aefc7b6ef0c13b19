"""What a search was run with: the code, down to what is not committed, and the environment around it."""

from __future__ import annotations

import getpass
import json
import os
import platform
import subprocess
from importlib.metadata import distributions

from mlflow.utils.mlflow_tags import (
    MLFLOW_GIT_BRANCH,
    MLFLOW_GIT_COMMIT,
    MLFLOW_GIT_DIRTY,
    MLFLOW_GIT_REPO_URL,
    MLFLOW_SOURCE_NAME,
    MLFLOW_USER,
)

from regsearch.tracking.errors import without_secrets

_LARGEST_DIFF = 2**20
_LEFT_OUT = ("*.env", ".env*", "*.key", "*.pem", "*secret*", "*credential*", "*.csv", "*.tsv", "*.json", "*.svg")
"""Files that hold secrets, data or drawings rather than code."""


def origin() -> dict[str, str]:
    """Return MLflow's own tags for who started a search, with what, and at which git commit."""
    commit = _git("rev-parse", "HEAD")
    tags = {MLFLOW_SOURCE_NAME: "regsearch", MLFLOW_USER: _user(), MLFLOW_GIT_COMMIT: commit}
    return {name: value for name, value in tags.items() if value}


def _user() -> str:
    """Return the user's name, and nothing where there is none, as in a container that runs under any id."""
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return ""


def checkout() -> dict[str, str]:
    """Return MLflow's own tags for the git repository of the current folder: branch, address, whether it is dirty."""
    if not _git("rev-parse", "HEAD"):
        return {}
    tags = {
        MLFLOW_GIT_BRANCH: _git("rev-parse", "--abbrev-ref", "HEAD"),
        MLFLOW_GIT_REPO_URL: without_secrets(_git("remote", "get-url", "origin")),
        MLFLOW_GIT_DIRTY: "true" if _git("diff", "HEAD", "--name-only", "--no-ext-diff") else "false",
    }
    return {name: value for name, value in tags.items() if value}


def environment() -> dict[str, bytes]:
    """Return what the results may depend on, as files.

    ``environment.json`` has Python, machine, linear algebra and git commit, ``requirements.txt`` the installed
    packages, and ``uncommitted.diff``, where there is one, what differs from the commit.
    """
    import scipy.linalg  # noqa: F401  # its BLAS is another than NumPy's, and counts once it is loaded
    from threadpoolctl import threadpool_info

    blas = {f"{one['internal_api']} {one['version']}" for one in threadpool_info() if one["user_api"] == "blas"}
    facts = {
        "python": platform.python_version(),
        "platform": platform.platform(),
        "cpus": os.cpu_count(),
        "blas": sorted(blas),
        **{name.removeprefix("mlflow.source."): value for name, value in {**origin(), **checkout()}.items()},
    }
    installed = [one.metadata for one in distributions()]
    packages = {f"{one['Name']}=={one['Version']}\n" for one in installed}
    files = {
        "environment.json": f"{json.dumps(facts, indent=2)}\n".encode(),
        "requirements.txt": "".join(sorted(packages, key=str.lower)).encode(),
    }
    diff = uncommitted()
    return {**files, "uncommitted.diff": diff.encode()} if diff else files


def uncommitted() -> str:
    """Return what the tracked text files of the current folder's repository add to its commit, as `git diff` has it.

    Neither untracked files nor those that usually hold secrets or data are in it; of more than 1 MiB only the summary.
    """
    arguments = ("diff", "HEAD", "--no-ext-diff", "--no-textconv", "--no-color", "--ignore-submodules")
    paths = ("--", ":/", *(f":(top,exclude,glob)**/{pattern}" for pattern in _LEFT_OUT))
    diff = _git(*arguments, *paths)
    if len(diff.encode()) > _LARGEST_DIFF:
        return f"more than 1 MiB, in short:\n{_git(*arguments, '--stat', *paths)}\n"
    return f"{diff}\n" if diff else ""


def _git(*arguments: str) -> str:
    """Return what git says, and nothing where there is no git, no repository or no answer."""
    try:
        done = subprocess.run(  # noqa: S603
            ["git", "-c", "core.fsmonitor=false", *arguments],  # noqa: S607
            capture_output=True,
            text=True,
            errors="replace",
            check=True,
            timeout=10,
        )
    except (OSError, subprocess.SubprocessError):
        return ""
    return done.stdout.rstrip("\n")
